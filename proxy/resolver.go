package proxy

import (
	"container/list"
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// The names of clients' addresses are looked for so:
//
//  1. an answer that is a few seconds old serves, also one that there are none
//  2. many clients of one address wait for one lookup
//  3. so many lookups run at a time; the others wait, first come, first served
//  4. a lookup that nobody waits for any more is canceled, and another has its place

const (
	// maxResolving bounds how many lookups run at a time, and maxForsaken how many
	// more that were canceled and have not ended yet.
	maxResolving = 64
	maxForsaken  = 256
	// maxNames is of how many addresses the names are kept; namesAge for how long, and
	// namesFailedAge for how long none is looked for again after an error.
	maxNames       = 4096
	namesAge       = 5 * time.Second
	namesFailedAge = time.Second
)

// lookupFunc gives the names of an address that lead back to it. None is no error.
type lookupFunc func(context.Context, netip.Addr) ([]string, error)

// names are what a lookup has found.
type names struct {
	list []string
	err  error
}

// resolver looks for names. Any number of goroutines may use it.
type resolver struct {
	lookup lookupFunc
	now    func() time.Time

	mu       sync.Mutex
	known    map[netip.Addr]*list.Element
	order    list.List // of keptNames, the newest in front
	lookups  map[netip.Addr]*nameLookup
	queue    []*nameLookup
	running  int // with a place; at most maxResolving
	forsaken int // without
}

type keptNames struct {
	addr  netip.Addr
	names names
	until time.Time
}

// nameLookup is one that runs or waits for a place. It is guarded by resolver.mu.
type nameLookup struct {
	addr    netip.Addr
	waiters []*nameWait
	cancel  context.CancelFunc // nil until it runs
	left    bool               // it runs without a place, and nobody wants what it finds
}

// nameWait is one who waits.
type nameWait struct {
	resolver *resolver
	lookup   *nameLookup // nil: it does not wait any more
	then     func(names)
}

func newResolver(f lookupFunc) *resolver {
	return &resolver{lookup: f, now: time.Now, known: map[netip.Addr]*list.Element{}, lookups: map[netip.Addr]*nameLookup{}}
}

// ask gives the names of an address. If it gives a nameWait, they are looked for: then
// is called with them, later and on another goroutine, which must not wait in it.
func (r *resolver) ask(addr netip.Addr, then func(names)) (names, *nameWait) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at := r.known[addr]; at != nil {
		if k := at.Value.(keptNames); r.now().Before(k.until) {
			return k.names, nil
		}
	}
	l := r.lookups[addr]
	if l == nil {
		l = &nameLookup{addr: addr}
		r.lookups[addr] = l
		r.queue = append(r.queue, l)
		r.start()
	}
	w := &nameWait{resolver: r, lookup: l, then: then}
	l.waiters = append(l.waiters, w)
	return names{}, w
}

// start has lookups run that wait, if there are places. Under mu.
func (r *resolver) start() {
	for r.running < maxResolving && len(r.queue) > 0 {
		l := r.queue[0]
		r.queue[0] = nil
		r.queue = r.queue[1:]
		r.running++
		ctx, cancel := context.WithTimeout(context.Background(), namesTimeout)
		l.cancel = cancel
		go r.run(ctx, l)
	}
}

func (r *resolver) run(ctx context.Context, l *nameLookup) {
	var found names
	found.list, found.err = r.lookup(ctx, l.addr)
	l.cancel()
	for _, w := range r.end(l, found) {
		w.then(found)
	}
}

// end has others take the lookup's place, and gives those who wait for it.
func (r *resolver) end(l *nameLookup, found names) (waiters []*nameWait) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.left {
		r.forsaken--
	} else {
		r.running--
	}
	if r.lookups[l.addr] == l {
		delete(r.lookups, l.addr)
		r.keep(l.addr, found)
	}
	waiters, l.waiters = l.waiters, nil
	for _, w := range waiters {
		w.lookup = nil
	}
	r.start()
	return waiters
}

// keep has an answer serve for a while. Under mu.
func (r *resolver) keep(addr netip.Addr, found names) {
	age := namesAge
	if found.err != nil {
		age = namesFailedAge
	}
	if at := r.known[addr]; at != nil {
		r.order.Remove(at)
	}
	r.known[addr] = r.order.PushFront(keptNames{addr, found, r.now().Add(age)})
	if r.order.Len() > maxNames {
		delete(r.known, r.order.Remove(r.order.Back()).(keptNames).addr)
	}
}

// leave says that the names are not wanted any more.
func (w *nameWait) leave() {
	r := w.resolver
	r.mu.Lock()
	defer r.mu.Unlock()
	l := w.lookup
	if l == nil {
		return
	}
	w.lookup = nil
	l.waiters = slices.DeleteFunc(l.waiters, func(o *nameWait) bool { return o == w })
	if len(l.waiters) > 0 {
		return
	}
	delete(r.lookups, l.addr)
	if l.cancel == nil {
		r.queue = slices.DeleteFunc(r.queue, func(o *nameLookup) bool { return o == l })
		return
	}
	l.cancel()
	if r.forsaken < maxForsaken {
		r.forsaken++
		r.running--
		l.left = true
		r.start()
	}
}
