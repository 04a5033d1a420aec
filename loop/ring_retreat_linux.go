package loop

import (
	"fmt"
)

// retreat goes on without the ring, which has failed.
func (r *ring) retreat() {
	l := r.loop
	other, err := newReadiness(l)
	if err != nil {
		return // tried again in the next turn
	}
	r.keepUntold()
	parked := l.claimAllBack() // nobody may claim what is between two engines
	l.use(other)
	var ends error
	if r.lost {
		ends = errLost
	}
	for _, c := range l.conns {
		if c != nil {
			r.leave(c, ends)
		}
	}
	r.free()
	if l.opts.Retreated != nil {
		l.opts.Retreated(fmt.Errorf("io_uring: %w", r.broken))
	}
	for _, c := range parked {
		if l.find(c.fd, c.gen) == c && l.Has(c) && c.is(registered) {
			l.tellKept(c)
		}
	}
}

// keepUntold keeps what has been received and not been told, unless there may be a gap
// before it.
func (r *ring) keepUntold() {
	if r.lost {
		return
	}
	r.entered(nil)
	for ; r.next < len(r.done); r.next++ {
		e := &r.done[r.next]
		if c := r.conn(e.user); c != nil && operationOf(e.user) == opReceive {
			r.receiveLate(c, e)
		} else {
			r.giveBack(e)
		}
	}
}

// claimAllBack ends the parking of all that is parked here, which it returns.
func (l *Loop) claimAllBack() (parked []*Conn) {
	for _, c := range l.conns {
		if c != nil && l.claimBack(c) {
			parked = append(parked, c)
		}
	}
	return parked
}

// leave hands c over to the other engine, or has its handler told the end.
func (r *ring) leave(c *Conn, ends error) {
	read, unsure := c.is(wanted), c.given > 0
	if late := r.takeLate(c); len(late) > 0 && !r.lost {
		c.keepRaw(late)
		c.Again()
	}
	c.engines = 0
	if unsure {
		c.given = 0
	}
	if len(c.out) > 0 && !unsure {
		c.blocked = true
	}
	if unsure {
		r.giveUp(c)
		if ends == nil {
			ends = r.broken
		}
	}
	if ends != nil && !c.accepts { // nothing of a listener's is lost: it looks again
		c.broken(ends)
	} else if err := r.loop.engine.watch(c, read); err != nil {
		c.broken(err)
	}
}
