package authquery

import (
	"context"
	"time"

	"pgweir/auth"
)

// line is the connection to one source. It is opened when something is asked, by a
// goroutine that puts the questions one after the other, and ends both when nothing
// has been asked for a while.
type line struct {
	asker     *Asker
	source    Source
	models    *auth.Models
	questions chan *flight
	leave     chan struct{} // that the connection is to be closed; holds one

	// Guarded by Asker.mu.
	running   bool // the goroutine is there
	pending   int  // questions that it has not settled
	used      time.Time
	connected bool
	failing   error // the last question's, while they fail
	told      bool  // that they do
	toldAt    time.Time
	counts    counts

	// The goroutine's.
	conn    conn
	refused error     // the last login's, while it is not tried again
	until   time.Time // when it is
}

// conn is an open connection.
type conn interface {
	// ask puts a question. An error ends the connection, unless it is the server's
	// word about the question.
	ask(ctx context.Context, query, name string) (secret string, err error)
	// dead tells that it is of no use any more.
	dead() bool
	close()
}

// opener opens a connection to a source.
type opener func(context.Context, Source) (conn, error)

// line finds or makes the line to a source; nil if there is no room. Under mu.
func (a *Asker) line(s Source) *line {
	if l := a.lines[s]; l != nil {
		return l
	}
	if len(a.lines) >= maxLines {
		var last *line
		for _, l := range a.lines {
			if l.pending == 0 && (last == nil || l.used.Before(last.used)) {
				last = l
			}
		}
		if last == nil {
			return nil
		}
		delete(a.lines, last.source)
		last.vacate()
	}
	l := &line{
		asker: a, source: s, models: new(auth.Models),
		questions: make(chan *flight, maxQuestions), leave: make(chan struct{}, 1),
	}
	a.lines[s] = l
	return l
}

// put has a question asked. Under mu.
func (l *line) put(f *flight) {
	l.pending++
	l.used = f.began
	l.questions <- f // there are never more than there is room for
	if !l.running {
		l.running = true
		l.asker.done.Go(l.run)
	}
}

// vacate has the connection closed when no question is under way.
func (l *line) vacate() {
	select {
	case l.leave <- struct{}{}:
	default:
	}
}

// run puts the questions.
func (l *line) run() {
	timer := time.NewTimer(l.asker.linger)
	defer timer.Stop()
	for {
		select {
		case f := <-l.questions:
			l.settle(f)
			timer.Reset(l.asker.linger)
			continue
		case <-l.leave:
		case <-timer.C:
		case <-l.asker.ctx.Done():
		}
		l.hangUp()
		if l.rests() {
			return
		}
	}
}

// rests ends the goroutine, unless something has been asked meanwhile.
func (l *line) rests() bool {
	l.asker.mu.Lock()
	defer l.asker.mu.Unlock()
	l.running = l.pending > 0
	return !l.running
}

// settle asks one question.
func (l *line) settle(f *flight) {
	r := l.question(f)
	l.tell(r.err)
	l.asker.mu.Lock()
	l.pending--
	l.asker.mu.Unlock()
	l.asker.land(l, f, r)
}

func (l *line) question(f *flight) reply {
	left := questionTimeout - l.asker.now().Sub(f.began)
	if l.asker.ctx.Err() != nil {
		return reply{err: errClosed}
	}
	if left <= 0 {
		return reply{err: errLate}
	}
	ctx, cancel := context.WithTimeout(l.asker.ctx, left)
	defer cancel()
	for {
		reused := l.conn != nil
		if err := l.connect(ctx); err != nil {
			return reply{err: err}
		}
		secret, err := l.conn.ask(ctx, l.source.Query, f.name)
		if !l.conn.dead() {
			return reply{secret, err}
		}
		l.hangUp()
		if err == nil || !reused || ctx.Err() != nil {
			return reply{secret, err}
		} // the server has closed it meanwhile
	}
}

// connect makes sure that there is a connection.
func (l *line) connect(ctx context.Context) error {
	if l.conn != nil {
		return nil
	}
	if l.refused != nil && l.asker.now().Before(l.until) {
		return l.refused
	}
	select {
	case l.asker.slots <- struct{}{}:
	case <-ctx.Done():
		return errBusy // those of lines that made room are still being closed
	}
	c, err := l.asker.open(ctx, l.source)
	if err != nil {
		<-l.asker.slots
		l.refused, l.until = err, l.asker.now().Add(retryAfter(err))
		return err
	}
	l.conn, l.refused = c, nil
	l.note(true)
	return nil
}

func (l *line) hangUp() {
	if l.conn == nil {
		return
	}
	l.conn.close()
	l.conn = nil
	<-l.asker.slots
	l.note(false)
}

func (l *line) note(connected bool) {
	l.asker.mu.Lock()
	l.connected = connected
	l.asker.mu.Unlock()
}

// tellPause is the least time from one word that questions fail to the next: a query
// may fail for some names and not for others.
const tellPause = 10 * time.Second

// tell says when questions begin to fail, and when they end to.
func (l *line) tell(err error) {
	a := l.asker
	a.mu.Lock()
	now := a.now()
	l.failing = err
	begun := err != nil && !l.told && (l.toldAt.IsZero() || now.Sub(l.toldAt) >= tellPause) && a.ctx.Err() == nil
	ended := err == nil && l.told
	if begun {
		l.told, l.toldAt = true, now
	} else if ended {
		l.told = false
	}
	a.mu.Unlock()
	if begun && a.opts.Failing != nil {
		a.opts.Failing(l.source, err)
	}
	if ended && a.opts.Works != nil {
		a.opts.Works(l.source)
	}
}
