package pool

import (
	"time"

	"pgweir/wire"
)

// Upkeep does what time asks for: it refuses those who have waited too long,
// closes backends that are idle for too long or too old, opens those that
// min_pool_size or the reserve allows. Call it a few times a second.
func (p *Pool) Upkeep(clients int) {
	now := time.Since(p.epoch)
	var late []Taker
	var evict []*Backend
	p.mu.Lock()
	s := p.settings
	if s.QueryWait > 0 {
		for w := p.line.head; w != nil && now-w.since > s.QueryWait; w = p.line.head {
			p.line.remove(w)
			late = append(late, w.Taker)
		}
	}
	for _, v := range p.variants {
		evict = append(evict, p.expired(v, now)...)
	}
	if clients > 0 || p.opening+p.idle+p.lent > 0 {
		p.fillToMin()
	}
	waiting := p.line.head != nil
	p.mu.Unlock()

	for _, t := range late {
		t.Refuse(wire.Errorf(wire.CodeTooManyConnections,
			"no backend became free within query_wait_timeout (%v)", s.QueryWait))
	}
	for _, b := range evict {
		p.host.Evict(b)
	}
	if waiting {
		p.provision()
	}
}

// expired takes out of a variant what should be closed.
func (p *Pool) expired(v *Variant, now time.Duration) (out []*Backend) {
	if v.idle == 0 {
		return nil
	}
	s := &p.settings
	for _, b := range p.takeAllIdle(v) {
		switch {
		case p.unfit(b, now):
		case s.IdleTimeout > 0 && b.res.IdleDuration() > s.IdleTimeout && p.usable()-len(out) > s.MinSize:
		default:
			p.putBack(b)
			continue
		}
		out = append(out, b)
	}
	return out
}

// usable is how many backends there are, or will be soon.
func (p *Pool) usable() int { return p.opening + p.idle + p.lent }

// fillToMin opens what min_pool_size asks for, without startup parameters.
func (p *Pool) fillToMin() {
	s := &p.settings
	if s.MinSize == 0 || p.closed || p.failure.refuses(time.Since(p.epoch)) != nil {
		return
	}
	v := p.variants[""]
	if v == nil {
		return
	}
	for p.usable() < min(s.MinSize, s.Size) && p.slots() < s.Size {
		if !p.budget.take(p, s.MaxDatabase, s.MaxUser) {
			return
		}
		p.opening++
		go p.open(v, nil, "", nil, 0)
	}
}

// evictIdle closes one idle backend; false if there is none.
func (p *Pool) evictIdle() bool {
	p.mu.Lock()
	var victim *Backend
	for _, v := range p.variants {
		if v.idle > 0 {
			victim = p.takeIdle(v)
			break
		}
	}
	p.mu.Unlock()
	if victim == nil {
		return false
	}
	p.host.Evict(victim)
	return true
}

// Drain closes all idle backends, and all others when they come back. Nobody
// is lent one any more.
func (p *Pool) Drain() {
	var evict []*Backend
	p.mu.Lock()
	p.closed = true
	for _, v := range p.variants {
		if v.idle > 0 {
			evict = append(evict, p.takeAllIdle(v)...)
		}
	}
	p.mu.Unlock()
	for _, b := range evict {
		p.host.Evict(b)
	}
}

// Waiting tells whether anybody waits for a backend.
func (p *Pool) Waiting() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.line.head != nil
}

// Counts is one reading of a pool.
type Counts struct {
	Opening, Idle, Lent, Closing int
	Waiting                      int
	MaxWait                      time.Duration // of the first in the line
	Logins                       int64         // backends opened since the start
	Failure                      *wire.Error   // of the last login, if it failed
}

// Counts reads all at once.
func (p *Pool) Counts() Counts {
	now := time.Since(p.epoch)
	p.mu.Lock()
	defer p.mu.Unlock()
	c := Counts{
		Opening: p.opening, Idle: p.idle, Lent: p.lent, Closing: p.closing,
		Waiting: p.line.n, Logins: p.logins, Failure: p.failure.err,
	}
	if p.line.head != nil {
		c.MaxWait = now - p.line.head.since
	}
	return c
}
