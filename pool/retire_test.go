package pool

import "testing"

func TestARetiredBackendIsClosedWhenItComesBackAndTheIdleOnesAtOnce(t *testing.T) {
	h, s := newHost(t), serveTCP(t)
	p := h.pool(s, func(s *Settings) { s.Size = 3 })
	idle, lent, other := h.lease(p), h.lease(p), h.lease(p)
	if at := lent.Remote(); at.String() != s.addr {
		t.Errorf("it is connected to %v, not to %s", at, s.addr)
	}
	h.giveBack(idle)
	p.Retire([]*Backend{idle, lent}, nil)
	isLeft(t, p, 2)
	if !lent.Outdated() || other.Outdated() {
		t.Error("not just those are closed that were retired")
	}
	if _, w := p.Variant(nil); w != nil {
		t.Error("what the other server has said is still believed")
	}
	h.giveBack(lent)
	isLeft(t, p, 1)
	h.giveBack(other)
	check(t, p, 0, 1, 0, 0)
	s.startsAre(3)
}

func TestOfListeningBackendsTheOneThatIsMeantIsReplaced(t *testing.T) {
	_, s, _, p := listenPool(t, nil)
	k := hearing(t, p.Listener())
	k.listen("x")
	first := p.Listener().Status().ID
	p.Retire(nil, func(*Backend) bool { return false })
	if p.ListensOutdated() {
		t.Error("another one was meant")
	}
	p.Retire(nil, func(*Backend) bool { return true })
	eventually(t, "another backend listens", func() bool {
		st := p.Listener().Status()
		return st.ID != 0 && st.ID != first
	})
	s.startsAre(2)
}
