package pool

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"
	"time"

	"pgweir/wire"
)

func sized(n int) func(*Settings) { return func(s *Settings) { s.Size = n } }

func TestAnIdleBackendMakesRoomForTheOneThatListens(t *testing.T) {
	h, s, _, p := listenPool(t, sized(2))
	a, b := h.lease(p), h.lease(p)
	h.giveBack(a)
	h.giveBack(b)
	hearing(t, p.Listener()).listen("x")
	if got := h.evicts.Load(); got != 1 {
		t.Errorf("%d were put out for one", got)
	}
	if got := h.lease(p); got != b {
		t.Error("not the one that was idle longest has made room")
	}
	k := h.taker(p)
	k.ask(p, nil)
	k.waits()
	check(t, p, 0, 0, 1, 0)
	h.giveBack(b)
	h.giveBack(k.wait())
	if _, most := s.counts(); most != 2 {
		t.Errorf("%d processes at once", most)
	}
}

func TestTheListeningBackendGoesBeforeTheWaitingLine(t *testing.T) {
	h, s, n, p := listenPool(t, sized(2))
	a, b := h.lease(p), h.lease(p)
	first, second := h.taker(p), h.taker(p)
	first.ask(p, nil)
	x := hearing(t, p.Listener())
	x.begin("x")
	eventually(t, "it wants a place", func() bool { return p.wantsPlace() })
	second.ask(p, nil)
	p.Upkeep(1)
	first.waits()
	h.giveBack(a) // is closed for it
	if e := x.finish(); e != nil {
		t.Fatal(e)
	}
	first.waits()
	h.giveBack(b)
	if first.wait() != b {
		t.Error("another backend")
	}
	second.waits()
	h.giveBack(b)
	h.giveBack(second.wait())
	n.notify("x", "1")
	x.heard("done", "x 1")
	if got := h.evicts.Load(); got != 1 {
		t.Errorf("%d were put out for one", got)
	}
	if _, most := s.counts(); most != 2 {
		t.Errorf("%d processes at once", most)
	}
}

func (p *Pool) wantsPlace() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.place.wanted
}

func TestAfterALossTheListeningBackendGetsItsPlaceBack(t *testing.T) {
	h, s, n, p := listenPool(t, sized(2))
	s.late = 5 * time.Millisecond
	x := hearing(t, p.Listener())
	x.listen("x")
	b := h.lease(p)
	var line []*taker
	for range 3 {
		k := h.taker(p)
		k.ask(p, nil)
		line = append(line, k)
	}
	n.kill()
	eventually(t, "x is listened to", func() bool { return slices.Equal(n.listened(), []string{"x"}) })
	for _, k := range line {
		k.waits()
	}
	for _, k := range line {
		h.giveBack(b)
		if k.wait() != b {
			t.Error("another backend")
		}
	}
	h.giveBack(b)
	if _, most := s.counts(); most != 2 {
		t.Errorf("%d processes at once", most)
	}
}

func TestAPlaceThatIsNotToBeHadIsNotWaitedForForEver(t *testing.T) {
	h, s, _, p := listenPool(t, sized(2))
	a, b := h.lease(p), h.lease(p)
	p.Set(h.settings(s, "user", func(s *Settings) { s.Size, s.ConnectTimeout = 2, 50*time.Millisecond }))
	k := h.taker(p)
	k.ask(p, nil)
	x := hearing(t, p.Listener())
	x.begin("x")
	e := x.finish()
	if e == nil || e.Code != wire.CodeTooManyConnections || !strings.Contains(e.Message, "in use") || e.Severity != "ERROR" {
		t.Error(e)
	}
	eventually(t, "no place is kept", func() bool { return !p.wantsPlace() })
	h.giveBack(a)
	if k.wait() != a {
		t.Error("another backend")
	}
	h.giveBack(a)
	h.giveBack(b)
}

func TestWhoLeavesTheWaitForAPlaceKeepsNobodyWaiting(t *testing.T) {
	h, _, _, p := listenPool(t, sized(2))
	a, b := h.lease(p), h.lease(p)
	x := hearing(t, p.Listener())
	x.begin("x")
	eventually(t, "it wants a place", func() bool { return p.wantsPlace() })
	p.Listener().Leave(x)
	if e := x.finish(); e == nil || e.Code != wire.CodeQueryCanceled {
		t.Error(e)
	}
	eventually(t, "no place is kept", func() bool { return !p.wantsPlace() })
	h.giveBack(a)
	h.giveBack(b)
	check(t, p, 0, 2, 0, 0)
}

