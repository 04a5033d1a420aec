package loop

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	optionKeepIdle    = unix.TCP_KEEPIDLE
	optionUserTimeout = unix.TCP_USER_TIMEOUT
	unitUserTimeout   = time.Millisecond
)

// Unacknowledged tells whether the peer of a TCP connection has bytes of ours
// that it has not acknowledged, and how long ago it has acknowledged any. Bytes
// that the peer has no room for do not count: the kernel has not sent them. ok
// is false for a socket of another kind.
func Unacknowledged(fd int) (some bool, last time.Duration, ok bool) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return false, 0, false
	}
	return info.Unacked > 0, time.Duration(info.Last_ack_recv) * time.Millisecond, true
}
