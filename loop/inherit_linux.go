package loop

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Inherits tells whether a connection begins with the options of the listening socket
// that it came to.
const Inherits = true

// inherited are the options that PassOn passes on.
var inherited = []struct {
	name          string
	level, option int
}{
	{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY},
	{"tcp_keepidle", unix.IPPROTO_TCP, optionKeepIdle},
	{"tcp_keepintvl", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL},
	{"tcp_keepcnt", unix.IPPROTO_TCP, unix.TCP_KEEPCNT},
	{"tcp_user_timeout", unix.IPPROTO_TCP, optionUserTimeout},
	{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE},
}

// PassOn has the connections that come to a TCP socket from now on begin with what Tune
// puts on a new one; nothing is left of an earlier PassOn.
func (k KeepAlive) PassOn(fd int) error {
	family, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return os.NewSyscallError("SO_DOMAIN", err)
	}
	model, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(model)
	errs := []error{k.Tune(model)}
	for _, o := range inherited {
		value, err := unix.GetsockoptInt(model, o.level, o.option)
		if err == nil {
			err = unix.SetsockoptInt(fd, o.level, o.option, value)
		}
		errs = append(errs, os.NewSyscallError(o.name, err))
	}
	return errors.Join(errs...)
}
