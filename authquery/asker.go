package authquery

import (
	"context"
	"errors"
	"sync"
	"time"

	"pgweir/asking"
	"pgweir/auth"
	"pgweir/passwords"
)

// Bounds of an Asker.
const (
	maxUsers  = 10_000 // answers kept of users who are there
	maxOthers = 2_000  // and of names that are not
	maxLines  = 64     // connections
	// Questions under way, or waiting for a connection: to one source, to all sources
	// of one server, and in all. A server whose sources have fewer than fairShare is
	// asked whatever the others have.
	maxPerSource = 1_000
	maxPerServer = 2_000
	maxQuestions = 5_000
	fairShare    = 100
)

// Errors of a question that was not even put.
var (
	errBusy   = errors.New("too many questions of auth_query are under way")
	errClosed = errors.New("shutting down")
	errLate   = errors.New("the questions before it took too long")
)

// Options of an Asker.
type Options struct {
	// Failing is told when questions to a server begin to fail, with one of the
	// sources, and Works when none fails any more. Neither is told for each question.
	// They may be nil.
	Failing func(Source, error)
	Works   func(Source)
	// Passwords are those that a source's user may have just now. It is called when a
	// connection is opened, and must not wait. Nil: none is known.
	Passwords func(Source) passwords.List
	// Held tells of a source that must not be connected to for now: questions wait, and
	// users are let in by answers that may be stale. It is called often, from any
	// goroutine, and must not wait. Nil: none is. Reconsider tells that it has changed.
	Held func(Source) bool
	// Dial is how sources are connected to; nil for as the system does.
	Dial asking.Dial
}

// Asker asks sources for users' secrets, and keeps the answers. Any number of
// goroutines may use it.
type Asker struct {
	opts   Options
	open   opener
	now    func() time.Time
	linger time.Duration // a connection's that nothing is asked on
	ctx    context.Context
	stop   context.CancelFunc
	done   sync.WaitGroup
	slots  chan struct{} // one in it for each connection

	// mu guards all below, and what says so. Nothing waits under it, and nobody is
	// called who could.
	mu      sync.Mutex
	cache   cache
	flights map[key]*flight
	lines   map[Source]*line
	servers map[string]*server
	models  map[string]*auth.Models // by the server's own name, see conn
	serial  uint64
	counts  counts
}

// New makes an Asker. It opens nothing before something is asked.
func New(opts Options) *Asker {
	a := &Asker{
		opts: opts, open: openBy(opts.Dial), now: time.Now, linger: 5 * time.Minute,
		cache:   cache{users: newShelf(maxUsers), others: newShelf(maxOthers)},
		flights: map[key]*flight{}, lines: map[Source]*line{}, slots: make(chan struct{}, maxLines),
		servers: map[string]*server{}, models: map[string]*auth.Models{},
	}
	a.ctx, a.stop = context.WithCancel(context.Background())
	return a
}

// Close ends every connection, and waits for that. Questions under way fail.
func (a *Asker) Close() {
	a.mu.Lock()
	a.stop()
	a.mu.Unlock()
	a.done.Wait()
}

// Ask gives what is known of a user. If it gives a Wait, a server has to be asked:
// then is called with what comes of it, later and on another goroutine, which must
// not wait in it. Many who want the same user at a time ask once.
//
// The error says why there is no answer: the source could not be asked, and what it
// has said before is older than Limits.Stale. It is not for clients.
func (a *Asker) Ask(q Question, then func(Answer, error)) (Answer, *Wait, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w := &Wait{Question: q, asker: a, then: then}
	if answer, known, err := a.ask(w); known {
		return answer, nil, err
	}
	return Answer{}, w, nil
}

// ask is Ask; known is false if it waits in a flight. Under mu.
func (a *Asker) ask(w *Wait) (answer Answer, known bool, err error) {
	now, k := a.now(), key{source: w.place(), name: w.Name, kind: w.kind()}
	e := a.cache.get(k)
	if e == nil {
		e = &entry{key: k}
	}
	switch e.state(now, w.Limits) {
	case fresh:
		a.count(k.source, hit)
		answer = w.reads(e.answer)
		answer.Kept = true
		return answer, true, nil
	case resting:
		answer, err = a.makeDo(w, e, now, e.err)
		return answer, true, err
	}
	waits := w
	away := a.away(k.source) && e.servesStale(now, w.Limits)
	if away {
		waits = nil
	}
	if w.mustLook() && !a.isDatabase(k.source) {
		err = a.fly(key{source: *w.Home, name: k.source.Database, kind: ofDatabase}, waits, true)
	} else {
		if e.doubted {
			e.forced = now
		}
		err = a.fly(k, waits, w.sure())
	}
	if err != nil || away {
		answer, err = a.makeDo(w, e, now, err)
		return answer, true, err
	}
	return Answer{}, false, nil
}

// away tells whether a source is held, or could not be reached the last time. Nobody who has an
// answer waits for the next try then: a host that is gone lets it run into a timeout.
func (a *Asker) away(s Source) bool {
	if a.held(s) {
		return true
	}
	l := a.lines[s]
	if l != nil && l.connected {
		return false
	}
	sv := a.servers[s.Server]
	return l != nil && l.failing != nil || sv != nil && sv.opens.err != nil
}

// makeDo is what there is without an answer: the one before, if it serves still.
func (a *Asker) makeDo(w *Wait, e *entry, now time.Time, err error) (Answer, error) {
	switch {
	case e.servesStale(now, w.Limits):
		a.count(e.source, stale)
		return w.reads(e.answer), nil
	case w.database == missing && asking.SQLState(err) != "":
		// There is nowhere to ask in, and so nobody is known.
		return w.reads(Answer{Models: a.server(e.source.Server).models, Source: e.source}), nil
	}
	return Answer{}, err
}

// Doubt says that a login with an answer has failed for its secret: the user may have
// another by now, and the next login asks anew. Wrong passwords have a user asked
// about once a second at most.
func (a *Asker) Doubt(answer Answer, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.cache.get(key{source: answer.Source, name: name}); e != nil && e.answered && e.answer.Serial == answer.Serial {
		e.doubted = true
	}
}

// Expire has all users asked about anew. Until then, and while that cannot be, the
// answers serve as stale ones.
func (a *Asker) Expire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cache.each(func(e *entry) { e.outdated = true })
}

// Vacate has idle connections leave databases of a server, by its address and their
// names there.
func (a *Asker) Vacate(server string, databases []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for s, l := range a.lines {
		for _, name := range databases {
			if s.Server == server && s.Database == name {
				l.vacate()
			}
		}
	}
}
