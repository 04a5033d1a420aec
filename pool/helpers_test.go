package pool

import (
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgweir/wire"

	"go.uber.org/goleak"
)

// patience is how long a test waits for what has to happen.
const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !cond(); <-tick.C {
		if time.Now().After(deadline) {
			buf := make([]byte, 64<<10)
			t.Fatalf("never: %s\n%s", what, buf[:runtime.Stack(buf, true)])
		}
	}
}

// host takes backends in as a proxy would, but on no loop: who holds a side of
// it is told apart by a number, and 0 is parked.
type host struct {
	t                   testing.TB
	epoch               time.Time
	ids                 atomic.Uint64
	budget              *Budget
	wg                  sync.WaitGroup
	refuse              atomic.Bool  // has Adopt fail
	evicts              atomic.Int32 // calls of Evict
	denied              atomic.Int32 // calls of Refused
	outages, recoveries atomic.Int32 // calls of Unreached and Reached
	aways, backs        atomic.Int32 // calls of Away and Back
	unsaid              atomic.Int32 // outages that AwayAgain and UnreachedAgain have told of
	sign                func(server *Address, message []byte)

	mu        sync.Mutex
	sides     map[*Backend]*side
	adoptedAt map[*Backend]int32 // Backend.Worker then
}

// side is the host's side of a backend.
type side struct {
	conn  net.Conn
	owner atomic.Int32 // 0 parked, 1 lent, 2 the host's own
	ended atomic.Int32 // discards
}

func newHost(t testing.TB) *host {
	h := &host{t: t, epoch: time.Now().Add(-time.Hour), budget: NewBudget(), sides: map[*Backend]*side{}, adoptedAt: map[*Backend]int32{}}
	return h
}

func (h *host) now() time.Duration { return time.Since(h.epoch) }

func (h *host) Adopt(b *Backend) error {
	if h.refuse.Load() {
		return errors.New("the host does not want it")
	}
	s := &side{conn: b.Conn}
	b.Conn, b.Host = nil, s
	h.mu.Lock()
	h.sides[b], h.adoptedAt[b] = s, b.Worker
	b.Worker = max(b.Worker, 0)
	h.mu.Unlock()
	return nil
}

// findsAgain waits until a pool gets a backend from a server that was away.
func (h *host) findsAgain(p *Pool) {
	h.t.Helper()
	eventually(h.t, "the pool finds the server again", func() bool {
		k := h.taker(p)
		k.ask(p, nil)
		select {
		case b := <-k.got:
			h.giveBack(b)
			return true
		case <-k.no:
			return false
		}
	})
}

func (h *host) Refused(*Pool, *wire.Error) { h.denied.Add(1) }

func (h *host) Unreached(*Pool, *wire.Error) { h.outages.Add(1) }

func (h *host) Reached(*Pool) { h.recoveries.Add(1) }

func (h *host) Away(*Address, *wire.Error) { h.aways.Add(1) }

func (h *host) AwayAgain(_ *Address, n int)   { h.unsaid.Add(int32(n)) }
func (h *host) UnreachedAgain(_ *Pool, n int) { h.unsaid.Add(int32(n)) }

func (h *host) Back(*Address) { h.backs.Add(1) }

func (h *host) Sign(server *Address, message []byte) {
	if h.sign != nil {
		h.sign(server, message)
	}
}

func (h *host) Notify(hearers []Subscriber, message []byte) {
	for _, s := range hearers {
		s.(interface{ Notify([]byte) }).Notify(message)
	}
}

func (h *host) Evict(b *Backend) {
	h.evicts.Add(1)
	h.wg.Add(1)
	go func() {
		defer h.wg.Done()
		s := b.Host.(*side)
		if o := s.owner.Swap(2); o == 1 {
			h.t.Error("a backend was evicted that is lent")
		}
		h.discard(b, false)
	}()
}

// discard says Terminate and ends the backend. Twice is an error.
func (h *host) discard(b *Backend, busy bool) {
	s := b.Host.(*side)
	if s.ended.Add(1) != 1 {
		h.t.Error("a backend was ended twice")
		return
	}
	s.conn.Write(wire.AppendTerminate(nil))
	b.Conn = s.conn
	h.mu.Lock()
	delete(h.sides, b)
	h.mu.Unlock()
	b.Pool().Discard(b, busy)
}

// claim is the beginning of a lease.
func (h *host) claim(b *Backend) {
	if !b.Host.(*side).owner.CompareAndSwap(0, 1) {
		h.t.Errorf("backend %d was lent and is %d's", b.ID, b.Host.(*side).owner.Load())
	}
}

func park(b *Backend) func() {
	return func() { b.Host.(*side).owner.Store(0) }
}

// giveBack ends a lease; the next in the line hears of theirs.
func (h *host) giveBack(b *Backend) { h.giveBackAt(b, h.now()) }

func (h *host) giveBackAt(b *Backend, now time.Duration) {
	if w := b.Pool().Return(b, now, park(b)); w != nil {
		park(b)()
		w.Taker.Grant(b)
	}
}

// end ends a lease and the backend.
func (h *host) end(b *Backend, busy bool) {
	if !b.Host.(*side).owner.CompareAndSwap(1, 2) {
		h.t.Error("a backend was ended that is not lent")
	}
	h.discard(b, busy)
}

// pool makes a pool on a server; what f says is changed in the settings. At
// the test's end all its backends must be gone, and nothing may be counted.
func (h *host) pool(s *server, f func(*Settings)) *Pool {
	return h.named("db", "user", s, f)
}

func (h *host) named(database, user string, s *server, f func(*Settings)) *Pool {
	return h.dialing(new(net.Dialer).DialContext, database, user, s, f)
}

