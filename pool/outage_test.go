package pool

import (
	"testing"
	"time"

	"pgweir/wire"
)

func TestAnOutageIsToldOnceAndSoIsItsEnd(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.LoginRetry = time.Millisecond })
	h.giveBack(h.lease(p))
	other := h.named("other", "user", s, func(s *Settings) { s.LoginRetry = time.Millisecond })
	h.giveBack(h.lease(other))
	h.end(h.lease(p), false)
	h.end(h.lease(other), false)
	if h.aways.Load() != 0 || h.backs.Load() != 0 {
		t.Error("an outage was told where there is none")
	}
	s.stop()
	k, l := h.taker(p), h.taker(other)
	k.ask(p, nil)
	l.ask(other, nil)
	logins := func() int { return int(p.Counts().Logins + other.Counts().Logins) }
	before := logins()
	eventually(t, "the outage is told", func() bool { return h.aways.Load() == 1 })
	s.listen()
	h.giveBack(k.wait())
	h.giveBack(l.wait())
	eventually(t, "the end is told", func() bool { return h.backs.Load() == 1 })
	if n := h.aways.Load(); n != 1 || logins() != before+2 {
		t.Errorf("told %d times, %d logins", n, logins()-before)
	}
	if h.outages.Load() != 0 || h.recoveries.Load() != 0 {
		t.Error("told of a pool, too")
	}
}

func TestAServerThatHasNoRoomIsToldOfThePool(t *testing.T) {
	h, s := newHost(t), serve(t)
	s.refuse = func(*startup) *wire.Error {
		return wire.Fatalf(wire.CodeTooManyConnections, "sorry, too many clients already")
	}
	p := h.pool(s, func(s *Settings) { s.LoginRetry = time.Millisecond })
	k := h.taker(p)
	k.ask(p, nil)
	eventually(t, "the outage is told", func() bool { return h.outages.Load() == 1 })
	s.set(func(s *server) { s.refuse = nil })
	h.giveBack(k.wait())
	eventually(t, "the end is told", func() bool { return h.recoveries.Load() == 1 })
	if h.outages.Load() != 1 || h.aways.Load() != 0 {
		t.Errorf("told %d times, and %d times of the server", h.outages.Load(), h.aways.Load())
	}
}

func TestOutagesThatComeAndGoAreToldOnceAMinute(t *testing.T) {
	var o outage
	for _, c := range []struct {
		code   string
		at     time.Duration
		begins bool
	}{
		{wire.CodeCannotConnect, time.Second, true},
		{wire.CodeCannotConnect, time.Hour, false}, // the same one
		{"57P03", time.Hour, true},
		{"", time.Hour, true},
		{"", time.Hour, false},
		{"57P03", time.Hour + time.Second, false},
		{"", time.Hour + 2*time.Second, false},
		{"57P03", time.Hour + quietOutage, true},
		{"", time.Hour + quietOutage, true},
		{wire.CodeCannotConnect, time.Hour + quietOutage, true},
	} {
		got := false
		if c.code == "" {
			got = o.ends()
		} else {
			got = o.begins(c.code, c.at)
		}
		if got != c.begins {
			t.Errorf("%q after %v: told: %v", c.code, c.at, got)
		}
	}
}
