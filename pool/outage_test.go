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
	if h.outages.Load() != 0 || h.recoveries.Load() != 0 {
		t.Error("an outage was told where there is none")
	}
	s.stop()
	for range 5 {
		k := h.taker(p)
		k.ask(p, nil)
		select {
		case b := <-k.got: // the server's end has not been seen yet
			h.discard(b, true)
		case <-k.no:
		}
	}
	eventually(t, "the outage is told", func() bool { return h.outages.Load() == 1 })
	s.listen()
	h.findsAgain(p)
	eventually(t, "the end is told", func() bool { return h.recoveries.Load() == 1 })
	if n := h.outages.Load(); n != 1 {
		t.Errorf("told %d times", n)
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
