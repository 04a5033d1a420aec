package loop

import "time"

// A peer that streams (the rows of a large result) writes a few kilobytes at a
// time, and reading each of them at once costs a wake-up, a read and a write
// for each. So once a stream has shown itself, its connection is left alone
// for a moment between reads, while the others are served; what gathers in the
// kernel meanwhile is then read and passed on in one piece.

const (
	// gatherFrom is how much one read must bring to count as a stream.
	gatherFrom = 4 << 10
	// gatherAfter is how many such reads must have come in a row.
	gatherAfter = 4
	// gatherFor is how long a stream is left alone. The kernel's buffer, of
	// 200 KB and more, must not be full by then.
	gatherFor = 50 * time.Microsecond
)

// Streaming says, within Received, that what has come is part of something
// long, and that its peer will send more of it without being asked.
func (c *Conn) Streaming() { c.streaming = true }

// gather leaves a connection alone if it has been streaming for some time.
func (l *Loop) gather(c *Conn) {
	if c.streak < gatherAfter {
		c.streak++
		return
	}
	c.gathering = true
	c.watch()
	if len(l.gathering) == 0 {
		l.gatherEnd = time.Since(l.base) + gatherFor
	}
	l.gathering = append(l.gathering, c)
}

// endGathering reads what has gathered, if it is time to.
func (l *Loop) endGathering() {
	if l.now < l.gatherEnd {
		return
	}
	due := l.gathering
	l.gathering = l.gathering[len(due):]
	for i, c := range due {
		due[i] = nil
		if l.Has(c) && c.gathering {
			c.gathering = false
			c.rewatch()
			if c.wantsRead() {
				l.engine.read(c)
			}
		}
	}
	if len(l.gathering) == 0 {
		l.gathering = due[:0]
	}
}
