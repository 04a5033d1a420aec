package web

import (
	"context"
	"net"
	"sync"
	"time"
)

// maxConns bounds the connections of HTTP, so that whoever opens many of them does
// not take the descriptors that clients need. The page takes one or two.
const maxConns = 256

// A crowd is a listener that has so many connections open at most. When one more
// comes, the one gives way that has asked for nothing for longest, or not yet for
// anything that it may see: so nobody who floods can keep others out.
type crowd struct {
	net.Listener
	most    int
	crowded func(addr string) // is told of each that gave way

	// mu guards what follows, and the guests' fields. Nothing is closed under it.
	mu     sync.Mutex
	guests map[*guest]struct{}
}

// A guest is a connection of the crowd.
type guest struct {
	net.Conn
	of    *crowd
	busy  int       // requests under way that are answered
	since time.Time // when it came, or was busy last
}

func newCrowd(ln net.Listener, most int, crowded func(addr string)) *crowd {
	return &crowd{Listener: ln, most: most, crowded: crowded, guests: map[*guest]struct{}{}}
}

// Accept implements net.Listener.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		g := &guest{Conn: conn, of: c, since: time.Now()}
		gone := c.admit(g)
		if gone != nil {
			c.crowded(gone.RemoteAddr().String())
			_ = gone.Conn.Close() // whatever it says, nobody needs it any more
		}
		if gone != g {
			return g, nil
		}
	}
}

// admit adds a guest, and gives the one that has to go: g itself if all others are
// busy, nil if there is room.
func (c *crowd) admit(g *guest) (gone *guest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.guests) >= c.most {
		for other := range c.guests {
			if other.busy == 0 && (gone == nil || other.since.Before(gone.since)) {
				gone = other
			}
		}
		if gone == nil {
			return g
		}
		delete(c.guests, gone)
	}
	c.guests[g] = struct{}{}
	return gone
}

// Close implements net.Conn.
func (g *guest) Close() error {
	g.of.mu.Lock()
	delete(g.of.guests, g)
	g.of.mu.Unlock()
	return g.Conn.Close()
}

// guestKey is the key of a request's guest in its context.
type guestKey struct{}

// remember notes which guest a request comes from; conn may be TLS over it.
func remember(ctx context.Context, conn net.Conn) context.Context {
	if over, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = over.NetConn()
	}
	if g, ok := conn.(*guest); ok {
		return context.WithValue(ctx, guestKey{}, g)
	}
	return ctx
}

// engage has the guest of a request stay until the function that it gives is
// called.
func engage(ctx context.Context) (done func()) {
	g, ok := ctx.Value(guestKey{}).(*guest)
	if !ok {
		return func() {}
	}
	step := func(n int) {
		g.of.mu.Lock()
		defer g.of.mu.Unlock()
		g.busy += n
		g.since = time.Now()
	}
	step(1)
	return func() { step(-1) }
}
