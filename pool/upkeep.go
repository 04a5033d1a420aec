package pool

import (
	"strings"
	"time"

	"pgweir/wire"
)

// Upkeep does what time asks for: it refuses those who have waited too long,
// closes backends that are idle for too long or too old, opens those that
// min_pool_size or the reserve allows. Call it a few times a second.
func (p *Pool) Upkeep(clients int) {
	now := time.Since(p.epoch)
	var overdue []Taker
	var evict []*Backend
	p.mu.Lock()
	s := p.settings
	if s.QueryWait > 0 {
		for w := p.line.head; w != nil; {
			next := w.next
			if now-w.since > s.QueryWait {
				p.line.remove(w)
				overdue = append(overdue, w.Taker)
			}
			w = next
		}
	}
	evict = p.expired(now)
	if clients > 0 || s.Kept || p.opening+p.idle+p.lent > 0 {
		p.fillToMin(now)
	}
	reason := p.lastFailure()
	p.sweep()
	patient := p.notTold(now)
	waiting := p.line.head != nil || p.place.wanted
	vacates := p.vacates(now)
	again := p.outage.sumUp(now)
	p.mu.Unlock()

	if again > 0 {
		p.host.UnreachedAgain(p, again)
	}
	p.sumUpAway(&s, now)
	for _, t := range overdue {
		t.Refuse(p.lateFor(&s, reason))
	}
	for _, t := range patient {
		t.Waits()
	}
	for _, b := range evict {
		p.host.Evict(b)
	}
	if waiting {
		p.provision()
	}
	if vacates {
		p.listener.signal()
	}
	if p.budget.balance.beyond.Load() {
		p.budget.divide(now, p.epoch)
	}
}

// sumUpAway tells the Host of outages of the pool's servers that it was not told of.
func (p *Pool) sumUpAway(s *Settings, now time.Duration) {
	servers := &p.budget.servers
	if !servers.untold.Load() {
		return
	}
	for _, a := range s.Addresses() {
		if n := servers.sumUp(&a, now); n > 0 {
			p.host.AwayAgain(&a, n)
		}
	}
}

const timedOut = "no backend became free within query_wait_timeout"

// TimedOut tells whether an error is that of a wait which query_wait_timeout has ended.
func TimedOut(e *wire.Error) bool { return strings.HasPrefix(e.Message, timedOut) }

// expired takes out the idle backends that should be closed.
func (p *Pool) expired(now time.Duration) []*Backend {
	out := p.leaveIdle(func(b *Backend) bool { return p.over(b, now) })
	for p.idle > 0 && (p.crowded(now) || p.idlesTooLong(now)) {
		out = append(out, p.leaveOldest(anyVariant))
	}
	return out
}

// idlesTooLong tells whether the backend that has been idle longest is to be closed for
// that.
func (p *Pool) idlesTooLong(now time.Duration) bool {
	s := &p.settings
	return s.IdleTimeout > 0 && p.usable() > s.MinSize && now-p.oldest(anyVariant).since > s.IdleTimeout
}

// usable is how many backends there are, or will be soon.
func (p *Pool) usable() int { return p.opening + p.idle + p.lent - p.leaving }

// fillToMin opens what min_pool_size asks for, without startup parameters. It is true
// if the server has to make room first.
func (p *Pool) fillToMin(now time.Duration) (blocked bool) {
	s := &p.settings
	p.unfilled = false
	if s.MinSize == 0 || p.closed || p.Halted() || p.vacates(now) || p.hosts.refuses(now) != nil {
		return false
	}
	v := p.variant("", nil)
	for p.usable() < min(s.MinSize, s.Size) {
		switch p.enter(now, s.Size) {
		case entryMade:
			p.begins(v, &opening{params: v.params, welcome: wishKey(plainWish)})
		case entryBlocked:
			p.unfilled = true
			return true
		default:
			return false
		}
	}
	return false
}

var errDrained = wire.Fatalf(wire.CodeAdminShutdown, "terminating connection due to administrator command")

// Drain closes all idle backends, and all others when they come back. Nobody
// is lent one any more; those who wait are refused.
func (p *Pool) Drain() {
	var refused []Taker
	p.mu.Lock()
	p.closed = true
	for w := p.line.head; w != nil; w = p.line.head {
		p.line.remove(w)
		refused = append(refused, w.Taker)
	}
	evict := p.leaveIdle(anyBackend)
	p.mu.Unlock()
	for _, t := range refused {
		t.Refuse(errDrained)
	}
	for _, b := range evict {
		p.host.Evict(b)
	}
	p.listener.signal()
	p.forgotten()
}

// forgotten takes the pool off the budget's list if it has been drained.
func (p *Pool) forgotten() {
	p.mu.Lock()
	over := p.closed && p.slots()+p.replicas == 0
	p.mu.Unlock()
	if over {
		p.budget.forget(p)
	}
}

// Quiet tells whether there are no backends, and nobody waits for one.
func (p *Pool) Quiet() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.quiet()
}

func (p *Pool) quiet() bool {
	return p.slots()+p.replicas == 0 && p.line.head == nil && !p.place.wanted
}

// Unopened tells whether there has never been a backend, and nothing would be
// lost with the pool: nor the pause after a login that has failed, which goes on
// for as long again to see whether it is to be longer the next time. The login
// failed for why, if one was tried.
func (p *Pool) Unopened() (ok bool, why *wire.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.logins == 0 && p.quiet() && p.hosts.rested(time.Since(p.epoch)), p.lastFailure()
}

// Waiting tells whether anybody waits for a backend. It takes no lock.
func (p *Pool) Waiting() bool { return p.line.n.Load() > 0 }

// Counts is one reading of a pool.
type Counts struct {
	Opening, Idle, Lent, Closing int
	Listening                    int // 1 if the listening backend is open or being opened
	Waiting                      int
	WaitingLogins                int           // of these, who wait to be let in
	Shed                         int64         // clients who were not let into the line, since the start
	MaxWait                      time.Duration // of the first in the line
	Logins                       int64         // backends opened since the start
	Failure                      *wire.Error   // of the last login, if it failed, or why the server is away
	Refusing                     *wire.Error   // why PostgreSQL gives no backends now; nil if it does, or has not been asked lately

	Replicas                      int // outside of the pool, open, opening and closing
	CancelsWaiting, CancelsActive int // cancel requests, not yet and being passed on
}

// refusing is why logins fail, until the time is over in which the next one would be
// tried.
func (p *Pool) refusing(now time.Duration) *wire.Error {
	return p.inTheWay(func(f *failure) *wire.Error {
		if p.line.head != nil || now < f.until+restPause {
			return f.err
		}
		return nil
	})
}

// Counts reads all at once.
func (p *Pool) Counts() Counts {
	now := time.Since(p.epoch)
	p.mu.Lock()
	defer p.mu.Unlock()
	c := Counts{
		Opening: p.opening, Idle: p.idle, Lent: p.lent, Closing: p.closing, Listening: p.listening(),
		Waiting: int(p.line.n.Load()), WaitingLogins: p.line.logins, Logins: p.logins, Shed: p.shed, Failure: p.lastFailure(), Refusing: p.refusing(now), Replicas: p.replicas,
		CancelsWaiting: int(p.cancelsWaiting.Load()), CancelsActive: int(p.cancelsActive.Load()),
	}
	if p.line.head != nil {
		c.MaxWait = now - p.line.head.since
	}
	return c
}
