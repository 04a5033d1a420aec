package pool

import (
	"slices"
	"sync"
	"time"
)

// Budget counts backends, open, opening and closing, across all pools, and
// keeps to the caps of each database (max_db_connections), of each user
// (max_user_connections) and of all (max_server_conn). It is asked before a
// backend is opened and told after it has gone, never on the path of a query.
// When there is not enough for all, it is shared: balance.go.
type Budget struct {
	mu        sync.Mutex
	databases map[string]*tally
	users     map[string]*tally
	all       tally
	pools     map[*Pool]*account
	// starved are the pools that were refused, in order, and have to be
	// asked again when something is given back.
	starved []*Pool
	// divided is when the dues were worked out last; 0 for never. They hold for
	// dueFor.
	divided time.Duration

	// With locks of their own:
	balance  balance
	cancels  cancelGates
	replicas replicas
	servers  servers
}

// tally counts what is under one cap.
type tally struct {
	count     int // of PostgreSQL's processes
	listeners int // backends that listen, or are to
	reserved  int // of what is free, for pools that have less than their due
}

// account is what the Budget knows of a pool.
type account struct {
	held    int // backends, open, opening and closing
	due     int // how many it should have at least, while there is not enough for all
	need    int // how many it lacks; they are reserved for it
	starved bool

	// Only while the Budget divides:
	credit  float64       // what it has had less than its share, in backends times seconds
	desired float64       // what it has wanted of late
	seen    time.Duration // when that was
}

// dueFor is for how long a division holds. As long as there is not enough, there is
// a new one at each Upkeep of a pool that was refused.
const dueFor = 500 * time.Millisecond

// NewBudget makes an empty one.
func NewBudget() *Budget {
	return &Budget{databases: map[string]*tally{}, users: map[string]*tally{}, pools: map[*Pool]*account{}}
}

// limited is a tally and its cap; 0 is none.
type limited struct {
	*tally
	most int
}

// tallies are those that a pool's backends count in.
func (g *Budget) tallies(p *Pool, s *Settings) [3]limited {
	return [3]limited{{tallyOf(g.databases, p.Database), s.MaxDatabase}, {tallyOf(g.users, p.User), s.MaxUser}, {&g.all, s.MaxServer}}
}

func tallyOf(tallies map[string]*tally, name string) *tally {
	t := tallies[name]
	if t == nil {
		t = new(tally)
		tallies[name] = t
	}
	return t
}

// tidy forgets the names that nothing is counted for.
func (g *Budget) tidy(p *Pool) {
	if t := g.databases[p.Database]; t != nil && *t == (tally{}) {
		delete(g.databases, p.Database)
	}
	if t := g.users[p.User]; t != nil && *t == (tally{}) {
		delete(g.users, p.User)
	}
}

// take takes one backend's worth; if that would exceed a cap, or is another pool's
// due, it remembers the pool and is false.
func (g *Budget) take(p *Pool, s *Settings, now time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	a, tallies := g.account(p), g.tallies(p, s)
	if g.divided != 0 && now-g.divided > dueFor {
		g.forgetDues()
	}
	for _, t := range tallies {
		free := t.most - t.count
		if a.need == 0 && a.held >= a.due {
			free -= t.reserved
		}
		if t.most > 0 && free <= 0 {
			if !a.starved {
				a.starved = true
				g.starved = append(g.starved, p)
			}
			g.tidy(p)
			return false
		}
	}
	needed := min(a.need, 1)
	a.need -= needed
	a.held++
	for _, t := range tallies {
		t.count++
		t.reserved -= needed
	}
	return true
}

// account is a pool's, which may be drained and forgotten already.
func (g *Budget) account(p *Pool) *account {
	a := g.pools[p]
	if a == nil {
		a = new(account)
		g.pools[p] = a
	}
	return a
}

// forgetDues has every pool take what there is.
func (g *Budget) forgetDues() {
	g.divided = 0
	for _, a := range g.pools {
		a.due, a.need = 0, 0
	}
	for _, t := range g.databases {
		t.reserved = 0
	}
	for _, t := range g.users {
		t.reserved = 0
	}
	g.all.reserved = 0
}

// give gives one back and returns the pools that may try again: those first that
// lack something, and in the order in which they have been refused.
func (g *Budget) give(p *Pool) []*Pool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.account(p).held--
	tallyOf(g.databases, p.Database).count--
	tallyOf(g.users, p.User).count--
	g.all.count--
	g.tidy(p)
	starved := g.starved
	g.starved = nil
	for _, q := range starved {
		g.pools[q].starved = false
	}
	slices.SortStableFunc(starved, func(a, b *Pool) int { return min(g.pools[b].need, 1) - min(g.pools[a].need, 1) })
	return starved
}

// forget drops a pool that has been drained.
func (g *Budget) forget(p *Pool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a := g.pools[p]; a != nil {
		for _, t := range g.tallies(p, &Settings{}) {
			t.reserved -= a.need
		}
		g.tidy(p)
	}
	delete(g.pools, p)
	g.starved = slices.DeleteFunc(g.starved, func(q *Pool) bool { return q == p })
}

// Database is how many backends a database has, by the name that clients use.
func (g *Budget) Database(name string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t := g.databases[name]; t != nil {
		return t.count
	}
	return 0
}

// User is how many backends a user has.
func (g *Budget) User(name string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t := g.users[name]; t != nil {
		return t.count
	}
	return 0
}

// All is how many backends there are.
func (g *Budget) All() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.all.count
}
