package pool

import (
	"strings"
	"testing"
	"time"

	"pgweir/wire"
)

var asReplica = []wire.Param{param("replication", "true")}

// replica asks for a backend outside of the pool.
func (h *host) replica(p *Pool) *taker {
	h.t.Helper()
	k := &taker{h: h, got: make(chan *Backend, 1), no: make(chan *wire.Error, 1)}
	if e := p.Replicate(replicaTaker{k}, asReplica); e != nil {
		k.no <- e
	}
	return k
}

// replicaTaker is a taker whose backends the host does not adopt.
type replicaTaker struct{ k *taker }

func (r replicaTaker) Grant(b *Backend)     { r.k.got <- b }
func (r replicaTaker) Refuse(e *wire.Error) { r.k.no <- e }

func replicasAre(t *testing.T, p *Pool, n int) {
	t.Helper()
	eventually(t, "so many backends are outside of the pool", func() bool { return p.Counts().Replicas == n })
}

func TestABackendOutsideOfThePoolTakesNoPlaceInIt(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) {
		s.Size, s.MaxDatabase, s.MaxUser, s.Lifetime, s.IdleTimeout = 1, 1, 1, 0, time.Nanosecond
	})
	lent := h.lease(p)
	b := h.replica(p).wait()
	if !b.Replica() || b.Pool() != p || lent.Replica() {
		t.Error("it does not say what it is")
	}
	waiting := h.taker(p)
	waiting.ask(p, nil)
	other := h.replica(p).wait()
	waiting.waits()
	check(t, p, 0, 0, 1, 0)
	replicasAre(t, p, 2)
	for range 3 {
		p.Upkeep(1)
	}
	set := p.Settings()
	set.DBName = "elsewhere"
	p.Set(set) // backends of the pool are unfit now
	replicasAre(t, p, 2)
	h.end(lent, false)
	waiting.wait()
	p.Discard(b, false)
	p.Discard(other, true)
	replicasAre(t, p, 0)
	if n := len(h.budget.replicas.counts); n != 0 {
		t.Errorf("%d counts are left", n)
	}
	if got, _ := s.logins()[1].Get("replication"); got != "true" {
		t.Errorf("the startup packet has %q", got)
	}
}

func TestBackendsOutsideOfThePoolsAreBounded(t *testing.T) {
	h, s := newHost(t), serve(t)
	limits := func(s *Settings) { s.MaxReplicas, s.MaxDatabaseReplicas = 3, 2 }
	a, b := h.named("a", "user", s, limits), h.named("b", "user", s, limits)
	other := h.named("a", "another", s, limits)
	first, second := h.replica(a).wait(), h.replica(other).wait()
	if e := h.replica(a).refusal(); e.Code != wire.CodeTooManyConnections ||
		!strings.Contains(e.Message, `to database "a" (max_replication_connections = 2)`) {
		t.Error(e)
	}
	third := h.replica(b).wait()
	if e := h.replica(b).refusal(); e.Code != wire.CodeTooManyConnections ||
		!strings.HasSuffix(e.Message, "allowed (max_replication_connections = 3)") {
		t.Error(e)
	}
	// Who has just left has a process for a moment still.
	hold := make(chan struct{})
	s.set(func(s *server) { s.holdEnd = hold })
	a.Discard(first, false)
	again := h.replica(a)
	again.waits()
	if e := h.replica(a).refusal(); e.Code != wire.CodeTooManyConnections {
		t.Error(e)
	}
	if live, _ := s.counts(); live != 3 {
		t.Errorf("%d processes", live)
	}
	close(hold)
	fourth := again.wait()
	if _, most := s.counts(); most > 3 {
		t.Errorf("%d processes at once", most)
	}
	for _, x := range []*Backend{second, third, fourth} {
		x.Pool().Discard(x, false)
	}
	for _, p := range []*Pool{a, b, other} {
		replicasAre(t, p, 0)
	}
	if n := len(h.budget.replicas.counts); n != 0 {
		t.Errorf("%d counts are left", n)
	}
}

func TestAProcessThatDoesNotEndKeepsItsPlaceOutsideOfThePool(t *testing.T) {
	h, s := newHost(t), serve(t)
	s.holdEnd = make(chan struct{})
	p := h.pool(s, func(s *Settings) { s.MaxReplicas = 1 })
	b := h.replica(p).wait()
	p.Set(h.settings(s, "user", func(s *Settings) { s.MaxReplicas, s.ConnectTimeout = 1, 50*time.Millisecond }))
	p.Discard(b, false)
	if e := h.replica(p).refusal(); e.Code != wire.CodeTooManyConnections {
		t.Error(e)
	}
}

func TestALoginOutsideOfThePoolThatFailsSaysWhyAndLeavesNothing(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.MaxReplicas = 1 })
	h.giveBack(h.lease(p))
	s.set(func(s *server) {
		s.refuse = func(x *startup) *wire.Error {
			if _, ok := x.Get("replication"); ok {
				return wire.Fatalf(wire.CodeInvalidAuthorization, "no pg_hba.conf entry for replication")
			}
			return nil
		}
	})
	for range 2 {
		if e := h.replica(p).refusal(); e.Code != wire.CodeInvalidAuthorization {
			t.Error(e)
		}
		replicasAre(t, p, 0)
	}
	if n := h.denied.Load(); n != 2 {
		t.Errorf("the host was told %d times", n)
	}
	h.end(h.lease(p), false) // that says nothing about the pool's own
	h.end(h.lease(p), false)
	p.Drain()
	if e := h.replica(p).refusal(); e.Code != wire.CodeAdminShutdown {
		t.Error(e)
	}
}
