package proxy

import (
	"net"
	"sync/atomic"
	"time"
	"unique"

	"pgweir/loop"
	"pgweir/pool"
	"pgweir/session"
	"pgweir/throttle"
	"pgweir/wire"
)

// client is one connection of an application. Its fields belong to the thread
// of its loop, except where they never change after the login.
type client struct {
	conn    loop.Conn
	sess    session.Session
	wait    *pool.Waiter // lent by the worker as long as it needs a backend; see place
	worker  atomic.Pointer[worker]
	pool    *clientPool
	variant *pool.Variant // of the backends that it asks for
	server  *server       // lent to it
	login   *login        // nil once it is in
	extra   *extra        // what few clients need; nil until then

	id     uint64
	user   unique.Handle[string]
	since  time.Duration // connected; once closing is set: since then
	asked  time.Duration // the query under way began
	begun  time.Duration // the transaction under way began; if none, at most 0: the last answer's time, negated
	mail   mail
	pid    uint32      // that stands for it
	secret uint32      // the first bytes of its cancel key
	keyed  atomic.Bool // it was told its cancel key
	peer   peer
	state  clientState
	seat   throttle.Seat // once it is in

	counted      bool // under the limits of clients
	longKey      bool // it was told a long cancel key
	ownBackend   bool // it was told its backend's process ID
	replication  replication
	hears        bool // it has used the pool's listener
	leavesSigned bool // it has closed its connection behind a NOTIFY that has to wait
	canceled     bool // its query is, but what came of its place in the line is on its way
	ahead        bool // not read, because it is far ahead of its answers
}

// extra is the part of a client that most have not.
type extra struct {
	// opening is the variant of its startup parameters, if it has some and can do with
	// any backend; other is the one of opening and the plain one that client.variant is not.
	opening, other *pool.Variant
	// later carries cancel requests out that must wait until the client's
	// settings are on its backend; nil if there are none.
	later func()
	// refusal is why it gets no backend, until its session has been told.
	refusal  *wire.Error
	why      string        // it was closed, "" if it left of itself
	pinSince time.Duration // it keeps its backend; 0 if it does not
	pinTold  bool          // the log has a line about its pin
	withheld *lent         // see client.lent
	parting  bool          // RECONNECT_CLIENTS disconnects it when it is at rest
	untold   bool          // the log has no lines about its coming and going
	// Of a client of the console: its connection and our end of it, once its goroutine
	// serves it, and what holds a cancel request.
	console    net.Conn
	consoleEnd peer
	cancels    chan struct{}
	stalled    time.Duration // when checkStall last saw it get on; 0 if it does not stand still
	moved      uint32        // the connection's Moved then
	hearing    uint32        // numbers what the session waits for; see whenListened
}

// more is what few clients need.
func (c *client) more() *extra {
	if c.extra == nil {
		c.extra = &extra{}
	}
	return c.extra
}

func (c *client) isUntold() bool { return c.extra != nil && c.extra.untold }

// userName is as whom it has logged in; "" if it has not.
func (c *client) userName() string {
	if c.user == (unique.Handle[string]{}) {
		return ""
	}
	return c.user.Value()
}

// clientState is how far a client is from its end.
type clientState uint8

const (
	clientAway clientState = iota // on its way to its loop: nobody may touch it
	clientOpen
	clientClosing // to be closed when it has been sent everything
	clientClosed
)

// Received feeds the session, and gets it a backend when it needs one.
func (c *client) Received(_ *loop.Conn, p []byte) int {
	if c.login != nil {
		return c.login.received(p)
	}
	if c.state != clientOpen {
		return len(p)
	}
	if c.pool.pool == nil {
		return 0 // the console's, which is about to take the connection over
	}
	w := c.worker.Load()
	o := &w.out
	n := 0
	for {
		o.Reset()
		if c.extra != nil && c.extra.refusal != nil {
			if c.sess.Phase() == session.Waiting {
				waited := c.waitFailed(w, whyRefused(c.extra.refusal))
				if w.proxy.traces != nil {
					c.refuseTrace(w, p[n:], waited, c.extra.refusal)
				}
				n += c.sess.Refuse(c.extra.refusal, p[n:], o)
			}
			c.extra.refusal = nil
			c.leavePlace(w)
			c.apply(o)
			o.Reset()
		}
		begins := c.server != nil && c.sess.Phase() == session.Waiting
		if begins {
			c.sess.Lease(&c.server.link, o)
		}
		c.keepText(w, p[n:])
		if w.proxy.traces != nil {
			c.openTrace(w, p[n:], begins)
		}
		n += c.sess.Client(p[n:], o)
		need, own, more := o.WantsBackend(), o.Wants(session.EffectNeedOwnBackend), o.More
		c.apply(o)
		if more && !c.conn.Congested() {
			c.conn.Again() // others first
		}
		if !need {
			break
		}
		c.choose(own)
		if e := c.acquire(w); e != nil {
			c.more().refusal = e
		} else if c.server == nil {
			break
		}
	}
	c.pool.stats[w.index].totals.Received += int64(n)
	c.leaveSigned()
	return n
}

