package pool

import (
	"context"
	"math"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgweir/wire"
)

// load is what the clients of one pool do, as long as the run lasts: each waits for
// a backend, uses it for a while, and rests.
type load struct {
	user    string
	weight  int
	clients int
	busy    time.Duration // for how long a backend is used, on average
	rest    time.Duration // on average; 0 for not at all
	from    time.Duration // when they begin
	set     func(*Settings)

	want float64 // backends in use, on average; 0 if that is not looked at

	mu      sync.Mutex
	used    time.Duration
	longest time.Duration // that one has waited
	served  int
}

// fairRun has loads share a cap for a simulated time. It returns how many logins
// there were in all.
func fairRun(t *testing.T, limit int, lasts time.Duration, loads ...*load) (logins int64) {
	t.Helper()
	const seed = 1
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) { logins = simulateLoads(t, seed, limit, lasts, loads) })
	for _, l := range loads {
		got := l.used.Seconds() / (lasts - l.from).Seconds()
		t.Logf("%-8s weight %d: %5.2f backends (expected %.2f), %6d served, longest wait %v", l.user, l.weight, got, l.want, l.served, l.longest)
		if l.want > 0 && math.Abs(got-l.want) > 0.1*l.want {
			t.Errorf("%s has had %.2f backends, not %.2f", l.user, got, l.want)
		}
	}
	t.Logf("%d logins", logins)
	return logins
}

func simulateLoads(t *testing.T, seed uint64, limit int, lasts time.Duration, loads []*load) (logins int64) {
	s := &server{t: t, network: "simulated", auth: "trust", sessions: map[uint32]*serverSession{}, late: 5 * time.Millisecond}
	h := newHost(t)
	over := time.Now().Add(lasts)
	var wg sync.WaitGroup
	var pools []*Pool
	for i, l := range loads {
		p := h.dialing(s.pipe, "db", l.user, s, func(s *Settings) {
			s.Size, s.MaxServer, s.Weight = 20, limit, l.weight
			if l.set != nil {
				l.set(s)
			}
		})
		pools = append(pools, p)
		for n := range l.clients {
			rng := rand.New(rand.NewPCG(seed, uint64(i*1000+n)))
			wg.Go(func() {
				passes(l.from)
				for time.Now().Before(over) {
					l.once(h, p, rng)
				}
			})
		}
	}
	wg.Go(func() {
		for time.Now().Before(over) {
			passes(200 * time.Millisecond)
			for _, p := range pools {
				p.Upkeep(1)
			}
		}
		for _, p := range pools { // those who still wait have had their time
			logins += p.Counts().Logins
			p.Drain()
		}
	})
	wg.Wait()
	if _, most := s.counts(); most > limit {
		t.Errorf("%d processes at once, at most %d", most, limit)
	}
	return logins
}

// passes has simulated time pass, in a bubble of synctest: nobody waits for it.
func passes(d time.Duration) { <-time.After(d) }

// pipe dials the server within the process, so that time may be simulated.
func (s *server) pipe(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	s.wg.Go(func() { s.connection(theirs) })
	return ours, nil
}

// once is one use of a backend.
func (l *load) once(h *host, p *Pool, rng *rand.Rand) {
	k := h.taker(p)
	asked := time.Now()
	k.ask(p, nil)
	var b *Backend
	select {
	case b = <-k.got:
	case e := <-k.no:
		if e.Code != wire.CodeAdminShutdown {
			h.t.Error(e)
		}
		passes(time.Second)
		return
	}
	waited := time.Since(asked)
	d := time.Duration(rng.ExpFloat64() * float64(l.busy))
	passes(d)
	h.giveBack(b)
	l.mu.Lock()
	l.used += d
	l.served++
	l.longest = max(l.longest, waited)
	l.mu.Unlock()
	if l.rest > 0 {
		passes(time.Duration(rng.ExpFloat64() * float64(l.rest)))
	}
}
