package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// zone is a name whose answer the test decides.
type zone struct {
	mu      sync.Mutex
	addrs   []netip.Addr
	err     error
	lookups int
	hold    chan struct{} // if it is not nil, a lookup waits for its end
}

func (z *zone) lookup(ctx context.Context, _ string) ([]netip.Addr, error) {
	z.mu.Lock()
	z.lookups++
	hold, addrs, err := z.hold, z.addrs, z.err
	z.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return addrs, err
}

func (z *zone) set(err error, addrs ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.err, z.addrs = err, nil
	for _, a := range addrs {
		z.addrs = append(z.addrs, netip.MustParseAddr(a))
	}
}

func (z *zone) count() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.lookups
}

// watched are Names of one zone, with what they have told.
type watched struct {
	*zone
	*Names
	mu    sync.Mutex
	said  []string
	clock time.Time
}

func watch(ttl time.Duration) *watched {
	w := &watched{zone: new(zone), clock: time.Unix(1e9, 0)}
	say := func(format string, args ...any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.said = append(w.said, fmt.Sprintf(format, args...))
	}
	w.Names = New(w.zone.lookup, ttl, Told{
		Found:   func(name string, before, now []netip.Addr) { say("%s: %v, before %v", name, now, before) },
		Failing: func(name string, err error) { say("%s fails: %v", name, err) },
		Works:   func(name string) { say("%s works", name) },
	})
	w.patience = time.Minute
	w.now = func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.clock
	}
	return w
}

func (w *watched) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// eventually waits for a condition, ten seconds at most.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(10 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not so: %s", what)
		}
	}
}

// rest waits until nothing is looked up.
func (w *watched) rest(t *testing.T) {
	t.Helper()
	eventually(t, "lookups end", func() bool { return w.Running() == 0 })
}

// tells compares what has been told since the last call.
func (w *watched) tells(t *testing.T, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.said, want) {
		t.Errorf("told %q, want %q", w.said, want)
	}
	w.said = nil
}

func (w *watched) addrs(t *testing.T) string {
	t.Helper()
	addrs, err := w.Addrs(t.Context(), "db")
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(addrs)
}

var db = map[string]struct{}{"db": {}}

func TestAnAnswerServesForItsTimeAndTheLastGoodOneForLonger(t *testing.T) {
	w := watch(15 * time.Second)
	w.set(nil, "10.0.0.1")
	for range 3 {
		if got := w.addrs(t); got != "[10.0.0.1]" || w.count() != 1 {
			t.Fatal(got, w.count())
		}
	}
	w.tells(t, "db: [10.0.0.1], before []")
	w.pass(14 * time.Second)
	w.Watch(db)
	if w.rest(t); w.count() != 1 {
		t.Fatal("looked up too early")
	}
	w.set(nil, "10.0.0.2")
	w.pass(time.Second)
	w.Watch(db)
	w.rest(t)
	w.tells(t, "db: [10.0.0.2], before [10.0.0.1]")
	broken := errors.New("broken")
	w.set(broken)
	for range 2 {
		w.pass(15 * time.Second)
		w.Watch(db)
		w.rest(t)
	}
	w.tells(t, "db fails: broken")
	if got := w.addrs(t); got != "[10.0.0.2]" {
		t.Error(got)
	}
	w.set(nil, "10.0.0.2")
	w.pass(15 * time.Second)
	w.Watch(db)
	w.rest(t)
	w.tells(t, "db: [10.0.0.2], before [10.0.0.2]", "db works")
	w.pass(15 * time.Second)
	if w.Watch(nil); len(w.Hosts()) != 0 {
		t.Error("a name that nobody uses is kept")
	}
}

