package pool

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"pgweir/wire"
)

// returnLogins is how many logins may be under way at a time at a server that has
// just come back. It has to start a process for each, with caches that are cold, and
// begins to serve with the first ones; with ten round trips of 10 ms each, 16 at a
// time are still 160 in a second.
const returnLogins = 16

// returnListeners is how many of these are for listening backends, of which each pool has
// one, as long as there are others that wait; and what they do not use is for the others.
const returnListeners = returnLogins / 4

// presence is whether a server takes logins: what one has found holds for all pools.
//
//	        finds nobody           is answered
//	present ───────────▶ absent ───────────────▶ returning
//	   ▲                    ▲     finds nobody       │
//	   │                    └────────────────────────┤
//	   └─────────────────────────────────────────────┘
//	                no pool waits to log in
type presence uint8

const (
	present   presence = iota // pools log in as they like
	absent                    // one login at a time, and a pause after each
	returning                 // returnLogins at a time, shared by the pools that wait, and their listening backends
)

// attendance is what is known of one server.
type attendance struct {
	presence
	failure failure // of the last login, while absent
	outage  outage
	begun   int     // logins so far
	since   int     // those up to this one say nothing of it
	logins  int     // under way
	telling int     // of these, that say something of it
	waiting []*Pool // that would log in; who has longest not is first

	listening int     // of the logins, those of listening backends
	listeners []*Pool // whose listening backend would log in, in order
}

// servers knows the servers of all pools, which count time from the same epoch.
type servers struct {
	absent atomic.Int32 // how many are
	untold atomic.Bool  // of one of them outages were not told

	mu     sync.Mutex
	all    map[serverKey]*attendance
	random *rand.Rand
}

// serverKey is what tells one server from another.
type serverKey struct{ network, addr string }

// begin is called before all else. Two poolers have hardly the same epoch, so they
// do not pause alike.
func (g *servers) begin(epoch time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all == nil {
		g.all = map[serverKey]*attendance{}
		g.random = rand.New(rand.NewPCG(uint64(epoch.UnixNano()), 0))
	}
}

// chance is from 0 to 1. It is drawn at the moment that it is for, and under the lock of
// who draws: what begins side by side ends in any order.
func (g *servers) chance() float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.random.Float64()
}

func (g *servers) at(a *Address) *attendance {
	key := serverKey{a.Network, a.Addr}
	s := g.all[key]
	if s == nil {
		s = new(attendance)
		g.all[key] = s
	}
	return s
}

// admission is what a login has been given that has begun at a server.
type admission struct {
	host    *hostEntry // the pool's; nil of a knock
	listens bool       // it is a listening backend's
	number  int        // of the server's logins
}

// logsIn begins a login.
func (g *servers) logsIn(s *attendance) admission {
	s.logins++
	s.telling++
	s.begun++
	return admission{number: s.begun}
}

// entry is what becomes of a login that a pool would begin.
type entry uint8

const (
	entryMade    entry = iota
	entryBlocked       // the server is away, or has just come back: the pool is provisioned when that may have changed
	entryFull          // the pool has no slot
	entryStarved       // the budget has nothing
)

// enter begins a login of p's, whose lock is held, if the server takes one and take,
// which takes what else it needs, says so.
func (g *servers) enter(p *Pool, now time.Duration, take func() entry) entry {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := g.choose(p, now)
	if i < 0 {
		g.queue(p)
		return entryBlocked
	}
	e := take()
	if e == entryMade {
		h := p.hosts.all[i]
		p.hosts.turnTo(i, p.settings.Balancing)
		s := g.at(&h.Address)
		p.entered = g.logsIn(s)
		p.entered.host = h
		h.opening++
		if slices.Contains(p.queued, s) {
			s.waiting = append(slices.DeleteFunc(s.waiting, p.is), p)
		}
	}
	return e
}

// choose is the index of the host for p's next login, below 0 if none takes one. After a
// login of the pool's own that has failed there, one has to succeed before several are
// tried at a time.
func (g *servers) choose(p *Pool, now time.Duration) int {
	n := len(p.hosts.all)
	for i := range n {
		i = (p.hosts.turn + i) % n
		h := p.hosts.all[i]
		s := g.at(&h.Address)
		switch {
		case n > 1 && s.presence == absent:
			g.knock(p, h, s, now)
		case h.failure.refuses(now) != nil:
		case s.takes(p, now) && (h.failure.err == nil || h.opening == 0):
			return i
		case p.settings.Balancing == Staying:
			return -1 // it has not failed
		}
	}
	return -1
}

