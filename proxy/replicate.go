package proxy

import (
	"pgweir/loop"
	"pgweir/pool"
	"pgweir/session"
	"pgweir/session/follow"
	"pgweir/wire"
)

// replication is what a client's connection is for.
type replication uint8

const (
	replicationNone     replication = iota
	replicationPhysical             // replication=true: it has no database
	replicationLogical              // replication=database
)

// String is the word for it in PgBouncer's console.
func (r replication) String() string {
	return [...]string{"none", "physical", "logical"}[r]
}

// replicationOf reads the startup parameter as PostgreSQL does. What is no boolean is
// for PostgreSQL to refuse.
func replicationOf(value string) replication {
	switch {
	case value == "database":
		return replicationLogical
	case isFalse(value):
		return replicationNone
	}
	return replicationPhysical
}

// replicationConfig is the mode of a client that replicates: it has its
// backend for itself, and nobody gets it afterwards.
var replicationConfig = session.Config{Mode: session.SessionMode}

// replicate gets a client that replicates its backend, which is in no pool.
func (l *login) replicate() {
	if e := l.c.pool.pool.Replicate(replicant{l.c}, l.ask.params); e != nil {
		l.fail(e)
	}
}

// replicant is a client that waits for such a backend.
type replicant struct{ c *client }

// Grant is called when its backend has been opened; on any goroutine.
func (r replicant) Grant(b *pool.Backend) { r.c.post(func() { r.granted(b) }) }

func (r replicant) Refuse(e *wire.Error) { r.c.Refuse(e) }

func (r replicant) granted(b *pool.Backend) {
	c := r.c
	w := c.worker.Load()
	if c.state != clientOpen || c.login == nil {
		b.Pool().Discard(b, false)
		return
	}
	s, err := w.proxy.newServer(b)
	if err != nil {
		w.proxy.log.Error("a backend cannot be served", "backend", b.ID, "err", err)
		b.Pool().Discard(b, false)
		c.login.fail(errDeaf)
		return
	}
	s.link.Begin(follow.NewSettings(nil), follow.NewSettings(nil), b.Begun.Role, "")
	if err := w.loop.Add(&s.conn); err != nil {
		s.discard(false)
		c.login.fail(errDeaf)
		return
	}
	w.proxy.opened(s)
	c.take(w, s)
	c.enterGranted()
}

// newServer makes a backend that has logged in one that a loop can watch; b.Conn is its
// own then.
func (p *Proxy) newServer(b *pool.Backend) (*server, error) {
	s := &server{lent: lent{b: b}, proxy: p, link: session.Link{Vars: b.Vars, Login: b.Vars, Params: b.Params, PID: b.PID, User: b.User}}
	encrypted, isTLS := b.Conn.(*loop.TLS)
	var fd int
	var err error
	if isTLS {
		fd, err = encrypted.TakeFD()
	} else {
		fd, err = loop.TakeFD(b.Conn)
	}
	if err != nil {
		return nil, err
	}
	s.conn.Init(fd, s)
	if isTLS {
		s.conn.AttachTLS(encrypted)
	}
	b.Conn, b.Host = nil, s
	return s, nil
}

// opened puts a backend on the books that a loop watches.
func (p *Proxy) opened(s *server) {
	b := s.b
	p.servers.add(s)
	p.log.Debug("backend opened", "backend", b.ID, "pid", b.PID, "database", b.Pool().Database, "user", b.Pool().User)
}