// leaveSigned has a client leave that has gone, now that its NOTIFY is sent.
func (c *client) leaveSigned() {
	if c.leavesSigned && !c.sess.Signing() {
		c.leavesSigned = false
		c.leave()
	}
}

// Drained: the client has taken all; its backend may be read again.
func (c *client) Drained(*loop.Conn) {
	switch {
	case c.state == clientClosing:
		c.finish()
	case c.login != nil:
	case c.server != nil:
		c.server.clocks.unblock(c.worker.Load().now())
		c.server.conn.Resume()
		c.tellMore()
	default:
		c.conn.Resume()
		c.tellMore()
	}
}

// Ended: the client has closed its connection, or it broke.
func (c *client) Ended(*loop.Conn, error) {
	switch {
	case c.login != nil:
		c.login.ended()
	case c.state == clientClosing:
		c.finish()
	case c.state == clientOpen && c.sess.Signing():
		c.leavesSigned = true
	case c.state == clientOpen:
		c.leave()
	}
}

// leave has the session give up what it holds, and closes the client.
func (c *client) leave() {
	if c.sess.Phase() == session.Waiting {
		if c.server != nil {
			c.release()
		} else {
			c.waitFailed(c.worker.Load(), waitLeft)
			c.leaveLine() // if it is too late for that, granted gives the backend back
		}
	}
	o := &c.worker.Load().out
	o.Reset()
	c.sess.Gone(o)
	if c.server != nil {
		c.server.conn.Resume() // it may have been too fast for the client
	}
	c.apply(o)
}

// apply does what a step of the session wants done, but for putting the client in
// the waiting line.
func (c *client) apply(o *session.Out) {
	w, s := c.worker.Load(), c.server
	if w.applying {
		panic("bug: a step of a session within another's")
	}
	w.applying = true
	if b := o.ToServer.Bytes(); len(b) > 0 && s != nil {
		s.conn.Send(b)
		c.ahead = c.sess.Ahead(c.ahead)
		if c.ahead || s.conn.Congested() {
			c.conn.Pause()
		}
	}
	if b := o.ToClient.Bytes(); len(b) > 0 {
		c.pool.stats[w.index].totals.Sent += int64(len(b))
		c.conn.Send(b)
		if c.conn.Congested() && s != nil && c.state == clientOpen && c.sess.Hears() {
			s.conn.Pause()
			s.clocks.block(w.now())
		}
	}
	c.count(w, o)
	for _, e := range o.Effects {
		c.carryOut(w, o, e)
	}
	if c.state == clientOpen && c.sess.Phase() == session.Idle && c.conn.Congested() {
		c.conn.Pause() // nothing more is done for it before it has read this
	}
	w.applying = false
}

// carryOut does one thing that a step wants done.
func (c *client) carryOut(w *worker, o *session.Out, e session.Effect) {
	switch e {
	case session.EffectRelease:
		c.release()
	case session.EffectDrop, session.EffectDropBusy:
		c.drop(e == session.EffectDropBusy)
	case session.EffectEndClient:
		if o.Errors > 0 && c.more().why == "" {
			c.extra.why = "an error ended the session"
		}
		c.end()
	case session.EffectIdleTimeout:
		c.noteIdle(w)
	case session.EffectPins:
		c.notePins(w)
	case session.EffectLeak:
		c.noteLeak(w, o)
	case session.EffectLearn:
		go o.Learn.Learn()
	case session.EffectAwait:
		c.sess.Catalog().Await(c.catalogKnown)
	case session.EffectListen:
		c.listen(c.whenListened())
	case session.EffectUnlisten:
		c.listen(nil)
	case session.EffectCatchUp:
		c.catchUp(o.CatchUp)
	case session.EffectSyncNotes:
		c.syncNotes(w)
	case session.EffectVacate:
		c.vacate(w, o.Vacate)
	}
}