// takes tells whether p may begin a login.
func (s *attendance) takes(p *Pool, now time.Duration) bool {
	switch s.presence {
	case absent:
		return s.logins == 0 && s.failure.refuses(now) == nil
	case returning:
		pools := len(s.waiting)
		if !slices.Contains(p.queued, s) {
			pools++
		}
		left := returnLogins - s.logins - min(max(returnListeners-s.listening, 0), len(s.listeners))
		return left > 0 && p.opening < max(1, returnLogins/pools)
	}
	return true
}

// enterListener begins a login of the pool's listening backend at one of some hosts, if it is
// its turn there; else that is signaled when it may be. The error is why it cannot.
func (g *servers) enterListener(p *Pool, hosts []*hostEntry, now time.Duration) (l admission, ok bool, e *wire.Error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h, e := g.chooseForListener(hosts, now)
	switch {
	case e != nil:
		return l, false, e
	case h == nil:
		g.queueListener(p, hosts)
		return l, false, nil
	}
	g.unqueueListener(p)
	s := g.at(&h.Address)
	s.listening++
	l = g.logsIn(s)
	l.host, l.listens = h, true
	return l, true, nil
}

// chooseForListener is the first of some hosts that is there and takes a listening backend's
// login. It is nil if the turn at one that has just come back has to be waited for. If none is
// there, it is the first at which one may be tried; the error is why there is none.
func (g *servers) chooseForListener(hosts []*hostEntry, now time.Duration) (may *hostEntry, e *wire.Error) {
	back := false
	for _, h := range hosts {
		s := g.at(&h.Address)
		no := s.refuses(now)
		switch {
		case s.presence != absent && s.takesListener():
			return h, nil
		case s.presence != absent:
			back = true
		case no != nil:
			e = no
		case may == nil:
			may = h
		}
	}
	if back {
		return nil, nil
	}
	if may != nil {
		return may, nil
	}
	return nil, e
}

// takesListener tells whether one more listening backend may log in to a server that is there.
func (s *attendance) takesListener() bool {
	return s.presence == present || s.logins < returnLogins && (s.listening < returnListeners || len(s.waiting) == 0)
}

// queueListener has p's listening backend signaled when one of some hosts may take a login.
func (g *servers) queueListener(p *Pool, hosts []*hostEntry) {
	p.listens = g.waitFor(hosts, p.listens, func(s *attendance) { s.listeners = append(s.listeners, p) },
		func(s *attendance) { s.listensNot(p) })
}

func (g *servers) unqueueListener(p *Pool) {
	before := p.listens
	p.listens = nil
	for _, s := range before {
		s.listensNot(p)
	}
}

// listensNot takes p out of those whose listening backend waits.
func (s *attendance) listensNot(p *Pool) {
	s.listeners = slices.DeleteFunc(s.listeners, p.is)
	s.rests()
}

// listensNoMore notes that p's listening backend waits for no server.
func (g *servers) listensNoMore(p *Pool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unqueueListener(p)
}

// refuses is the reason why no login of a listening backend is tried now, if there is one.
func (s *attendance) refuses(now time.Duration) *wire.Error {
	if s.presence == absent && (s.logins > 0 || s.failure.refuses(now) != nil) {
		return s.failure.err
	}
	return nil
}

// refusesListener is that of some hosts, for p's listening backend; nil if one of them does
// not. If that waits for the end of it, it is signaled then.
func (g *servers) refusesListener(p *Pool, hosts []*hostEntry, now time.Duration, waits bool) (e *wire.Error) {
	if g.absent.Load() == 0 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range hosts {
		if e = g.at(&h.Address).refuses(now); e == nil {
			return nil
		}
	}
	if e != nil && waits {
		g.queueListener(p, hosts)
	}
	return e
}

// reason is why a server is taken for absent, nil if it is not.
func (g *servers) reason(a *Address) *wire.Error {
	if g.absent.Load() == 0 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.at(a).failure.err
}

// Away tells whether all hosts of the pool are taken for absent.
func (p *Pool) Away() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.away() != nil
}

// queue has p provisioned when one of its servers may take a login.
func (g *servers) queue(p *Pool) {
	p.queued = g.waitFor(p.hosts.all, p.queued, func(s *attendance) { s.waiting = append(s.waiting, p) },
		func(s *attendance) { s.leaves(p) })
}

// waitFor has somebody wait for a turn at the servers of some hosts, who has waited at those
// before: joins is called for the new ones, leaves for those that are none of them. It
// returns them.
func (g *servers) waitFor(hosts []*hostEntry, before []*attendance, joins, leaves func(*attendance)) []*attendance {
	now := g.notPresent(hosts)
	for _, s := range now {
		if !slices.Contains(before, s) {
			joins(s)
		}
	}
	for _, s := range before {
		if !slices.Contains(now, s) {
			leaves(s)
		}
	}
	return now
}

