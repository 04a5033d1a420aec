package pool

import (
	"math/rand/v2"
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

func TestOfOutagesThatComeAndGoSomeAreToldAndTheOthersSummedUp(t *testing.T) {
	var o outage
	const away, starting = wire.CodeCannotConnect, "57P03"
	now := time.Hour
	for i, c := range []struct {
		after time.Duration
		code  string // "": it ends
		told  bool
		sum   int // right after it
	}{
		{time.Second, "", false, 0}, // there is none
		{time.Second, away, true, 0},
		{time.Hour, away, false, 0}, // the same one
		{time.Second, starting, true, 0},
		{time.Second, "", true, 0},
		{time.Second, starting, true, 0},
		{time.Second, "", true, 0},
		{time.Second, away, true, 0},
		{time.Second, "", true, 0},
		{0, away, false, 0}, // the fourth in a minute
		{time.Second, starting, false, 0},
		{time.Second, "", false, 0},
		{time.Second, away, false, 0},
		{time.Second, "", false, 0},
		{time.Second, away, false, 0},
		{55 * time.Second, away, true, 0}, // it lasts
		{2 * time.Second, away, false, 2},
		{time.Second, away, false, 0},
		{time.Second, "", true, 0},
		{time.Hour, away, true, 0},
		{time.Second, "", true, 0},
	} {
		now += c.after
		got := false
		if c.code == "" {
			got = o.ends(now)
		} else {
			got = o.begins(c.code, now)
		}
		if sum := o.sumUp(now); got != c.told || sum != c.sum {
			t.Errorf("%d, %q: told: %v, summed up: %d", i, c.code, got, sum)
		}
	}
}

// Whatever comes and goes, each outage is told or counted, and no minute has many lines.
func TestNoOutageIsLost(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	var o outage
	var lines []time.Duration
	begun, told, summed := 0, 0, 0
	now := time.Hour
	for range 10000 {
		now += time.Duration(random.Int64N(int64(20 * time.Second)))
		if random.IntN(10) == 0 {
			now += time.Minute
		}
		if !o.on {
			begun++
		}
		for range 1 + random.IntN(3) {
			if o.begins("08006", now) {
				told++
				lines = append(lines, now)
			}
		}
		now += time.Duration(random.Int64N(int64(time.Second)))
		if o.ends(now) {
			lines = append(lines, now)
		}
		summed += o.sumUp(now)
	}
	summed += o.sumUp(now + time.Hour)
	if begun != told+summed {
		t.Errorf("of %d outages %d were told and %d summed up (seed %d)", begun, told, summed, seed)
	}
	for i := range lines {
		if last := i + 4*outageLines; last < len(lines) && lines[last]-lines[i] < time.Minute {
			t.Fatalf("%d lines in a minute (seed %d)", 4*outageLines, seed)
		}
	}
}

// The server is away for a moment, again and again: what is not told is summed up.
func TestAServerThatComesAndGoesIsSummedUp(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.LoginRetry = time.Millisecond })
	servers := &p.budget.servers
	a, now := &p.settings.Address, time.Second
	const outages = 7
	for range outages {
		number := servers.logsIn(servers.at(a))
		servers.end(p, a, wire.Fatalf(wire.CodeCannotConnectNow, "starting up"), number, now)
		number = servers.logsIn(servers.at(a))
		servers.end(p, a, nil, number, now)
	}
	if n := h.aways.Load(); n != outageLines || h.backs.Load() != n {
		t.Errorf("told %d times, and %d times of the end", n, h.backs.Load())
	}
	if n := servers.sumUp(a, now); n != 0 {
		t.Errorf("summed up too early: %d", n)
	}
	if n := servers.sumUp(a, now+time.Minute); n != outages-outageLines || servers.untold.Load() {
		t.Errorf("%d were summed up", n)
	}
}
