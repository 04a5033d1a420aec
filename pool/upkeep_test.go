package pool

import (
	"testing"
	"time"

	"pgweir/wire"
)

func TestWhoWaitsTooLongIsRefused(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 1; s.QueryWait = 20 * time.Millisecond })
	b := h.lease(p)
	k := h.taker(p)
	k.ask(p, nil)
	late := h.taker(p)
	late.ask(p, nil)
	late.since += time.Hour
	eventually(t, "it has waited long enough", func() bool {
		p.Upkeep(1)
		return len(k.no) > 0
	})
	if e := k.refusal(); e.Code != wire.CodeTooManyConnections {
		t.Error(e)
	}
	if d := h.now() - k.since; d < 20*time.Millisecond {
		t.Errorf("refused after %v", d)
	}
	late.waits()
	h.giveBack(b)
	h.giveBack(late.wait())
}

func TestALateComerInFrontDoesNotHideThoseWhoHaveWaitedTooLong(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 1; s.QueryWait = time.Minute })
	b := h.lease(p)
	k := h.taker(p)
	k.ask(p, nil)
	k.since -= 2 * time.Minute
	first := h.taker(p)
	if p.Contended(&first.Waiter, b, h.now(), func() bool { return false }) {
		t.Fatal("claimed")
	}
	p.Upkeep(1)
	k.refusal()
	first.waits()
	park(b)()
	p.Checked(b, h.now())
	h.giveBack(first.wait())
}

func TestWaitingHasNoEndWithoutQueryWaitTimeout(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 1 })
	b := h.lease(p)
	k := h.taker(p)
	k.ask(p, nil)
	k.since -= 1000 * time.Hour
	p.Upkeep(1)
	k.waits()
	h.giveBack(b)
	h.giveBack(k.wait())
}

func TestABackendThatIsIdleForLongIsClosedDownToTheMinimum(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.IdleTimeout = 5 * time.Millisecond; s.MinSize = 2 })
	var lent []*Backend
	for _, params := range [][]wire.Param{nil, nil, {searchA}, {searchA}, {searchB}} {
		lent = append(lent, h.lease(p, params...))
	}
	p.Upkeep(1)
	check(t, p, 0, 0, 5, 0)
	for _, b := range lent {
		h.giveBack(b)
	}
	eventually(t, "all above the minimum are closed", func() bool {
		p.Upkeep(1)
		c := p.Counts()
		if usable := c.Opening + c.Idle + c.Lent; usable+c.Closing < 2 {
			t.Fatalf("%+v are fewer than the minimum", c)
		}
		return c.Idle == 2 && c.Opening+c.Lent+c.Closing == 0
	})
	if n := len(s.logins()); n != 5 {
		t.Errorf("%d logins: some were closed below the minimum", n)
	}
}

func TestWithoutServerIdleTimeoutIdleBackendsStay(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	h.giveBack(h.lease(p))
	p.Upkeep(0)
	check(t, p, 0, 1, 0, 0)
}

func TestABackendThatIsTooOldIsClosedWhenItComesBackOrIsIdle(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Lifetime = time.Minute })
	old, idle := h.lease(p), h.lease(p)
	h.giveBack(idle)
	h.giveBackAt(old, old.opened+53*time.Second)
	check(t, p, 0, 2, 0, 0)
	old = h.lease(p)
	h.giveBackAt(old, old.opened+61*time.Second)
	eventually(t, "the old one is closed", func() bool { c := p.Counts(); return c.Idle == 1 && c.Lent+c.Closing == 0 })
	// The settings now in force count, not those at its opening.
	p.Set(h.settings(s, "user", func(s *Settings) { s.Lifetime = time.Nanosecond }))
	p.Upkeep(0)
	eventually(t, "the idle one is closed", func() bool { c := p.Counts(); return c.Idle+c.Lent+c.Closing == 0 })
}

func TestALifetimeOfZeroMeansOneLeaseEach(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Lifetime = 0; s.Size = 1 })
	first := h.lease(p)
	k := h.taker(p)
	k.ask(p, nil)
	h.giveBackAt(first, 0) // whatever the clock says
	second := k.wait()
	if second == first {
		t.Error("lent twice")
	}
	h.giveBack(second)
	eventually(t, "none is left", func() bool { c := p.Counts(); return c.Idle+c.Lent+c.Closing == 0 })
	if _, most := s.counts(); most != 1 {
		t.Errorf("%d processes at once", most)
	}
}

func TestALifetimeOfZeroLeavesTheMinimumAloneUntilItIsUsed(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Lifetime = 0; s.MinSize = 2 })
	p.Upkeep(1)
	eventually(t, "the minimum is open", func() bool { return p.Counts().Idle == 2 })
	for range 10 {
		p.Upkeep(1)
	}
	check(t, p, 0, 2, 0, 0)
	if n := len(s.logins()); n != 2 {
		t.Errorf("%d logins", n)
	}
}

