package pool

import (
	"testing"
	"time"

	"pgweir/wire"
)

// isLeft waits until a pool accounts for n processes of PostgreSQL's.
func isLeft(t *testing.T, p *Pool, n int) {
	t.Helper()
	eventually(t, "as many backends are left", func() bool {
		c := p.Counts()
		return c.Left() == n
	})
}

func TestAPausedPoolGivesItsBackendsUpWhenTheyComeBack(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 2 })
	idle, lent := h.lease(p), h.lease(p)
	h.giveBack(idle)
	p.Pause()
	isLeft(t, p, 1)
	k := h.taker(p)
	k.ask(p, nil)
	fresh := h.taker(p, param("geqo", "off"))
	fresh.ask(p, fresh.Variant.params)
	p.Upkeep(2)
	h.giveBack(lent)
	isLeft(t, p, 0)
	p.Upkeep(2)
	k.waits()
	fresh.waits()
	s.startsAre(2)
	p.Resume()
	h.giveBack(k.wait())
	h.giveBack(fresh.wait())
}

func TestAPausedPoolOpensNothing(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.MinSize = 2 })
	p.Pause()
	p.Upkeep(1)
	p.Set(p.Settings()) // a reload
	p.Upkeep(1)
	isLeft(t, p, 0)
	s.startsAre(0)
	if e := p.Replicate(h.taker(p), nil); e == nil || e.Code != wire.CodeCannotConnectNow {
		t.Errorf("a client that replicates: %v", e)
	}
	p.Resume()
	p.Upkeep(1)
	isLeft(t, p, 2)
}

func TestALoginThatEndsDuringAPauseIsForNobody(t *testing.T) {
	for _, refused := range []bool{false, true} {
		h, s := newHost(t), serve(t)
		hold := make(chan struct{})
		s.set(func(s *server) {
			s.hold = hold
			if refused {
				s.refuse = func(*startup) *wire.Error { return wire.Fatalf(wire.CodeCannotConnectNow, "it shuts down") }
			}
		})
		p := h.pool(s, nil)
		k := h.taker(p)
		k.ask(p, nil)
		s.startsAre(1)
		p.Pause()
		close(hold)
		isLeft(t, p, 0)
		k.waits()
		s.set(func(s *server) { s.hold, s.refuse = nil, nil })
		p.Resume() // and no login pauses for a failure
		h.giveBack(k.wait())
	}
}

func TestWhoWaitsForAPausedPoolIsToldThatAfterQueryWaitTimeout(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.QueryWait = time.Millisecond })
	p.Pause()
	k := h.taker(p)
	k.ask(p, nil)
	eventually(t, "the time has passed", func() bool {
		p.Upkeep(1)
		return len(k.no) > 0
	})
	if e := k.refusal(); e.Code != wire.CodeTooManyConnections || e.Message != `no backend became free within query_wait_timeout (1ms): database "db" is paused` || !TimedOut(e) {
		t.Error(e)
	}
}

func TestAPausedPoolHearsNothingUntilItIsResumed(t *testing.T) {
	_, s, n, p := listenPool(t, func(s *Settings) { s.ConnectTimeout = 50 * time.Millisecond })
	x := hearing(t, p.Listener())
	x.listen("a")
	p.Pause()
	isLeft(t, p, 0)
	x.begin("a", "b") // which waits for longer than server_connect_timeout
	for end := time.Now().Add(3 * p.Settings().ConnectTimeout); time.Now().Before(end); {
		x.sync()
		p.Upkeep(1)
	}
	if len(x.answer) > 0 || len(s.logins()) != 1 {
		t.Errorf("%d answers, %d logins", len(x.answer), len(s.logins()))
	}
	p.Set(func() Settings { s := p.Settings(); s.ConnectTimeout = patience; return s }())
	p.Resume()
	if e := x.finish(); e != nil {
		t.Fatal(e)
	}
	n.notify("b", "1")
	x.heard("done", "missed", "done", "b 1")
}

func TestReconnectReplacesBackendsAtTheEndOfTheirLease(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	lent, idle := h.lease(p), h.lease(p)
	h.giveBack(idle)
	p.Reconnect()
	isLeft(t, p, 1)
	if !lent.Outdated() {
		t.Error("the one that is lent is to stay")
	}
	next := h.lease(p)
	if next.Outdated() || next == lent {
		t.Error("the next one is an old one")
	}
	h.giveBack(lent)
	isLeft(t, p, 1)
	h.giveBack(next)
	check(t, p, 0, 1, 0, 0)
}