// notPresent are the servers of some hosts whose turn can be waited for, each once.
func (g *servers) notPresent(hosts []*hostEntry) (out []*attendance) {
	for _, h := range hosts {
		if s := g.at(&h.Address); s.presence != present && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func (g *servers) unqueue(p *Pool) {
	before := p.queued
	p.queued = nil
	for _, s := range before {
		s.leaves(p)
	}
}

// leaves takes p out of those that wait.
func (s *attendance) leaves(p *Pool) {
	s.waiting = slices.DeleteFunc(s.waiting, p.is)
	s.rests()
}

// rests ends a return that nobody waits for any more.
func (s *attendance) rests() {
	if s.presence == returning && len(s.waiting)+len(s.listeners) == 0 {
		s.presence = present
	}
}

func (p *Pool) is(q *Pool) bool { return p == q }

// content notes that p, whose lock is held, waits for no server.
func (g *servers) content(p *Pool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unqueue(p)
}

// end notes how a login of p's at a server has ended. Those whom that lets go on have
// to be told, by wake.
func (g *servers) end(p *Pool, a *Address, err error, l admission, now time.Duration) (wake []*Pool) {
	retry := p.Settings().LoginRetry
	var gone *wire.Error
	back := false
	g.mu.Lock()
	s := g.at(a)
	s.logins--
	if l.number > s.since {
		s.telling--
	}
	if l.listens {
		s.listening--
	}
	switch {
	case err != nil && troubleOf(err) == troubleAway:
		if l.number > s.since {
			gone = g.misses(s, asError(err), now, retry)
		}
	case answered(err):
		g.returns(s)
		back = s.outage.ends(now)
		if s.outage.untold > 0 {
			g.untold.Store(true)
		}
	}
	s.rests()
	wake = s.all()
	g.mu.Unlock()
	if gone != nil {
		p.host.Away(a, gone)
	}
	if back {
		p.host.Back(a)
	}
	return wake
}

// answered tells whether a login has shown that the server is there.
func answered(err error) bool {
	if err == nil {
		return true
	}
	class := asError(err).Code[:2]
	return class != "08" && class != "57"
}

// misses notes that a login has found nobody, and returns the reason if the Host has
// to be told of it.
func (g *servers) misses(s *attendance, e *wire.Error, now, retry time.Duration) *wire.Error {
	if s.presence != absent {
		g.absent.Add(1)
		s.presence = absent
	}
	if s.failure.note(e, troubleAway, now, retry, g.random.Float64()) {
		time.AfterFunc(s.failure.until-now, func() { g.tryAgain(s) })
	}
	if s.outage.begins("away", now) { // be it down, starting or recovering
		return e
	}
	return nil
}

// forgetsLogins has those that have begun say nothing of the server.
func (s *attendance) forgetsLogins() { s.since, s.telling = s.begun, 0 }

// returns ends a server's absence. Logins that have begun before say nothing of it.
func (g *servers) returns(s *attendance) {
	s.forgetsLogins()
	if s.presence == absent {
		g.absent.Add(-1)
		s.presence, s.failure = returning, failure{}
	}
}

// sumUp is how many outages of a server have come and gone of which its Host was not told,
// 0 if that is not due.
func (g *servers) sumUp(a *Address, now time.Duration) (untold int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	untold = g.at(a).outage.sumUp(now)
	left := false
	for _, s := range g.all {
		left = left || s.outage.untold > 0
	}
	g.untold.Store(left)
	return untold
}

// anew has a server that is absent be tried without a pause, as it may be another one now:
// a login that still waits for the old one keeps nobody from it. If the pool has other hosts,
// it is knocked at, since no client waits for one that is away. The pool's lock is held.
func (g *servers) anew(p *Pool, h *hostEntry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.at(&h.Address)
	if len(p.hosts.all) == 1 || s.presence != absent {
		g.returns(s)
		return
	}
	s.forgetsLogins()
	s.failure.until = 0
	g.knock(p, h, s, time.Since(p.epoch))
}

// tryAgain is called when a pause is over.
func (g *servers) tryAgain(s *attendance) {
	g.mu.Lock()
	waiting := s.all()
	g.mu.Unlock()
	wake(waiting)
}

// all are the pools of which anything waits.
func (s *attendance) all() []*Pool { return slices.Concat(s.listeners, s.waiting) }

// wake has pools go on, in their order.
func wake(pools []*Pool) {
	for _, p := range pools {
		p.listener.signal()
		p.provision()
	}
}
