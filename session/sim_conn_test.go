package session

import (
	"io"
	"net"
	"os"
	"sync"
	"time"

	"pgweir/wire"
)

// simConn is a connection between the pool and a process of the modelled
// server. What the pool writes is there at once; what the server says comes
// when the simulation has it come.
type simConn struct {
	net.Conn // nil: what the pool needs is below
	id       int
	pid      uint32

	mu       sync.Mutex
	changed  *sync.Cond
	in       string // from the server, not read yet
	written  string // by the pool
	deadline time.Time
	ended    bool // the pool has said its last
	closed   bool // by the pool
	hungUp   bool // by the server

	// These are the simulation's alone.
	start    *wire.Startup // nil while nothing has come
	stage    connStage
	greeting string      // what is still to be said of it
	unwanted bool        // the host is not going to adopt it
	backend  *simBackend // behind a login that has succeeded
}

// connStage is what the server makes of a connection.
type connStage int

const (
	connOpened connStage = iota // and its startup packet has come
	connGreets                  // the answer to that is under way
	connSilent                  // there will be no answer
	connFailed                  // the answer was an error
	connServes                  // logged in
)

func newSimConn() *simConn {
	c := &simConn{}
	c.changed = sync.NewCond(&c.mu)
	return c
}

func (c *simConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, net.ErrClosed
		case c.in != "":
			n := copy(p, c.in)
			c.in = c.in[n:]
			return n, nil
		case c.hungUp:
			return 0, io.EOF
		case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
			return 0, os.ErrDeadlineExceeded
		}
		c.changed.Wait()
	}
}

func (c *simConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.ended {
		return 0, net.ErrClosed
	}
	c.written += string(p)
	return len(p), nil
}

func (c *simConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed, c.ended = true, true
	c.changed.Broadcast()
	return nil
}

// CloseWrite is what the pool calls to say its last.
func (c *simConn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	return nil
}

func (c *simConn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	if !t.IsZero() {
		time.AfterFunc(time.Until(t), func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.changed.Broadcast()
		})
	}
	return nil
}

func (c *simConn) RemoteAddr() net.Addr { return nil }
func (c *simConn) LocalAddr() net.Addr  { return nil }

func (c *simConn) SetReadDeadline(t time.Time) error { return c.SetDeadline(t) }

// say has the server say something.
func (c *simConn) say(bytes string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in += bytes
	c.changed.Broadcast()
}

// hangUp has the server's process go.
func (c *simConn) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hungUp = true
	c.changed.Broadcast()
}

// over tells how far both sides are from their ends.
func (c *simConn) over() (ended, closed, hungUp bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended, c.closed, c.hungUp
}
