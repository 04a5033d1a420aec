package proxy

import (
	"crypto/tls"
	"net"

	"pgweir/loop"
	"pgweir/pool"
	"pgweir/session/follow"
)

// Adopt puts a backend that has logged in on the loop of who waits for it, or the one
// with the fewest connections, parked for whoever is lent it first.
func (p *Proxy) Adopt(b *pool.Backend) error {
	s, err := p.newServer(b)
	if err != nil {
		return err
	}
	unlike := "" // startup parameters of which it is not known what they set
	if b.Carried == nil {
		unlike = b.Variant().Key()
	}
	s.link.Begin(follow.NewSettings(b.Carried), follow.NewSettings(b.Begun.Over(b.Carried)), b.Begun.Role, unlike)
	s.park = s.parks
	w := p.home(b)
	b.Worker, b.Settings = w.number(), s.link.Settings().Hash()
	w.do(func() {
		if err = w.loop.Add(&s.conn); err == nil {
			s.parks()
		}
	})
	if err != nil {
		s.conn.Close()
		return err
	}
	p.opened(s)
	if p.astray(b) {
		b.Pool().Retire([]*pool.Backend{b}, nil)
	}
	return nil
}

// home is where a new backend is put.
func (p *Proxy) home(b *pool.Backend) *worker {
	if b.Worker == pool.NoWorker {
		return p.place()
	}
	return p.workers[b.Worker]
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
