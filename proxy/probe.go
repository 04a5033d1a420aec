package proxy

import (
	"time"

	"pgweir/pool"
	"pgweir/session"
	"pgweir/wire"
)

// What PostgreSQL says to a client's startup parameters is asked of a backend of
// the pool, if nobody has asked before. For that the login has a session of its
// own on the backend, as a client that has set nothing.

// probing is a login that asks a backend.
type probing struct {
	question *pool.Probe
	answer   []byte // that has come so far
	aborted  bool   // the transaction, so that it has to be rolled back
	since    time.Duration
	checks   bool // an answer that is known already
}

// maxProbed bounds an answer, in bytes.
const maxProbed = 256 << 10

// mayProbe has the login wait for any backend of the pool to ask, and is false
// if only a login can tell.
func (l *login) mayProbe() bool {
	c := l.c
	question := c.pool.pool.Probe(l.variant, l.ask.params)
	if question == nil {
		return false
	}
	l.probing = &probing{question: question}
	l.takesAny(true)
	return true
}

// check has the login wait for a backend to ask whether what PostgreSQL has said is still
// true. It is false if there is no reason to, or if only a login can tell: then nothing
// is known any more.
func (l *login) check() bool {
	how, question := l.c.pool.pool.Check(l.variant, l.welcome)
	switch {
	case how == pool.CheckNone, how == pool.CheckPlain && l.ownBackend():
		return false
	case how == pool.CheckLogin:
		if !l.ownBackend() {
			l.doubted = l.welcome
		}
		l.welcome = nil
		return false
	case how == pool.CheckPlain:
		l.takesAny(true)
	}
	l.probing = &probing{question: question, checks: true}
	return true
}

// settle lets a login in with the answer of which it waits to hear whether it is still
// true, if the server turns out to be away: then nobody can tell.
func (l *login) settle() {
	c := l.c
	if l.doubted == nil || l.stage != stageBackend || c.server != nil || !c.pool.pool.Away() || !c.leaveLine() {
		return
	}
	l.welcome, l.doubted, l.probing = l.doubted, nil, nil
	l.admit()
}

// takesAny says whether the client can do with a backend without startup
// parameters, and keeps what it has of the pool's variants in step with that.
func (l *login) takesAny(any bool) {
	c, p := l.c, l.c.pool.pool
	switch {
	case l.variant.Plain() || any == (c.ownVariant() != nil):
	case any:
		x := c.more()
		x.opening, x.other, c.variant = l.variant, l.variant, p.Plain()
	default:
		p.Forget(c.variant)
		c.extra.opening, c.extra.other, c.variant = nil, nil, l.variant
	}
}

// probe asks the backend that has come. It is false if nothing can be asked.
func (l *login) probe() bool {
	c, w, s := l.c, l.c.worker.Load(), l.c.server
	sql := l.probing.question.Query(s.b)
	if sql == "" {
		return false
	}
	l.stage, l.probing.since = stageProbe, w.now()
	conf := *c.pool.conf.Load()
	conf.Mode, conf.State = session.TransactionMode, session.StateOff // all is rolled back
	c.sess.Init(&conf, s.link.Login)
	c.sess.Begin(nil, s.link.Begun(), 0)
	query := wire.AppendQuery(nil, sql)
	var o session.Out        // the loop's own may be in use: a backend that is given back leads here too
	c.sess.Client(query, &o) // which needs a backend
	o.Reset()
	c.sess.Lease(&s.link, &o)
	c.sess.Client(query, &o)
	s.conn.Send(o.ToServer.Bytes())
	return true
}

// probed takes what the backend says to the probe.
func (l *login) probed(p []byte) int {
	c, s := l.c, l.c.server
	var o session.Out
	n := c.sess.Server(p, &o)
	l.readProbe(o.ToClient.Bytes())
	if l.probing.aborted && len(o.Effects) == 0 && c.sess.Phase() == session.Active && !c.sess.Owes() {
		l.probing.aborted = false
		c.sess.Client(wire.AppendQuery(nil, "ROLLBACK"), &o)
	}
	s.conn.Send(o.ToServer.Bytes())
	switch {
	case o.Wants(session.EffectDropBusy), o.Wants(session.EffectDrop):
		c.drop(o.Wants(session.EffectDropBusy))
		l.lostProbe()
		return len(p)
	case o.Wants(session.EffectRelease):
		c.release()
	default:
		return n
	}
	l.unprobed()
	return len(p)
}

// checkProbe gives up a backend that does not answer in time.
func (l *login) checkProbe(now, timeout time.Duration) {
	if l.stage == stageProbe && now-l.probing.since > timeout {
		l.c.drop(true)
		l.lostProbe()
	}
}

// lostProbe: the backend is gone.
func (l *login) lostProbe() {
	l.probing.question.Fail()
	l.unprobed()
}

// readProbe reads the messages of the answer.
func (l *login) readProbe(p []byte) {
	q := l.probing
	q.answer = append(q.answer, p...)
	if len(q.answer) > maxProbed {
		q.question.Fail()
		q.answer = nil
	}
	n := 0
	for len(q.answer)-n >= wire.HeaderLen {
		typ, total := wire.Header(q.answer[n:])
		if total == 0 || len(q.answer)-n < total {
			break
		}
		body := q.answer[n+wire.HeaderLen : n+total]
		n += total
		switch typ {
		case 'D':
			q.question.Row(body)
		case 'E':
			q.question.Fail()
		case 'Z':
			q.aborted = len(body) == 1 && body[0] != 'I'
		}
	}
	q.answer = q.answer[n:]
}

// unprobed: the probe is over, and the backend given back. If it has told
// nothing, a backend is opened with the client's startup parameters.
func (l *login) unprobed() {
	ok := l.probing.question.Settle()
	l.probing, l.welcome = nil, nil
	l.stage = stageBackend
	if ok {
		l.welcome = l.c.pool.pool.Welcome(l.variant, l.ask.params)
	}
	if l.welcome != nil && l.ownBackend() {
		l.acquire(nil)
		return
	}
	if l.welcome != nil {
		l.admit()
		return
	}
	l.takesAny(false)
	l.openOwn()
}
