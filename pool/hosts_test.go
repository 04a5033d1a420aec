package pool

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"pgweir/wire"
)

// on has a pool's database on these servers, in this order.
func on(servers ...*server) func(*Settings) {
	return func(s *Settings) {
		s.Size, s.LoginRetry = 8, 20*time.Millisecond
		var all []Address
		for _, x := range servers {
			all = append(all, Address{Network: x.network, Addr: x.addr, Host: "localhost", TLS: TLS{Mode: TLSDisable}})
		}
		s.Address, s.Others = all[0], all[1:]
	}
}

// staying is on, with load_balance_hosts = disable.
func staying(servers ...*server) func(*Settings) {
	return func(s *Settings) {
		on(servers...)(s)
		s.Balancing = Staying
	}
}

// spread counts backends by their server, in the servers' order.
func spread(backends []*Backend, servers ...*server) []int {
	counts := make([]int, len(servers))
	for _, b := range backends {
		for i, s := range servers {
			if b.Address.Addr == s.addr {
				counts[i]++
			}
		}
	}
	return counts
}

// wants compares where backends are with what is wanted.
func wants(t *testing.T, backends []*Backend, servers []*server, want ...int) {
	t.Helper()
	for i, n := range spread(backends, servers...) {
		if n != want[i] {
			t.Errorf("%v of the servers' backends, want %v", spread(backends, servers...), want)
			return
		}
	}
}

// leases leases n at a time.
func (h *host) leases(p *Pool, n int) (all []*Backend) {
	h.t.Helper()
	for range n {
		all = append(all, h.lease(p))
	}
	return all
}

// endAll ends backends that are lent.
func (h *host) endAll(backends []*Backend) {
	for _, b := range backends {
		h.end(b, false)
	}
}

func TestLoginsGoRoundTheHosts(t *testing.T) {
	a, b, c := serve(t), serve(t), serve(t)
	for name, x := range map[string]struct {
		hosts []*server
		want  []int
	}{
		"each once":      {[]*server{a, b, c}, []int{2, 2, 2}},
		"one of weight":  {[]*server{a, b, a}, []int{4, 2, 0}},
		"only one":       {[]*server{c}, []int{0, 0, 6}},
		"in other order": {[]*server{c, a}, []int{3, 0, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			p := h.pool(a, on(x.hosts...))
			wants(t, h.leases(p, 6), []*server{a, b, c}, x.want...)
		})
	}
}

func TestAHostIsStayedWithUntilItFails(t *testing.T) {
	h, servers := newHost(t), []*server{serve(t), serve(t)}
	a, b := servers[0], servers[1]
	p := h.pool(a, staying(a, b))
	first := h.leases(p, 3)
	wants(t, first, servers, 3, 0)
	a.stop()
	h.endAll(first)
	second := h.leases(p, 3)
	wants(t, second, servers, 0, 3)
	a.listen()
	h.endAll(second)
	third := h.leases(p, 3)
	wants(t, third, servers, 0, 3) // that a is back is no reason
	b.stop()
	h.endAll(third)
	wants(t, h.leases(p, 3), servers, 3, 0)
}

// TestAHostThatSaysNothingIsLeftAfterOneTry, also if the logins that hang there have taken up
// all slots, so that the next one begins when the pause is long over.
func TestAHostThatSaysNothingIsLeftAfterOneTry(t *testing.T) {
	h, servers := newHost(t), []*server{serve(t), serve(t)}
	a, b := servers[0], servers[1]
	a.set(func(s *server) { s.hold = make(chan struct{}) })
	p := h.pool(a, func(s *Settings) {
		staying(a, b)(s)
		s.Size, s.ConnectTimeout = 2, 200*time.Millisecond
	})
	first, second := h.taker(p), h.taker(p)
	first.ask(p, nil)
	second.ask(p, nil)
	wants(t, []*Backend{first.wait(), second.wait()}, servers, 0, 2)
	if n := len(a.logins()); n != 2 {
		t.Errorf("%d logins at the host that says nothing, want 2", n)
	}
}

// hosting counts the connections to each address that are being opened, and holds those
// up to some.
type hosting struct {
	mu        sync.Mutex
	now, most map[string]int
	held      map[string]chan struct{}
}

func newHosting() *hosting {
	return &hosting{now: map[string]int{}, most: map[string]int{}, held: map[string]chan struct{}{}}
}

func (d *hosting) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d.mu.Lock()
	d.now[addr]++
	d.most[addr] = max(d.most[addr], d.now[addr])
	held := d.held[addr]
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.now[addr]--
		d.mu.Unlock()
	}()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// hold has connections to a server come about no more until the end of the test, or of
