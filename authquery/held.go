package authquery

// A source that is held has no connection: its line hangs up after the question that it
// is putting, and the others wait in its queue.

// held tells whether a source is, just now.
func (a *Asker) held(s Source) bool { return a.opts.Held != nil && a.opts.Held(s) }

// Reconsider has all lines look whether they are held.
func (a *Asker) Reconsider() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range a.lines {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// Lingers tells whether a source that is held is connected to still.
func (a *Asker) Lingers() bool {
	var connected []Source
	a.mu.Lock()
	for s, l := range a.lines {
		if l.connected || l.engaged {
			connected = append(connected, s)
		}
	}
	a.mu.Unlock()
	for _, s := range connected {
		if a.held(s) {
			return true
		}
	}
	return false
}

// engage has Lingers see that a connection may be opened, and is false if none may be.
// Who is held after that is seen to linger.
func (l *line) engage() bool {
	l.setEngaged(true)
	return l.asker.ctx.Err() != nil || !l.asker.held(l.source)
}

func (l *line) setEngaged(engaged bool) {
	l.asker.mu.Lock()
	l.engaged = engaged
	l.asker.mu.Unlock()
}

// rest waits without a connection until there is something to look at, and is true if
// nothing is left to be asked. Nobody's question ages meanwhile.
func (l *line) rest() (over bool) {
	l.hangUp()
	l.setEngaged(false)
	if l.rests() {
		return true
	}
	select {
	case <-l.wake:
	case <-l.leave:
	case <-l.asker.ctx.Done():
	}
	l.asker.mu.Lock()
	defer l.asker.mu.Unlock()
	for _, f := range l.queue {
		f.began = l.asker.now()
	}
	return false
}
