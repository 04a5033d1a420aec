package pool

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgweir/wire"
)

// contention is a backend that its owner is just looking at while it is lent
// to a client: the claim of the client fails.
func contention(t *testing.T) (h *host, p *Pool, b *Backend, k *taker) {
	h, s := newHost(t), serve(t)
	p = h.pool(s, func(s *Settings) { s.Size = 1 })
	b = h.lease(p)
	h.giveBack(b)
	b.Host.(*side).owner.Store(2)
	k = h.taker(p)
	got, e := p.Lease(&k.Waiter, nil, h.now())
	if got != b || e != nil {
		t.Fatal(got, e)
	}
	return h, p, b, k
}

func never() bool { return false }

func TestAContendedBackendGoesToItsClientWhenItIsWell(t *testing.T) {
	h, p, b, k := contention(t)
	if p.Contended(&k.Waiter, b, h.now(), never) {
		t.Fatal("claimed")
	}
	behind := h.taker(p)
	behind.ask(p, nil)
	k.waits()
	park(b)()
	p.Checked(b, h.now())
	if k.wait() != b {
		t.Error("another backend")
	}
	behind.waits()
	p.Checked(b, h.now()) // nobody asks for it
	h.giveBack(b)
	h.giveBack(behind.wait())
	check(t, p, 0, 1, 0, 0)
}

func TestAClaimThatSucceedsAtTheSecondTryIsALease(t *testing.T) {
	h, p, b, k := contention(t)
	park(b)()
	if !p.Contended(&k.Waiter, b, h.now(), func() bool { h.claim(b); return true }) {
		t.Fatal("not claimed")
	}
	if p.Waiting() || p.Leave(&k.Waiter) {
		t.Error("in the line as well")
	}
	p.Checked(b, h.now())
	check(t, p, 0, 0, 1, 0)
	h.giveBack(b)
}

func TestAContendedBackendThatIsLostIsReplaced(t *testing.T) {
	h, p, b, k := contention(t)
	if p.Contended(&k.Waiter, b, h.now(), never) {
		t.Fatal("claimed")
	}
	if !p.Lost(b) {
		t.Fatal("not the owner's to discard")
	}
	h.discard(b, false)
	if other := k.wait(); other == b {
		t.Error("lent a dead one")
	} else {
		h.giveBack(other)
	}
	check(t, p, 0, 1, 0, 0)
}

func TestABackendThatIsLostBeforeItsClientClaimsItIsReplaced(t *testing.T) {
	h, p, b, k := contention(t)
	if p.Lost(b) {
		t.Fatal("lent, and the owner's to discard")
	}
	if p.Contended(&k.Waiter, b, h.now(), func() bool { t.Error("a dead one is claimed"); return true }) {
		t.Fatal("claimed")
	}
	if other := k.wait(); other == b {
		t.Error("lent a dead one")
	} else {
		h.giveBack(other)
	}
}

func TestALostIdleBackendIsTheOwnersToDiscard(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	var all []*Backend
	for range 3 {
		all = append(all, h.lease(p))
	}
	for _, b := range all {
		h.giveBack(b)
	}
	all[1].Host.(*side).owner.Store(2)
	if !p.Lost(all[1]) {
		t.Fatal("not the owner's")
	}
	check(t, p, 0, 2, 1, 0)
	h.discard(all[1], false)
	if a, b := h.lease(p), h.lease(p); a != all[2] || b != all[0] {
		t.Error("the others are in another order")
	}
}

func TestAContendedClientMayLeave(t *testing.T) {
	h, p, b, k := contention(t)
	if p.Contended(&k.Waiter, b, h.now(), never) {
		t.Fatal("claimed")
	}
	if !p.Leave(&k.Waiter) {
		t.Fatal("not in the line")
	}
	park(b)()
	p.Checked(b, h.now())
	k.waits()
	check(t, p, 0, 1, 0, 0)
}

func TestAContendedBackendIsNotKeptByADrainedPool(t *testing.T) {
	h, p, b, k := contention(t)
	p.Drain()
	if p.Contended(&k.Waiter, b, h.now(), never) {
		t.Fatal("claimed")
	}
	if e := k.refusal(); e.Code != wire.CodeAdminShutdown {
		t.Error(e)
	}
	park(b)()
	p.Checked(b, h.now())
	eventually(t, "it is closed", func() bool { c := p.Counts(); return c.Idle+c.Lent+c.Closing == 0 })
}

