package proxy

import (
	"pgweir/pool"
	"pgweir/session"
	"pgweir/wire"
)

// acquire gets the client a backend, or a place in the waiting line. It is
// given an error if there is no hope.
func (c *client) acquire(w *worker) *wire.Error {
	return c.acquireFresh(w, nil)
}

// acquireFresh is acquire with a backend that has been opened with just these
// startup parameters, if they are not nil.
func (c *client) acquireFresh(w *worker, fresh []wire.Param) *wire.Error {
	b, e := c.pool.pool.Lease(c.place(w), fresh, w.now())
	if b == nil {
		return e
	}
	return c.claim(w, b)
}

// choose has the client get a backend that was opened with its own startup
// parameters, or with none, if it can do with either.
func (c *client) choose(own bool) {
	if o := c.ownVariant(); o != nil && own != (c.variant == o) {
		c.variant, c.extra.other = c.extra.other, c.variant
	}
}

// ownVariant is the variant of its startup parameters, if it can do with any; else nil.
func (c *client) ownVariant() *pool.Variant {
	if c.extra == nil {
		return nil
	}
	return c.extra.opening
}

// place has the client's place in the waiting line say what is best for it: a backend of
// its own loop, with its settings.
func (c *client) place(w *worker) *pool.Waiter {
	if c.wait == nil {
		c.wait = w.waiters.lend()
	}
	c.wait.Taker, c.wait.Variant, c.wait.Login = c, c.variant, c.login != nil
	c.wait.Worker, c.wait.Settings = w.number(), c.sess.Settings().Hash()
	return c.wait
}

// leavePlace gives the place back: the client has left the line, or a backend or a
// refusal has come.
func (c *client) leavePlace(w *worker) {
	if c.wait != nil {
		w.waiters.back(c.wait)
		c.wait = nil
	}
}

// leaveLine takes the client out of the waiting line; it is false if it is in none.
func (c *client) leaveLine() bool {
	if c.wait == nil || !c.pool.pool.Leave(c.wait) {
		return false
	}
	c.leavePlace(c.worker.Load())
	return true
}

// claim makes a backend that the pool has lent to the client its loop's, and
// the client's; or the client is in the waiting line again. An error says that
// it is not.
func (c *client) claim(w *worker, b *pool.Backend) *wire.Error {
	s, e := w.claim(c.wait, b)
	switch {
	case s != nil:
		c.take(w, s)
	case e == nil:
		c.conn.Pause() // should it say good-bye, that is read behind what it has asked for
	}
	return e
}

// claim makes a backend this loop's, which the pool has lent to t. If that
// cannot be, because the backend is gone or is just being told something, t is
// in the waiting line again. If the loop cannot watch it, that is an error.
func (w *worker) claim(t *pool.Waiter, b *pool.Backend) (*server, *wire.Error) {
	s := b.Host.(*server)
	try := func() bool { return !s.dead.Load() && s.conn.Claim(w.loop) }
	if !try() && !b.Pool().Contended(t, b, w.now(), try) {
		return nil, nil
	}
	if s.conn.Deaf() {
		s.discard(false)
		return nil, errDeaf
	}
	return s, nil
}

var errDeaf = wire.Errorf(wire.CodeInsufficientResources, "the connection to the server cannot be watched: the system has no room for more")

// takeBack returns a backend that came for somebody who has gone.
func (w *worker) takeBack(b *pool.Backend) {
	if s, _ := w.claim(&pool.Waiter{Taker: &nobody{w}, Variant: b.Variant(), Worker: w.number()}, b); s != nil {
		w.giveBack(s)
	}
}

// take begins the lease of a backend that is on the client's own loop.
func (c *client) take(w *worker, s *server) {
	c.server = s
	c.conn.Resume() // see claim
	c.leavePlace(w)
	s.client.Store(c)
	s.place = len(w.leased)
	w.leased = append(w.leased, s)
	c.begun = 0 // the wait is counted by itself
	if c.login == nil || c.login.ownBackend() {
		// As in PgBouncer, what a login needs one for is no assignment, unless it is kept.
		c.pool.stats[w.index].totals.ServerAssignments++
	}
	now := w.now()
	s.text = s.text[:0]
	s.clocks = clocks{answered: now, ended: now, waited: c.waited(w, waitServed)}
}

// Grant is called when the client's turn in the waiting line has come; on any
// goroutine.
func (c *client) Grant(b *pool.Backend) {
	c.post(func() {
		w := c.worker.Load()
		if !c.wants() {
			w.takeBack(b)
			return
		}
		c.proceed(c.claim(w, b))
	})
}

// granted is Grant for a backend that is on the client's own loop already. It
// may be called while another session's step is carried out.
func (c *client) granted(w *worker, s *server) {
	if !c.wants() {
		w.giveBack(s)
		return
	}
	c.take(w, s)
	c.proceed(nil)
}

// wants tells whether the client still wants the backend that has come for it.
func (c *client) wants() bool {
	if c.canceled {
		c.canceled = false
		c.refuse(errCanceled)
		return false
	}
	return c.state == clientOpen
}

