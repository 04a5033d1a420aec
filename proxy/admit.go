package proxy

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"

	"pgweir/pool"
	"pgweir/session"
	"pgweir/wire"
)

// Admission is the second half of a login: the client has proven who it is,
// and is told what its session begins with.

// enter: the client has proven who it is. Now it is seen where it wants to go.
func (l *login) enter() bool {
	c, w := l.c, l.c.worker.Load()
	l.proven = true
	if l.ask.console {
		return l.enterConsole()
	}
	cp, e := w.proxy.poolFor(l.ask.database, l.ask.user, l.rules)
	if e != nil {
		l.fail(e)
		return false
	}
	if l.exchange != nil {
		cp.learn(l.exchange, l.rules, l.ask.user)
	}
	c.pool, c.user = cp, l.ask.user
	c.replication = l.ask.replication != ""
	l.params = l.ask.params
	c.wait.Taker = c
	c.wait.Variant, l.welcome = cp.pool.Variant(l.params)
	if l.welcome != nil && !l.ownBackend() {
		l.admit()
		return true
	}
	l.stage = stageBackend
	var fresh []wire.Param
	if l.welcome == nil || c.replication { // a walsender takes no SET
		fresh = l.params
		if fresh == nil {
			fresh = []wire.Param{}
		}
	}
	if e := c.acquireFresh(w, fresh); e != nil {
		l.fail(e)
		return false
	}
	if c.server != nil {
		l.granted()
	}
	return c.login == nil
}

// ownBackend tells whether the client holds a backend from the login on.
func (l *login) ownBackend() bool {
	return l.c.replication || l.c.pool.conf.Load().Mode == session.SessionMode
}

// granted: the backend has come that was waited for.
func (l *login) granted() {
	c := l.c
	if l.welcome == nil {
		l.welcome = c.pool.pool.Welcome(c.wait.Variant, l.params)
	}
	if l.welcome == nil {
		// Forgotten already, for there were many; the backend itself is as good.
		l.welcome = &pool.Welcome{Params: c.server.link.Params, Vars: c.server.link.Vars, Begun: c.server.b.Begun}
	}
	l.admit()
}

// admit lets the client in.
func (l *login) admit() {
	c, w := l.c, l.c.worker.Load()
	own := l.ownBackend()
	conf := c.pool.conf.Load()
	if c.replication {
		conf = &replicationConfig
		l.welcome = &pool.Welcome{Params: c.server.link.Params, Vars: c.server.link.Vars}
	}
	c.sess.Init(conf, l.welcome.Vars)
	carried, carries := l.carried(own)
	c.sess.Begin(session.NewSettings(carried), session.NewSettings(l.welcome.Begun.Over(carried)))
	if carries {
		c.opening = c.wait.Variant
		c.wait.Variant, c.other = c.pool.pool.Plain(), c.opening
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
	out := wire.AppendAuthOK(w.buf[:0])
	for _, p := range l.welcome.Params {
		out = wire.AppendParameterStatus(out, p.Name, p.Value)
	}
	out = wire.AppendBackendKeyData(out, pid, w.proxy.cancelKey(c, pid))
	out = wire.AppendReadyForQuery(out, 'I')
	w.buf = out[:0]
	c.keyed.Store(true)
	c.conn.Send(out)
	l.in()
	s := c.server
	if s == nil {
		return
	}
	switch {
	case own:
	case carries && len(carried) > 0:
		c.drop(false) // it was but to learn the server's answer, and is of no use to others
		return
	default:
		c.release() // likewise, and any other would be as good
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
	if own || c.wait.Variant.Plain() {
		return nil, false
	}
	return c.pool.pool.Carried(c.wait.Variant)
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
	if l.rules.config.LogConnections {
		w.proxy.log.Info("client connected", "client", c.id, "addr", c.peer.addr(), "user", l.ask.user,
			"database", l.ask.database, "application", l.ask.application, "tls", c.conn.TLS() != nil)
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
