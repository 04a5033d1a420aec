package pool

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// When a cap is not enough for all pools, the Budget divides: it works out what
// each pool is due (share.go, turns.go), and has those that have more give backends
// up, the idle ones at once and others when they come back. It does so when a pool
// is refused, at each Upkeep of one that still is, or while there are more than a cap
// that was lowered allows, and no more often than every divideEvery.

const (
	divideEvery = 20 * time.Millisecond
	// divideShare bounds what that takes of a processor, with very many pools.
	divideShare = 20
	// wishHalves is how fast a pool's wish goes back to what it uses: it keeps for a
	// moment what it has just used, or backends would be closed and opened in turn.
	wishHalves = 700 * time.Millisecond
)

// balance is when the Budget may divide.
type balance struct {
	mu      sync.Mutex
	pending bool          // it will
	rest    time.Duration // not before
	working sync.Mutex    // held while it does
	// beyond: there may be more backends than a cap allows, as it was lowered.
	beyond atomic.Bool
}

// divide has the Budget divide, soon.
func (g *Budget) divide(now time.Duration, epoch time.Time) {
	b := &g.balance
	b.mu.Lock()
	if b.pending {
		b.mu.Unlock()
		return
	}
	b.pending = true
	wait := b.rest - now
	b.mu.Unlock()
	if wait > 0 {
		time.AfterFunc(wait, func() { g.divideNow(epoch) })
		return
	}
	g.divideNow(epoch)
}

func (g *Budget) divideNow(epoch time.Time) {
	b := &g.balance
	b.working.Lock()
	defer b.working.Unlock()
	b.mu.Lock()
	b.pending = false // who is refused from now on may have come too late for this one
	b.mu.Unlock()
	began := time.Since(epoch)
	g.redistribute(began)
	ended := time.Since(epoch)
	b.mu.Lock()
	b.rest = ended + max(divideEvery, divideShare*(ended-began))
	b.mu.Unlock()
}

// redistribute works out the dues, and has them paid.
func (g *Budget) redistribute(now time.Duration) {
	claims := g.claims(now)
	groups := g.form(claims, now)
	g.balance.beyond.Store(slices.ContainsFunc(groups, (*group).beyond))
	share(claims, groups)
	g.credit(claims, now)
	round(claims, groups)
	plan(claims, groups)
	g.promise(claims, now)
	for _, c := range claims {
		c.pool.giveUp(c.gives, now)
	}
}

// claims reads all pools.
func (g *Budget) claims(now time.Duration) []*claim {
	g.mu.Lock()
	pools := make([]*Pool, 0, len(g.pools))
	for p := range g.pools {
		pools = append(pools, p)
	}
	g.mu.Unlock()
	claims := make([]*claim, len(pools))
	for i, p := range pools {
		claims[i] = p.claim(now)
	}
	return claims
}

// claim is what a pool has and wants now.
func (p *Pool) claim(now time.Duration) *claim {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.settings
	c := &claim{pool: p, weight: float64(max(s.Weight, 1)), has: p.usable() + p.listening(), idle: p.idle}
	if c.idle > 0 {
		c.idleAt = p.oldest(anyVariant).since
		c.idleFor = now - c.idleAt
	}
	c.wants = p.lent - p.leaving + p.opening + p.listening()
	if !p.mayOpen(now) {
		return c
	}
	c.wants = p.lent - p.leaving + max(p.opening, int(p.line.n.Load())) + p.listening() + p.promised()
	if !p.vacates(now) {
		c.wants = max(c.wants, min(c.has, s.MinSize, s.Size))
	}
	c.wants = min(c.wants, p.limit(now))
	c.least = min(c.wants, max(s.MinSize, 1))
	return c
}

// mayOpen tells whether the pool could do anything with a backend's worth of a cap.
func (p *Pool) mayOpen(now time.Duration) bool {
	return !p.closed && !p.Halted() && p.mayLogIn(now)
}

// form puts the claims into the groups of their caps, and has them want for a
// while what they have wanted.
func (g *Budget) form(claims []*claim, now time.Duration) (groups []*group) {
	caps := make([]Settings, len(claims))
	for i, c := range claims {
		caps[i] = c.pool.Settings()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	order := map[*Pool]int{}
	for i, p := range g.starved {
		order[p] = i - len(g.starved)
	}
	type key struct {
		of   int // the place in tallies
		name string
	}
	byKey := map[key]*group{}
	for i, c := range claims {
		a := g.pools[c.pool]
		if a == nil {
			continue // it has just been drained
		}
		c.order = order[c.pool]
		a.wish(c, caps[i].Size, now)
		for k, t := range g.tallies(c.pool, &caps[i]) {
			if t.most == 0 {
				continue
			}
			at := key{k, [...]string{c.pool.Database, c.pool.User, ""}[k]}
			if byKey[at] == nil {
				byKey[at] = &group{most: t.most}
				groups = append(groups, byKey[at])
			}
			byKey[at].members = append(byKey[at].members, c)
			c.groups = append(c.groups, byKey[at])
		}
		g.tidy(c.pool)
	}
	return groups
}

// wish has a claim want for a while what it has wanted.
func (a *account) wish(c *claim, size int, now time.Duration) {
	a.desired *= math.Exp2(-float64(now-a.seen) / float64(wishHalves))
	a.desired = max(a.desired, float64(c.wants))
	c.asks = c.wants
	c.wants = max(c.wants, min(int(a.desired+0.5), size))
	c.least = max(c.least, min(c.wants, 1))
}

// credit counts what each pool has had less than its share since the last division.
func (g *Budget) credit(claims []*claim, now time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range claims {
		a := g.pools[c.pool]
		if a == nil {
			continue
		}
		c.credit = a.credit
		if since := now - a.seen; since <= dueFor {
			c.earn(since)
		} else {
			c.credit = 0
		}
		a.credit, a.seen = c.credit, now
	}
}

// beyond tells whether there are more backends than the cap allows, without those on
// their way out.
func (g *group) beyond() bool {
	all := 0
	for _, c := range g.members {
		all += c.has
	}
	return all > g.most
}

// promise puts the dues in force.
func (g *Budget) promise(claims []*claim, now time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forgetDues()
	g.divided = max(now, 1)
	for _, c := range claims {
		a := g.pools[c.pool]
		if a == nil {
			continue
		}
		a.due, a.need = c.due, c.lacks()
		for _, t := range g.tallies(c.pool, &Settings{}) {
			t.reserved += a.need
		}
		g.tidy(c.pool)
	}
}

// giveUp closes backends for other pools, n of them: the idle ones now, the others
// when they come back.
func (p *Pool) giveUp(n int, now time.Duration) {
	var evict []*Backend
	p.mu.Lock()
	for len(evict) < n {
		b := p.leaveOldest(anyVariant)
		if b == nil {
			break
		}
		evict = append(evict, b)
	}
	p.owes, p.owesUntil = n-len(evict), now+dueFor
	p.mu.Unlock()
	for _, b := range evict {
		p.host.Evict(b)
	}
}

// paysBack tells whether a backend that has come back is given up for another pool.
func (p *Pool) paysBack(now time.Duration) bool {
	if now >= p.owesUntil {
		p.owes = 0
		return false
	}
	p.owes--
	return true
}
