package pool

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgweir/wire"
)

func TestAServerThatIsNotThereIsWaitedForAndThenNamed(t *testing.T) {
	h, s := newHost(t), serve(t)
	set := func(s *Settings) { s.LoginRetry = 50 * time.Millisecond }
	p := h.pool(s, set)
	s.stop()
	var all []*taker
	for range 8 {
		k := h.taker(p)
		k.ask(p, nil)
		all = append(all, k)
	}
	eventually(t, "a login has failed", func() bool { return p.Counts().Failure != nil })
	late := h.taker(p)
	late.ask(p, nil)
	for _, k := range append(all, late) {
		k.waits()
	}
	if c := p.Counts(); c.Failure.Code != wire.CodeCannotConnect || c.Waiting != 9 {
		t.Errorf("%+v", c)
	}
	p.Set(h.settings(s, "user", func(s *Settings) { set(s); s.QueryWait = time.Millisecond }))
	for _, k := range append(all, late) {
		eventually(t, "the time is over", func() bool { p.Upkeep(1); return len(k.no) > 0 })
		e := k.refusal()
		if e.Code != wire.CodeCannotConnect || !strings.Contains(e.Message, "query_wait_timeout") || !strings.Contains(e.Detail, s.addr) {
			t.Errorf("%+v", e)
		}
	}
	p.Set(h.settings(s, "user", set))
	s.listen()
	h.findsAgain(p)
	if c := p.Counts(); c.Failure != nil || c.Idle != 1 {
		t.Errorf("%+v", c)
	}
}

func TestTheServersOwnErrorIsPassedOnAsItIs(t *testing.T) {
	h, s := newHost(t), serve(t)
	own := &wire.Error{Severity: "FATAL", Localized: "FATAL", Code: "3D000", Message: "database \"served\" does not exist",
		Detail: "It seems to have just been dropped or renamed.", Hint: "Look for it.",
		Extra: []wire.ErrorField{{Type: 'F', Value: "postinit.c"}, {Type: 'L', Value: "941"}, {Type: 'R', Value: "InitPostgres"}}}
	s.refuse = func(*startup) *wire.Error { return own }
	p := h.pool(s, nil)
	k := h.taker(p)
	k.ask(p, nil)
	if e := k.refusal(); string(e.Append(nil)) != string(own.Append(nil)) {
		t.Errorf("%+v", e)
	}
}

func TestDuringThePauseTheReasonComesAtOnceAndNoLoginIsTried(t *testing.T) {
	h, s := newHost(t), serve(t)
	s.auth, s.password = "password", "right"
	p := h.pool(s, func(s *Settings) { s.Credentials.Password = "wrong"; s.LoginRetry = time.Hour })
	k := h.taker(p)
	k.ask(p, nil)
	if e := k.refusal(); e.Code != wire.CodeInvalidPassword || e.Message != `password authentication failed for user "user"` {
		t.Fatal(e)
	}
	for range 20 {
		k := h.taker(p)
		if b, e := p.Lease(&k.Waiter, nil, h.now()); b != nil || e == nil || e.Code != wire.CodeInvalidPassword {
			t.Fatal(b, e)
		}
	}
	if n := len(s.logins()); n != 1 {
		t.Errorf("%d logins", n)
	}
	// New settings end the pause.
	p.Set(h.settings(s, "user", func(s *Settings) { s.Credentials.Password = "right" }))
	h.giveBack(h.lease(p))
}

func TestThePauseGrowsAndIsBounded(t *testing.T) {
	var f failure
	refused := wire.Fatalf(wire.CodeCannotConnect, "refused")
	rng := rand.New(rand.NewPCG(1, 0))
	now := time.Duration(0)
	var delays []time.Duration
	for range 6 {
		if !f.note(refused, troubleAway, now, 15*time.Second, rng.Float64()) {
			t.Fatal("no pause")
		}
		if pause := f.until - now; pause > f.delay || pause < f.delay/2 || pause == f.delay {
			t.Errorf("a pause of %v, of at most %v", pause, f.delay)
		}
		delays = append(delays, f.delay)
		if f.refuses(now) == nil || f.refuses(f.until) != nil {
			t.Error("the pause has no bounds")
		}
		if f.note(refused, troubleAway, now, 15*time.Second, 0) {
			t.Error("another failure at the same time makes it longer")
		}
		now = f.until
	}
	if delays[0] != firstPause || delays[1] != 2*firstPause || delays[5] != restPause {
		t.Errorf("pauses after refused connections: %v", delays)
	}
	f = failure{}
	password := wire.Fatalf(wire.CodeInvalidPassword, "wrong")
	for range 20 {
		f.note(password, troubleLasts, now, 15*time.Second, rng.Float64())
		now = f.until
	}
	if f.delay != 15*time.Second {
		t.Errorf("the pause after a wrong password is %v in the end", f.delay)
	}
	f = failure{}
	f.note(password, troubleLasts, now, 0, 0)
	if f.delay != time.Millisecond {
		t.Errorf("server_login_retry of 0 gives a pause of %v", f.delay)
	}
}