func TestAPoolOfOneDoesNotListen(t *testing.T) {
	h, s, _, p := listenPool(t, sized(1))
	x := hearing(t, p.Listener())
	x.refused(wire.CodeTooManyConnections, "x")
	h.giveBack(h.lease(p))
	x.refused(wire.CodeTooManyConnections, "x")
	if got := len(s.logins()); got != 1 {
		t.Errorf("%d logins", got)
	}
}

func TestTheReserveIsForThoseWhoWait(t *testing.T) {
	h, s, _, p := listenPool(t, func(s *Settings) { s.Size, s.Reserve, s.ReserveTimeout = 2, 1, time.Hour })
	a, b := h.lease(p), h.lease(p)
	k := h.taker(p)
	k.ask(p, nil)
	x := hearing(t, p.Listener())
	x.begin("x")
	eventually(t, "it wants a place", func() bool { return p.wantsPlace() })
	p.mu.Lock()
	k.since -= 2 * time.Hour
	p.mu.Unlock()
	p.Upkeep(1)
	if e := x.finish(); e != nil {
		t.Fatal(e)
	}
	k.waits()
	h.giveBack(a)
	h.giveBack(k.wait())
	h.giveBack(b)
	eventually(t, "there are no more than the size again", func() bool {
		p.Upkeep(1)
		c := p.Counts()
		return c.Idle+c.Lent+c.Closing+c.Listening <= 3
	})
	if _, most := s.counts(); most != 3 {
		t.Errorf("%d processes at once", most)
	}
}

func TestListeningBackendsGetHalfOfACapAtMost(t *testing.T) {
	h, s := newHost(t), serve(t)
	n := announce(t, s)
	var ears []*ear
	for i, user := range []string{"a", "b", "c", "d", "e"} {
		p := h.named("db", user, s, capped(5, 0))
		x := hearing(t, p.Listener())
		if i < 2 {
			x.listen("x")
		} else {
			x.refused(wire.CodeTooManyConnections, "x")
		}
		ears = append(ears, x)
	}
	for i, user := range []string{"a", "b"} {
		h.giveBack(h.lease(h.named("db", user, s, capped(5, 0))))
		if i == 1 {
			n.notify("x", "1")
			ears[1].heard("done", "x 1")
		}
	}
	// When one has gone, another may come.
	ears[0].l.linger = 0
	ears[0].listen()
	eventually(t, "another may listen", func() bool {
		ears[0].l.Listen(ears[0], nil, nil)
		ears[4].begin("x")
		return ears[4].finish() == nil
	})
	if _, most := s.counts(); most > 5 {
		t.Errorf("%d processes at once", most)
	}
	one := hearing(t, h.named("other", "one", s, capped(1, 0)).Listener())
	one.refused(wire.CodeTooManyConnections, "x")
}

func TestAnotherPoolsIdleBackendMakesRoomForTheOneThatListens(t *testing.T) {
	h, s := newHost(t), serve(t)
	announce(t, s)
	p, q := h.named("db", "one", s, capped(2, 0)), h.named("db", "two", s, capped(2, 0))
	a, b := h.lease(p), h.lease(p)
	x := hearing(t, q.Listener())
	x.begin("x")
	eventually(t, "it wants a place", func() bool { return q.wantsPlace() })
	h.giveBack(a)
	eventually(t, "upkeep finds the idle one", func() bool {
		q.Upkeep(1)
		return len(x.answer) > 0
	})
	if e := x.finish(); e != nil {
		t.Error(e)
	}
	h.giveBack(b)
	if _, most := s.counts(); most != 2 {
		t.Errorf("%d processes at once", most)
	}
}

func TestUnderACapABackendThatComesBackMakesRoom(t *testing.T) {
	h, s := newHost(t), serve(t)
	announce(t, s)
	p := h.named("db", "one", s, capped(2, 0))
	a, b := h.lease(p), h.lease(p)
	k := h.taker(p)
	k.ask(p, nil)
	x := hearing(t, p.Listener())
	x.begin("x")
	eventually(t, "it wants a place", func() bool { return p.wantsPlace() })
	h.giveBack(a)
	if e := x.finish(); e != nil {
		t.Error(e)
	}
	k.waits()
	h.giveBack(b)
	h.giveBack(k.wait())
	if _, most := s.counts(); most != 2 {
		t.Errorf("%d processes at once", most)
	}
}

