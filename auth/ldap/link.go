package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/go-ldap/ldap/v3"
)

const (
	// timeout is how long everything may take for one password.
	timeout = 10 * time.Second
	// connectTimeout is how long one server may take until it could be asked.
	connectTimeout = 3 * time.Second
	// maxBytes bounds what a server may say on one connection.
	maxBytes = 1 << 20
)

// link is one connection.
type link struct {
	server string // host:port
	conn   *ldap.Conn
	stop   func() bool
}

// connect reaches the first server that answers, with TLS if the options ask for it.
// The error is the last one's.
func (v *Verifier) connect(ctx context.Context) (*link, error) {
	var last error
	for _, host := range v.at.Servers {
		server := net.JoinHostPort(host, strconv.Itoa(v.at.Port))
		l, err := v.reach(ctx, host, server)
		if err == nil {
			return l, nil
		}
		last = fmt.Errorf("LDAP server %s: %w", server, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, last
}

func (v *Verifier) reach(ctx context.Context, host, server string) (*link, error) {
	short, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var d net.Dialer
	raw, err := d.DialContext(short, "tcp", server)
	if err != nil {
		return nil, err
	}
	limited := &limitedConn{Conn: raw, left: maxBytes}
	if until, ok := short.Deadline(); ok {
		raw.SetDeadline(until)
	}
	var conn net.Conn = limited
	if v.at.TLS {
		secure := tls.Client(limited, v.tls(host))
		if err := secure.HandshakeContext(short); err != nil {
			raw.Close()
			return nil, err
		}
		conn = secure
	}
	c := ldap.NewConn(conn, v.at.TLS)
	c.SetTimeout(timeout)
	c.Start()
	if v.at.StartTLS {
		if err := c.StartTLS(v.tls(host)); err != nil {
			c.Close()
			return nil, errors.New("StartTLS: " + shortened(err))
		}
	}
	if until, ok := ctx.Deadline(); ok {
		raw.SetDeadline(until)
	}
	return &link{server: "LDAP server " + server, conn: c, stop: context.AfterFunc(ctx, func() { raw.Close() })}, nil
}

func (l *link) close() {
	l.stop()
	l.conn.Close()
}

// limitedConn is a connection on which so much may be read.
type limitedConn struct {
	net.Conn
	left int
}

func (c *limitedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
