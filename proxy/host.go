package proxy

import (
	"crypto/tls"
	"net"

	"pgweir/loop"
	"pgweir/pool"
	"pgweir/session"
	"pgweir/session/follow"
)

// Adopt puts a backend that has logged in on a loop, parked for whoever is
// lent it first.
func (p *Proxy) Adopt(b *pool.Backend) error {
	s := &server{b: b, proxy: p, link: session.Link{Vars: b.Vars, Login: b.Vars, Params: b.Params, PID: b.PID, User: b.User}}
	unlike := "" // startup parameters of which it is not known what they set
	if b.Carried == nil {
		unlike = b.Variant().Key()
	}
	s.link.Begin(follow.NewSettings(b.Carried), follow.NewSettings(b.Begun.Over(b.Carried)), b.Begun.Role, unlike)
	s.park = s.parks
	encrypted, isTLS := b.Conn.(*loop.TLS)
	var fd int
	var err error
	if isTLS {
		fd, err = encrypted.TakeFD()
	} else {
		fd, err = loop.TakeFD(b.Conn)
	}
	if err != nil {
		return err
	}
	s.conn.Init(fd, s)
	if isTLS {
		s.conn.AttachTLS(encrypted)
	}
	b.Conn, b.Host = nil, s
	w := p.workers[0]
	w.do(func() {
		if err = w.loop.Add(&s.conn); err == nil {
			s.parks()
		}
	})
	if err != nil {
		s.conn.Close()
		return err
	}
	p.servers.add(s)
	p.log.Debug("backend opened", "backend", b.ID, "pid", b.PID, "database", b.Pool().Database, "user", b.Pool().User)
	return nil
}

// Evict closes a backend that the pool has taken out.
func (p *Proxy) Evict(b *pool.Backend) {
	s := b.Host.(*server)
	w := p.workerOf(&s.conn)
	w.post(func() {
		if s.conn.Claim(w.loop) {
			s.discard(false)
		}
	})
}

// secure is how backends speak TLS.
func secure(conn net.Conn, config *tls.Config) pool.Secured {
	return loop.ClientTLS(conn, config)
}

// workerOf finds the worker of a connection's loop.
func (p *Proxy) workerOf(c *loop.Conn) *worker {
	l := c.Loop()
	for _, w := range p.workers {
		if w.loop == l {
			return w
		}
	}
	return p.workers[0]
}
