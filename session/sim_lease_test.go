package session

import (
	"slices"

	"pgweir/pool"
	"pgweir/wire"
)

// What is here does with the pool what proxy/lease.go does with it, name by
// name.

// simBackend is a backend that has logged in.
type simBackend struct {
	*backend
	id        int
	pool      *pool.Backend
	conn      *simConn
	link      *Link
	holder    *simClient
	home, at  int        // the loop that watches it, and where it is; see nobodys
	gone      bool       // it closes its connection when all it said has been read
	lost      bool       // that was seen while nobody held it
	told      bool       // and nothing more is to be seen
	contended bool       // somebody in the line is to get it if it is well
	idle      bool       // the pool has it; guarded by the sim's lock
	discarded bool       // it is on its way out
	held      bool       // released, but something for it or of it is on its way:
	cancels   int        // cancel requests,
	canceler  *simClient // of this client,
	notes     bool       // or notifications
}

// seat is a place in the waiting line.
type seat struct {
	sim    *sim
	wait   pool.Waiter
	inLine bool // guarded by the sim's lock
	fresh  bool
}

func (t *seat) sets(inLine bool) { t.sim.sets(&t.inLine, inLine) }

// granted notes that the pool has lent b to whoever has the seat.
func (t *seat) lent(b *simBackend) {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	t.inLine, b.idle = false, false
}

// acquire gets the client a backend, or a place in the waiting line.
func (c *simClient) acquire(fresh []wire.Param) *wire.Error {
	s := c.sim
	c.sets(true)
	c.fresh = fresh != nil
	own := c.ownIdle()
	p, e := s.pool.Lease(c.seatsAt(), fresh, s.now())
	if p != nil && own && int(p.Worker) != c.loop-1 {
		s.t.Fatalf("client %d on loop %d is lent backend %d of another, though its own has an idle one", c.id, c.loop, p.ID)
	}
	return c.leases(p, e)
}

// ownIdle tells whether a backend is idle on the client's own loop.
func (c *simClient) ownIdle() bool {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	return slices.ContainsFunc(c.sim.backends, func(b *simBackend) bool {
		return b.idle && b.home == c.loop && b.pool.Variant() == c.wait.Variant
	})
}

// seatsAt has the client's place in the line say where it is.
func (c *simClient) seatsAt() *pool.Waiter {
	c.wait.Worker, c.wait.Settings = int32(c.loop-1), c.rig.s.Settings().Hash()
	return &c.wait
}

// leases goes on with what Lease has said.
func (c *simClient) leases(p *pool.Backend, e *wire.Error) *wire.Error {
	switch {
	case p != nil:
		b := p.Host.(*simBackend)
		c.lent(b)
		c.sim.happens("backend %d is there for client %d", b.id, c.id)
		c.claim(b)
	case e != nil:
		c.sets(false)
	default:
		c.sim.happens("client %d waits", c.id)
	}
	return e
}

// claim makes a backend the client's that was lent to it, or the client is in
// the line again.
func (c *simClient) claim(b *simBackend) {
	if c.sim.claim(c.loop, &c.seat, b) {
		c.take(b)
	}
}

func (s *sim) claim(loop int, t *seat, b *simBackend) bool {
	try := func() bool { return !b.lost && b.claimedBy(loop) }
	if try() {
		return true
	}
	s.happens("backend %d is contended for", b.id)
	t.sets(true)
	t.fresh = false
	b.contended = !b.lost
	if s.pool.Contended(&t.wait, b.pool, s.now(), try) {
		t.sets(false)
		b.contended = false
		return true
	}
	return false
}

// take begins a lease of a backend that is on the client's own loop.
func (c *simClient) take(b *simBackend) {
	s := c.sim
	if c.lease != nil || b.holder != nil || b.at != c.loop || b.discarded {
		s.t.Fatalf("client %d takes backend %d, which is at %d, and %v's; it has %v", c.id, b.id, b.at, b.holder, c.lease)
	}
	if left := b.dirty(); left != "" && !b.dead {
		s.t.Fatalf("backend %d is lent while there is still %s", b.id, left)
	}
	s.happens("backend %d is lent to client %d", b.id, c.id)
	c.lease, b.holder, b.rezoned = b, c, false
}

// Grant is called when the client's turn has come; on any goroutine.
func (c *simClient) Grant(p *pool.Backend) {
	b := p.Host.(*simBackend)
	c.lent(b)
	c.post(func() {
		if !c.wants() {
			c.sim.takeBack(c.loop, b)
			return
		}
		c.claim(b)
		c.proceed(nil)
	})
}

// granted is Grant for a backend that is on the client's loop already.
func (c *simClient) granted(b *simBackend) {
	if !c.wants() {
		c.sim.giveBack(b)
		return
	}
	c.take(b)
	c.proceed(nil)
}

func (c *simClient) open() bool { return !c.closed && !c.left }

