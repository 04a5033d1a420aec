package pool

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"pgweir/wire"
)

func TestALeaseOpensABackendAndReturnMakesItIdle(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	check(t, p, 0, 0, 0, 0)
	b := h.lease(p)
	check(t, p, 0, 0, 1, 0)
	if b.PID != 1 || len(b.Key) != 4 || b.TLS != "" || b.Pool() != p || b.ID == 0 || b.Vars[wire.VarTimeZone] != "UTC" {
		t.Errorf("%+v", b)
	}
	start := s.logins()[0]
	for name, want := range map[string]string{"user": "user", "database": "served"} {
		if got, _ := start.Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	h.giveBack(b)
	check(t, p, 0, 1, 0, 0)
	if again := h.lease(p); again != b {
		t.Error("another backend was opened")
	} else {
		h.giveBack(again)
	}
	if c := p.Counts(); c.Logins != 1 || c.Waiting != 0 || c.MaxWait != 0 || c.Failure != nil {
		t.Errorf("%+v", c)
	}
}

func TestTheBackendThatWasUsedLastIsLentFirst(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	a, b := h.lease(p), h.lease(p)
	h.giveBack(b)
	h.giveBack(a)
	if got := h.lease(p); got != a {
		t.Error("the other one was lent")
	} else {
		h.giveBack(got)
	}
}

func TestThoseWhoWaitAreServedInOrder(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 1 })
	b := h.lease(p)
	var line []*taker
	for range 10 {
		k := h.taker(p)
		k.ask(p, nil)
		line = append(line, k)
	}
	if c := p.Counts(); c.Waiting != 10 || c.MaxWait < 0 || !p.Waiting() {
		t.Errorf("%+v", c)
	}
	for i, k := range line {
		h.giveBack(b)
		if got := k.wait(); got != b {
			t.Fatal("another backend")
		}
		for _, later := range line[i+1:] {
			later.waits()
		}
	}
	h.giveBack(b)
	if _, most := s.counts(); most != 1 || p.Waiting() {
		t.Errorf("%d processes", most)
	}
}

func TestWhoseBackendHasGoneUnusedIsServedFirst(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 1 })
	first, behind := h.taker(p), h.taker(p)
	first.ask(p, nil)
	b := first.wait()
	behind.ask(p, nil)
	hold := make(chan struct{})
	s.set(func(s *server) { s.holdEnd = hold }) // or another might be opened, and be behind's, by then
	h.end(b, false)                             // before first has begun with it
	if b, e := p.Relet(&first.Waiter, nil, h.now()); b != nil || e != nil {
		t.Fatal(b, e)
	}
	close(hold)
	b = first.wait()
	behind.waits()
	h.giveBack(b)
	if behind.wait() != b {
		t.Error("another backend")
	}
	h.giveBack(b)
}

func TestTheSizeIsNeverExceededThoughBackendsCloseLate(t *testing.T) {
	h, s := newHost(t), serve(t)
	s.late = 3 * time.Millisecond
	p := h.pool(s, func(s *Settings) { s.Size = 3 })
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			k := h.taker(p)
			for n := range 5 {
				k.ask(p, nil)
				b := k.wait()
				if (i+n)%2 == 0 {
					h.end(b, false)
				} else {
					h.giveBack(b)
				}
			}
		}()
	}
	wg.Wait()
	if _, most := s.counts(); most > 3 {
		t.Errorf("%d processes at once", most)
	}
}

func TestABackendHoldsItsSlotUntilTheServerHasClosedIt(t *testing.T) {
	h, s := newHost(t), serve(t)
	s.holdEnd = make(chan struct{})
	p := h.pool(s, func(s *Settings) { s.Size = 1 })
	h.end(h.lease(p), false)
	k := h.taker(p)
	k.ask(p, nil)
	check(t, p, 0, 0, 0, 1)
	p.Upkeep(1)
	k.waits()
	if n := len(s.logins()); n != 1 {
		t.Fatalf("%d logins", n)
	}
	close(s.holdEnd)
	h.giveBack(k.wait())
	if _, most := s.counts(); most != 1 {
		t.Errorf("%d processes at once", most)
	}
}

