// Package dns knows which addresses the names of servers have now, for how long an answer
// serves, and how a resolv.conf says whom to ask.
//
// It must not know what a server is, who connects to it, or where the names come from.
package dns

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Lookup gives the addresses of a name, those first that are to be tried first. None is
// an error.
type Lookup func(ctx context.Context, name string) ([]netip.Addr, error)

// Told is what Names tells of the answers. The functions are called on goroutines of its
// own, one at a time for each name, without any lock held.
type Told struct {
	// Found is told each answer. before are the addresses of the last one; nil: there was
	// none.
	Found func(name string, before, now []netip.Addr)
	// Failing is told that a name that had addresses cannot be looked up any more, once
	// until Works is. The addresses go on serving.
	Failing func(name string, err error)
	Works   func(name string)
}

// lookupTimeout bounds a lookup, and maxLookups how many run at a time.
const (
	lookupTimeout = 10 * time.Second
	maxLookups    = 64
)

// Names keeps the addresses of names. Any number of goroutines may use it.
type Names struct {
	told   Told
	now    func() time.Time
	places chan struct{}
	// patience is how long somebody waits for a new answer who has an old one: a resolver
	// that is silent must not take the time in which the server could be connected to.
	patience time.Duration

	mu     sync.Mutex
	lookup Lookup
	maxTTL time.Duration
	all    map[string]*entry
}

// entry is what is known of a name. It is guarded by Names.mu.
type entry struct {
	addrs   []netip.Addr // of the last answer that there was
	err     error        // of the last lookup
	until   time.Time    // then the name is looked up again
	stale   bool         // whoever connects waits for another answer
	running *running     // nil: it is not looked up now
	turn    int          // numbers those who connect
	failed  []netip.Addr // could not be connected to since the last answer
}

// running is a lookup that is under way.
type running struct {
	done  chan struct{}
	again bool // its answer may be older than what makes the entry stale
}

// New makes Names that use a lookup; an answer serves for maxTTL. With 0 everybody who
// connects waits for an answer of their own.
func New(lookup Lookup, maxTTL time.Duration, told Told) *Names {
	return &Names{told: told, now: time.Now, patience: time.Second, places: make(chan struct{}, maxLookups), lookup: lookup, maxTTL: maxTTL, all: map[string]*entry{}}
}

// Set puts another lookup or another maxTTL in force. Answers that are known serve until
// there are new ones.
func (n *Names) Set(lookup Lookup, maxTTL time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lookup, n.maxTTL = lookup, maxTTL
	for _, e := range n.all {
		e.until = time.Time{}
		if e.running != nil {
			e.running.again = true // it is the old lookup's
		}
	}
}

// Watch looks those names up whose answers are too old, and returns at once. Others whose
// answers are too old are forgotten. Call it a few times a second.
func (n *Names) Watch(used map[string]struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	for name, e := range n.all {
		if _, ok := used[name]; !ok && e.running == nil && !now.Before(e.until) {
			delete(n.all, name)
		}
	}
	if n.maxTTL == 0 {
		return
	}
	for name := range used {
		if e := n.entry(name); e.running == nil && !now.Before(e.until) {
			n.start(name, e)
		}
	}
}

// Expire has whoever connects from now on wait for an answer that is newer than now.
func (n *Names) Expire(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e := n.all[name]
	if e == nil {
		return
	}
	e.stale = true
	if e.running != nil {
		e.running.again = true
	} else {
		n.start(name, e)
	}
}

// Addrs are the addresses of a name in the order in which they are to be tried. Those of
// the first one's family take turns, and those that Failed come last.
func (n *Names) Addrs(ctx context.Context, name string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e := n.entry(name)
	if e.addrs == nil || n.maxTTL == 0 {
		e.stale = true
	}
	if e.addrs != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, n.patience)
		defer cancel()
	}
	for e.stale {
		if e.running == nil {
			n.start(name, e)
		}
		r := e.running
		n.mu.Unlock()
		select {
		case <-r.done:
		case <-ctx.Done():
		}
		n.mu.Lock()
		if ctx.Err() != nil {
			break
		}
	}
	switch {
	case e.addrs != nil:
		return e.inTurn(), nil
	case e.err != nil:
		return nil, e.err
	}
	return nil, ctx.Err()
}

// Failed says that an address of a name could not be connected to.
func (n *Names) Failed(name string, addr netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e := n.all[name]; e != nil && !slices.Contains(e.failed, addr) {
		e.failed = append(e.failed, addr)
	}
}

// Known are the addresses of a name by the last answer; nil if there was none.
func (n *Names) Known(name string) []netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e := n.all[name]; e != nil {
		return e.addrs
	}
	return nil
}

// Host is a name with what is known of it.
type Host struct {
	Name  string
	TTL   time.Duration // until it is looked up again
	Addrs []netip.Addr  // nil: none have been found
}

// Hosts are all names that are known, in order.
func (n *Names) Hosts() []Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	hosts := make([]Host, 0, len(n.all))
	for _, name := range slices.Sorted(maps.Keys(n.all)) {
		e := n.all[name]
		hosts = append(hosts, Host{Name: name, TTL: max(0, e.until.Sub(now)), Addrs: e.addrs})
	}
	return hosts
}

// Running is how many lookups are under way.
func (n *Names) Running() (count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.all {
		if e.running != nil {
			count++
		}
	}
	return count
}

// entry finds or makes that of a name. Under mu.
func (n *Names) entry(name string) *entry {
	e := n.all[name]
	if e == nil {
		e = new(entry)
		n.all[name] = e
	}
	return e
}

// start begins a lookup. Under mu.
func (n *Names) start(name string, e *entry) {
	e.running = &running{done: make(chan struct{})}
	go n.run(name, e, n.lookup)
}

func (n *Names) run(name string, e *entry, lookup Lookup) {
	n.places <- struct{}{}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	addrs, err := lookup(ctx, name)
	cancel()
	<-n.places
	n.mu.Lock()
	before, failing := e.addrs, e.err != nil && e.addrs != nil
	e.err, e.until, e.failed = err, n.now().Add(n.maxTTL), nil
	if err == nil {
		e.addrs = addrs
	}
	n.mu.Unlock()
	switch { // before who waits for the answer goes on
	case err == nil:
		n.told.Found(name, before, addrs)
		if failing {
			n.told.Works(name)
		}
	case before != nil && !failing:
		n.told.Failing(name, err)
	}
	n.end(name, e)
}

// end lets those go on who wait for the answer.
func (n *Names) end(name string, e *entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := e.running
	if r.again {
		n.start(name, e)
	} else {
		e.running, e.stale = nil, false
	}
	close(r.done)
}

// inTurn are the addresses for the next one who connects. Under mu.
func (e *entry) inTurn() []netip.Addr {
	first := e.addrs[0].Is4()
	family := 0
	for family < len(e.addrs) && e.addrs[family].Is4() == first {
		family++
	}
	k := e.turn % family
	e.turn++
	order := slices.Concat(e.addrs[k:family], e.addrs[:k], e.addrs[family:])
	slices.SortStableFunc(order, func(a, b netip.Addr) int { return e.rank(a) - e.rank(b) })
	return order
}

// rank is 1 for what comes last.
func (e *entry) rank(a netip.Addr) int {
	if slices.Contains(e.failed, a) {
		return 1
	}
	return 0
}
