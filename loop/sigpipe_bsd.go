//go:build darwin || freebsd

package loop

import "golang.org/x/sys/unix"

func noSigpipe(fd int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NOSIGPIPE, 1)
}
