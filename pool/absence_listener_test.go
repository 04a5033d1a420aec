package pool

import (
	"context"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// TestListeningBackendsShareTheLoginsOfAServerThatIsBack: they get a quarter as long as
// others wait, and these never that; alone they get all.
func TestListeningBackendsShareTheLoginsOfAServerThatIsBack(t *testing.T) {
	h, s := newHost(t), serve(t)
	pools := manyPools(h, s, &dialing{}, 2*returnLogins, 1)
	g := &h.budget.servers
	address := &pools[0].settings.Address
	at := func() *attendance { return g.at(address) }
	at().presence = returning
	var under []admission
	listen := func() (n int) {
		for _, p := range pools {
			a, ok, e := g.enterListener(p, p.hosts.all, 0)
			if e != nil {
				t.Fatal(e)
			}
			if ok {
				under = append(under, a)
				n++
			}
		}
		return n
	}
	open := func() (n int) {
		for _, p := range pools {
			if g.enter(p, 0, func() entry { return entryMade }) == entryMade {
				under = append(under, p.entered)
				n++
			}
		}
		return n
	}
	if n := listen(); n != returnLogins {
		t.Errorf("%d listen when nobody else waits", n)
	}
	if n := open(); n != 0 {
		t.Errorf("%d log in beyond the bound", n)
	}
	for _, a := range under {
		g.end(pools[0], address, nil, a, 0)
	}
	under = nil
	if n := open(); n != returnLogins-returnListeners {
		t.Errorf("%d log in when listening backends wait", n)
	}
	if n := listen(); n != returnListeners {
		t.Errorf("%d listen when others wait", n)
	}
	if at().logins != returnLogins {
		t.Errorf("%d logins", at().logins)
	}
	for _, a := range under {
		g.end(pools[0], address, nil, a, 0)
	}
	for _, p := range pools {
		g.content(p)
		g.listensNoMore(p)
	}
	if a := at(); a.presence != present || a.logins != 0 || a.listening != 0 || len(a.listeners)+len(a.waiting) != 0 {
		t.Errorf("at the end %+v", a)
	}
}

// TestAListeningBackendWaitsForWhicheverHostTakesIt: for one that is there and full it leaves
// one alone that is away, and it waits for none when it has entered.
func TestAListeningBackendWaitsForWhicheverHostTakesIt(t *testing.T) {
	h, a, b := newHost(t), serve(t), serve(t)
	p := h.pool(a, on(a, b))
	g := &h.budget.servers
	at := []*attendance{g.at(&p.hosts.all[0].Address), g.at(&p.hosts.all[1].Address)}
	waits := func(want ...bool) {
		t.Helper()
		for i, s := range at {
			if slices.Contains(s.listeners, p) != want[i] || len(s.listeners) > 1 {
				t.Fatalf("%d wait for host %d", len(s.listeners), i)
			}
		}
	}
	enters := func(want int) (l admission) {
		t.Helper()
		l, ok, e := g.enterListener(p, p.hosts.all, 0)
		if e != nil || ok != (want >= 0) || ok && l.host != p.hosts.all[want] {
			t.Fatalf("%+v, %t, %v", l, ok, e)
		}
		return l
	}
	at[0].presence, at[0].logins = returning, returnLogins
	g.misses(at[1], errCrowd, 0, time.Hour)
	enters(-1)
	waits(true, true)
	at[1].failure.until = 0
	enters(-1)
	waits(true, true)
	g.returns(at[1])
	l := enters(1)
	waits(false, false)
	if at[0].listening != 0 || at[1].listening != 1 || at[0].presence != present {
		t.Errorf("%+v, %+v", at[0], at[1])
	}
	g.end(p, &l.host.Address, unreachable{errCrowd}, l, 0)
	g.misses(at[0], errCrowd, 0, time.Hour)
	if e := g.refusesListener(p, p.hosts.all, 0, true); e == nil {
		t.Error("both are away, and neither refuses")
	}
	waits(true, true)
	at[1].failure.until = 0
	l = enters(1)
	waits(false, false)
	g.end(p, &l.host.Address, nil, l, 0)
	if at[1].listening != 0 || at[1].logins != 0 || at[1].presence != present {
		t.Errorf("at the end %+v", at[1])
	}
}

// TestAllListenAgainToAServerThatIsBack, some at a time, and nobody is left out.
func TestAllListenAgainToAServerThatIsBack(t *testing.T) {
	h, s := newHost(t), serve(t)
	announce(t, s)
	d := &dialing{hold: 50 * time.Millisecond}
	var most atomic.Int32
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		g := &h.budget.servers
		g.mu.Lock()
		for key, a := range g.all {
			if key.addr == addr && a.presence == returning {
				most.Store(max(most.Load(), int32(a.logins)))
			}
		}
		g.mu.Unlock()
		return d.dial(ctx, network, addr)
	}
	var pools []*Pool
	var ears []*ear
	for range 3 * returnLogins {
		p := h.dialing(dial, "db", "user", s, func(s *Settings) { s.Size, s.LoginRetry = 4, 20*time.Millisecond })
		x := hearing(t, p.Listener())
		x.begin("x")
		pools, ears = append(pools, p), append(ears, x)
	}
	for _, x := range ears {
		if e := x.finish(); e != nil {
			t.Fatal(e)
		}
	}
	d.down.Store(true)
	s.stop()
	for _, p := range pools {
		eventually(t, "the loss is seen", func() bool { return p.Listener().Status().Failure != nil })
	}
	all := askAll(h, pools[:4], 3*returnLogins/4)
	s.listen()
	d.down.Store(false)
	serveAll(t, h, all)
	for _, x := range ears {
		x.heard("done", "missed")
	}
	if n := most.Load(); n > returnLogins {
		t.Errorf("%d logins at a time", n)
	}
}
