//go:build !linux

package loop

import "errors"

// DeferAccept is not known here.
func DeferAccept(fd int, on bool) error {
	if !on {
		return nil
	}
	return errors.New("TCP_DEFER_ACCEPT: only Linux has it")
}
