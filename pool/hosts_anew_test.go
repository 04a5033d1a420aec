package pool

import (
	"testing"
	"time"
)

// TestNobodyWaitsForAHostThatWasAwayWhenServersAreLookedForAnew, as they are when a name
// leads elsewhere, at RECONNECT and at RESUME: that one is knocked at first.
func TestNobodyWaitsForAHostThatWasAwayWhenServersAreLookedForAnew(t *testing.T) {
	for name, anew := range map[string]func(*Pool){
		"a name leads elsewhere": func(p *Pool) { p.Retire(nil, nil) },
		"RECONNECT":              (*Pool).Reconnect,
		"RESUME":                 func(p *Pool) { p.Pause(); p.Resume() },
	} {
		t.Run(name, func(t *testing.T) {
			h, servers, d := newHost(t), []*server{serve(t), serve(t)}, newHosting()
			a, b := servers[0], servers[1]
			b.stop()
			p := h.dialing(d.dial, "db", "user", a, on(a, b))
			eventually(t, "one is found away", func() bool {
				h.end(h.lease(p), false)
				return h.aways.Load() == 1
			})
			end := d.hold(t, b) // nor does it refuse connections
			anew(p)
			all := h.leases(p, 4)
			wants(t, all, servers, 4, 0)
			if hosts := p.Hosts(); hosts[1].Away == nil {
				t.Error("it is not known any more that one is away")
			}
			b.listen()
			end()
			eventually(t, "it is used again", func() bool {
				h.endAll(all)
				all = h.leases(p, 4)
				return spread(all, servers...)[1] == 2
			})
		})
	}
}

// TestAKnockThatIsNotAnsweredKeepsNobodyFromServersThatAreLookedForAnew: it may wait for a
// server that is no longer there.
func TestAKnockThatIsNotAnsweredKeepsNobodyFromServersThatAreLookedForAnew(t *testing.T) {
	h, servers := newHost(t), []*server{serve(t), serve(t)}
	p := h.pool(servers[0], func(s *Settings) {
		on(servers...)(s)
		s.ConnectTimeout = time.Hour
	})
	for _, s := range servers {
		s.stop()
	}
	k := h.taker(p)
	k.ask(p, nil)
	eventually(t, "all are found away", func() bool { return h.aways.Load() == 2 })
	gate := make(chan struct{})
	defer close(gate)
	for _, s := range servers {
		s.set(func(s *server) { s.hold = gate })
		s.listen()
	}
	for _, s := range servers {
		s.startsAre(1)
	}
	for _, s := range servers {
		s.set(func(s *server) { s.hold = nil })
	}
	k.waits()
	p.Reconnect()
	k.wait()
}
