package authquery

import (
	"cmp"
	"context"
	"time"

	"pgweir/passwords"
)

// maxGuesses is how many lines there may be to databases of which nobody vouches that
// they exist, and to which there was no connection yet.
const maxGuesses = 8

const (
	// The server cannot be reached: all its databases pause. The bound is short, for
	// a try costs little, and logins fail meanwhile.
	openPause, openPauseMax = time.Second, 5 * time.Second
	// It refuses us in one database: each try writes to its log, and none will fare
	// better soon.
	refusalPause = 5 * time.Second
	// It refuses databases that clients have made up.
	guessPause, guessPauseMax = time.Second, 30 * time.Second
)

// line finds or makes the line to a source; nil if there is no room. A line that was
// never connected makes room for any other, and one that was only for a database that
// is known to exist. Under mu.
func (a *Asker) line(s Source, sure bool) *line {
	if l := a.lines[s]; l != nil {
		l.guess = l.guess && !sure
		return l
	}
	isGuess := func(l *line) bool { return l.guess }
	isNew := func(l *line) bool { return l.models == nil }
	guesses := 0
	for _, l := range a.lines {
		if isGuess(l) {
			guesses++
		}
	}
	room := true
	switch {
	case !sure && guesses >= maxGuesses:
		room = a.evict(isGuess)
	case len(a.lines) >= maxLines:
		room = a.evict(isNew) || sure && a.evict(func(*line) bool { return true })
	}
	if !room {
		return nil
	}
	l := &line{
		asker: a, source: s, guess: !sure, madeUp: true,
		wake: make(chan struct{}, 1), leave: make(chan struct{}, 1),
	}
	a.lines[s] = l
	return l
}

// evict has the idle line of this kind go that was used least recently. Under mu.
func (a *Asker) evict(kind func(*line) bool) bool {
	var last *line
	for _, l := range a.lines {
		if l.pending == 0 && kind(l) && (last == nil || l.used.Before(last.used)) {
			last = l
		}
	}
	if last == nil {
		return false
	}
	delete(a.lines, last.source)
	last.vacate()
	return true
}

// isDatabase tells whether a database is known to exist: a connection to it was
// opened, and none has failed for want of it since. Under mu.
func (a *Asker) isDatabase(s Source) bool {
	l := a.lines[s]
	return l != nil && !l.guess && l.models != nil && !isNoDatabase(l.refused.err)
}

// connect makes sure that there is a connection.
func (l *line) connect(ctx context.Context) error {
	if l.conn != nil {
		return nil
	}
	list := l.asker.passwords(l.source)
	if err := l.pauses(l.login.HasOther(list)); err != nil {
		return err
	}
	select {
	case l.asker.slots <- struct{}{}:
	case <-ctx.Done():
		return errBusy // those of lines that made room are still being closed
	}
	var c conn
	err := l.login.Try(ctx, list, func(password string) (err error) {
		c, err = l.asker.open(ctx, l.source, password)
		return err
	})
	if err != nil {
		<-l.asker.slots
		l.failed(err)
		return err
	}
	l.conn = c
	l.opened(c)
	return nil
}

// passwords are those that a source's user may have.
func (a *Asker) passwords(s Source) passwords.List {
	if a.opts.Passwords == nil {
		return passwords.List{}
	}
	return a.opts.Passwords(s)
}

// pauses gives the error for which nothing is opened at the moment. The server's
// refusal does not count if there is another password by now.
func (l *line) pauses(another bool) error {
	a := l.asker
	a.mu.Lock()
	defer a.mu.Unlock()
	now, sv := a.now(), a.server(l.source.Server)
	if err := l.refused.refuses(now); err != nil && !another {
		return err
	}
	if err := sv.guesses.refuses(now); err != nil && l.guess {
		return errBusy
	}
	return sv.opens.refuses(now)
}

// failed: no connection could be opened.
func (l *line) failed(err error) {
	a := l.asker
	a.mu.Lock()
	defer a.mu.Unlock()
	now, sv := a.now(), a.server(l.source.Server)
	if !isRefusal(err) {
		sv.opens.fail(now, err, openPause, openPauseMax)
		return
	}
	sv.opens = pause{} // it is there
	l.refused.fail(now, err, refusalPause, refusalPause)
	if l.guess {
		sv.guesses.fail(now, err, guessPause, guessPauseMax)
	}
}

func (l *line) opened(c conn) {
	a := l.asker
	a.mu.Lock()
	defer a.mu.Unlock()
	sv := a.server(l.source.Server)
	name, shape := c.server()
	l.models = a.modelsOf(cmp.Or(name, "at "+l.source.Server), shape)
	sv.models, sv.opens = l.models, pause{}
	if l.guess {
		sv.guesses = pause{}
	}
	l.connected, l.guess, l.refused = true, false, pause{}
}
