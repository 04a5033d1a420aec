package loop

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// copied is a blocking net.Conn that has no addresses.
type copied struct{ *os.File }

func (copied) LocalAddr() net.Addr  { return nil }
func (copied) RemoteAddr() net.Addr { return nil }

// DupConn makes a blocking net.Conn, without addresses, of a copy of a non-blocking
// descriptor. fd stays the caller's, and what is set on the socket stays as it is:
// NetConn, like net.FileConn, puts keepalives of its own on it.
func DupConn(fd int) (net.Conn, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	return copied{os.NewFile(uintptr(dup), "socket")}, nil
}
