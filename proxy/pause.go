package proxy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"pgweir/pool"
	"pgweir/wire"
)

// PAUSE is for work on the server: when it returns, no backend of the database is left
// there, nor a connection of auth_query to it, and clients wait for RESUME. The census is
// no client's concern and goes on.

const (
	// lookEvery is how often it is looked whether a command's wait is over.
	lookEvery = 10 * time.Millisecond
	// A client of the console hears who holds its command up, for the first time and
	// then whenever others do.
	firstWord, nextWord = time.Second, 10 * time.Second
)

// Pause halts the pools of a database, or of all, and waits until their backends are
// gone. The cause of ctx's end says what becomes of the pause; see undoes.
func (p *Proxy) Pause(ctx context.Context, database string, tell func(holders string)) error {
	made, err := p.halt("pause", database)
	if err != nil {
		return err
	}
	err = p.await(ctx, tell, func() (bool, error) {
		if r := p.restraint.Load(); !r.pauses(database) || database == "" && r.mode != modePaused {
			return false, commandError("RESUME has ended the pause")
		}
		return p.vacant(database), nil
	}, func() string { return p.holders(database) })
	if err != nil && made && undoes(ctx) {
		p.Resume(database)
	}
	return err
}

// undoes tells whether a command is undone that has been given up: not if its client has
// gone, whose command goes on, as in PgBouncer.
func undoes(ctx context.Context) bool {
	switch context.Cause(ctx) {
	case context.Canceled, context.DeadlineExceeded:
		return true
	}
	return false
}

// halt halts the pools of a database, or of all; made says that they were not before.
func (p *Proxy) halt(verb, database string) (made bool, err error) {
	if database != "" {
		if err := p.mayName(verb, database); err != nil {
			return false, err
		}
	}
	err = p.restrain(func(r *restraint) error {
		if err := p.notBusy(r); err != nil {
			return err
		}
		if database == "" {
			made, r.mode = true, modePaused
			return nil
		}
		made = !r.paused[database]
		r.paused = with(r.paused, database, true)
		return nil
	})
	return made, err
}

// await waits until over is true or an error. Meanwhile it tells who holds that up, if
// tell is not nil. If ctx ends first, the error says so, and who held it up.
func (p *Proxy) await(ctx context.Context, tell func(string), over func() (bool, error), holders func() string) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	told, next := "", time.Now().Add(firstWord)
	for {
		if ok, err := over(); ok || err != nil {
			return err
		}
		if now := time.Now(); tell != nil && !now.Before(next) {
			if text := holders(); text != "" && text != told {
				tell("waiting for " + text)
				told = text
			}
			next = now.Add(nextWord)
		}
		select {
		case <-ctx.Done():
			return givenUp(ctx, holders())
		case <-tick.C:
		}
	}
}

// givenUp is the error of a command whose wait ends before it is over.
func givenUp(ctx context.Context, holders string) error {
	e := wire.Errorf(wire.CodeQueryCanceled, "canceling statement due to user request")
	if context.Cause(ctx) == context.DeadlineExceeded {
		e = wire.Errorf(codeLockNotAvailable, "the time limit has passed; nothing is held up any more")
	}
	if holders != "" {
		e.Detail = "It waited for " + holders + "."
	}
	return e
}

// codeLockNotAvailable is what PostgreSQL gives for a lock_timeout.
const codeLockNotAvailable = "55P03"

// vacant tells whether no server has a backend of a database's pools.
func (p *Proxy) vacant(database string) bool {
	for _, cp := range p.poolsOf(database) {
		if c := cp.pool.Counts(); c.Left() > 0 {
			return false
		}
	}
	return !p.asker.Lingers()
}

