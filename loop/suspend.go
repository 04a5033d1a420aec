package loop

// Suspend stops the reading of the loop's connections, and the accepting of others: what
// comes stays with the kernel, and what is kept is not received again. What has been sent
// goes on being written. Parked connections are watched, those too that are parked
// meanwhile. On the loop's thread.
func (l *Loop) Suspend() { l.setSuspended(true) }

// Restart ends Suspend. On the loop's thread.
func (l *Loop) Restart() { l.setSuspended(false) }

// Suspended tells whether the loop is. On the loop's thread.
func (l *Loop) Suspended() bool { return l.suspended }

func (l *Loop) setSuspended(suspended bool) {
	if l.suspended == suspended {
		return
	}
	l.suspended = suspended
	for _, c := range l.conns {
		if c != nil && l.Has(c) {
			c.rewatch()
		}
	}
}

// Unsent is how many connections have bytes that their peers have not taken yet. On the
// loop's thread.
func (l *Loop) Unsent() (n int) {
	for _, c := range l.conns {
		if c != nil && l.Has(c) && c.Unsent() > 0 {
			n++
		}
	}
	return n
}
