package authquery

import (
	"context"
	"errors"
	"sync"
	"time"

	"pgweir/auth"
)

// Bounds of an Asker.
const (
	maxUsers     = 10_000 // answers kept of users who are there
	maxOthers    = 2_000  // and of names that are not
	maxQuestions = 1_000  // under way, or waiting for the connection
	maxLines     = 64     // connections
)

// Errors of a question that was not even put.
var (
	errBusy   = errors.New("too many questions of auth_query are under way")
	errClosed = errors.New("shutting down")
	errLate   = errors.New("the questions before it took too long")
)

// Options of an Asker.
type Options struct {
	// Failing is told when questions to a source begin to fail, and Works when one
	// succeeds again. Neither is told for each question. They may be nil.
	Failing func(Source, error)
	Works   func(Source)
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
	serial  uint64
	counts  counts
}

// New makes an Asker. It opens nothing before something is asked.
func New(opts Options) *Asker {
	a := &Asker{
		opts: opts, open: openTalk, now: time.Now, linger: 5 * time.Minute,
		cache:   cache{users: newShelf(maxUsers), others: newShelf(maxOthers)},
		flights: map[key]*flight{}, lines: map[Source]*line{}, slots: make(chan struct{}, maxLines),
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

// Ask gives what is known of a user. If known is false, the source has to be asked:
// then is called with what comes of it, later and on another goroutine, which must
// not wait in it. Many who want the same user at a time ask once.
//
// The error says why there is no answer: the source could not be asked, and what it
// has said before is older than limits.Stale. It is not for clients.
func (a *Asker) Ask(s Source, name string, limits Limits, then func(Answer, error)) (answer Answer, err error, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, k := a.now(), key{s, name}
	e := a.cache.get(k)
	if e == nil {
		e = &entry{key: k}
	}
	switch e.state(now, limits) {
	case fresh:
		a.count(s, hit)
		return e.answer, nil, true
	case resting:
		answer, err = a.makeDo(e, now, limits, e.err)
		return answer, err, true
	}
	away := a.away(s) && e.servesStale(now, limits)
	if away {
		then = nil
	}
	if err = a.fly(e, now, waiter{limits, then}); err != nil || away {
		answer, err = a.makeDo(e, now, limits, err)
		return answer, err, true
	}
	return Answer{}, nil, false
}

// away tells whether a source could not be reached the last time. Nobody who has an
// answer waits for the next try then: a host that is gone lets it run into a timeout.
func (a *Asker) away(s Source) bool {
	l := a.lines[s]
	return l != nil && l.failing != nil && !l.connected
}

// makeDo is the answer that there was before, if it serves still.
func (a *Asker) makeDo(e *entry, now time.Time, limits Limits, err error) (Answer, error) {
	if !e.servesStale(now, limits) {
		return Answer{}, err
	}
	a.count(e.source, stale)
	return e.answer, nil
}

// Doubt says that a login with an answer has failed for its secret: the user may have
// another by now, and the next login asks anew. Wrong passwords have a user asked
// about once a second at most.
func (a *Asker) Doubt(s Source, name string, serial uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.cache.get(key{s, name}); e != nil && e.answered && e.answer.Serial == serial {
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

// Models are those of a source.
func (a *Asker) Models(s Source) *auth.Models {
	a.mu.Lock()
	defer a.mu.Unlock()
	if l := a.lines[s]; l != nil {
		return l.models
	}
	return new(auth.Models)
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
