package loop

import (
	"time"

	"golang.org/x/sys/unix"
)

// GiveUpAfter has the kernel give a TCP connection up when what has been sent
// is not acknowledged for that long, instead of after a quarter of an hour.
func GiveUpAfter(fd int, d time.Duration) {
	// Fails on a Unix socket, which needs no such thing.
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d/time.Millisecond))
}
