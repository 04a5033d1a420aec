package pool

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"pgweir/wire"
)

// Secured is a net.Conn on which the TLS handshake has been done.
type Secured interface {
	net.Conn
	Describe() string
	ConnectionState() tls.ConnectionState
}

// Secure wraps a connection in TLS as a client. It is set by whoever assembles
// the program, because the result must suit its event loop.
type Secure func(net.Conn, *tls.Config) Secured

// Dial opens a connection as net.Dialer.DialContext does. It is set likewise,
// and sees to it that the connection to a host that has gone comes to an end.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// transport is how servers are reached.
type transport struct {
	dial   Dial
	secure Secure
}

// connect connects to a server.
func (t *transport) connect(ctx context.Context, a Address) (net.Conn, error) {
	conn, err := t.dial(ctx, a.Network, a.Addr)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		var sys *os.SyscallError
		if errors.As(err, &sys) {
			err = sys.Err
		}
		return nil, wire.Fatalf(wire.CodeCannotConnect, "could not connect to the server at %s: %v", a.Addr, err)
	}
	return conn, nil
}

// dials are a pool's connections that are coming about.
type dials struct {
	mu  sync.Mutex
	ctx context.Context // of those that began since the last end
	cut context.CancelFunc
}

// end has those end that are under way: the server is to be looked for anew.
func (d *dials) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cut != nil {
		d.cut()
	}
	d.ctx, d.cut = context.WithCancel(context.Background())
}

// of is dial, until end.
func (d *dials) of(dial Dial) Dial {
	d.end()
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		d.mu.Lock()
		stop := context.AfterFunc(d.ctx, cancel)
		d.mu.Unlock()
		defer stop()
		return dial(ctx, network, addr)
	}
}

func broken(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return brokenOff{wire.Fatalf(wire.CodeCannotConnect, "the server did not answer the login within server_connect_timeout")}
	}
	return brokenOff{wire.Fatalf(wire.CodeConnectionFailure, "the server closed the connection during the login: %v", err)}
}

// The pauses after which stopWork asks again.
const (
	firstAsking = 50 * time.Millisecond
	lastAsking  = 5 * time.Second
)

// stopWork has PostgreSQL cancel what a discarded backend is doing, until its
// process has gone: a cancel that overtakes the query that it is meant for does
// nothing, and there may be several of them.
func (p *Pool) stopWork(b *Backend) {
	for pause := firstAsking; ; pause = min(2*pause, lastAsking) {
		p.CancelQuery(b, CancelRequest{})
		if b.Conn == nil {
			return
		}
		if c, ok := b.Conn.(interface{ CloseWrite() error }); ok {
			c.CloseWrite()
		}
		b.Conn.SetReadDeadline(time.Now().Add(pause))
		if _, err := io.Copy(io.Discard, b.Conn); !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}