func TestWhoConnectsWaitsForANewAnswerWhenTheOldOneIsInDoubt(t *testing.T) {
	w := watch(time.Hour)
	w.set(nil, "10.0.0.1")
	w.addrs(t)
	hold := make(chan struct{})
	w.zone.mu.Lock()
	w.hold = hold
	w.zone.mu.Unlock()
	w.Expire("db") // its answer is asked for before the name moves
	eventually(t, "it is looked up", func() bool { return w.count() == 2 })
	w.set(nil, "10.0.0.2")
	w.Expire("db")
	answer := make(chan string)
	go func() { answer <- w.addrs(t) }()
	close(hold)
	if got := <-answer; got != "[10.0.0.2]" || w.count() != 3 {
		t.Error(got, w.count())
	}
	w.set(errors.New("broken"))
	if w.Expire("db"); w.addrs(t) != "[10.0.0.2]" {
		t.Error("the last good answer does not serve")
	}
	hold = make(chan struct{})
	defer close(hold)
	w.zone.mu.Lock()
	w.hold = hold
	w.zone.mu.Unlock()
	w.Expire("db")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if addrs, err := w.Addrs(ctx, "db"); err != nil || len(addrs) != 1 {
		t.Errorf("%v, %v", addrs, err)
	}
	if addrs, err := w.Addrs(ctx, "other"); err == nil {
		t.Errorf("%v", addrs)
	}
}

// TestASilentResolverLeavesTimeToConnect to the address that is known.
func TestASilentResolverLeavesTimeToConnect(t *testing.T) {
	w := watch(time.Hour)
	w.patience = time.Millisecond
	w.set(nil, "10.0.0.1")
	w.rest(t)
	w.addrs(t) // which waits for the first answer
	hold := make(chan struct{})
	defer close(hold)
	w.zone.mu.Lock()
	w.hold = hold
	w.zone.mu.Unlock()
	w.Expire("db")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if addrs, err := w.Addrs(ctx, "db"); err != nil || len(addrs) != 1 || ctx.Err() != nil {
		t.Errorf("%v, %v, %v", addrs, err, ctx.Err())
	}
}

func TestWithoutATimeEachLoginAsks(t *testing.T) {
	w := watch(0)
	w.set(nil, "10.0.0.1")
	w.addrs(t)
	w.Watch(db)
	w.rest(t)
	w.set(nil, "10.0.0.2")
	if got := w.addrs(t); got != "[10.0.0.2]" || w.count() != 2 {
		t.Error(got, w.count())
	}
}

func TestAddressesTakeTurnsAndThoseThatFailedComeLast(t *testing.T) {
	w := watch(time.Hour)
	w.set(nil, "10.0.0.1", "10.0.0.2", "2001:db8::1")
	for i, want := range []string{"[10.0.0.1 10.0.0.2 2001:db8::1]", "[10.0.0.2 10.0.0.1 2001:db8::1]", "[10.0.0.1 10.0.0.2 2001:db8::1]"} {
		if got := w.addrs(t); got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
	for range 2 {
		w.Failed("db", netip.MustParseAddr("10.0.0.2"))
	}
	for range 2 {
		if got := w.addrs(t); got != "[10.0.0.1 2001:db8::1 10.0.0.2]" {
			t.Error(got)
		}
	}
	w.Expire("db")
	w.rest(t)
	if got := w.addrs(t); got != "[10.0.0.2 10.0.0.1 2001:db8::1]" && got != "[10.0.0.1 10.0.0.2 2001:db8::1]" {
		t.Error(got)
	}
}

func TestNoMoreThanSoManyLookupsRunAtATime(t *testing.T) {
	w := watch(time.Hour)
	w.set(nil, "10.0.0.1")
	hold := make(chan struct{})
	w.hold = hold
	used := map[string]struct{}{}
	for i := range maxLookups + 10 {
		used[fmt.Sprint("db", i)] = struct{}{}
	}
	w.Watch(used)
	eventually(t, "they begin", func() bool { return w.count() >= maxLookups })
	if n := w.count(); n != maxLookups || w.Running() != maxLookups+10 {
		t.Error(n, w.Running())
	}
	close(hold)
	w.rest(t)
	if hosts := w.Hosts(); len(hosts) != maxLookups+10 || hosts[0].TTL != time.Hour || len(hosts[0].Addrs) != 1 {
		t.Errorf("%+v", hosts)
	}
}