// wants tells whether the client still wants what has come for it.
func (c *simClient) wants() bool {
	if c.canceled {
		c.canceled = false
		c.refuse(errCanceled)
		return false
	}
	return c.open()
}

var errCanceled = wire.Errorf(wire.CodeQueryCanceled, "canceling statement due to user request")

// proceed goes on with what the client needed a backend for.
func (c *simClient) proceed(e *wire.Error) {
	switch {
	case e != nil:
		c.refuse(e)
	case c.lease == nil:
	case c.enters:
		c.post(c.entersGranted)
	default:
		c.again = true
	}
}

// Refuse is called when the client gets no backend; on any goroutine.
func (c *simClient) Refuse(e *wire.Error) {
	c.sets(false)
	c.post(func() {
		c.canceled = false
		c.refuse(e)
	})
}

func (c *simClient) refuse(e *wire.Error) {
	switch {
	case !c.open():
	case c.enters:
		c.sim.happens("client %d is not let in", c.id)
		c.close()
	default:
		c.refusal, c.again = e, true
	}
}

// relet gets the client another backend in place of one that has gone before
// the client has begun with it.
func (c *simClient) relet() {
	s, b := c.sim, c.lease
	s.happens("backend %d goes before client %d has begun with it", b.id, c.id)
	c.unlease()
	s.discard(b, false)
	c.sets(true)
	c.fresh = false
	p, e := s.pool.Relet(c.seatsAt(), nil, s.now())
	c.proceed(c.leases(p, e))
}

// release ends the lease of a backend that is clean.
func (c *simClient) release() {
	s, b := c.sim, c.lease
	c.unlease()
	if !s.calm && s.rng.IntN(60) == 0 {
		s.happens("backend %d has not taken all that it was sent", b.id)
		s.discard(b, false)
		return
	}
	b.held = true
	b.notes = b.link.Notified()
	s.letGo(b)
}

// letGo gives a backend back if nothing is on its way any more.
func (s *sim) letGo(b *simBackend) {
	if b.held && b.cancels == 0 && !b.notes && !b.discarded {
		b.held = false
		s.giveBack(b)
	}
}

// noted: what the backend's client has notified has been heard.
func (s *sim) noted(b *simBackend) {
	b.notes = false
	b.link.Heard()
	s.letGo(b)
}

// drop ends the lease of a backend that nobody can use any more.
func (c *simClient) drop(busy bool) {
	b := c.lease
	c.unlease()
	c.sim.discard(b, busy)
}

func (c *simClient) unlease() {
	c.lease.holder, c.lease = nil, nil
	if c.closed {
		c.rig.s.Forget()
	}
}

// discard ends a backend.
func (s *sim) discard(b *simBackend, busy bool) {
	if b.discarded {
		return
	}
	s.happens("backend %d is discarded, busy %v", b.id, busy)
	b.discarded, b.held = true, false
	s.sets(&b.idle, false)
	s.backends = slices.DeleteFunc(s.backends, func(o *simBackend) bool { return o == b })
	b.conn.Write(wire.AppendTerminate(nil))
	b.pool.Conn = b.conn
	s.pool.Discard(b.pool, busy)
}

// giveBack returns a backend to the pool, or hands it to who is next in the line.
func (s *sim) giveBack(b *simBackend) {
	b.pool.Worker, b.pool.Settings = int32(b.at-1), b.link.Settings().Hash()
	next := s.pool.Return(b.pool, s.now(), func() {
		b.parks()
		s.sets(&b.idle, true)
	})
	if next == nil {
		return
	}
	switch t := next.Taker.(type) {
	case *simClient:
		t.lent(b)
		if t.loop == b.at {
			t.granted(b)
			return
		}
		s.happens("backend %d goes to the loop of client %d", b.id, t.id)
		b.at, b.home = nobodys, t.loop
		t.post(func() {
			b.at = t.loop
			t.granted(b)
		})
	case *absentee:
		t.lent(b)
		s.giveBack(b)
	}
}

// takeBack returns a backend that came for somebody who has gone.
func (s *sim) takeBack(loop int, b *simBackend) {
	n := &absentee{seat: seat{sim: s}, loop: loop}
	n.wait.Taker, n.wait.Variant, n.wait.Worker = n, b.pool.Variant(), int32(loop-1)
	s.absentees = append(s.absentees, n)
	if s.claim(loop, &n.seat, b) {
		s.giveBack(b)
	}
}

// absentee stands in the line for a client that has gone.
type absentee struct {
	seat
	loop int
}

func (n *absentee) Grant(p *pool.Backend) {
	b := p.Host.(*simBackend)
	n.lent(b)
	n.sim.post(n.loop, b.key(), func() { n.sim.takeBack(n.loop, b) })
}

func (n *absentee) Refuse(*wire.Error) { n.sets(false) }
