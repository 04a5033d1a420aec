package pool

import "testing"

func TestALoginThatNobodyCountsOnAnyMoreIsForWhoComesNext(t *testing.T) {
	h, s, gate := newHost(t), serve(t), make(chan struct{})
	p := h.pool(s, func(s *Settings) { s.Size = 8 })
	b := h.lease(p)
	s.set(func(s *server) { s.hold = gate })
	first := h.taker(p)
	first.ask(p, nil)
	h.opens(p, 1)
	h.giveBack(b)
	b = first.wait() // the one that has come back
	for range 3 {
		next := h.taker(p)
		next.ask(p, nil)
		h.giveBack(b)
		b = next.wait()
	}
	last := h.taker(p)
	last.ask(p, nil)
	two := h.taker(p)
	two.ask(p, nil)
	h.opens(p, 2) // one for each of the two who wait
	close(gate)
	h.giveBack(last.wait())
	h.giveBack(two.wait())
	h.giveBack(b)
	eventually(t, "all are open", func() bool { return p.Counts().Opening == 0 }) // one may have served both
	if n := len(s.logins()); n != 3 {
		t.Errorf("%d logins for three backends", n)
	}
}