// syncNotes tells the session when the client has been told what has been notified
// up to now on the pool's server.
func (c *client) syncNotes(w *worker) {
	synced := c.whenListened()
	if !w.proxy.syncNotes(c.pool.pool, func() { synced(nil) }) {
		synced(nil)
	}
}

// end closes the client as soon as it has been sent everything.
func (c *client) end() {
	if c.state != clientOpen {
		return
	}
	w := c.worker.Load()
	c.state = clientClosing
	if c.conn.Flush(); c.conn.Congested() {
		c.since = w.now()
		c.conn.Pause()
		w.closing[c] = struct{}{}
		return
	}
	c.finish()
}

// finish closes the client.
func (c *client) finish() {
	if c.state == clientClosed {
		return
	}
	c.state = clientClosed
	w := c.worker.Load()
	delete(w.closing, c)
	delete(w.logins, c)
	delete(w.idlers, c)
	c.conn.Close()
	c.forget()
}

// forget takes the client off the books.
func (c *client) forget() {
	p := c.worker.Load().proxy
	p.clients.remove(c)
	if c.login != nil {
		p.entrance.Leave(&c.login.visitor)
	}
	p.entrance.Free(c.seat)
	if c.hears {
		c.pool.pool.Listener().Leave(c)
	}
	c.uncount()
	c.endWithheld(c.worker.Load(), c.worker.Load().now(), false)
	c.sess.Forget()
	if c.variant != nil {
		c.pool.pool.Forget(c.variant)
		if c.ownVariant() != nil {
			c.pool.pool.Forget(c.extra.other)
		}
	}
	in := c.login == nil
	if in {
		c.pool.clients.Add(-1)
	}
	if c.pool != nil && c.pool.pool != nil {
		p.quitPool(c.pool)
	}
	if p.rules.Load().config.LogDisconnections && in && !c.isUntold() {
		why := "client left"
		if c.extra != nil && c.extra.why != "" {
			why = c.extra.why
		}
		p.log.Info("client disconnected", "client", c.id, "user", c.userName(), "database", c.pool.key.database, "reason", why)
	}
}

// checkStall ends a client that has a backend and stands still in the midst of
// a message of its own; and one that takes no bytes of its answer while others
// wait for the backend.
func (c *client) checkStall(now, timeout time.Duration) {
	if timeout <= 0 || c.replication != replicationNone { // nobody else waits for its backend
		return
	}
	stalled := c.sess.MidMessage() && !c.server.conn.Congested()
	blocked := c.conn.Congested() && c.pool.pool.Waiting()
	if !stalled && !blocked {
		if c.extra != nil {
			c.extra.stalled = 0
		}
		return
	}
	x := c.more()
	if m := c.conn.Moved(); x.stalled == 0 || m != x.moved {
		x.moved, x.stalled = m, now
		return
	}
	if now-x.stalled < timeout {
		return
	}
	e := wire.Fatalf(wire.CodeProtocolViolation, "the rest of a message did not come within client_message_timeout (%v)", timeout)
	if blocked {
		e = wire.Fatalf(wire.CodeConnectionFailure, "the client took nothing of its result for client_message_timeout (%v) while others waited", timeout)
	}
	c.kill(e)
}

// checkRest lets a client at rest give back a backend that it keeps for nothing.
func (c *client) checkRest() {
	o := &c.worker.Load().out
	o.Reset()
	c.sess.Rest(o)
	c.apply(o)
}

// kill tells the client why it is closed, and closes it.
func (c *client) kill(e *wire.Error) {
	if c.state != clientOpen {
		return
	}
	if c.login != nil {
		c.login.fail(e)
		return
	}
	c.more().why = e.Message
	if w := c.worker.Load(); w.proxy.traces != nil {
		c.followTrace(w, 1, func() string { return e.Code }, false)
	}
	if c.sess.SaidGoodBye() {
		o := &c.worker.Load().out
		o.Reset()
		c.sess.Abandon(o)
		c.apply(o)
		return
	}
	if !c.sess.MidAnswer() {
		c.conn.Send(e.Append(nil))
	}
	c.leave()
	c.end() // if the session is still busy with the last answers
}
