package pool

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// capped sets the caps of a database and of a user.
func capped(database, user int) func(*Settings) {
	return func(s *Settings) { s.MaxDatabase, s.MaxUser = database, user }
}

func TestTheCapOfADatabaseHoldsAcrossItsPools(t *testing.T) {
	h, s := newHost(t), serve(t)
	p, q := h.named("db", "one", s, capped(3, 0)), h.named("db", "two", s, capped(3, 0))
	elsewhere := h.named("other", "one", s, capped(3, 0))
	a, b, c := h.lease(p), h.lease(p), h.lease(q)
	k := h.taker(q)
	k.ask(q, nil)
	h.giveBack(h.lease(elsewhere))
	k.waits()
	if n, m := h.budget.Database("db"), h.budget.User("one"); n != 3 || m != 3 {
		t.Errorf("%d for the database, %d for the user", n, m)
	}
	h.end(a, false)
	d := k.wait()
	if n := h.budget.Database("db"); n != 3 {
		t.Errorf("%d for the database", n)
	}
	h.giveBack(b)
	h.giveBack(c)
	h.giveBack(d)
}

func TestTheCapOfAUserHoldsAcrossDatabases(t *testing.T) {
	h, s := newHost(t), serve(t)
	p, q := h.named("one", "user", s, capped(0, 1)), h.named("two", "user", s, capped(0, 1))
	b := h.lease(p)
	k := h.taker(q)
	k.ask(q, nil)
	k.waits()
	h.end(b, false)
	h.giveBack(k.wait())
	if _, most := s.counts(); most != 1 {
		t.Errorf("%d processes at once", most)
	}
}

func TestAnIdleBackendOfAnotherPoolMakesRoomUnderACap(t *testing.T) {
	h, s := newHost(t), serve(t)
	s.late = 3 * time.Millisecond
	p, q, r := h.named("db", "one", s, capped(3, 0)), h.named("db", "two", s, capped(3, 0)), h.named("db", "three", s, capped(3, 0))
	oldest, busy, newest := h.lease(p), h.lease(q), h.lease(p)
	h.giveBack(oldest)
	h.giveBack(newest)
	b := h.lease(r)
	if n := h.evicts.Load(); n != 1 {
		t.Errorf("%d were put out for one", n)
	}
	if got := h.lease(p); got != newest {
		t.Error("not the one that was idle longest has made room")
	} else {
		h.giveBack(got)
	}
	h.giveBack(busy)
	h.giveBack(b)
	if _, most := s.counts(); most > 3 {
		t.Errorf("%d processes at once", most)
	}
}

func TestThePoolWhoseBackendWasIdleLongestMakesRoom(t *testing.T) {
	for range 5 { // pools are looked through in no order
		h, s := newHost(t), serve(t)
		var idle []*Backend
		for _, user := range []string{"one", "two", "three"} {
			idle = append(idle, h.lease(h.named("db", user, s, capped(3, 0))))
		}
		for _, b := range []*Backend{idle[1], idle[2], idle[0]} {
			h.giveBack(b)
		}
		h.giveBack(h.lease(h.named("db", "four", s, capped(3, 0))))
		for i, b := range idle {
			if c := b.Pool().Counts(); c.Idle != 1 != (i == 1) {
				t.Errorf("pool %d: %+v", i, c)
			}
		}
	}
}

func TestABackendThatComesIdleLaterMakesRoomAtTheNextUpkeep(t *testing.T) {
	h, s := newHost(t), serve(t)
	p, q := h.named("db", "one", s, capped(1, 0)), h.named("db", "two", s, capped(1, 0))
	b := h.lease(p)
	k := h.taker(q)
	k.ask(q, nil)
	h.giveBack(b)
	eventually(t, "the waiter is served", func() bool {
		q.Upkeep(1)
		return len(k.got) > 0
	})
	h.giveBack(k.wait())
}

func TestUnderACapOtherParametersOfTheSamePoolMakeRoom(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.named("db", "one", s, capped(1, 0))
	h.giveBack(h.lease(p, searchA))
	h.giveBack(h.lease(p, searchB))
	if _, most := s.counts(); most != 1 {
		t.Errorf("%d processes at once", most)
	}
}

// TestAllWhoWereRefusedAreServedWhenRoomComes: in which order is a matter of what each
// pool has had.
func TestAllWhoWereRefusedAreServedWhenRoomComes(t *testing.T) {
	h, s := newHost(t), serve(t)
	p, q := h.named("db", "one", s, capped(1, 0)), h.named("db", "two", s, capped(1, 0))
	b := h.lease(p)
	waiting := []*taker{h.taker(q), h.taker(p)}
	waiting[0].ask(q, nil)
	waiting[1].ask(p, nil)
	for len(waiting) > 0 {
		h.end(b, false)
		eventually(t, "one of them is served", func() bool {
			p.Upkeep(1)
			q.Upkeep(1)
			for i, k := range waiting {
				if len(k.got) > 0 {
					b, waiting = k.wait(), slices.Delete(waiting, i, i+1)
					return true
				}
			}
			return false
		})
	}
	h.giveBack(b)
}

func TestFailedLoginsGiveTheBudgetBack(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.named("db", "one", s, func(s *Settings) { s.MaxDatabase = 2; s.LoginRetry = 0 })
	s.stop()
	for range 10 {
		k := h.taker(p)
		k.ask(p, nil)
		k.trouble(p)
	}
	eventually(t, "nothing is counted", func() bool { return h.budget.Database("db") == 0 && h.budget.User("one") == 0 })
}

func TestCapsHoldUnderAStorm(t *testing.T) {
	h, s := newHost(t), serve(t)
	s.late = time.Millisecond
	var pools []*Pool
	for _, user := range []string{"one", "two", "three"} {
		pools = append(pools, h.named("db", user, s, func(s *Settings) { s.Size = 3; s.MaxDatabase = 4 }))
	}
	stop := make(chan struct{})
	var keeper sync.WaitGroup
	keeper.Add(1)
	go func() {
		defer keeper.Done()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				for _, p := range pools {
					p.Upkeep(1)
				}
			}
		}
	}()
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			k := make(map[*Pool]*taker)
			for n := range 10 {
				p := pools[(i+n)%3]
				if k[p] == nil {
					k[p] = h.taker(p)
				}
				k[p].ask(p, nil)
				h.giveBack(k[p].wait())
			}
		}()
	}
	wg.Wait()
	close(stop)
	keeper.Wait()
	if _, most := s.counts(); most > 4 {
		t.Errorf("%d processes at once", most)
	}
}
