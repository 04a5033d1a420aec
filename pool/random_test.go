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
	t.Logf("seed %d: size %d, at most %d for the database", seed, size, maxDatabase)
	h, s := newHost(t), serve(t)
	s.late = time.Duration(1+rng.IntN(2000)) * time.Microsecond
	var tries atomic.Uint64
	failEvery := uint64(3 + rng.IntN(20))
	s.refuse = func(*startup) *wire.Error {
		if tries.Add(1)%failEvery == 0 {
			return wire.Fatalf(wire.CodeTooManyConnections, "sorry, too many clients already")
		}
		return nil
	}
	set := func(s *Settings) {
		s.Size, s.MaxDatabase, s.LoginRetry, s.QueryWait = size, maxDatabase, time.Millisecond, patience
		s.IdleTimeout = time.Duration(rng.IntN(3)) * time.Millisecond
	}
	pools := []*Pool{h.named("db", "one", s, set), h.named("db", "two", s, set)}
	variants := [][]wire.Param{nil, {searchA}, {searchB}, {param("TimeZone", "Asia/Tokyo")}}

	stop := make(chan struct{})
	var judges, clients sync.WaitGroup
	judges.Add(1)
	go func() {
		defer judges.Done()
		tick := time.NewTicker(200 * time.Microsecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			for _, p := range pools {
				p.Upkeep(1)
				c := p.Counts()
				if n := c.Opening + c.Idle + c.Lent + c.Closing; n > size || n < 0 {
					t.Errorf("%d backends in a pool of %d: %+v", n, size, c)
				}
			}
			if n := h.budget.Database("db"); n > maxDatabase {
				t.Errorf("%d backends of the database, at most %d", n, maxDatabase)
			}
		}
	}()
	var served, refused, left atomic.Int64
	for i := range 24 {
		rng := rand.New(rand.NewPCG(seed, uint64(i)+1))
		clients.Add(1)
		go func() {
			defer clients.Done()
			for range 60 {
				p := pools[rng.IntN(len(pools))]
				params := variants[rng.IntN(len(variants))]
				k := &taker{h: h, got: make(chan *Backend, 1), no: make(chan *wire.Error, 1)}
				k.Taker = k
				var w *Welcome
				k.Variant, w = p.Variant(params)
				var fresh []wire.Param
				if w == nil {
					fresh = append([]wire.Param{}, params...)
				}
				k.ask(p, fresh)
				if rng.IntN(8) == 0 && p.Leave(&k.Waiter) {
					left.Add(1)
					if len(k.got)+len(k.no) > 0 {
						t.Error("left and served as well")
					}
					continue
				}
				select {
				case b := <-k.got:
					served.Add(1)
					if b.variant != k.Variant || b.pool != p {
						t.Error("of another pool, or with other parameters")
					}
					switch rng.IntN(10) {
					case 0:
						h.end(b, false)
					case 1:
						h.end(b, true)
					default:
						h.giveBack(b)
					}
				case e := <-k.no:
					refused.Add(1)
					if e.Code != wire.CodeTooManyConnections || e.Severity != "FATAL" {
						t.Error(e)
					}
				case <-time.After(patience):
					t.Errorf("seed %d: neither served nor refused: %+v", seed, p.Counts())
					return
				}
			}
		}()
	}
	clients.Wait()
	close(stop)
	judges.Wait()
	_, most := s.counts()
	if most > min(maxDatabase, 2*size) {
		t.Errorf("%d processes at once", most)
	}
	t.Logf("%d served, %d refused, %d left; %d logins, at most %d processes",
		served.Load(), refused.Load(), left.Load(), len(s.logins()), most)
	if served.Load() == 0 {
		t.Error("nobody was served")
	}
}
