package pool

import (
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgweir/wire"
)

func TestAFullWaitingLineRefusesAtOnce(t *testing.T) {
	h, s := newHost(t), serve(t)
	hold := make(chan struct{})
	s.hold = hold
	p := h.pool(s, func(s *Settings) { s.Size, s.MaxWaiting = 2, 1 })
	var first []*taker
	for range 3 { // backends are being opened for two of them
		k := h.taker(p)
		k.ask(p, nil)
		k.waits()
		first = append(first, k)
	}
	late := h.taker(p)
	late.ask(p, nil)
	if e := late.refusal(); e.Code != wire.CodeTooManyConnections || e.Severity != "ERROR" || e.Hint == "" {
		t.Errorf("%+v", e)
	}
	if n := p.Counts().Shed; n != 1 {
		t.Errorf("%d are counted", n)
	}
	close(hold)
	b := first[0].wait()
	late.ask(p, nil) // two are lent soon, and one waits
	late.refusal()
	h.giveBack(b)
	h.giveBack(first[1].wait())
	h.giveBack(first[2].wait())
	late.ask(p, nil)
	h.giveBack(late.wait())
}

// TestWhatIsOpenedForTheMinimumCountsForThoseWhomItServes: backends without startup
// parameters make no room in the line for those who have some.
func TestWhatIsOpenedForTheMinimumCountsForThoseWhomItServes(t *testing.T) {
	for _, own := range []bool{false, true} {
		h, s := newHost(t), serve(t)
		hold := make(chan struct{})
		s.hold = hold
		p := h.pool(s, func(s *Settings) { s.Size, s.MinSize, s.Kept, s.MaxWaiting = 4, 2, true, 3 })
		p.Upkeep(1)
		var params []wire.Param
		in := 7 // four are served by what is being opened
		if own {
			params = []wire.Param{{Name: "options", Value: "-c work_mem=1MB"}}
			in = 5 // two are
		}
		var all []*taker
		for range in {
			k := h.taker(p, params...)
			k.ask(p, nil)
			k.waits()
			all = append(all, k)
		}
		late := h.taker(p, params...)
		late.ask(p, nil)
		if e := late.refusal(); e.Code != wire.CodeTooManyConnections {
			t.Errorf("own parameters %v: %+v", own, e)
		}
		close(hold)
		for _, k := range all {
			h.giveBack(k.wait())
		}
	}
}

// patientTaker counts how often it is told that it waits.
type patientTaker struct {
	*taker
	told atomic.Int32
}

func (k *patientTaker) Waits() { k.told.Add(1) }

func TestWhoWaitsForLongIsToldOnceInAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{t: t, network: "simulated", auth: "trust", sessions: map[uint32]*serverSession{}}
		h := newHost(t)
		p := h.dialing(s.pipe, "db", "user", s, func(s *Settings) { s.Size, s.QueryNotify = 1, time.Second })
		k := &patientTaker{taker: h.taker(p)}
		k.Taker = k
		for wait := range int32(2) {
			b := h.lease(p)
			k.ask(p, nil)
			for range 9 {
				passes(100 * time.Millisecond)
				p.Upkeep(1)
			}
			if n := k.told.Load(); n != wait {
				t.Fatalf("told %d times", n)
			}
			eventually(t, "it is told", func() bool {
				p.Upkeep(1)
				return k.told.Load() > wait
			})
			for range 10 {
				passes(100 * time.Millisecond)
				p.Upkeep(1)
			}
			if n := k.told.Load(); n != wait+1 {
				t.Fatalf("told %d times", n)
			}
			h.giveBack(b)
			h.giveBack(k.wait())
		}
	})
}

func TestAMinimumIsKeptWithoutClientsWhereThatIsSaid(t *testing.T) {
	h, s := newHost(t), serve(t)
	kept := h.named("one", "user", s, func(s *Settings) { s.MinSize, s.Kept = 2, true })
	other := h.named("two", "user", s, func(s *Settings) { s.MinSize = 2 })
	kept.Upkeep(0)
	other.Upkeep(0)
	eventually(t, "the minimum is open", func() bool { return kept.Counts().Idle == 2 })
	check(t, other, 0, 0, 0, 0)
}

func TestTimeThatIsExcusedIsNoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{t: t, network: "simulated", auth: "trust", sessions: map[uint32]*serverSession{}}
		h := newHost(t)
		p := h.dialing(s.pipe, "db", "user", s, func(s *Settings) { s.Size, s.QueryWait = 1, time.Second })
		b, k := h.lease(p), h.taker(p)
		k.ask(p, nil)
		passes(900 * time.Millisecond)
		p.Excuse(800 * time.Millisecond)
		if wait := p.Counts().MaxWait; wait != 100*time.Millisecond {
			t.Errorf("it has waited for %v", wait)
		}
		passes(800 * time.Millisecond)
		p.Upkeep(1)
		for _, d := range []time.Duration{time.Hour, math.MaxInt64} {
			p.Excuse(d)
			if wait := p.Counts().MaxWait; wait != 0 {
				t.Errorf("it has waited for %v, of which %v are excused", wait, d)
			}
		}
		h.giveBack(b)
		h.giveBack(k.wait())
	})
}
