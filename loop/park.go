package loop

// Park leaves c with its loop, which goes on watching it, but lets any other
// loop claim it. If something comes, its loop claims it back and tells the
// handler. Within Received, the handler must have consumed all that it was
// given. Whoever parks c may not touch it any more before claiming it.
func (c *Conn) Park() {
	l := c.home.Load()
	if l == nil {
		return
	}
	// As Received leaves it behind: afterwards it is too late for that.
	c.paused, c.full = false, len(c.in) >= MaxKept
	c.gathering, c.streak = false, 0
	c.watchFor(!c.full && !c.ended) // Suspend does not concern it, nor will Restart
	c.owner.Store(-l.id)
}

// Claim makes a parked connection the caller's, on l, whose thread it must
// be; it may be so already. It is false if another loop was faster, or if
// something has come, for c's own loop to tell; or if that loop's engine has to let
// go of c first: then c comes to l a little later, and its handler is told there,
// with no bytes if none have come. If the connection has
// ended, its handler will hear of it once more. If l's engine has no room for c, it
// is the caller's all the same, but Deaf.
func (c *Conn) Claim(l *Loop) bool {
	owner := c.owner.Load()
	if owner == l.id {
		if c.ended {
			c.ended = false
			c.watch()
		}
		return true
	}
	from := c.home.Load()
	if owner < nobody && from != nil && from != l && !from.movable.Load() {
		from.Post(func() { from.hand(c, l) })
		return false
	}
	if owner >= nobody || !c.owner.CompareAndSwap(owner, l.id) {
		return false
	}
	if from = c.home.Load(); from == l {
		if l.suspended {
			c.watch()
		}
		return true
	}
	if sysReadable(int(c.fd)) {
		// What l sent now would come after that, and be lost if it is the end.
		// On its own loop it is met first in any case.
		c.owner.Store(-from.id)
		return false
	}
	// The old loop's tables keep stale entries, which it sees through.
	c.queued = false
	from.engine.remove(c)
	from.count.Add(-1)
	l.put(c)
	if c.watch() == nil {
		c.greet()
	}
	return true
}

// hand gives c, whom another loop wants, to that loop, if it is still parked here.
func (l *Loop) hand(c *Conn, to *Loop) {
	if !l.claimBack(c) {
		return
	}
	c.Remove()
	if kept := c.hasKept(); kept || sysReadable(int(c.fd)) {
		if l.welcome(c) && kept { // it is told here; see Claim
			l.tellKept(c)
		}
		return
	}
	to.Post(func() {
		if to.welcome(c) {
			c.deliver(to.kept(c))
		}
	})
}

// welcome is Add for one whose handler has to be told if that fails.
func (l *Loop) welcome(c *Conn) bool {
	err := l.Add(c)
	if err != nil {
		l.put(c)
		c.end(err)
	}
	return err == nil
}

// Deaf tells that the loop's engine has refused to watch c: nothing that comes
// will be told.
func (c *Conn) Deaf() bool { return !c.is(registered) && c.wantsRead() }