func TestTheMinimumIsOpenedWhenThereAreClients(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.MinSize = 3; s.Size = 2 })
	p.Upkeep(0)
	check(t, p, 0, 0, 0, 0)
	p.Upkeep(1)
	eventually(t, "the minimum is open", func() bool { p.Upkeep(1); return p.Counts().Idle == 2 })
	if n := len(s.logins()); n != 2 {
		t.Errorf("%d logins", n)
	}
}

func TestTheReserveIsForThoseWhoHaveWaitedLong(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 1; s.Reserve = 1; s.ReserveTimeout = time.Minute })
	b := h.lease(p)
	k, other := h.taker(p), h.taker(p)
	k.ask(p, nil)
	other.ask(p, nil)
	p.Upkeep(1)
	k.waits()
	check(t, p, 0, 0, 1, 0)
	k.since -= 2 * time.Minute
	p.Upkeep(1)
	c := k.wait()
	p.Upkeep(1)
	other.waits()
	check(t, p, 0, 0, 2, 0)
	h.giveBack(c)
	if other.wait() != c {
		t.Error("another backend")
	}
	h.giveBack(b)
	h.giveBack(c)
}

func TestAReserveTimeoutOfZeroMeansThatThereIsNoReserve(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 1; s.Reserve = 1 })
	b := h.lease(p)
	k := h.taker(p)
	k.ask(p, nil)
	k.since -= time.Hour
	p.Upkeep(1)
	k.waits()
	check(t, p, 0, 0, 1, 0)
	h.giveBack(b)
	h.giveBack(k.wait())
}

func TestALargerSizeServesThoseWhoWaitAtOnce(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 1 })
	b := h.lease(p)
	k := h.taker(p)
	k.ask(p, nil)
	p.Set(h.settings(s, "user", func(s *Settings) { s.Size = 2 }))
	h.giveBack(k.wait())
	h.giveBack(b)
	if p.Settings().Size != 2 {
		t.Error("not in force")
	}
}

func TestASmallerSizeClosesWhatIsTooMuchAndNoMore(t *testing.T) {
	h, s := newHost(t), serve(t)
	hold := make(chan struct{})
	s.holdEnd = hold
	p := h.pool(s, nil)
	var lent []*Backend
	for range 5 {
		lent = append(lent, h.lease(p))
	}
	for _, b := range lent[:3] {
		h.giveBack(b)
	}
	p.Set(h.settings(s, "user", func(s *Settings) { s.Size = 3 }))
	p.Upkeep(1)
	eventually(t, "two are closing", func() bool { c := p.Counts(); return c.Closing == 2 && c.Idle == 1 && c.Lent == 2 })
	p.Upkeep(1) // while they still close
	h.giveBack(lent[3])
	h.giveBack(lent[4])
	check(t, p, 0, 3, 0, 2)
	close(hold)
	eventually(t, "two have closed", func() bool { return p.Counts().Closing == 0 })
	check(t, p, 0, 3, 0, 0)
}

func TestDrainClosesIdleBackendsAndTheOthersWhenTheyComeBack(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 2; s.MinSize = 1 })
	idle, lent := h.lease(p), h.lease(p)
	k := h.taker(p)
	k.ask(p, nil)
	h.giveBack(idle)
	if k.wait() != idle {
		t.Fatal("another backend")
	}
	h.giveBack(idle)
	other := h.taker(p, searchA)
	p.Drain()
	eventually(t, "the idle one is closed", func() bool { c := p.Counts(); return c.Idle+c.Closing == 0 && c.Lent == 1 })
	other.ask(p, nil)
	if e := other.refusal(); e.Code != wire.CodeAdminShutdown {
		t.Error(e)
	}
	p.Upkeep(1)
	h.giveBack(lent)
	eventually(t, "the other is closed", func() bool { c := p.Counts(); return c.Idle+c.Lent+c.Opening+c.Closing == 0 })
	p.Drain()
	eventually(t, "the budget has forgotten the pool", func() bool {
		h.budget.mu.Lock()
		defer h.budget.mu.Unlock()
		return h.budget.pools[p] == nil
	})
}

func TestDrainRefusesThoseWhoWait(t *testing.T) {
	h, s := newHost(t), serve(t)
	hold := make(chan struct{})
	s.hold = hold
	p := h.pool(s, func(s *Settings) { s.Size = 1 })
	k, behind := h.taker(p), h.taker(p)
	k.ask(p, nil)
	behind.ask(p, nil)
	s.startsAre(1)
	p.Drain()
	for _, k := range []*taker{k, behind} {
		if e := k.refusal(); e.Code != wire.CodeAdminShutdown {
			t.Error(e)
		}
	}
	close(hold) // the login comes too late
	eventually(t, "all is closed", func() bool { c := p.Counts(); return c.Idle+c.Lent+c.Opening+c.Closing == 0 })
}
