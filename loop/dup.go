package loop

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// bare is a blocking net.Conn that has no addresses, and leaves what is set on its
// socket as it is: NetConn, like net.FileConn, puts keepalives of its own on it.
type bare struct{ *os.File }

func (bare) LocalAddr() net.Addr  { return nil }
func (bare) RemoteAddr() net.Addr { return nil }

// newBare takes a non-blocking descriptor over.
func newBare(fd int) bare { return bare{os.NewFile(uintptr(fd), "socket")} }

// DupConn makes a blocking net.Conn of a copy of a non-blocking descriptor, which stays
// the caller's. The net.Conn has no addresses, and changes none of the socket's options.
func DupConn(fd int) (net.Conn, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	return newBare(dup), nil
}