func TestAnErrorOfOnesOwnParametersConcernsNobodyElse(t *testing.T) {
	for _, code := range []string{wire.CodeInvalidParameterValue, "58P01"} { // a library that is not there
		t.Run(code, func(t *testing.T) {
			h, s := newHost(t), serve(t)
			bad := param("search_path", "bad")
			s.refuse = func(x *startup) *wire.Error {
				if v, _ := x.Get("search_path"); v == "bad" {
					return wire.Fatalf(code, "invalid value")
				}
				return nil
			}
			p := h.pool(s, nil)
			k := h.taker(p, bad)
			k.ask(p, nil)
			if e := k.refusal(); e.Code != code {
				t.Fatal(e)
			}
			if p.Counts().Failure != nil {
				t.Error("taken for the server's failure")
			}
			h.giveBack(h.lease(p))
		})
	}
}

func TestWhileOthersHoldBackendsAFailureLetsOneWait(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	b := h.lease(p)
	s.set(func(s *server) {
		s.refuse = func(*startup) *wire.Error {
			return wire.Fatalf(wire.CodeTooManyConnections, "sorry, too many clients already")
		}
	})
	k := h.taker(p)
	k.ask(p, nil)
	eventually(t, "the login has failed", func() bool { return p.Counts().Failure != nil })
	k.waits()
	// One who needs a backend of its own waits until the server has room.
	params := []wire.Param{param("TimeZone", "Asia/Tokyo")}
	own := h.taker(p, params...)
	own.ask(p, params)
	logins := len(s.logins())
	eventually(t, "more logins have failed", func() bool { return len(s.logins()) > logins+1 })
	own.waits()
	if !p.Leave(&own.Waiter) {
		t.Fatal("not in the line")
	}
	h.giveBack(b)
	if k.wait() != b {
		t.Error("another backend")
	}
	h.giveBack(b)
	eventually(t, "the last try is over", func() bool { c := p.Counts(); return c.Opening+c.Closing == 0 })
	check(t, p, 0, 1, 0, 0)
}

func TestABackendIsGivenUpForSomebodyForWhomTheServerHasNoRoom(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.LoginRetry = time.Millisecond })
	h.giveBack(h.lease(p))
	s.set(func(s *server) {
		s.refuse = func(*startup) *wire.Error {
			if h.evicts.Load() > 0 {
				return nil
			}
			return wire.Fatalf(wire.CodeTooManyConnections, "sorry, too many clients already")
		}
	})
	own := h.taker(p, searchB)
	own.ask(p, nil)
	h.giveBack(own.wait())
	if n := h.evicts.Load(); n != 1 {
		t.Errorf("%d backends were given up", n)
	}
}

func TestABackendIsNotGivenUpForSomebodyWhomTheServerWouldRefuse(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 2; s.LoginRetry = time.Hour })
	b := h.lease(p)
	s.set(func(s *server) {
		s.refuse = func(*startup) *wire.Error { return wire.Fatalf(wire.CodeInvalidPassword, "changed meanwhile") }
	})
	first := h.taker(p)
	first.ask(p, nil)
	eventually(t, "the login has failed", func() bool { return p.Counts().Failure != nil && p.Counts().Closing == 0 })
	if !p.Leave(&first.Waiter) {
		t.Fatal("not in the line")
	}
	other := h.taker(p, searchB)
	other.ask(p, nil)
	h.giveBack(b)
	check(t, p, 0, 1, 0, 0)
	other.waits()
	if !p.Leave(&other.Waiter) {
		t.Fatal("not in the line")
	}
}

func TestThePoolRecoversByItselfWithoutNewClients(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.LoginRetry = 20 * time.Millisecond })
	b := h.lease(p)
	s.set(func(s *server) {
		s.refuse = func(*startup) *wire.Error {
			return wire.Fatalf(wire.CodeCannotConnectNow, "the database system is starting up")
		}
	})
	k := h.taker(p)
	k.ask(p, nil)
	eventually(t, "logins fail", func() bool { return len(s.logins()) > 2 })
	k.waits()
	s.set(func(s *server) { s.refuse = nil })
	if k.wait() == b {
		t.Error("that one is lent")
	}
}

