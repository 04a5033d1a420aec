package loop

// held is what a connection keeps of its bytes. Its loop lends it one as long as there
// are any: an idle connection has none.
type held struct {
	in     []byte // received and not consumed; nil if none
	out    []byte // to be sent from outOff on; nil if nothing is
	outOff int32
	given  int32 // the engine's: so many bytes from there on are about to be the kernel's
}

// holdsNothing is what all connections have that keep nothing. It is never written to,
// for the loops have no lock on it.
var holdsNothing = new(held)

// keepHeld is how many a loop keeps for the next ones in need; the others are the
// garbage collector's.
const keepHeld = 256

// hold is called before anything is kept.
func (c *Conn) hold() {
	if c.held != holdsNothing {
		return
	}
	l := c.home.Load()
	if l == nil || len(l.held) == 0 {
		c.held = new(held)
		return
	}
	last := len(l.held) - 1
	c.held, l.held = l.held[last], l.held[:last]
}

// letGo is called when something is kept no more. If that was the last, c keeps nothing;
// see dropHeld.
func (c *Conn) letGo(l *Loop) {
	if c.in == nil && c.out == nil {
		c.dropHeld(l)
	}
}

// dropHeld has c keep nothing, and l lend the held to others; nil is no loop.
func (c *Conn) dropHeld(l *Loop) {
	if c.held == holdsNothing {
		return
	}
	if l != nil && len(l.held) < keepHeld {
		*c.held = held{}
		l.held = append(l.held, c.held)
	}
	c.held = holdsNothing
}
