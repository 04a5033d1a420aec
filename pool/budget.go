package pool

import (
	"slices"
	"sync"
)

// Budget counts backends, open, opening and closing, across all pools, and
// keeps to the caps of each database (max_db_connections) and each user
// (max_user_connections). It is asked before a backend is opened and told
// after it has gone, never on the path of a query.
type Budget struct {
	mu        sync.Mutex
	databases map[string]int
	users     map[string]int
	pools     map[*Pool]bool
	// listening backends, of each database and of each user
	listeners, userListeners map[string]int
	// starved are the pools that were refused, in order, and have to be
	// asked again when something is given back.
	starved []*Pool

	// With locks of their own:
	cancels  cancelGates
	replicas replicas
}

// NewBudget makes an empty one.
func NewBudget() *Budget {
	return &Budget{
		databases: map[string]int{}, users: map[string]int{}, pools: map[*Pool]bool{},
		listeners: map[string]int{}, userListeners: map[string]int{},
	}
}

// take takes one backend's worth; if that would exceed a cap, it remembers
// the pool and is false.
func (g *Budget) take(p *Pool, maxDatabase, maxUser int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if maxDatabase > 0 && g.databases[p.Database] >= maxDatabase ||
		maxUser > 0 && g.users[p.User] >= maxUser {
		for _, q := range g.starved {
			if q == p {
				return false
			}
		}
		g.starved = append(g.starved, p)
		return false
	}
	g.databases[p.Database]++
	g.users[p.User]++
	return true
}

// give gives one back and returns the pools that may try again, in the order
// in which they have been refused.
func (g *Budget) give(p *Pool) []*Pool {
	g.mu.Lock()
	defer g.mu.Unlock()
	less(g.databases, p.Database)
	less(g.users, p.User)
	starved := g.starved
	g.starved = nil
	return starved
}

// makeRoom closes the backend that has been idle longest among the other pools
// that share a cap with p. What it frees is p's to take, as p has been noted
// as starved.
func (g *Budget) makeRoom(p *Pool) {
	s := p.Settings()
	g.mu.Lock()
	var others []*Pool
	for q := range g.pools {
		if q != p && (s.MaxDatabase > 0 && q.Database == p.Database || s.MaxUser > 0 && q.User == p.User) {
			others = append(others, q)
		}
	}
	g.mu.Unlock()
	var first int64
	var victim *Pool
	for _, q := range others {
		if at, ok := q.idleSince(); ok && (victim == nil || at < first) {
			first, victim = at, q
		}
	}
	if victim != nil {
		victim.evictIdle() // or it has just been lent: then upkeep tries again
	}
}

// forget drops a pool that has been drained.
func (g *Budget) forget(p *Pool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.pools, p)
	g.starved = slices.DeleteFunc(g.starved, func(q *Pool) bool { return q == p })
}

// less counts one less; a name that nothing is counted for is forgotten.
func less(counts map[string]int, name string) {
	if counts[name]--; counts[name] == 0 {
		delete(counts, name)
	}
}

// Database is how many backends a database has, by the name that clients use.
func (g *Budget) Database(name string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.databases[name]
}

// User is how many backends a user has.
func (g *Budget) User(name string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.users[name]
}
