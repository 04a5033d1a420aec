package pool

import (
	"slices"
	"testing"
	"time"

	"pgweir/wire"
)

// idles has backends come back in their order, each to a worker.
func (h *host) idles(now time.Duration, workers map[*Backend]int32, all ...*Backend) {
	for i, b := range all {
		b.Worker = workers[b]
		h.giveBackAt(b, now+time.Duration(i)*time.Millisecond)
	}
}

// leaseAt has a client of a worker be lent an idle backend.
func (h *host) leaseAt(p *Pool, worker int32, settings uint64) *Backend {
	h.t.Helper()
	k := h.taker(p)
	k.Worker, k.Settings = worker, settings
	k.ask(p, nil)
	return k.wait()
}

func TestALeaseTakesWhatItsWorkerHadLastAndElseWhatIsIdleLongest(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	a, b, c, d, e := h.lease(p), h.lease(p), h.lease(p), h.lease(p), h.lease(p)
	h.idles(h.now(), map[*Backend]int32{a: 2, b: 1, c: 1, d: 2, e: 0}, a, b, c, d, e)
	agree(t, p)
	for i, want := range []*Backend{c, b, a, d, e} { // its own; then the others'
		if got := h.leaseAt(p, 1, 0); got != want {
			t.Errorf("lease %d has backend %d, not %d", i, got.ID, want.ID)
		}
	}
	agree(t, p)
	h.idles(h.now(), map[*Backend]int32{a: 1}, a)
	if h.leaseAt(p, 3, 0) != a {
		t.Error("somebody waits for a backend that is idle")
	}
}

func TestALeaseLooksForItsSettingsAtAFewBackends(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = maxLook + 2 })
	var all []*Backend
	for range maxLook + 2 {
		all = append(all, h.lease(p))
	}
	all[1].Settings = 7
	h.idles(h.now(), nil, all...)
	if b := h.leaseAt(p, 0, 7); b != all[maxLook+1] {
		t.Errorf("not the one used last, but backend %d, which was looked for long", b.ID)
	}
	if b := h.leaseAt(p, 0, 7); b != all[1] {
		t.Errorf("backend %d has other settings", b.ID)
	}
	if b := h.leaseAt(p, 0, 0); b != all[maxLook] {
		t.Error("who has no settings does not get the one used last")
	}
}

func TestTheBackendsThatAreIdleLongestAreClosedWhicheverWorkerHadThem(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.IdleTimeout, s.MinSize = time.Minute, 2 })
	a, b, c, d := h.lease(p), h.lease(p, searchA), h.lease(p), h.lease(p)
	h.idles(h.now()-time.Hour, map[*Backend]int32{a: 1, b: 0, c: 0, d: 1}, b, c, a, d)
	p.Upkeep(1)
	eventually(t, "two are closed", func() bool { c := p.Counts(); return c.Idle == 2 && c.Lent+c.Closing == 0 })
	agree(t, p)
	if h.leaseAt(p, 0, 0) != a || h.leaseAt(p, 0, 0) != d {
		t.Error("not those that were used last are left")
	}
}

func TestANewBackendGoesToTheWorkerThatWaitsForIt(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.MinSize = 1 })
	p.Upkeep(1)
	eventually(t, "one is opened for nobody", func() bool { return p.Counts().Idle == 1 })
	if b := h.leaseAt(p, 2, 0); h.adoptedAt[b] != NoWorker {
		t.Errorf("for worker %d", h.adoptedAt[b])
	}
	if b := h.leaseAt(p, 2, 0); h.adoptedAt[b] != 2 {
		t.Errorf("for worker %d", h.adoptedAt[b])
	}
}

// TestWhoWaitsForOneVariantStandsInLine: in the line of all and in that of the variant,
// also who has joined the latter later, since the server's answer has become known.
func TestWhoWaitsForOneVariantStandsInLine(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 1 })
	b := h.lease(p)
	var all []*taker
	for i := range 6 {
		k := h.taker(p)
		k.ask(p, [][]wire.Param{nil, {}}[i%2])
		all = append(all, k)
		agree(t, p)
	}
	p.mu.Lock()
	v := all[0].Variant
	p.told(v, all[1].fresh.welcome, v.welcomes[plainKey], p.hosts.all[0], nil, true)
	p.mu.Unlock()
	agree(t, p)
	for _, i := range []int{3, 0, 5} { // from amid, in front, at the end
		if !p.Leave(&all[i].Waiter) {
			t.Fatal(i)
		}
		agree(t, p)
	}
	for _, i := range []int{1, 2, 4} {
		h.giveBack(b)
		if all[i].wait() != b {
			t.Error(i)
		}
		agree(t, p)
	}
	h.giveBack(b)
}

// agree holds a pool's lines and stacks against each other and against its counts.
func agree(t *testing.T, p *Pool) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	idle, backends := 0, 0
	for _, v := range p.variants {
		n, queues := 0, make([]*Waiter, len(v.queues))
		for i, q := range v.queues {
			queues[i] = q.first
		}
		for q := p.line.head; q != nil; q = q.next {
			if q.Variant != v {
				continue
			}
			n++
			if q.fresh != nil {
				continue
			}
			if q != queues[q.Worker] {
				t.Error("the queue of a worker is not in the order of the line")
				return
			}
			queues[q.Worker] = q.kinNext
		}
		if slices.ContainsFunc(queues, func(w *Waiter) bool { return w != nil }) || n != v.waiting {
			t.Errorf("%d wait for a variant, and %d are counted, or its line is longer", n, v.waiting)
		}
		idle += v.idle
		backends += v.backends
		agreeIdle(t, v)
	}
	closing := backends - p.opening - p.idle - p.lent
	if idle != p.idle || closing < 0 || closing > p.closing {
		t.Errorf("%d idle, and %d are counted; %d backends", idle, p.idle, backends)
	}
}

func agreeIdle(t *testing.T, v *Variant) {
	t.Helper()
	n := 0
	for worker, s := range v.stacks {
		for b, above := s.top, (*Backend)(nil); b != nil; b, above = b.below, b {
			n++
			if b.stack != s || b.above != above || int(b.Worker) != worker || above != nil && above.since < b.since {
				t.Errorf("backend %d of worker %d is out of place", b.ID, b.Worker)
			}
			if b.below == nil && s.bottom != b {
				t.Error("a stack without a bottom")
			}
		}
	}
	if n != v.idle {
		t.Errorf("%d on the stacks, and %d are counted", n, v.idle)
	}
}