// TestALoginThatIsKilledIsMadeAgain: whoever waits does not hear of it, even
// if nothing but that backend would do for them.
func TestALoginThatIsKilledIsMadeAgain(t *testing.T) {
	for name, params := range map[string][]wire.Param{"any": nil, "one of its own": {param("TimeZone", "Asia/Tokyo")}} {
		t.Run(name, func(t *testing.T) {
			h, s := newHost(t), serve(t)
			p := h.pool(s, func(s *Settings) { s.LoginRetry = time.Hour })
			left := 3
			s.set(func(s *server) {
				s.refuse = func(*startup) *wire.Error {
					if left == 0 {
						return nil
					}
					left--
					return wire.Fatalf(wire.CodeAdminShutdown, "terminating connection due to administrator command")
				}
			})
			k := h.taker(p, params...)
			k.ask(p, params)
			h.giveBack(k.wait())
			if p.Counts().Failure != nil {
				t.Error("taken for the server's failure")
			}
			if n := len(s.logins()); n != 4 {
				t.Errorf("%d logins, want 4", n)
			}
			check(t, p, 0, 1, 0, 0)
		})
	}
}

func TestAFailedLoginHoldsItsSlotUntilTheServerHasClosed(t *testing.T) {
	h, s := newHost(t), serve(t)
	hold := make(chan struct{})
	s.holdEnd = hold
	s.refuse = func(*startup) *wire.Error { return wire.Fatalf("3D000", "no such database") }
	p := h.pool(s, func(s *Settings) { s.Size = 1; s.LoginRetry = 0 })
	k := h.taker(p)
	k.ask(p, nil)
	k.refusal() // at once
	check(t, p, 0, 0, 0, 1)
	s.set(func(s *server) { s.refuse = nil })
	eventually(t, "the pause is over", func() bool { return p.failureIsOver() })
	k = h.taker(p)
	k.ask(p, nil)
	p.Upkeep(1)
	k.waits()
	check(t, p, 0, 0, 0, 1)
	close(hold)
	h.giveBack(k.wait())
	if _, most := s.counts(); most != 1 {
		t.Errorf("%d processes at once", most)
	}
}

func (p *Pool) failureIsOver() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hosts.refuses(time.Since(p.epoch)) == nil
}

func TestAHostThatRefusesABackendGetsItClosed(t *testing.T) {
	h, s := newHost(t), serve(t)
	h.refuse.Store(true)
	p := h.pool(s, func(s *Settings) { s.LoginRetry = 0 })
	k := h.taker(p)
	k.ask(p, nil)
	if e := k.refusal(); e.Code != wire.CodeCannotConnect || !strings.Contains(e.Message, "does not want it") {
		t.Error(e)
	}
	eventually(t, "the slot is free", func() bool { return p.Counts().Closing == 0 })
	if live, _ := s.counts(); live != 0 {
		t.Errorf("%d processes", live)
	}
	h.refuse.Store(false)
	eventually(t, "the pause is over", p.failureIsOver)
	h.giveBack(h.lease(p))
}

func TestANoticeDuringTheLoginIsNoFailure(t *testing.T) {
	h, s := newHost(t), serve(t)
	var once bool
	s.raw = func(*startup) []byte {
		if once {
			return nil
		}
		once = true
		out := wire.AppendNotice(nil, wire.Errorf("00000", "welcome"))
		out = wire.AppendAuthOK(out)
		return wire.AppendReadyForQuery(out, 'I')
	}
	p := h.pool(s, nil)
	b := h.lease(p) // without BackendKeyData, which poolers leave out
	if b.PID != 0 || len(b.Key) != 0 {
		t.Error(b.PID, b.Key)
	}
	if settled, err := p.CancelQuery(b, CancelRequest{}); !settled || err == nil {
		t.Error(settled, err)
	}
	h.end(b, false)
}

func TestStartupParametersThatCannotBeSentAreRefused(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	k := h.taker(p, param("options", strings.Repeat("x", 20_000)))
	k.ask(p, nil)
	if e := k.refusal(); e.Code != wire.CodeInvalidParameterValue {
		t.Error(e)
	}
	if p.Counts().Failure != nil {
		t.Error("taken for the server's failure")
	}
}
