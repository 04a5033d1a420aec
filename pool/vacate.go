package pool

import "time"

// vacancy is for how long PostgreSQL waits for others to leave a database that
// a statement needs for itself (CountOtherDBBackends).
const vacancy = 5 * time.Second

// Vacate has the pool leave its database, because a statement of somebody's
// needs that for itself. While PostgreSQL waits for it, the pool keeps no
// backend if it has no client: the idle ones are closed now, those that are
// still at work when they come back, and what is left by Upkeep, which opens
// none for min_pool_size either. A pool with clients stays as it is; but they
// may go meanwhile.
func (p *Pool) Vacate() {
	now := time.Since(p.epoch)
	p.mu.Lock()
	p.vacated = now + vacancy
	p.vacations++
	for _, v := range p.variants {
		clear(v.welcomes) // whether the database lets anybody in is asked anew
	}
	evict := p.expired(now)
	p.mu.Unlock()
	for _, b := range evict {
		p.host.Evict(b)
	}
}

// vacates tells whether the database is to be left now.
func (p *Pool) vacates(now time.Duration) bool {
	if now >= p.vacated {
		return false
	}
	for _, v := range p.variants {
		if v.clients > 0 {
			return false
		}
	}
	return true
}

// mayLinger tells whether the listening backend may stay though nobody hears
// anything.
func (p *Pool) mayLinger() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.vacates(time.Since(p.epoch))
}