func TestDiscardEndsABackendThatWasNotToldTo(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	b := h.lease(p)
	side := b.Host.(*side)
	side.ended.Add(1)
	h.mu.Lock()
	delete(h.sides, b)
	h.mu.Unlock()
	b.Conn = side.conn // no Terminate: it could not be sent
	p.Discard(b, false)
	eventually(t, "the slot is free", func() bool { return p.Counts().Closing == 0 })
	if live, _ := s.counts(); live != 0 {
		t.Errorf("%d processes", live)
	}
}

func TestDiscardOfABusyBackendCancelsItsQuery(t *testing.T) {
	h, s := newHost(t), serve(t)
	s.deaf = true
	p := h.pool(s, nil)
	b := h.lease(p)
	h.end(b, true)
	eventually(t, "the slot is free", func() bool { return p.Counts().Closing == 0 })
	s.set(func(s *server) {
		if len(s.cancels) == 0 {
			t.Error("no cancel")
		}
		for _, pid := range s.cancels {
			if pid != b.PID {
				t.Errorf("cancels of %v", s.cancels)
			}
		}
	})
}

func TestDiscardCancelsAgainIfThatDidNothing(t *testing.T) {
	h, s := newHost(t), serve(t)
	s.deaf, s.ignore = true, 2
	p := h.pool(s, nil)
	h.end(h.lease(p), true)
	eventually(t, "the slot is free", func() bool { return p.Counts().Closing == 0 })
	s.set(func(s *server) {
		if len(s.cancels) < 3 {
			t.Errorf("%d cancels", len(s.cancels))
		}
	})
}

func TestCancelQueryReturnsWhenTheServerHasActed(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	b := h.lease(p)
	if _, err := p.CancelQuery(b, CancelRequest{}); err != nil {
		t.Fatal(err)
	}
	s.set(func(s *server) {
		if len(s.cancels) != 1 || s.cancels[0] != b.PID {
			t.Errorf("cancels of %v", s.cancels)
		}
		s.ln.Close()
	})
	if _, err := p.CancelQuery(b, CancelRequest{}); err == nil || err.(*wire.Error).Code != wire.CodeCannotConnect {
		t.Error(err)
	}
	h.giveBack(b)
}

func TestWhoLeavesTheLineGetsNothing(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 1 })
	b := h.lease(p)
	first, second, third := h.taker(p), h.taker(p), h.taker(p)
	for _, k := range []*taker{first, second, third} {
		k.ask(p, nil)
	}
	if !p.Leave(&second.Waiter) || p.Leave(&second.Waiter) {
		t.Error("left twice, or not at all")
	}
	h.giveBack(b)
	first.wait()
	if p.Leave(&first.Waiter) {
		t.Error("left though it has been served")
	}
	h.giveBack(b)
	third.wait()
	second.waits()
	h.giveBack(b)
	check(t, p, 0, 1, 0, 0)
}

func TestALoginWhoseClientHasLeftServesTheNext(t *testing.T) {
	h, s := newHost(t), serve(t)
	s.hold = make(chan struct{})
	p := h.pool(s, func(s *Settings) { s.Size = 1 })
	gone, next := h.taker(p), h.taker(p)
	gone.ask(p, nil)
	next.ask(p, nil)
	h.opens(p, 1)
	if !p.Leave(&gone.Waiter) {
		t.Fatal("not in the line")
	}
	close(s.hold)
	h.giveBack(next.wait())
	gone.waits()
	if n := len(s.logins()); n != 1 {
		t.Errorf("%d logins", n)
	}
}

