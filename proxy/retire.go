package proxy

import (
	"strings"
	"time"

	"pgweir/status"
)

// A pool of [databases.NAME] stays. But with [databases."*"] any name that a
// client asks for makes a pool, and under trust any user does. Such pools are
// removed with all that belongs to them: when nobody has used their database
// for pool_idle_timeout, and at once if the server has never let them in. One that
// nobody can come to any more, since the configuration has changed, goes with its
// last client.
//
// The pools of a database go together, since what they have counted is shown
// together. A pool without clients cannot come to use again but by poolFor, and that is
// under the same lock as its removal. It is removed only when it has no backend
// any more, so that there is never one more than the pool's size.

// retireEvery is how often pools are looked for that may be removed.
const retireEvery = time.Second

// retire removes the pools that nobody needs any more.
func (p *Proxy) retire(now time.Time) {
	over, taken := p.unneeded(now)
	if len(over) == 0 {
		return
	}
	totals := p.totalsOf(over)
	removed := over[:0]
	again := map[string]bool{} // databases that somebody has come to meanwhile, and may have left
	p.mu.Lock()
	for _, cp := range over {
		again[cp.key.database] = again[cp.key.database] || cp.taken != taken[cp]
	}
	for _, cp := range over {
		if again[cp.key.database] || p.mu.pools[cp.key] != cp {
			continue
		}
		t := totals[cp]
		counts := cp.pool.Counts()
		t.ServerLogins += counts.Logins
		t.Shed += counts.Shed
		p.mu.past.Add(&t)
		delete(p.mu.pools, cp.key)
		p.mu.catalogs.give(cp.catalog)
		removed = append(removed, cp)
	}
	p.mu.order = without(p.mu.order, removed)
	p.mu.Unlock()
	for _, cp := range removed {
		cp.pool.Drain()
		p.log.Debug("pool removed", "database", cp.key.database, "user", cp.key.user)
	}
}

// unneeded are the pools that nobody uses and that have no backends, with how
// often each was taken. Those of databases that have been idle for long enough,
// and have backends still, begin to give them up.
func (p *Proxy) unneeded(now time.Time) (over []*clientPool, taken map[*clientPool]uint64) {
	r := p.rules.Load()
	var idle, replaced []*clientPool
	taken = map[*clientPool]uint64{}
	used, left := map[string]bool{}, map[string]bool{} // databases with clients, and with backends
	p.mu.Lock()
	for _, cp := range p.mu.order {
		if cp.pool == nil {
			continue
		}
		if cp.holders > 0 {
			cp.unused = time.Time{}
		} else if cp.unused.IsZero() {
			cp.unused = now
		}
		taken[cp] = cp.taken
		switch timeout := r.config.PoolIdleTimeout; {
		case cp.holders == 0 && cp.cameToNothing(r):
			over = append(over, cp)
		case cp.holders == 0 && cp.replaced(r):
			replaced = append(replaced, cp)
		case r.config.Databases[cp.key.database] != nil:
		case timeout > 0 && cp.holders == 0 && now.Sub(cp.unused) >= timeout:
			idle = append(idle, cp)
		default:
			used[cp.key.database] = true
		}
	}
	p.mu.Unlock()
	for _, cp := range replaced {
		if cp.pool.Quiet() {
			over = append(over, cp)
		} else {
			cp.pool.Vacate()
		}
	}
	for _, cp := range idle {
		if !used[cp.key.database] && !cp.pool.Quiet() {
			cp.pool.Vacate()
			left[cp.key.database] = true
		}
	}
	for _, cp := range idle {
		if !used[cp.key.database] && !left[cp.key.database] {
			over = append(over, cp)
		}
	}
	return over, taken
}

// replaced tells whether nobody can come to the pool any more: the database has another
// user now, whose pool is another, or is configured no longer.
func (cp *clientPool) replaced(r *rules) bool {
	db, ok := r.config.Database(cp.key.database)
	return !ok || db.User != "" && db.User != cp.key.user
}

// cameToNothing tells whether a name that is not configured has made the pool,
// and the server has never let it in.
func (cp *clientPool) cameToNothing(r *rules) bool {
	db := r.config.Databases[cp.key.database]
	if db == nil {
		unopened, _ := cp.pool.Unopened()
		return unopened
	}
	_, known := r.users.Secret(cp.key.user)
	if known || r.config.Users[cp.key.user] != nil || db.User == cp.key.user {
		return false
	}
	// A database that is configured may be refused for its own sake: that is
	// worth knowing.
	unopened, why := cp.pool.Unopened()
	return unopened && (why == nil || strings.HasPrefix(why.Code, "28"))
}

func without(all, removed []*clientPool) []*clientPool {
	gone := make(map[*clientPool]bool, len(removed))
	for _, cp := range removed {
		gone[cp] = true
	}
	kept := all[:0:0]
	for _, cp := range all {
		if !gone[cp] {
			kept = append(kept, cp)
		}
	}
	return kept
}

// poolsAndPast are all pools, and what those have counted that are removed.
func (p *Proxy) poolsAndPast() ([]*clientPool, status.Totals) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*clientPool(nil), p.mu.order...), p.mu.past
}
