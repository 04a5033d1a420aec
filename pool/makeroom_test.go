package pool

import (
	"testing"
	"testing/synctest"
	"time"

	"pgweir/wire"
)

// allCapped sets max_server_conn.
func allCapped(most int) func(*Settings) {
	return func(s *Settings) { s.MaxServer = most }
}

func TestTheCapOfAllHoldsAcrossDatabasesAndUsers(t *testing.T) {
	h, s := newHost(t), serve(t)
	p, q := h.named("one", "alice", s, allCapped(2)), h.named("two", "bob", s, allCapped(2))
	a, b := h.lease(p), h.lease(q)
	k := h.taker(q)
	k.ask(q, nil)
	k.waits()
	if n := h.budget.All(); n != 2 {
		t.Errorf("%d are counted", n)
	}
	h.end(a, false)
	h.giveBack(k.wait())
	h.giveBack(b)
	if _, most := s.counts(); most != 2 {
		t.Errorf("%d processes at once", most)
	}
}

func TestABackendThatComesBackMakesRoomForAPoolThatIsDueOne(t *testing.T) {
	h, s := newHost(t), serve(t)
	s.late = 3 * time.Millisecond
	p, q := h.named("db", "one", s, capped(2, 0)), h.named("db", "two", s, capped(2, 0))
	first, second := h.lease(p), h.lease(p)
	behind := h.taker(p)
	behind.ask(p, nil)
	k := h.taker(q)
	k.ask(q, nil)
	eventually(t, "the pool is told to give one up", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.owes == 1
	})
	h.giveBack(first)
	b := k.wait()
	behind.waits() // although it has asked first
	h.giveBack(second)
	if got := behind.wait(); got != second {
		t.Error("the pool has given up more than it owed")
	}
	h.giveBack(second)
	h.giveBack(b)
	if _, most := s.counts(); most != 2 {
		t.Errorf("%d processes at once", most)
	}
}

// TestWhatIsKeptForAPoolThatWantsItNoLongerIsForOthersSoon: one asks, and leaves when
// the other has given a backend up for it.
func TestWhatIsKeptForAPoolThatWantsItNoLongerIsForOthersSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{t: t, network: "simulated", auth: "trust", sessions: map[uint32]*serverSession{}}
		h := newHost(t)
		p, q := h.dialing(s.pipe, "db", "one", s, capped(2, 0)), h.dialing(s.pipe, "db", "two", s, capped(2, 0))
		first, second := h.lease(p), h.lease(p)
		behind := h.taker(p)
		behind.ask(p, nil)
		k := h.taker(q)
		k.ask(q, nil)
		synctest.Wait()
		s.set(func(s *server) { s.holdEnd = make(chan struct{}) })
		h.giveBack(first)
		synctest.Wait()
		if !q.Leave(&k.Waiter) {
			t.Fatal("it has been served already")
		}
		s.set(func(s *server) { s.holdEnd = opened(s.holdEnd) })
		eventually(t, "there is room, and it is served", func() bool {
			p.Upkeep(1)
			q.Upkeep(1)
			return len(behind.got) == 1
		})
		h.giveBack(behind.wait())
		h.giveBack(second)
	})
}

func TestAPoolThatCannotLogInHasNothingKeptForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{t: t, network: "simulated", auth: "trust", sessions: map[uint32]*serverSession{}}
		s.refuse = func(st *startup) *wire.Error {
			if user, _ := st.Get("user"); user == "barred" {
				return wire.Fatalf(wire.CodeInvalidAuthorization, "role \"barred\" is not permitted to log in")
			}
			return nil
		}
		h := newHost(t)
		p, q := h.dialing(s.pipe, "db", "one", s, capped(2, 0)), h.dialing(s.pipe, "db", "barred", s, capped(2, 0))
		first, second := h.lease(p), h.lease(p)
		k := h.taker(q)
		k.ask(q, nil)
		synctest.Wait()
		h.giveBack(first)
		k.refusal()
		behind := h.taker(p)
		third := h.lease(p)
		behind.ask(p, nil)
		if len(behind.got) > 0 {
			t.Fatal("there is room for three")
		}
		h.giveBack(second)
		h.giveBack(behind.wait())
		h.giveBack(third)
	})
}

func TestListenersTakeHalfOfTheCapOfAllAtMost(t *testing.T) {
	h, s := newHost(t), serve(t)
	p, q := h.named("one", "alice", s, allCapped(3)), h.named("two", "bob", s, allCapped(3))
	set := p.Settings()
	if !h.budget.admitListener(p, false, &set) || h.budget.admitListener(q, false, &set) {
		t.Error("not one of three")
	}
	h.budget.dismissListener(p)
	if !h.budget.admitListener(q, false, &set) {
		t.Error("none of three")
	}
	h.budget.dismissListener(q)
}
