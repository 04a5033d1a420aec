package pool

import (
	"testing"
	"time"
)

// upkeeps calls Upkeep of all pools until a condition holds.
func (h *host) upkeeps(what string, condition func() bool, pools ...*Pool) {
	h.t.Helper()
	eventually(h.t, what, func() bool {
		for _, p := range pools {
			p.Upkeep(1)
		}
		return condition()
	})
}

// TestALowerCapIsKeptToByBackendsThatAreIdleAndThatComeBack: nobody waits for another
// one, and those at work are left alone.
func TestALowerCapIsKeptToByBackendsThatAreIdleAndThatComeBack(t *testing.T) {
	for name, lower := range map[string]func(*Settings){
		"max_db_connections":   func(s *Settings) { s.MaxDatabase = 2 },
		"max_user_connections": func(s *Settings) { s.MaxUser = 2 },
		"max_server_conn":      func(s *Settings) { s.MaxServer = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			h, s := newHost(t), serve(t)
			big := func(s *Settings) { s.Size = 4 }
			p, q := h.named("db", "user", s, big), h.named("db", "user", s, big)
			var busy []*Backend
			for range 3 {
				busy = append(busy, h.lease(p))
			}
			idle := []*Backend{h.lease(q), h.lease(q)}
			for _, b := range idle {
				h.giveBack(b)
			}
			for _, pool := range []*Pool{p, q} {
				settings := pool.Settings()
				lower(&settings)
				pool.Set(settings)
			}
			h.upkeeps("the idle ones are closed", func() bool { return h.budget.All() == 3 }, p, q)
			h.upkeeps("one is owed", func() bool {
				p.mu.Lock()
				defer p.mu.Unlock()
				return p.owes == 1
			}, p, q)
			if n := h.evicts.Load(); n != 2 {
				t.Errorf("%d backends were put out, of which 2 were idle", n)
			}
			h.giveBack(busy[0])
			h.upkeeps("one that came back is closed", func() bool { return h.budget.All() == 2 }, p, q)
			h.giveBack(busy[1])
			h.giveBack(busy[2])
			h.upkeeps("the cap is kept to", func() bool { return !h.budget.balance.beyond.Load() }, p, q)
			if n := h.budget.All(); n != 2 {
				t.Errorf("there are %d", n)
			}
		})
	}
}

// TestAPoolOwesWhatIsBeyondALowerCapUntilItIsPaid: a backend may come back after long, so it is asked for
// again and again until it is paid.
func TestAPoolOwesWhatIsBeyondALowerCapUntilItIsPaid(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 4 })
	a, b := h.lease(p), h.lease(p)
	settings := p.Settings()
	settings.MaxServer = 1
	p.Set(settings)
	owed := func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.owes == 1
	}
	h.upkeeps("one is owed", owed, p)
	p.mu.Lock()
	p.owesUntil = time.Since(p.epoch) // that time has passed
	p.owes = 0
	p.mu.Unlock()
	h.upkeeps("one is owed again", owed, p)
	h.giveBack(a)
	h.upkeeps("it is paid", func() bool { return h.budget.All() == 1 }, p)
	h.giveBack(b)
}