func TestADrainEndsTheListening(t *testing.T) {
	_, s, n, p := listenPool(t, nil)
	l := p.Listener()
	x, y := hearing(t, l), hearing(t, l)
	x.listen("x")
	hold, end := make(chan struct{}), make(chan struct{})
	s.set(func(s *server) { s.holdEnd = end })
	n.set(func(n *bulletin) { n.before = func(*serverSession) { <-hold } })
	y.begin("y")
	eventually(t, "it is under way", func() bool { return len(n.asked()) == 2 })
	p.Drain()
	if e := y.finish(); e == nil || e.Code != wire.CodeAdminShutdown {
		t.Error(e)
	}
	close(hold)
	listening(t, p, 0)
	check(t, p, 0, 0, 0, 1) // until PostgreSQL's process has gone
	if got := p.budget.Database("db"); got != 1 {
		t.Errorf("%d in the budget", got)
	}
	x.refused(wire.CodeAdminShutdown, "x")
	s.set(func(s *server) { s.holdEnd = nil })
	close(end)
	eventually(t, "the slot is free", func() bool { return p.Counts().Closing == 0 })
	if st := l.Status(); st.PID != 0 || st.Subscribers != 0 || st.Channels != 0 || st.Losses != 0 {
		t.Errorf("%+v", st)
	}
	x.listen()
}

func TestANewAddressIsListenedAt(t *testing.T) {
	h, s, n, p := listenPool(t, nil)
	other := serve(t)
	m := announce(t, other)
	x := hearing(t, p.Listener())
	x.listen("x")
	p.Set(h.settings(s, "user", sized(3)))
	x.sync()
	if got := len(s.logins()); got != 1 {
		t.Errorf("%d logins after a change of the size", got)
	}
	p.Set(h.settings(other, "user", nil))
	eventually(t, "x is listened to at the other server", func() bool { return slices.Equal(m.listened(), []string{"x"}) })
	x.heard("done", "missed")
	m.notify("x", "1")
	x.heard("x 1")
	eventually(t, "nobody listens at the old one", func() bool { return len(n.listened()) == 0 })
	if st := p.Listener().Status(); st.Losses != 0 || st.Address.Addr != other.addr {
		t.Errorf("%+v", st)
	}
}

func TestAPoolThatShrinksToOneListensAgainWhenItGrows(t *testing.T) {
	h, s, n, p := listenPool(t, nil)
	x := hearing(t, p.Listener())
	x.listen("x")
	p.Set(h.settings(s, "user", sized(1)))
	eventually(t, "the listening backend has gone", func() bool { c := p.Counts(); return c.Listening+c.Closing == 0 })
	b := h.lease(p)
	x.refused(wire.CodeTooManyConnections, "x", "y")
	p.Set(h.settings(s, "user", sized(2)))
	eventually(t, "x is listened to", func() bool { return slices.Equal(n.listened(), []string{"x"}) })
	x.heard("done", "missed")
	n.notify("x", "1")
	x.heard("x 1")
	h.giveBack(b)
	if _, most := s.counts(); most != 2 {
		t.Errorf("%d processes at once", most)
	}
}

func TestAShrunkenPoolCountsTheListeningBackend(t *testing.T) {
	h, s, _, p := listenPool(t, sized(4))
	hearing(t, p.Listener()).listen("x")
	a, b, c := h.lease(p), h.lease(p), h.lease(p)
	p.Set(h.settings(s, "user", sized(2)))
	h.giveBack(a)
	h.giveBack(b)
	h.giveBack(c)
	eventually(t, "two are left", func() bool {
		c := p.Counts()
		return c.Listening == 1 && c.Idle == 1 && c.Lent+c.Closing == 0
	})
}

func TestTheListeningBackendSpeaksTLS(t *testing.T) {
	h, s := newHost(t), serveTCP(t)
	n := announce(t, s)
	s.tls = &tls.Config{Certificates: []tls.Certificate{newPKI(t, "localhost").pair}}
	p := h.pool(s, func(s *Settings) { s.Address.TLS.Mode = TLSRequire })
	x := hearing(t, p.Listener())
	x.listen("x")
	n.notify("x", "1")
	x.listen("x", "y")
	n.notify("y", "2")
	x.heard("done", "x 1", "done", "y 2")
	if st := p.Listener().Status(); st.TLS == "" {
		t.Errorf("%+v", st)
	}
	if !s.logins()[0].tls {
		t.Error("without TLS")
	}
}
