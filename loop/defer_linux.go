package loop

import (
	"os"

	"golang.org/x/sys/unix"
)

// deferSeconds is how long the kernel keeps a silent connection to itself; as in
// PgBouncer.
const deferSeconds = 45

// DeferAccept has the kernel give a connection to accept only when its first bytes
// have come, or deferSeconds have gone by. fd is a listening TCP socket.
func DeferAccept(fd int, on bool) error {
	seconds := 0
	if on {
		seconds = deferSeconds
	}
	return os.NewSyscallError("TCP_DEFER_ACCEPT", unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, seconds))
}