// the hold.
func (d *hosting) hold(t *testing.T, s *server) (end func()) {
	gate := make(chan struct{})
	d.mu.Lock()
	d.held[s.addr] = gate
	d.mu.Unlock()
	end = sync.OnceFunc(func() {
		d.mu.Lock()
		delete(d.held, s.addr)
		d.mu.Unlock()
		close(gate)
	})
	t.Cleanup(end)
	return end
}

func (d *hosting) under(s *server) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now[s.addr]
}

// TestNobodyWaitsForAHostThatIsAway, be it that a connection there does not come about: one
// knocks, and the others take what backends they need.
func TestNobodyWaitsForAHostThatIsAway(t *testing.T) {
	h, servers, d := newHost(t), []*server{serve(t), serve(t)}, newHosting()
	a, b := servers[0], servers[1]
	a.stop()
	p := h.dialing(d.dial, "db", "user", a, on(a, b))
	h.end(h.lease(p), false) // which has found a away
	if h.aways.Load() != 1 {
		t.Errorf("%d away", h.aways.Load())
	}
	end := d.hold(t, a)
	eventually(t, "one knocks", func() bool {
		h.end(h.lease(p), false)
		return d.under(a) == 1
	})
	wants(t, h.leases(p, 6), servers, 0, 6)
	if n := d.under(a); n != 1 {
		t.Errorf("%d knock", n)
	}
	if c := p.Counts(); c.Failure != nil || c.Refusing != nil {
		t.Errorf("%+v", c)
	}
	if hosts := p.Hosts(); hosts[0].Away == nil || hosts[1].Away != nil {
		t.Errorf("%+v", hosts)
	}
	a.listen()
	end()
	eventually(t, "it is back", func() bool { return h.backs.Load() == 1 })
	wants(t, h.leases(p, 1), servers, 1, 0)
}

func TestAHostThatComesBackIsUsedAgain(t *testing.T) {
	h, servers := newHost(t), []*server{serve(t), serve(t)}
	a, b := servers[0], servers[1]
	p := h.pool(a, on(a, b))
	a.set(func(s *server) {
		s.refuse = func(*startup) *wire.Error { return wire.Fatalf(wire.CodeCannotConnectNow, "starting up") }
	})
	for range 20 { // those that knock are refused
		all := h.leases(p, 2)
		wants(t, all, servers, 0, 2)
		h.endAll(all)
	}
	a.set(func(s *server) { s.refuse = nil })
	eventually(t, "it is used again", func() bool {
		all := h.leases(p, 2)
		defer h.endAll(all)
		return spread(all, servers...)[0] == 1
	})
}

func TestClientsWaitIfAllHostsAreAway(t *testing.T) {
	for name, balance := range map[string]func(...*server) func(*Settings){"round-robin": on, "disable": staying} {
		t.Run(name, func(t *testing.T) {
			h, servers, d := newHost(t), []*server{serve(t), serve(t), serve(t)}, newHosting()
			p := h.dialing(d.dial, "db", "user", servers[0], balance(servers...))
			for _, s := range servers {
				s.stop()
			}
			var all []*taker
			for range 4 {
				k := h.taker(p)
				k.ask(p, nil)
				all = append(all, k)
			}
			eventually(t, "all are found away", func() bool { return h.aways.Load() == 3 && p.Counts().Failure != nil })
			d.mu.Lock()
			clear(d.most)
			d.mu.Unlock()
			eventually(t, "all are knocked at", func() bool {
				d.mu.Lock()
				defer d.mu.Unlock()
				return len(d.most) == 3
			})
			for _, k := range all {
				k.waits()
			}
			if !p.Away() {
				t.Error("the pool is not away")
			}
			d.mu.Lock()
			for addr, n := range d.most {
				if n != 1 {
					t.Errorf("%d at a time at %s", n, addr)
				}
			}
			d.mu.Unlock()
			servers[1].listen()
			var got []*Backend
			for _, k := range all {
				got = append(got, k.wait())
			}
			wants(t, got, servers, 0, 4, 0)
			if p.Away() {
				t.Error("the pool is away")
			}
		})
	}
}

