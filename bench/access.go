package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// access is how clients reach a pooler and log in there.
type access struct {
	dir  string // of its Unix socket; "" is TCP
	port int
	user string
	keys *scramKeys  // nil: without a password
	tls  *tls.Config // nil: in the clear
}

// conninfo is the same for libpq.
func (a *access) conninfo() string {
	host := localhost
	if a.dir != "" {
		host = a.dir
	}
	// A password is not among the works of PostgreSQL's programs.
	return fmt.Sprintf("host=%s port=%d user=%s dbname=%s gssencmode=disable sslmode=%s",
		host, a.port, a.user, database, either(a.tls != nil, "require", "disable"))
}

// socket is the path of the Unix socket.
func (a *access) socket() string { return fmt.Sprintf("%s/.s.PGSQL.%d", a.dir, a.port) }

// dial connects and logs in.
func (a *access) dial() (*client, error) {
	c, err := a.reach()
	if err != nil {
		return nil, err
	}
	if a.keys == nil {
		err = c.roundTrip(startupMessage(a.user, database))
	} else {
		err = a.keys.prove(c, a.user)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// reach connects, with TLS where that is wanted, and says nothing yet.
func (a *access) reach() (*client, error) {
	family := syscall.AF_INET
	var to syscall.Sockaddr = &syscall.SockaddrInet4{Port: a.port, Addr: [4]byte{127, 0, 0, 1}}
	if a.dir != "" {
		family, to = syscall.AF_UNIX, &syscall.SockaddrUnix{Name: a.socket()}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	syscall.CloseOnExec(fd)
	c := &client{fd: fd}
	if err = c.connect(family, to); err == nil && a.tls != nil {
		err = c.secure(a.tls)
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("port %d: %w", a.port, err)
	}
	return c, nil
}

func (c *client) connect(family int, to syscall.Sockaddr) error {
	limit := syscall.Timeval{Sec: answerDeadline}
	for _, option := range []int{syscall.SO_RCVTIMEO, syscall.SO_SNDTIMEO} {
		if err := syscall.SetsockoptTimeval(c.fd, syscall.SOL_SOCKET, option, &limit); err != nil {
			return err
		}
	}
	if family == syscall.AF_INET {
		if err := syscall.SetsockoptInt(c.fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1); err != nil {
			return err
		}
	}
	err := again(func() error { return syscall.Connect(c.fd, to) })
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return fmt.Errorf("%w: all local ports are taken (net.ipv4.ip_local_port_range)", err)
	}
	return err
}

// secure asks for TLS and shakes hands.
func (c *client) secure(config *tls.Config) error {
	if err := c.send(sslRequest); err != nil {
		return err
	}
	var says [1]byte
	if _, err := c.read(says[:]); err != nil {
		return err
	}
	if says[0] != 'S' {
		return fmt.Errorf("the pooler has no TLS (%q)", says[0])
	}
	conn := tls.Client(&rawConn{c.fd}, config)
	if err := conn.Handshake(); err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	c.tls = conn
	return nil
}

// needsDescriptors explains a connection that failed for want of them.
func needsDescriptors(err error) error {
	if errors.Is(err, syscall.EMFILE) || strings.Contains(err.Error(), "too many open files") {
		return fmt.Errorf("%w: raise the limit (ulimit -n)", err)
	}
	return err
}
