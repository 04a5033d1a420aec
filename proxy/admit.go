package proxy

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"unique"

	"pgweir/pool"
	"pgweir/session"
	"pgweir/session/follow"
	"pgweir/wire"
)

// Admission is the second half of a login: the client has proven who it is,
// and is told what its session begins with.

// enter: the client has proven who it is. Now it is seen where it wants to go.
func (l *login) enter() bool {
	c, w := l.c, l.c.worker.Load()
	if !l.seated() {
		l.fail(l.noSeat())
		return false
	}
	l.proven = true
	if l.ask.console {
		return l.enterConsole()
	}
	e := w.proxy.restraint.Load().admits(l.ask.database)
	var cp *clientPool
	if e == nil {
		cp, e = w.proxy.poolFor(l.ask.database, l.ask.user)
	}
	if e != nil {
		if l.ask.replication == replicationPhysical {
			// pg_basebackup and pg_receivewal name "replication" by themselves, and
			// their users have never heard of that database.
			e.Hint = "A replication connection goes to the server of the database that it names; [databases.NAME] says which server that is."
		}
		l.fail(e)
		return false
	}
	if l.exchange != nil {
		l.reveal(cp)
	}
	c.pool, c.user = cp, unique.Make(l.ask.user)
	if !l.counted() {
		return false
	}
	c.replication = l.ask.replication
	l.variant, l.welcome = cp.pool.Variant(l.ask.params)
	c.variant = l.variant
	checks := l.welcome != nil && c.replication == replicationNone && l.check()
	if l.welcome != nil && !checks && !l.ownBackend() {
		l.admit()
		return true
	}
	l.stage = stageBackend
	switch {
	case c.replication != replicationNone:
		l.replicate()
	case checks:
		l.acquire(nil)
	case l.welcome == nil && !l.ownBackend() && l.mayProbe():
		l.acquire(nil)
	case l.welcome == nil:
		l.openOwn()
	default:
		l.acquire(nil)
	}
	return c.login == nil
}

// openOwn has a backend opened with the client's startup parameters.
func (l *login) openOwn() {
	fresh := []wire.Param{}
	for _, p := range l.ask.params {
		// Backends that are shared are not opened for the sake of a name, which
		// each client sets anew.
		if l.ownBackend() || wire.VarIndex([]byte(p.Name)) != wire.VarApplicationName {
			fresh = append(fresh, p)
		}
	}
	l.acquire(fresh)
}

// acquire gets the login a backend, or a place in the waiting line.
func (l *login) acquire(fresh []wire.Param) {
	c := l.c
	if e := c.acquireFresh(c.worker.Load(), fresh); e != nil {
		l.fail(e)
		return
	}
	if c.server != nil {
		l.granted()
	}
}

// ownBackend tells whether the client holds a backend from the login on.
func (l *login) ownBackend() bool {
	return l.c.replication != replicationNone || l.c.pool.conf.Load().Mode == session.SessionMode
}

// granted: the backend has come that was waited for.
func (l *login) granted() {
	c := l.c
	if l.welcome == nil {
		l.welcome = c.pool.pool.Welcome(l.variant, l.ask.params)
	}
	if l.probing != nil && (l.welcome == nil || l.probing.checks) {
		if !l.probe() {
			c.release()
			l.lostProbe()
		}
		return
	}
	if l.welcome == nil {
		// Forgotten already, for there were many; the backend itself is as good.
		l.welcome = &pool.Welcome{Params: c.server.link.Params, Vars: c.server.link.Vars, Begun: c.server.b.Begun}
	}
	l.admit()
}

// enterGranted goes on with a login that has its backend. It is posted: the
// backend may have come in the middle of another session's step.
func (c *client) enterGranted() {
	if l := c.login; l != nil && c.state == clientOpen && c.server != nil {
		l.granted()
	}
}

// admit lets the client in.
func (l *login) admit() {
	c, w := l.c, l.c.worker.Load()
	own := l.ownBackend()
	conf := c.pool.conf.Load()
	if c.replication != replicationNone {
		conf = &replicationConfig
		l.welcome = &pool.Welcome{Params: c.server.link.Params, Vars: c.server.link.Vars}
	}
	if e := l.ask.unknownName(l.welcome.Params); e != nil {
		l.fail(e)
		return
	}
	c.sess.Init(conf, l.welcome.Vars)
	carried, carries := l.carried(own)
	l.takesAny(carries)
	c.sess.Begin(follow.NewSettings(carried), follow.NewSettings(l.welcome.Begun.Over(carried)), l.welcome.Begun.IdleTimeout)
	if !carries && !l.variant.Plain() {
		c.sess.Apart()
	}
	c.secret = randomUint32()
	c.longKey = l.ask.minor >= 2
	c.ownBackend = own
	pid := c.pid
	if own {
		pid = c.server.b.PID
	} else {
		c.sess.PID = pid
	}
	out := l.appendAuthOK()
	for _, p := range l.welcome.Params {
		out = wire.AppendParameterStatus(out, p.Name, p.Value)
	}
	out = wire.AppendBackendKeyData(out, pid, w.proxy.cancelKey(c, pid))
	out = wire.AppendReadyForQuery(out, 'I')
	w.buf = out[:0]
	c.keyed.Store(true)
	c.conn.Send(out)
	l.in()
	c.noteIdle(w)
	s := c.server
	if s == nil {
		return
	}
	if !own {
		c.release() // it was but to learn the server's answer, and is of use to others
		return
	}
	o := &w.out
	o.Reset()
	c.sess.Lease(&s.link, o)
	c.apply(o)
}

// carried are the settings that the client begins with on any backend, if its
// startup parameters allow that.
func (l *login) carried(own bool) ([]wire.Param, bool) {
	c := l.c
	if own || l.variant.Plain() {
		return nil, false
	}
	return c.pool.pool.Carried(l.variant)
}

// in puts the client on the books.
func (l *login) in() {
	c, w := l.c, l.c.worker.Load()
	delete(w.logins, c)
	w.proxy.clients.login.Add(-1)
	c.login = nil
	c.asked = 0
	c.since = w.now()
	c.pool.entered(w)
	if l.rules.config.LogConnections && !c.isUntold() {
		w.proxy.log.Info("client connected", l.told([]any{"client", c.id, "addr", c.peer.addr(), "user", l.ask.user,
			"database", l.ask.database, "application", l.ask.application, "tls", c.conn.TLS() != nil}, 0)...)
	}
	if c.conn.Kept() > 0 {
		c.conn.Again()
	}
}

// cancelKey is the secret that a client is told: four bytes in protocol 3.0,
// and from 3.2 on twenty-eight more that are made of them, so that nothing
// needs to be kept.
func (p *Proxy) cancelKey(c *client, pid uint32) []byte {
	key := binary.BigEndian.AppendUint32(nil, c.secret)
	if !c.longKey {
		return key
	}
	h := hmac.New(sha256.New, p.secret[:])
	binary.Write(h, binary.BigEndian, [2]uint32{pid, c.secret})
	return h.Sum(key)[:32]
}

func randomUint32() uint32 {
	var b [4]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint32(b[:])
}
