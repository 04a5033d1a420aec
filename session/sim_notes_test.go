package session

import (
	"fmt"
	"strconv"

	"pgweir/wire"
)

// Notifications are made up by the simulation: its clients hear none that were
// sent.

// listened tells the session that the channels are heard, or not.
func (c *simClient) listened() {
	c.hears = false
	var e *wire.Error
	// Where the backend is given back already, the client would be told.
	if !c.rig.s.extra.yielded && c.sim.rng.IntN(10) == 0 {
		e = errTimeout
	}
	c.sim.happens("client %d hears %v, %v", c.id, c.rig.s.Wanted(), e == nil)
	c.rig.s.Listened(e, &c.rig.o)
	c.sim.stepped(c)
	c.again = true
}

// caughtUp ends a catch-up.
func (c *simClient) caughtUp() {
	c.sim.happens("client %d has been told all up to %d", c.id, c.rig.catchUps[0])
	c.rig.catchUp()
	c.sim.stepped(c)
	c.again = c.again || c.rig.s.Released()
}

// notify has something come for it.
func (c *simClient) notify() {
	c.sim.notes++
	c.told = c.sim.notes
	c.sim.happens("client %d is notified of %d", c.id, c.sim.notes)
	c.rig.s.Notify([]byte(note(c.rig.s.Channels()[0], c.sim.notes)), c.sim.rng.IntN(4) == 0, &c.rig.o)
	c.sim.stepped(c)
}

// notesWait tells whether notifications wait for it.
func (c *simClient) notesWait() bool { return c.rig.s.extra != nil && len(c.rig.s.extra.notes) > 0 }

// drained: it has read what it was sent.
func (c *simClient) drained() {
	c.rig.s.NotesDrained(&c.rig.o)
	c.sim.stepped(c)
}

func note(channel string, n int) string {
	return message('A', "\x00\x00\x00\x01", fmt.Sprintf("%s\x00%08d\x00", channel, n))
}

// readsNote reads a notification: in order, and never within a transaction or an answer.
func (c *simClient) readsNote(m string) {
	n, err := strconv.Atoi(m[wire.HeaderLen+7 : len(m)-1])
	if err != nil || n <= c.heard {
		c.sim.t.Fatalf("client %d reads the notification %s behind %d", c.id, show(m), c.heard)
	}
	c.heard = n
	rests := c.rested || c.last == ready('I') || c.last[0] == 'E' && c.direct.tx == 'I'
	if !rests && (len(c.expect) == 0 || c.expect[0] != ready('I')) {
		c.sim.t.Fatalf("client %d reads a notification in the midst of something else, behind %s", c.id, show(c.last))
	}
}