// proceed goes on with what the client needed a backend for: it has one, or
// waits in the line, or is given an error.
func (c *client) proceed(e *wire.Error) {
	switch {
	case e != nil:
		c.refuse(e)
	case c.server == nil:
	case c.login != nil:
		c.post(c.enterGranted)
	default:
		c.conn.Again()
	}
}

// Refuse is called when the client will get no backend; on any goroutine.
func (c *client) Refuse(e *wire.Error) {
	c.post(func() {
		c.canceled = false
		c.refuse(e)
	})
}

// refuse has the client be told why it gets no backend.
func (c *client) refuse(e *wire.Error) {
	switch {
	case c.state != clientOpen:
	case c.login != nil:
		c.waitFailed(c.worker.Load(), whyRefused(e))
		c.login.fail(e)
	default:
		c.more().refusal = e
		c.conn.Resume() // see claim
		c.conn.Again()
	}
}

// relet gets the client another backend in place of one that has gone before
// the client has begun with it.
func (c *client) relet() {
	w, s := c.worker.Load(), c.server
	c.unlease(w, s)
	s.discard(false)
	if c.replication != replicationNone {
		c.refuse(errReplicaLost)
		return
	}
	b, e := c.pool.pool.Relet(c.place(w), nil, w.now())
	if b != nil {
		e = c.claim(w, b)
	}
	c.proceed(e)
}

var errReplicaLost = wire.Fatalf(wire.CodeConnectionFailure, "the server closed its connection")

// move gets the client another backend in place of one that has refused its
// settings, and has it say again what it has said there.
func (c *client) move(said []byte) {
	if c.state != clientOpen {
		return
	}
	c.conn.Unread(said)
	e := c.acquire(c.worker.Load())
	if e != nil {
		c.more().refusal = e
	}
	if e != nil || c.server != nil {
		c.conn.Again()
	}
}

// release ends the lease of a backend that is clean.
func (c *client) release() {
	w, s := c.worker.Load(), c.server
	c.unlease(w, s)
	switch {
	case c.replication != replicationNone, s.conn.Congested():
		s.discard(false)
	default:
		// Not before the cancels that are on their way have arrived, and what the
		// client has notified: it could not be told from the next one's.
		s.quarantined = true
		if s.link.Notified() {
			s.syncing = w.proxy.syncNotes(s.b.Pool(), func() {
				w.post(func() {
					s.syncing = false
					s.link.Heard()
					w.letGo(s)
				})
			})
		}
		w.letGo(s)
	}
}

// letGo gives a backend back that is quarantined, if nothing is on its way any
// more.
func (w *worker) letGo(s *server) {
	if !s.quarantined || s.beingCanceled() || s.syncing || s.gone.Load() {
		return
	}
	s.quarantined = false
	if s.spoiled {
		s.discard(false)
		return
	}
	w.giveBack(s)
}

// drop ends the lease of a backend that nobody can use any more.
func (c *client) drop(busy bool) {
	w, s := c.worker.Load(), c.server
	c.unlease(w, s)
	s.discard(busy)
}

func (c *client) unlease(w *worker, s *server) {
	c.server, c.ahead = nil, false
	if x := c.extra; x != nil && x.later != nil {
		c.post(x.later) // it will find nothing to cancel
		x.later = nil
	}
	if c.sess.Withholds() && c.state == clientOpen {
		c.withhold(s)
	} else if s.trace != nil {
		c.leaveTrace(w, s, c.sess.Phase() == session.Waiting)
	}
	s.uncancel()
	c.conn.Resume() // it may have been too fast for this backend
	s.client.Store(nil)
	s.conn.Resume()
	last := len(w.leased) - 1
	w.leased[s.place] = w.leased[last]
	w.leased[s.place].place = s.place
	w.leased[last] = nil
	w.leased = w.leased[:last]
	if c.state == clientClosed {
		c.sess.Forget() // the rest of it
	}
}

// giveBack returns a backend of this loop to its pool, or hands it to who is
// next in the line.
func (w *worker) giveBack(s *server) {
	s.b.Worker, s.b.Settings = w.number(), s.link.Settings().Hash()
	next := s.b.Pool().Return(s.b, w.now(), s.park)
	if next == nil {
		return
	}
	switch t := next.Taker.(type) {
	case *client:
		to := t.worker.Load()
		if to == w {
			t.granted(w, s)
			return
		}
		s.conn.Remove()
		to.post(func() { // who waits stays on its loop
			if to.loop.Add(&s.conn) != nil {
				s.discard(false)
				t.canceled = false
				t.refuse(errDeaf)
				return
			}
			t.granted(to, s)
		})
	case *nobody:
		w.giveBack(s)
	}
}

// nobody stands in the waiting line for a client that has gone while its
// backend was being handed over, and gives the backend back.
type nobody struct{ w *worker }

func (n *nobody) Grant(b *pool.Backend) { n.w.post(func() { n.w.takeBack(b) }) }

func (n *nobody) Refuse(*wire.Error) {}