func TestLeavingAndBeingServedExcludeEachOther(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 1 })
	b := h.lease(p)
	left := 0
	for i := range 3000 {
		k := h.taker(p)
		k.ask(p, nil)
		done := make(chan struct{})
		begun := make(chan struct{})
		go func() {
			defer close(done)
			close(begun)
			for range i % 5 {
				runtime.Gosched()
			}
			h.giveBack(b)
		}()
		<-begun
		for range i % 3 {
			runtime.Gosched()
		}
		gone := p.Leave(&k.Waiter)
		<-done
		if gone {
			left++
			k.waits()
			k.ask(p, nil) // the same Waiter again
		}
		if k.wait() != b {
			t.Fatal("another backend")
		}
	}
	h.giveBack(b)
	if left == 0 || left == 3000 {
		t.Logf("no race: %d of 3000 left before they were served", left)
	}
}

func TestAWaiterIsServedThoughTheBackendOpenedForItWentToAnother(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 3 })
	b := h.lease(p)
	hold := make(chan struct{})
	s.set(func(s *server) { s.hold = hold })
	second := h.taker(p)
	second.ask(p, nil) // has one opened
	h.opens(p, 1)
	first := h.taker(p)
	// The lease of b comes to nothing, and its client is first in the line,
	// with no backend opened for it.
	if p.Contended(&first.Waiter, b, h.now(), func() bool { return false }) {
		t.Fatal("claimed")
	}
	close(hold)
	got := first.wait()
	other := second.wait() // b is not returned meanwhile
	if got == b || other == b || got == other {
		t.Error("lent twice")
	}
	// b is still the host's, who now says that it is well.
	park(b)()
	p.Checked(b, h.now())
	check(t, p, 0, 1, 2, 0)
	h.giveBack(got)
	h.giveBack(other)
}

func TestManyWhoComeAtOnceOpenNoMoreThanTheyNeed(t *testing.T) {
	h, s := newHost(t), serve(t)
	hold := make(chan struct{})
	s.hold = hold
	p := h.pool(s, func(s *Settings) { s.Size = 50 })
	var all []*taker
	for range 20 {
		k := h.taker(p)
		k.ask(p, nil)
		all = append(all, k)
	}
	h.opens(p, 20)
	close(hold)
	for _, k := range all {
		k.wait()
	}
	if n := len(s.logins()); n != 20 {
		t.Errorf("%d logins for 20 clients", n)
	}
}

// TestAnIdleBackendWithTheClientsSettingsIsLentBeforeTheOneUsedLast, and without any
// the one used last; the others stay in their order.
func TestAnIdleBackendWithTheClientsSettingsIsLentBeforeTheOneUsedLast(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 3 })
	all := []*Backend{h.lease(p), h.lease(p), h.lease(p)}
	for _, b := range all {
		h.giveBack(b)
	}
	for _, tc := range []struct {
		name     string
		settings [3]uint64 // of all
		want     []int     // of all, one lease after the other, by clients with settings 7
	}{
		{"all have them", [3]uint64{7, 7, 7}, []int{2, 1, 0}},
		{"the oldest", [3]uint64{7, 0, 8}, []int{0, 2, 1}},
		{"all but the last", [3]uint64{7, 7, 0}, []int{1, 0, 2}},
		{"none", [3]uint64{}, []int{2, 1, 0}},
	} {
		for i, b := range all { // all are idle, the last one on top
			b.Settings = tc.settings[i]
		}
		var lent []*Backend
		for i, want := range tc.want {
			k := h.taker(p)
			k.Settings = 7
			k.ask(p, nil)
			b := k.wait()
			if b != all[want] {
				t.Errorf("%s: lease %d has the wrong backend", tc.name, i)
			}
			lent = append(lent, b)
		}
		if len(slices.Compact(lent)) != len(all) {
			t.Fatal("lent twice")
		}
		check(t, p, 0, 0, 3, 0)
		for _, b := range all {
			h.giveBack(b)
		}
	}
}
