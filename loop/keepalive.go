package loop

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// KeepAlive is how the kernel finds out that the peer of a TCP connection has
// gone without a word. The fields are PgBouncer's settings of these names.
type KeepAlive struct {
	On          bool          // tcp_keepalive: probes are sent on a connection at rest
	Idle        time.Duration // tcp_keepidle: the rest before the first probe; 0: the system's
	Interval    time.Duration // tcp_keepintvl: the time between two probes; 0: the system's
	Count       int           // tcp_keepcnt: the probes without an answer; 0: the system's
	UserTimeout time.Duration // tcp_user_timeout: bytes without an acknowledgement; 0: the system's
}

// Set puts k on a new TCP socket. The kernel counts Idle and Interval in whole
// seconds, and UserTimeout in milliseconds (on macOS in seconds); what is less is
// rounded up, since 0 stands for the system's. The error joins what the system
// has refused; the rest is set.
func (k KeepAlive) Set(fd int) error {
	var errs []error
	set := func(name string, level, option, value int) {
		if err := unix.SetsockoptInt(fd, level, option, value); err != nil {
			errs = append(errs, os.NewSyscallError(name, err))
		}
	}
	if k.On {
		set("SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
		if k.Idle > 0 {
			set("tcp_keepidle", unix.IPPROTO_TCP, optionKeepIdle, units(k.Idle, time.Second))
		}
		if k.Interval > 0 {
			set("tcp_keepintvl", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, units(k.Interval, time.Second))
		}
		if k.Count > 0 {
			set("tcp_keepcnt", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, k.Count)
		}
	}
	if k.UserTimeout > 0 && optionUserTimeout != 0 {
		set("tcp_user_timeout", unix.IPPROTO_TCP, optionUserTimeout, units(k.UserTimeout, unitUserTimeout))
	}
	return errors.Join(errs...)
}

// Tune is Set for the socket of a client, which is sent what there is without delay.
func (k KeepAlive) Tune(fd int) error {
	err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	return errors.Join(os.NewSyscallError("TCP_NODELAY", err), k.Set(fd))
}

// SetBuffers has the kernel buffer so many bytes of a socket in each direction, if it
// allows as many. Linux takes as many again for what it has to know of them.
func SetBuffers(fd, bytes int) error {
	return errors.Join(
		os.NewSyscallError("SO_SNDBUF", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, bytes)),
		os.NewSyscallError("SO_RCVBUF", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bytes)))
}

// Patience is how long a peer at rest may be gone until the probes have shown
// it; 0 if that is the system's to say.
func (k KeepAlive) Patience() time.Duration {
	if !k.On || k.Idle <= 0 || k.Interval <= 0 || k.Count <= 0 {
		return 0
	}
	return k.Idle + time.Duration(k.Count)*k.Interval
}

// units is how many units d has, rounded up.
func units(d, unit time.Duration) int { return int((d + unit - 1) / unit) }
