package session

import (
	"slices"

	"pgweir/pool"
	"pgweir/wire"
)

// What is here feeds sessions, and does what they want done, as proxy/client.go
// and proxy/server.go do.

// entryEvents: a client logs in. In session mode it needs a backend for that, and
// some do elsewhere, to learn what the server says to their startup parameters.
func (s *sim) entryEvents(c *simClient, add func(int, func())) {
	if c.begins {
		add(20, func() {
			c.begins = false
			own := s.config.Mode == SessionMode
			if !own && s.rng.IntN(6) > 0 {
				return
			}
			s.happens("client %d logs in", c.id)
			c.enters = true
			var fresh []wire.Param
			if s.rng.IntN(2) == 0 {
				fresh = append([]wire.Param{}, c.params...)
			}
			c.proceed(c.acquire(fresh))
		})
		return
	}
	if !s.calm && s.rng.IntN(500) == 0 {
		add(5, func() {
			s.happens("client %d goes before it is in", c.id)
			if c.lease != nil {
				c.release()
			} else {
				c.leaveLine()
			}
			c.close()
		})
	}
}

// entersGranted goes on with a login that has its backend.
func (c *simClient) entersGranted() {
	if !c.enters || !c.open() || c.lease == nil {
		return
	}
	c.enters = false
	c.sim.happens("client %d is let in", c.id)
	if c.sim.config.Mode != SessionMode {
		c.release()
		return
	}
	c.begin()
	c.sim.stepped(c)
	c.again = true
}

// begin has the session begin with the backend that it was lent.
func (c *simClient) begin() {
	b := c.lease
	b.owner = c.direct.owner
	c.doomed = c.doomed || b.dead
	c.rig.link = b.link
	c.rig.s.Lease(b.link, &c.rig.o)
}

// received feeds the session, and gets it a backend when it needs one.
func (c *simClient) received() {
	r := c.rig
	for c.again = false; c.open(); {
		if e := c.refusal; e != nil {
			c.refusal = nil
			if r.s.Phase() == Waiting {
				c.isRefused(e)
			}
		}
		if c.lease != nil && r.s.Phase() == Waiting {
			c.begin()
		}
		alone := c.lease == nil
		r.stepClient()
		if alone {
			c.checkRecalled(r.toClient)
		}
		c.sim.stepped(c)
		c.reads("")
		if !c.needs {
			break
		}
		c.needs = false
		if c.refusal = c.acquire(nil); c.refusal == nil && c.lease == nil {
			break
		}
	}
}

// isRefused has the session hear that there is no backend for it. If the direct
// connection has carried out already what the session is to be told again, there
// is nothing to compare its answer to.
func (c *simClient) isRefused(e *wire.Error) {
	c.sim.happens("client %d is refused: %v", c.id, e)
	if c.saysAgain() {
		c.quits = true
	} else {
		i, whole := slices.BinarySearch(c.at, c.consumed())
		if !whole {
			c.sim.t.Fatalf("client %d is refused in the midst of a message", c.id)
		}
		c.refused[i] = e
	}
	r := c.rig
	in := buffer(r.fromClient)
	n := r.s.Refuse(e, in, &r.o)
	r.consumed(n, &r.fromClient)
	r.took()
	scribble(in)
	c.sim.stepped(c)
}

// fromServer has the session read some of what its backend has said.
func (s *sim) fromServer(b *simBackend) {
	c := b.holder
	r := c.rig
	n := s.cut(len(b.out))
	r.fromServer += b.out[:n]
	b.out = b.out[n:]
	in := buffer(r.fromServer)
	k := r.s.Server(in, &r.o)
	r.consumed(k, &r.fromServer)
	r.took()
	scribble(in)
	s.stepped(c)
	if c.needs {
		// Its settings were refused: another backend, and all that it has said there.
		c.needs = false
		if c.open() {
			c.refusal = c.acquire(nil)
			c.again = c.refusal != nil || c.lease != nil
		}
	}
	c.again = c.again || r.s.Released()
}

// ends: the backend of a client has closed its connection.
func (s *sim) ends(b *simBackend) {
	s.happens("backend %d closes its connection", b.id)
	c := b.holder
	if c.enters || c.rig.s.Phase() == Waiting {
		c.relet()
		return
	}
	c.rig.s.Lost(&c.rig.o)
	s.stepped(c)
	c.again = c.again || c.rig.s.Released()
}

// cancel has PostgreSQL cancel what the client waits for.
func (c *simClient) cancel() {
	s, b, loop := c.sim, c.lease, c.loop
	s.happens("client %d cancels what backend %d does", c.id, b.id)
	b.cancels++
	b.canceler = c
	go func() {
		_, err := s.pool.CancelQuery(b.pool, pool.CancelRequest{})
		s.post(loop, b.key(), func() {
			s.happens("the cancel request has been there: %v", err)
			b.cancels--
			s.letGo(b)
		})
	}()
}

// cancelWait has the client be refused what it waits for.
func (c *simClient) cancelWait() {
	switch {
	case c.refusal != nil:
		return
	case c.lease != nil:
		c.release()
	case !c.leaveLine():
		c.canceled = true
		return
	}
	c.refusal, c.again = errCanceled, true
}

// leaveLine is false if a backend or a refusal is on its way.
func (c *simClient) leaveLine() bool {
	if !c.sim.pool.Leave(&c.wait) {
		return false
	}
	c.sets(false)
	return true
}

// leave closes the connection without a word.
func (c *simClient) leave() {
	c.sim.happens("client %d goes", c.id)
	if c.rig.s.Phase() == Waiting {
		if c.lease != nil {
			c.release()
		} else {
			c.leaveLine()
		}
	}
	c.left = true
	c.rig.s.Gone(&c.rig.o)
	c.sim.stepped(c)
	c.close() // proxy does at once, whatever the session still has to do
}

// close has the client forgotten.
func (c *simClient) close() {
	if !c.closed {
		c.sim.pool.Forget(c.wait.Variant)
	}
	c.closed = true
	c.rig.s.Forget()
}
