package pool

import "testing"

func TestLeaseAndReturnAllocateNothing(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	k := h.taker(p)
	b := h.lease(p)
	parked := park(b)
	h.giveBack(b)
	now := h.now()
	if n := testing.AllocsPerRun(1000, func() {
		b, e := p.Lease(&k.Waiter, nil, now)
		if b == nil || e != nil {
			t.Fatal(b, e)
		}
		if w := p.Return(b, now, parked); w != nil {
			t.Fatal("somebody waits")
		}
	}); n != 0 {
		t.Errorf("%v allocations for a lease", n)
	}
}

func TestHandingABackendToWhoWaitsAllocatesNothing(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 1 })
	k := h.taker(p)
	b := h.lease(p)
	parked := park(b)
	now := h.now()
	if n := testing.AllocsPerRun(1000, func() {
		if got, e := p.Lease(&k.Waiter, nil, now); got != nil || e != nil {
			t.Fatal(got, e)
		}
		if w := p.Return(b, now, parked); w != &k.Waiter {
			t.Fatal("not handed on")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	h.giveBack(b)
}

// BenchmarkLease is a lease of an idle backend and its return.
func BenchmarkLease(b *testing.B) {
	h, s := newHost(b), serve(b)
	p := h.pool(s, nil)
	k := h.taker(p)
	backend := h.lease(p)
	parked := park(backend)
	h.giveBack(backend)
	now := h.now()
	b.ReportAllocs()
	for b.Loop() {
		got, _ := p.Lease(&k.Waiter, nil, now)
		p.Return(got, now, parked)
	}
}

// BenchmarkHandOn is a lease that has to wait, and the return that serves it.
func BenchmarkHandOn(b *testing.B) {
	h, s := newHost(b), serve(b)
	p := h.pool(s, func(s *Settings) { s.Size = 1 })
	k := h.taker(p)
	backend := h.lease(p)
	parked := park(backend)
	now := h.now()
	b.ReportAllocs()
	for b.Loop() {
		p.Lease(&k.Waiter, nil, now)
		p.Return(backend, now, parked)
	}
	b.StopTimer()
	h.giveBack(backend)
}