// Resume ends Pause, Kill and Suspend.
func (p *Proxy) Resume(database string) error {
	if p.draining.Load() {
		return commandError("pooler is shutting down")
	}
	if database != "" {
		if err := p.mayName("resume", database); err != nil {
			return err
		}
	}
	suspended := false
	err := p.restrain(func(r *restraint) error {
		if database != "" {
			if !r.paused[database] {
				e := commandError("database %s is not paused", database)
				if r.mode == modePaused {
					e.Hint = "All databases are paused; RESUME without a name resumes them."
				}
				return e
			}
			r.paused = with(r.paused, database, false)
			return nil
		}
		if r.mode == modeActive {
			e := commandError("pooler is not paused/suspended")
			if names := r.pausedByName(); names != "" {
				e.Hint = "Paused by their names are: " + names + ". RESUME with a name resumes one."
			}
			return e
		}
		suspended = r.mode == modeSuspended
		r.mode = modeActive
		return nil
	})
	if suspended {
		p.followSuspension()
	}
	return err
}

// Kill disconnects all clients of a database, or all, whatever they do, and halts its
// pools.
func (p *Proxy) Kill(database string) error {
	if _, err := p.halt("kill", database); err != nil {
		return err
	}
	p.each(p.clients.all(), func(c *client) {
		if c.isOf(database) {
			c.shut()
		}
	})
	return nil
}

// isOf tells whether a client is in a pool of a database, "" for any. On its loop.
func (c *client) isOf(database string) bool {
	return c.pool != nil && c.pool.pool != nil && (database == "" || c.pool.key.database == database)
}

// each has f called for clients, each on its loop, and waits for that.
func (p *Proxy) each(clients []*client, f func(*client)) {
	left := make(chan struct{}, len(clients))
	for _, c := range clients {
		c.post(func() {
			f(c)
			left <- struct{}{}
		})
	}
	for range clients {
		select {
		case <-left:
		case <-p.stopped: // the loops may have ended
			return
		}
	}
}

// maxHolders is how many clients are named that hold a command up.
const maxHolders = 5

// holders words who keeps backends of a database, or of all.
func (p *Proxy) holders(database string) string {
	var all []string
	for _, w := range p.workers {
		w.do(func() {
			for _, s := range w.leased {
				if c := w.holder(s); c != nil && c.isOf(database) {
					all = append(all, c.holds(w))
				}
			}
		})
	}
	slices.Sort(all)
	named := min(len(all), maxHolders)
	words := all[:named:named]
	if more := len(all) - named; more > 0 {
		words = append(words, fmt.Sprintf("%d more clients", more))
	}
	var n pool.Counts
	for _, cp := range p.poolsOf(database) {
		c := cp.pool.Counts()
		n.Opening += c.Opening
		n.Closing += c.Closing
		n.Listening += c.Listening
	}
	for _, rest := range []struct {
		n    int
		what string
	}{{n.Opening, "backends that are being opened"}, {n.Closing, "backends that are being closed"}, {n.Listening, "backends that listen"}} {
		if rest.n > 0 {
			words = append(words, fmt.Sprintf("%d %s", rest.n, rest.what))
		}
	}
	return strings.Join(words, "; ")
}

// holds words why the client keeps its backend.
func (c *client) holds(w *worker) string {
	who := fmt.Sprintf("client %d (user %s, database %s", c.id, c.userName(), c.pool.key.database)
	if c.login != nil {
		return who + "), which is logging in"
	}
	if name := c.sess.Vars()[wire.VarApplicationName]; name != "" {
		who += ", application " + strings.ToValidUTF8(name, "?")
	}
	who += ")"
	pins, _ := c.sess.Pins()
	switch {
	case c.replication != replicationNone:
		return who + ", which replicates"
	case pins != 0:
		return who + ", which keeps its backend for: " + pins.String()
	case c.sess.InTransaction():
		return fmt.Sprintf("%s, in a transaction for %v", who, (w.now() - cmp.Or(c.begun, c.asked)).Truncate(time.Second))
	case c.ownBackend:
		return who + ", in session mode"
	}
	return who + ", which runs a statement"
}
