package proxy

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// slowNames is a lookup that waits until it is released, or canceled.
type slowNames struct {
	mu      sync.Mutex
	asked   []netip.Addr
	free    chan struct{}
	ends    chan struct{} // a canceled one ends with it
	answers map[netip.Addr]names
}

func newSlowNames() *slowNames {
	ended := make(chan struct{})
	close(ended)
	return &slowNames{free: make(chan struct{}), ends: ended, answers: map[netip.Addr]names{}}
}

func (s *slowNames) lookup(ctx context.Context, addr netip.Addr) ([]string, error) {
	s.mu.Lock()
	s.asked = append(s.asked, addr)
	s.mu.Unlock()
	select {
	case <-s.free:
	case <-ctx.Done():
		<-s.ends
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answers[addr].list, s.answers[addr].err
}

func (s *slowNames) lookups() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func (r *resolver) state() (running, queued, forsaken int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running, len(r.queue), r.forsaken
}

// waiters are how many wait for the names of an address.
func (r *resolver) waiters(addr netip.Addr) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.lookups[addr]; l != nil {
		return len(l.waiters)
	}
	return 0
}

func addrOf(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}) }

// asks asks, and has the names come there.
func asks(r *resolver, addr netip.Addr, found chan names) *nameWait {
	n, w := r.ask(addr, func(n names) { found <- n })
	if w == nil {
		found <- n
	}
	return w
}

func TestManyClientsOfOneAddressAreOneLookup(t *testing.T) {
	slow := newSlowNames()
	slow.answers[addrOf(1)] = names{list: []string{"one"}}
	r, clock, found := newResolver(slow.lookup), time.Unix(1e9, 0), make(chan names, 1000)
	r.now = func() time.Time { return clock }
	for range 500 {
		asks(r, addrOf(1), found)
	}
	close(slow.free)
	for range 500 {
		if n := <-found; n.err != nil || !slices.Equal(n.list, []string{"one"}) {
			t.Fatal(n)
		}
	}
	clock = clock.Add(namesAge - 1)
	if asks(r, addrOf(1), found) != nil || slow.lookups() != 1 {
		t.Errorf("%d lookups", slow.lookups())
	}
	clock = clock.Add(1)
	asks(r, addrOf(1), found)
	eventually(t, "it is looked for again", func() bool { return slow.lookups() == 2 })
}

func TestThatThereAreNoNamesServesToo(t *testing.T) {
	slow := newSlowNames()
	close(slow.free)
	slow.answers[addrOf(2)] = names{err: errors.New("no answer")}
	r, clock, found := newResolver(slow.lookup), time.Unix(1e9, 0), make(chan names, 1)
	r.now = func() time.Time { return clock }
	for range 3 {
		asks(r, addrOf(1), found)
		if n := <-found; n.list != nil || n.err != nil {
			t.Error(n)
		}
		asks(r, addrOf(2), found)
		if n := <-found; n.err == nil {
			t.Error(n)
		}
	}
	if n := slow.lookups(); n != 2 {
		t.Errorf("%d lookups", n)
	}
	clock = clock.Add(namesFailedAge)
	for _, n := range []int{1, 2} {
		asks(r, addrOf(n), found)
		<-found
	}
	if n := slow.lookups(); n != 3 {
		t.Errorf("%d lookups; an error serves for less", n)
	}
}

func TestOnlySoManyNamesAreKept(t *testing.T) {
	slow := newSlowNames()
	close(slow.free)
	r, found := newResolver(slow.lookup), make(chan names, 1)
	for i := range maxNames + 10 {
		asks(r, addrOf(i), found)
		<-found
	}
	if len(r.known) != maxNames || r.order.Len() != maxNames {
		t.Errorf("%d and %d are kept", len(r.known), r.order.Len())
	}
	if asks(r, addrOf(maxNames), found) != nil {
		t.Error("a new one has gone")
	}
	<-found
}

func TestALookupThatNobodyWaitsForGivesItsPlaceAway(t *testing.T) {
	slow := newSlowNames()
	slow.ends = make(chan struct{})
	r, found := newResolver(slow.lookup), make(chan names, 10_000)
	var waits []*nameWait
	begin := func(from, n int) {
		for i := range n {
			waits = append(waits, asks(r, addrOf(from+i), found))
		}
	}
	leave := func() {
		for _, w := range waits {
			w.leave()
			w.leave() // once more changes nothing
		}
		waits = nil
	}
	states := func(running, queued, forsaken int) {
		t.Helper()
		if a, b, c := r.state(); a != running || b != queued || c != forsaken {
			t.Fatalf("%d run, %d wait, %d are forsaken", a, b, c)
		}
	}
	begin(0, maxResolving+5)
	states(maxResolving, 5, 0)
	other := asks(r, addrOf(0), found) // somebody else wants this one
	leave()
	states(1, 0, maxResolving+4)
	other.leave()
	n := maxResolving + 5
	for r.forsaken < maxForsaken {
		more := min(maxResolving, maxForsaken-r.forsaken)
		begin(n, more)
		leave()
		n += more
	}
	// No more of those that have been canceled may run besides.
	begin(n, maxResolving)
	leave()
	states(maxResolving, 0, maxForsaken)
	begin(0, 1)
	states(maxResolving, 1, maxForsaken)
	close(slow.ends)
	close(slow.free)
	<-found
	eventually(t, "all have ended", func() bool { a, b, c := r.state(); return a+b+c == 0 })
	if len(found) != 0 {
		t.Errorf("%d who have left were told", len(found))
	}
}
