package pool

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgweir/wire"
)

// dialing counts connections that are being opened, and lets none come about while
// it says so.
type dialing struct {
	now, most, all atomic.Int32
	down           atomic.Bool
	hold           time.Duration
}

func (d *dialing) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	n := d.now.Add(1)
	defer d.now.Add(-1)
	for most := d.most.Load(); n > most && !d.most.CompareAndSwap(most, n); most = d.most.Load() {
	}
	d.all.Add(1)
	select {
	case <-time.After(d.hold): // as a network takes
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if d.down.Load() {
		return nil, fmt.Errorf("nobody is there")
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// manyPools are pools of one server, and as many clients of each.
func manyPools(h *host, s *server, d *dialing, pools, size int) (all []*Pool) {
	for i := range pools {
		all = append(all, h.dialing(d.dial, "db", fmt.Sprint("user", i), s, func(s *Settings) {
			s.Size, s.LoginRetry = size, 20*time.Millisecond
		}))
	}
	return all
}

func askAll(h *host, pools []*Pool, n int) (all []*taker) {
	for range n {
		for _, p := range pools {
			k := h.taker(p)
			k.ask(p, nil)
			all = append(all, k)
		}
	}
	return all
}

func TestAServerThatIsAwayIsAskedByOneLoginAtATime(t *testing.T) {
	h, s := newHost(t), serve(t)
	d := &dialing{hold: time.Millisecond}
	d.down.Store(true)
	pools := manyPools(h, s, d, 5, 4)
	first := h.taker(pools[0])
	first.ask(pools[0], nil)
	eventually(t, "it is known to be away", func() bool {
		return pools[1].Counts().Failure != nil && pools[0].Counts().Opening <= 1
	})
	d.most.Store(0)
	waiting := append(askAll(h, pools, 4), first)
	before := d.all.Load()
	eventually(t, "many logins have been tried", func() bool { return d.all.Load() > before+10 })
	if n := d.most.Load(); n != 1 {
		t.Errorf("%d logins at a time at a server that is away", n)
	}
	if c := pools[4].Counts(); c.Waiting != 4 || c.Failure == nil || c.Failure.Code != wire.CodeCannotConnect {
		t.Errorf("%+v", c)
	}
	d.down.Store(false)
	serveAll(t, h, waiting)
}

// serveAll has all of them hold a backend for a moment, who get one as others give back.
func serveAll(t *testing.T, h *host, all []*taker) {
	t.Helper()
	var done sync.WaitGroup
	for _, k := range all {
		done.Go(func() {
			select {
			case b := <-k.got:
				h.giveBack(b)
			case e := <-k.no:
				t.Errorf("refused: %v", e)
			case <-time.After(patience):
				t.Error("no backend")
			}
		})
	}
	done.Wait()
}

func TestAServerThatIsBackGetsSomeLoginsAtATime(t *testing.T) {
	h, s := newHost(t), serve(t)
	hold := make(chan struct{})
	d := &dialing{}
	d.down.Store(true)
	pools := manyPools(h, s, d, 4, 10)
	all := askAll(h, pools, 10)
	under := func() (n int) {
		for _, p := range pools {
			n += p.Counts().Opening
		}
		return n
	}
	eventually(t, "it is known to be away", func() bool { return pools[0].Counts().Failure != nil && under() <= 1 })
	s.set(func(s *server) { s.hold = hold })
	d.down.Store(false)
	eventually(t, "one login is under way", func() bool { return len(s.logins()) == 1 })
	s.set(func(s *server) { close(hold); s.hold = make(chan struct{}) }) // that one is let in
	eventually(t, "the bound is reached", func() bool { return under() == returnLogins })
	for i, p := range pools {
		if n := p.Counts().Opening; n != returnLogins/len(pools) {
			t.Errorf("pool %d has %d of the logins", i, n)
		}
	}
	for _, p := range pools {
		p.Upkeep(1)
	}
	if n := under(); n != returnLogins {
		t.Errorf("%d logins under way", n)
	}
	s.set(func(s *server) { s.hold = opened(s.hold) })
	serveAll(t, h, all)
	eventually(t, "nothing is counted", func() bool {
		servers := &h.budget.servers
		servers.mu.Lock()
		defer servers.mu.Unlock()
		at := servers.at(&pools[0].settings.Address)
		return at.presence == present && at.logins == 0 && len(at.waiting) == 0 && servers.absent.Load() == 0
	})
}
