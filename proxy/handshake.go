package proxy

import (
	"crypto/tls"
	"net"
	"runtime"
	"syscall"
	"time"

	"pgweir/loop"
)

// A TLS handshake blocks, so it runs on a goroutine of its own, on a copy of the
// client's descriptor, while the client is off its loop. A client that is closed
// meanwhile is told nothing: it would take that for a part of the handshake.

// handshakes bounds how many handshakes compute at a time: in a storm of logins
// the loops need their processors for those who are in. Who waits for its client
// does not count, so that clients that stand still keep nobody out.
type handshakes chan struct{}

// newHandshakes leaves each loop a processor.
func newHandshakes(loops int) handshakes {
	return make(handshakes, max(1, runtime.GOMAXPROCS(0)-loops))
}

func (h handshakes) begin() { h <- struct{}{} }
func (h handshakes) end()   { <-h }

// shake does the server's side of a handshake.
func (h handshakes) shake(conn net.Conn, config *tls.Config) (*loop.TLS, error) {
	h.begin()
	defer h.end()
	encrypted := loop.ServerTLS(&bounded{conn, h}, config)
	return encrypted, encrypted.Handshake()
}

// bounded is the connection of a handshake, which has begun.
type bounded struct {
	net.Conn
	among handshakes
}

func (b *bounded) Read(p []byte) (int, error) {
	b.among.end()
	defer b.among.begin()
	return b.Conn.Read(p)
}

func (b *bounded) Write(p []byte) (int, error) {
	b.among.end()
	defer b.among.begin()
	return b.Conn.Write(p)
}

// handshake takes the client off its loop and does the TLS handshake.
func (l *login) handshake(t *tlsRules) {
	c := l.c
	if c.state != clientOpen {
		return
	}
	p := c.worker.Load().proxy
	c.conn.Remove()
	conn, err := loop.DupNetConn(c.conn.FD())
	if err != nil {
		l.handshaken(nil, t, err)
		return
	}
	timeout := p.rules.Load().config.ClientLoginTimeout
	go func() {
		if timeout > 0 {
			conn.SetDeadline(time.Now().Add(timeout))
		}
		encrypted, err := p.handshakes.shake(conn, t.config)
		conn.Close()
		c.post(func() { l.handshaken(encrypted, t, err) })
	}()
}

// handshaken goes on behind the handshake under these rules, if the client is
// still there.
func (l *login) handshaken(encrypted *loop.TLS, t *tlsRules, err error) {
	c, w := l.c, l.c.worker.Load()
	if c.state != clientOpen {
		return
	}
	if err == nil {
		c.conn.AttachTLS(encrypted)
		l.endPoint = t.endPoint
		l.stage = stageStart
		err = w.loop.Add(&c.conn)
	}
	if err != nil {
		w.proxy.log.Info("TLS handshake failed", "client", c.id, "addr", c.peer.addr(), "err", err)
		l.ended()
	}
}

// hangUp ends the connection of a client without a word, also for whoever has a
// copy of its descriptor.
func (l *login) hangUp() {
	syscall.Shutdown(l.c.conn.FD(), syscall.SHUT_RDWR)
	l.ended()
}