// TestOwnersAndClientsContendForBackends has owners that look at backends, and
// now and then find them dead, while clients lease and return them. A backend
// counts its uses without a lock, so the race detector sees if two have it.
func TestOwnersAndClientsContendForBackends(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 3 })
	uses := map[*Backend]*int{}
	var usesMu sync.Mutex
	use := func(b *Backend) {
		usesMu.Lock()
		n := uses[b]
		if n == nil {
			n = new(int)
			uses[b] = n
		}
		usesMu.Unlock()
		*n++
	}
	var served, contended, lost atomic.Int64
	stop := make(chan struct{})
	var owners, clients sync.WaitGroup

	for i := range 2 {
		owners.Add(1)
		go func() { // the owner of all that is parked
			defer owners.Done()
			for n := i; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				h.mu.Lock()
				var all []*Backend
				for b := range h.sides {
					all = append(all, b)
				}
				h.mu.Unlock()
				for _, b := range all {
					if !b.Host.(*side).owner.CompareAndSwap(0, 2) {
						continue
					}
					use(b)
					runtime.Gosched()
					if n%20 == 0 {
						if p.Lost(b) {
							lost.Add(1)
							h.discard(b, false)
						} // else its client hears of it from Contended
						continue
					}
					park(b)()
					p.Checked(b, h.now())
				}
			}
		}()
	}
	for range 8 {
		clients.Add(1)
		go func() {
			defer clients.Done()
			k := &contender{taker: taker{h: h, got: make(chan *Backend, 1), no: make(chan *wire.Error, 1)}, p: p, contended: &contended}
			k.Taker = k
			k.Variant, _ = p.Variant(nil)
			for range 400 {
				b, e := p.Lease(&k.Waiter, nil, h.now())
				if e != nil {
					t.Error(e)
					return
				}
				if b != nil {
					k.Grant(b)
				}
				select {
				case b = <-k.got:
				case <-time.After(patience):
					t.Error("no backend")
					return
				}
				use(b)
				served.Add(1)
				h.giveBack(b)
				runtime.Gosched()
			}
		}()
	}
	clients.Wait()
	close(stop)
	owners.Wait()
	t.Logf("%d leases, %d contended, %d lost", served.Load(), contended.Load(), lost.Load())
	if _, most := s.counts(); most > 3 {
		t.Errorf("%d processes at once", most)
	}
	if c := p.Counts(); served.Load() != 3200 || c.Waiting != 0 {
		t.Errorf("%d served, %+v", served.Load(), c)
	}
}

// contender is a taker whose claims may fail.
type contender struct {
	taker
	p         *Pool
	contended *atomic.Int64
}

func (k *contender) Grant(b *Backend) {
	claim := func() bool { return b.Host.(*side).owner.CompareAndSwap(0, 1) }
	runtime.Gosched() // the owner's chance
	if claim() {
		k.got <- b
		return
	}
	k.contended.Add(1)
	if k.p.Contended(&k.Waiter, b, k.h.now(), claim) {
		k.got <- b
	}
}

func TestAContendingClientTakesAnotherBackendThatIsIdle(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 2 })
	other, b := h.lease(p), h.lease(p)
	h.giveBack(b)
	k := h.taker(p)
	if got, e := p.Lease(&k.Waiter, nil, h.now()); got != b || e != nil {
		t.Fatal(got, e)
	}
	b.Host.(*side).owner.Store(2)
	h.giveBack(other)
	if p.Contended(&k.Waiter, b, h.now(), never) {
		t.Fatal("claimed")
	}
	if k.wait() != other {
		t.Error("another backend than the idle one")
	}
	if p.Waiting() {
		t.Error("in the line as well")
	}
	check(t, p, 0, 0, 2, 0)
	park(b)()
	p.Checked(b, h.now())
	check(t, p, 0, 1, 1, 0)
	h.giveBack(other)
	check(t, p, 0, 2, 0, 0)
}
