package main

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

// rawConn is a blocking descriptor as a net.Conn, for TLS: like the clients in the
// clear it costs no visit of the runtime's poller. Its socket has the time limits.
type rawConn struct{ fd int }

var errNoAnswer = errors.New("no answer in time")

func (r *rawConn) Read(p []byte) (n int, err error) {
	err = again(func() error {
		n, err = syscall.Read(r.fd, p)
		return err
	})
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return 0, errNoAnswer
	case err != nil:
		return 0, err
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return n, nil
}

func (r *rawConn) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		var n int
		err := again(func() (err error) {
			n, err = syscall.Write(r.fd, p[done:])
			return err
		})
		if err != nil {
			return done, err
		}
		done += n
	}
	return len(p), nil
}

func (r *rawConn) Close() error                     { return syscall.Close(r.fd) }
func (r *rawConn) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (r *rawConn) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (r *rawConn) SetDeadline(time.Time) error      { return nil }
func (r *rawConn) SetReadDeadline(time.Time) error  { return nil }
func (r *rawConn) SetWriteDeadline(time.Time) error { return nil }
