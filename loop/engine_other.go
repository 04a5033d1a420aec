//go:build !linux

package loop

import "errors"

// begin makes the engine of a loop.
func (e Engine) begin(l *Loop) (engine, error) {
	if e == IOUring {
		return nil, errNotHere
	}
	return newReadiness(l)
}

var errNotHere = errors.New("io_uring is Linux's")

// Usable is nil if the system has the engine, and else says why not.
func (e Engine) Usable() error {
	if e == IOUring {
		return errNotHere
	}
	return nil
}
