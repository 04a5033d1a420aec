package proxy

import (
	"crypto/tls"
	"net"
	"runtime"
	"syscall"

	"pgweir/loop"
	"pgweir/throttle"
)

// A TLS handshake blocks, so it runs on a goroutine of its own, on a copy of the
// client's descriptor, while the client is off its loop. A client that is closed
// meanwhile, as by client_login_timeout, is told nothing: it would take that for a part
// of the handshake. That its socket is shut down ends the goroutine, too.

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
// received has been read of conn already.
func (h handshakes) shake(conn net.Conn, received []byte, config *tls.Config) (*loop.TLS, error) {
	h.begin()
	defer h.end()
	encrypted := loop.ServerTLS(&bounded{conn, h}, config, received)
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

// handshake takes the client off its loop and does the TLS handshake, with what
// is shown now: how it goes on hangs on this certificate, whatever is shown to
// those who come later.
func (l *login) handshake(s *presented, config *tls.Config) {
	c := l.c
	if c.state != clientOpen {
		return
	}
	p := c.worker.Load().proxy
	conn, received, err := c.conn.Handover()
	if err != nil {
		l.handshaken(nil, s, err)
		return
	}
	go func() {
		encrypted, err := p.handshakes.shake(conn, received, config)
		conn.Close()
		c.post(func() { l.handshaken(encrypted, s, err) })
	}()
}

// handshaken goes on behind the handshake, if the client is still there.
func (l *login) handshaken(encrypted *loop.TLS, s *presented, err error) {
	c, w := l.c, l.c.worker.Load()
	if c.state != clientOpen {
		return
	}
	if err == nil {
		c.conn.AttachTLS(encrypted)
		l.endPoint = s.endPoint
		l.stage = stageStart
		err = w.loop.Add(&c.conn)
	}
	if err != nil {
		l.unshaken(err.Error())
		l.ended()
	}
}

// unshaken notes that nothing has come of TLS, and why.
func (l *login) unshaken(why string) {
	say, unsaid := l.note(throttle.Garbled)
	if !say {
		return
	}
	attrs := []any{"client", l.c.id, "addr", l.c.peer.addr(), "err", why}
	l.c.worker.Load().proxy.log.Info("TLS handshake failed", l.told(attrs, unsaid)...)
}

// hangUp ends the connection of a client without a word, also for whoever has a
// copy of its descriptor.
func (l *login) hangUp() {
	syscall.Shutdown(l.c.conn.FD(), syscall.SHUT_RDWR)
	l.ended()
}
