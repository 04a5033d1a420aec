package authquery

import (
	"context"
	"time"

	"pgweir/auth"
	"pgweir/passwords"
)

// line is the connection to one source. It is opened when something is asked, by a
// goroutine that puts the questions one after the other, and ends both when nothing
// has been asked for a while.
type line struct {
	asker  *Asker
	source Source
	wake   chan struct{} // that there is a question; holds one
	leave  chan struct{} // that the connection is to be closed; holds one

	// Guarded by Asker.mu.
	queue     []*flight
	running   bool // the goroutine is there
	pending   int  // questions that it has not settled, with those in the queue
	used      time.Time
	models    *auth.Models // of its server; nil before the first connection
	guess     bool         // nobody vouches that there is such a database
	madeUp    bool         // only clients have named it
	connected bool
	engaged   bool  // it puts questions, and connects for that if need be
	failing   error // the last question's, while they fail
	wrong     bool  // that counts for the server's health
	refused   pause // the server's, to let us in there
	counts    counts

	conn  conn            // the goroutine's
	login passwords.Login // likewise
}

// conn is an open connection.
type conn interface {
	// ask puts a question. An error ends the connection, unless it is the server's
	// word about the question.
	ask(ctx context.Context, query, name string) (secret string, err error)
	// roles asks for those that a user is a member of, itself among them, likewise;
	// none if there is no such user.
	roles(ctx context.Context, name string) (map[string]bool, error)
	// exists tells whether the server has a database that can be connected to.
	exists(ctx context.Context, database string) (bool, error)
	// server is a name for the server that others of its kind do not have, "" if it
	// has told none; and the shape of the secrets that it makes.
	server() (name string, shape auth.Shape)
	// dead tells that it is of no use any more.
	dead() bool
	close()
}

// opener opens a connection to a source with a password; "" for none.
type opener func(ctx context.Context, s Source, password string) (conn, error)

// add has a question asked. Under mu.
func (l *line) add(f *flight) {
	l.pending++
	l.asker.server(l.source.Server).pending++
	l.used = f.began
	l.queue = append(l.queue, f)
	select {
	case l.wake <- struct{}{}:
	default:
	}
	if !l.running {
		l.running = true
		l.asker.done.Go(l.run)
	}
}

// next is the question to put now; nil if there is none.
func (l *line) next() *flight {
	l.asker.mu.Lock()
	defer l.asker.mu.Unlock()
	if len(l.queue) == 0 {
		return nil
	}
	f := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	f.put = true
	return f
}

// drop takes a question out that was not put. Under mu.
func (l *line) drop(f *flight) {
	for i, o := range l.queue {
		if o == f {
			l.queue = append(l.queue[:i:i], l.queue[i+1:]...)
			l.settled()
			return
		}
	}
}

// settled counts one question less. Under mu.
func (l *line) settled() {
	l.pending--
	l.asker.server(l.source.Server).pending--
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
		if !l.engage() {
			if l.rest() {
				return
			}
			continue
		}
		if f := l.next(); f != nil {
			l.settle(f)
			timer.Reset(l.asker.linger)
			continue
		}
		l.setEngaged(false)
		select {
		case <-l.wake:
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
	l.tell(f, r.err)
	l.asker.mu.Lock()
	l.settled()
	l.asker.mu.Unlock()
	l.asker.land(f, r)
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
		r := l.put(ctx, f)
		if !l.conn.dead() {
			return r
		}
		l.hangUp()
		if r.err == nil || !reused || ctx.Err() != nil {
			return r
		} // the server has closed it meanwhile
	}
}

// put puts a question on the open connection.
func (l *line) put(ctx context.Context, f *flight) (r reply) {
	switch f.kind {
	case ofDatabase:
		r.there, r.err = l.conn.exists(ctx, f.name)
	case ofRoles:
		r.roles, r.err = l.conn.roles(ctx, f.name)
	default:
		r.secret, r.err = l.conn.ask(ctx, l.source.Query, f.name)
	}
	return r
}

func (l *line) hangUp() {
	if l.conn == nil {
		return
	}
	l.conn.close()
	l.conn = nil
	<-l.asker.slots
	l.asker.mu.Lock()
	l.connected = false
	l.asker.mu.Unlock()
}
