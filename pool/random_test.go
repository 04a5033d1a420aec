package pool

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgweir/wire"
)

// TestRandomClientsNeverExceedWhatIsAllowed has clients lease, return, leave
// and discard at random, on servers that fail and close late at random. At each
// moment the pool and the server must both count no more than the size, and in
// the end everything is given back.
func TestRandomClientsNeverExceedWhatIsAllowed(t *testing.T) {
	seeds := []uint64{1, 2, 3, uint64(time.Now().UnixNano())}
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { randomRun(t, seed) })
	}
}

func randomRun(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	size, maxDatabase := 1+rng.IntN(5), 2+rng.IntN(6)
	maxServer := maxDatabase + rng.IntN(3) - 1
	t.Logf("seed %d: size %d, at most %d for the database, %d of all", seed, size, maxDatabase, maxServer)
	h, s := newHost(t), serve(t)
	s.late = time.Duration(1+rng.IntN(2000)) * time.Microsecond
	s.refuse = refuseOneIn(3 + rng.IntN(20))
	set := func(s *Settings) {
		s.Size, s.MaxDatabase, s.LoginRetry, s.QueryWait = size, maxDatabase, time.Millisecond, patience
		s.MaxServer, s.Weight = maxServer, 1+rng.IntN(3)
		s.IdleTimeout = time.Duration(rng.IntN(3)) * time.Millisecond
	}
	pools := []*Pool{h.named("db", "one", s, set), h.named("db", "two", s, set)}
	stopJudging := every(200*time.Microsecond, func() {
		for _, p := range pools {
			p.Upkeep(1)
			c := p.Counts()
			agree(t, p)
			if n := c.Opening + c.Idle + c.Lent + c.Closing; n > size || n < 0 {
				t.Errorf("%d backends in a pool of %d: %+v", n, size, c)
			}
		}
		if n := h.budget.Database("db"); n > maxDatabase {
			t.Errorf("%d backends of the database, at most %d", n, maxDatabase)
		}
		if n := h.budget.All(); n > maxServer {
			t.Errorf("%d backends, at most %d", n, maxServer)
		}
	})
	all := randomClients{t: t, h: h}
	var clients sync.WaitGroup
	for i := range 24 {
		rng := rand.New(rand.NewPCG(seed, uint64(i)+1))
		clients.Go(func() {
			for range 60 {
				p := pools[rng.IntN(len(pools))]
				if !all.lease(p, rng) {
					t.Errorf("seed %d: neither served nor refused: %+v", seed, p.Counts())
					return
				}
			}
		})
	}
	clients.Wait()
	stopJudging()
	_, most := s.counts()
	if most > min(maxDatabase, maxServer, 2*size) {
		t.Errorf("%d processes at once", most)
	}
	t.Logf("%d served, %d refused, %d left; %d logins, at most %d processes",
		all.served.Load(), all.refused.Load(), all.left.Load(), len(s.logins()), most)
	if all.served.Load() == 0 {
		t.Error("nobody was served")
	}
}

// refuseOneIn has a server refuse each nth login.
func refuseOneIn(n int) func(*startup) *wire.Error {
	var logins atomic.Int64
	return func(*startup) *wire.Error {
		if logins.Add(1)%int64(n) == 0 {
			return wire.Fatalf(wire.CodeTooManyConnections, "sorry, too many clients already")
		}
		return nil
	}
}

// every calls f at each tick, until stop has returned.
func every(d time.Duration, f func()) (stop func()) {
	end := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(d)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				f()
			}
		}
	})
	return func() {
		close(end)
		done.Wait()
	}
}

// randomClients are what the clients of a run have in common.
type randomClients struct {
	t                     testing.TB
	h                     *host
	served, refused, left atomic.Int64
}

var randomVariants = [][]wire.Param{nil, {searchA}, {searchB}, {param("TimeZone", "Asia/Tokyo")}}

// lease has a client ask for a backend, and leave, or do away with what it gets.
// It is false if nothing comes.
func (c *randomClients) lease(p *Pool, rng *rand.Rand) bool {
	params := randomVariants[rng.IntN(len(randomVariants))]
	k := &taker{h: c.h, got: make(chan *Backend, 1), no: make(chan *wire.Error, 1)}
	k.Taker = k
	var w *Welcome
	k.Variant, w = p.Variant(params)
	k.Worker, k.Settings = int32(rng.IntN(3)), uint64(rng.IntN(3))
	var fresh []wire.Param
	if w == nil {
		fresh = append([]wire.Param{}, params...)
	}
	k.ask(p, fresh)
	if rng.IntN(8) == 0 && p.Leave(&k.Waiter) {
		c.left.Add(1)
		if len(k.got)+len(k.no) > 0 {
			c.t.Error("left and served as well")
		}
		return true
	}
	select {
	case b := <-k.got:
		c.served.Add(1)
		if b.variant != k.Variant || b.pool != p {
			c.t.Error("of another pool, or with other parameters")
		}
		b.Worker, b.Settings = k.Worker, k.Settings
		switch rng.IntN(10) {
		case 0:
			c.h.end(b, false)
		case 1:
			c.h.end(b, true)
		default:
			c.h.giveBack(b)
		}
	case e := <-k.no:
		c.refused.Add(1)
		if e.Code != wire.CodeTooManyConnections || e.Severity != "FATAL" {
			c.t.Error(e)
		}
	case <-time.After(patience):
		return false
	}
	return true
}