func (h *host) dialing(dial Dial, database, user string, s *server, f func(*Settings)) *Pool {
	set := h.settings(s, user, f)
	p := New(database, user, h, dial, wrapTLS, h.budget, h.epoch, func() uint64 { return h.ids.Add(1) }, set)
	h.t.Cleanup(func() {
		p.Drain()
		s.set(func(s *server) {
			s.hold, s.holdEnd = opened(s.hold), opened(s.holdEnd)
		})
		h.mu.Lock()
		var lent []*Backend
		for b, side := range h.sides {
			if b.pool == p && side.owner.CompareAndSwap(1, 2) {
				lent = append(lent, b)
			}
		}
		h.mu.Unlock()
		for _, b := range lent {
			h.discard(b, false)
		}
		eventually(h.t, "all slots are free at the end", func() bool {
			c := p.Counts()
			return c.Opening+c.Idle+c.Lent+c.Closing == 0
		})
		h.wg.Wait()
		eventually(h.t, "the budget has all back", func() bool {
			return h.budget.Database(database) == 0 || h.others(p, database)
		})
	})
	return p
}

// others tells whether a pool besides p counts for a database.
func (h *host) others(p *Pool, database string) bool {
	h.budget.mu.Lock()
	defer h.budget.mu.Unlock()
	for q := range h.budget.pools {
		if q != p && q.Database == database {
			return true
		}
	}
	return false
}

func opened(gate chan struct{}) chan struct{} {
	if gate != nil {
		select {
		case <-gate:
		default:
			close(gate)
		}
	}
	return nil
}

func (h *host) settings(s *server, user string, f func(*Settings)) Settings {
	set := Settings{
		Size: 5, Lifetime: time.Hour, ConnectTimeout: patience, LoginRetry: 15 * time.Second,
		Address:     Address{Network: s.network, Addr: s.addr, Host: "localhost", TLS: TLS{Mode: TLSDisable}},
		DBName:      "served",
		Credentials: wire.Credentials{User: user},
	}
	if f != nil {
		f(&set)
	}
	return set
}

// secured is a TLS connection that can describe itself.
type secured struct{ *tls.Conn }

func (secured) Describe() string { return "TLS as tested" }

func wrapTLS(conn net.Conn, config *tls.Config) Secured { return secured{tls.Client(conn, config)} }

// taker waits for backends.
type taker struct {
	Waiter
	h   *host
	got chan *Backend
	no  chan *wire.Error
}

func (h *host) taker(p *Pool, params ...wire.Param) *taker {
	k := &taker{h: h, got: make(chan *Backend, 1), no: make(chan *wire.Error, 1)}
	k.Taker = k
	k.Variant, _ = p.Variant(params)
	return k
}

func (k *taker) Grant(b *Backend) {
	k.h.claim(b)
	k.got <- b
}
func (k *taker) Refuse(e *wire.Error) { k.no <- e }

// ask asks for a backend, without waiting for it.
func (k *taker) ask(p *Pool, fresh []wire.Param) {
	b, e := p.Lease(&k.Waiter, fresh, k.h.now())
	switch {
	case e != nil:
		k.no <- e
	case b != nil:
		k.h.claim(b)
		k.got <- b
	}
}

// wait waits for the backend.
func (k *taker) wait() *Backend {
	k.h.t.Helper()
	select {
	case b := <-k.got:
		return b
	case e := <-k.no:
		k.h.t.Fatalf("refused: %v", e)
	case <-time.After(patience):
		k.h.t.Fatal("no backend")
	}
	return nil
}

// refusal waits for a refusal.
func (k *taker) refusal() *wire.Error {
	k.h.t.Helper()
	select {
	case b := <-k.got:
		k.h.t.Fatalf("was lent backend %d", b.ID)
	case e := <-k.no:
		return e
	case <-time.After(patience):
		k.h.t.Fatal("no refusal")
	}
	return nil
}

// trouble waits for a refusal, or for a login that fails for what k goes on to wait
// for; then k waits no longer. It returns what stood in the way.
func (k *taker) trouble(p *Pool) (e *wire.Error) {
	k.h.t.Helper()
	eventually(k.h.t, "a login fails", func() bool {
		select {
		case e = <-k.no:
			return true
		default:
		}
		if e = p.Counts().Failure; e == nil {
			return false
		}
		return p.Leave(&k.Waiter)
	})
	return e
}

// waits makes sure that k is still in the line.
func (k *taker) waits() {
	k.h.t.Helper()
	if len(k.got)+len(k.no) > 0 {
		k.h.t.Fatal("does not wait any more")
	}
}

// lease gets a backend for new clients with these parameters.
func (h *host) lease(p *Pool, params ...wire.Param) *Backend {
	h.t.Helper()
	k := h.taker(p, params...)
	k.ask(p, nil)
	return k.wait()
}

// opens waits until there are as many logins under way.
func (h *host) opens(p *Pool, n int) {
	h.t.Helper()
	eventually(h.t, "logins are under way", func() bool { return p.Counts().Opening == n })
}

// starts waits until the server has seen n startup packets.
func (s *server) startsAre(n int) {
	s.t.Helper()
	eventually(s.t, "startup packets have come", func() bool { return len(s.logins()) == n })
}

func check(t testing.TB, p *Pool, opening, idle, lent, closing int) {
	t.Helper()
	if c := p.Counts(); c.Opening != opening || c.Idle != idle || c.Lent != lent || c.Closing != closing {
		t.Errorf("%d opening, %d idle, %d lent, %d closing; not %d, %d, %d, %d",
			c.Opening, c.Idle, c.Lent, c.Closing, opening, idle, lent, closing)
	}
}

func param(name, value string) wire.Param { return wire.Param{Name: name, Value: value} }