func TestAHostThatRefusesIsPassedOver(t *testing.T) {
	h, servers := newHost(t), []*server{serve(t), serve(t)}
	a, b := servers[0], servers[1]
	p := h.pool(a, func(s *Settings) { on(a, b)(s); s.LoginRetry = time.Hour })
	no := func(code string) func(*server) {
		return func(s *server) {
			s.refuse = func(*startup) *wire.Error { return wire.Fatalf(code, "no, by %s", code) }
		}
	}
	a.set(no(wire.CodeInvalidPassword))
	all := h.leases(p, 4)
	wants(t, all, servers, 0, 4)
	if h.denied.Load() == 0 {
		t.Error("the host has not been told that a user was refused")
	}
	b.stop()
	h.endAll(all)
	k := h.taker(p)
	k.ask(p, nil)
	eventually(t, "the other one is found away", func() bool { return h.aways.Load() == 1 })
	k.waits() // it will be back
	if e := p.Counts().Failure; e == nil || e.Code != wire.CodeInvalidPassword {
		t.Errorf("of a host that refuses and one that is away, %v is told", e)
	}
	b.set(no(wire.CodeInvalidCatalogName))
	b.listen()
	if e := k.refusal(); e.Code != wire.CodeInvalidCatalogName {
		t.Errorf("%v", e)
	}
	k.ask(p, nil)
	k.refusal() // at once
}

func TestAPoolWithHostsOfWhichOneHasNoRoomIsNotUnreached(t *testing.T) {
	h, servers := newHost(t), []*server{serve(t), serve(t)}
	full := func(s *server) {
		s.refuse = func(*startup) *wire.Error { return wire.Fatalf(wire.CodeTooManyConnections, "full") }
	}
	servers[0].set(full)
	p := h.pool(servers[0], on(servers...))
	all := h.leases(p, 4)
	wants(t, all, servers, 0, 4)
	if n := h.outages.Load(); n != 0 {
		t.Errorf("unreached %d times", n)
	}
	servers[1].set(full)
	h.endAll(all)
	k := h.taker(p)
	k.ask(p, nil)
	eventually(t, "the pool is unreached", func() bool { return h.outages.Load() == 1 })
	k.waits()
	servers[1].set(func(s *server) { s.refuse = nil })
	k.wait()
}

func TestAHostThatIsDroppedLosesItsBackendsAndTheOthersKeepTheirs(t *testing.T) {
	h, servers := newHost(t), []*server{serve(t), serve(t), serve(t)}
	p := h.pool(servers[0], on(servers...))
	all := h.leases(p, 6)
	byHost := map[string][]*Backend{}
	for _, b := range all {
		byHost[b.Address.Addr] = append(byHost[b.Address.Addr], b)
	}
	for _, s := range servers {
		h.giveBack(byHost[s.addr][0])
	}
	next := p.Settings()
	on(servers[2], servers[0])(&next)
	p.Set(next)
	lent := byHost[servers[1].addr][1]
	isLeft(t, p, 5)
	if n := h.evicts.Load(); n != 1 || !lent.Outdated() {
		t.Errorf("%d put out, the one that is lent is outdated: %v", n, lent.Outdated())
	}
	h.giveBack(lent)
	for _, s := range []*server{servers[0], servers[2]} {
		h.giveBack(byHost[s.addr][1])
	}
	isLeft(t, p, 4)
	wants(t, h.leases(p, 6), servers, 3, 0, 3)
	on(servers[1])(&next)
	p.Set(next)
	wants(t, h.leases(p, 2), servers, 0, 2, 0)
}

func TestALoginAtAHostThatIsDroppedMeanwhileIsNotUsed(t *testing.T) {
	h, servers := newHost(t), []*server{serve(t), serve(t)}
	a, b := servers[0], servers[1]
	gate := make(chan struct{})
	a.set(func(s *server) { s.hold = gate })
	p := h.pool(a, on(a, b))
	k := h.taker(p)
	k.ask(p, nil)
	a.startsAre(1)
	next := p.Settings()
	on(b)(&next)
	p.Set(next)
	a.set(func(s *server) { s.hold = nil })
	close(gate)
	wants(t, []*Backend{k.wait()}, servers, 0, 1)
}

func TestAReplicationConnectionGoesToTheFirstHostThatIsThere(t *testing.T) {
	h, servers := newHost(t), []*server{serve(t), serve(t)}
	p := h.pool(servers[0], on(servers...))
	replicas := func(want ...int) {
		t.Helper()
		var all []*Backend
		for range 2 {
			all = append(all, h.replica(p).wait())
		}
		wants(t, all, servers, want...)
		for _, b := range all {
			p.Discard(b, false)
		}
		replicasAre(t, p, 0)
	}
	replicas(2, 0)
	servers[0].stop()
	replicas(0, 2)
}

func TestOutagesOfEveryHostAreSummedUp(t *testing.T) {
	h := newHost(t)
	a := serve(t)
	p := h.pool(a, on(a, serve(t)))
	g, s := &p.budget.servers, p.Settings()
	for _, a := range s.Addresses() {
		g.at(&a).outage.untold = 1
	}
	g.untold.Store(true)
	p.sumUpAway(&s, time.Minute)
	if n := h.unsaid.Load(); n != 2 || g.untold.Load() {
		t.Errorf("%d were told of", n)
	}
}
