package session

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgweir/pool"
	"pgweir/session/proof"
	"pgweir/wire"
)

var (
	simSeeds = flag.Int("seeds", 3000, "how many seeds the simulation plays")
	simFirst = flag.Uint64("first", 1, "the first of them")
	simSeed  = flag.Uint64("seed", 0, "play only this seed of the simulation, and tell what happens")
)

// TestSimulation plays conversations of several clients over the backends of a
// pool with everything cut, late and in the wrong moment that the seed makes of
// it, and holds what each client reads against a model of the connection that it
// believes to have: one of its own. The pool is the real one. Its server is
// modelled, time is made up, and clients and backends are spread over two event
// loops that take their turns as the seed wants it.
//
// Of the design's invariants it checks, at every step: (1) a client reads the
// answers to its own messages, in order, and nothing else; (2) a lease is one
// client's and ends once; (3) a backend is released only at rest; (5) nobody
// is forgotten; (7) a statement sees its own client's settings and state; (8)
// what a client leaves behind is gone before the backend is lent again, and
// what is left on it is what its Link says: settings and shared statements, of
// which there are never more than may be. A check (leak_check) finds nothing
// that a hint had not told of; notifications come in order and between
// transactions; and a client at rest has the names and channels that it
// believes to have. In most seeds the pool has a Catalog, and what statements
// leave behind by the functions and triggers that they call says nothing but
// the backend (world).
//
// Of the pool it checks, at every step: its counters are those of what there is;
// neither the pool nor the server counts more processes than may be; (2) a
// backend is on one loop, and one client's; (5) nobody waits for what is idle;
// (6) a cancel request finds its own client's backend or none. When all clients
// have gone, all backends are idle, and when the pool is drained, none is left.
func TestSimulation(t *testing.T) {
	recalled := 0
	play := func(seed uint64, verbose bool) {
		synctest.Test(t, func(t *testing.T) {
			s := simulate(t, seed, verbose)
			recalled += s.recalled
		})
	}
	if *simSeed != 0 {
		play(*simSeed, true)
		return
	}
	for seed := range uint64(*simSeeds) {
		play(*simFirst+seed, false)
	}
	if *simSeeds >= 1000 && recalled < *simSeeds/20 {
		t.Errorf("columns were told without a backend %d times only", recalled)
	}
	t.Logf("columns were told without a backend %d times", recalled)
}

// sim is one seed's world.
type sim struct {
	t         *testing.T
	rng       *rand.Rand
	config    *Config
	clients   []*simClient
	absentees []*absentee
	pool      *pool.Pool
	budget    *pool.Budget
	settings  pool.Settings
	began     time.Time
	params    [][]wire.Param // that clients have at the login

	backends []*simBackend
	conns    []*simConn // to the server
	posts    [simLoops + 1][]func()
	frozen   int         // the loop that looks at a backend that nobody holds
	looked   *simBackend // which is this one

	decided    map[string]verdict
	calm       bool // nothing breaks any more
	idle       int  // seconds in a row in which nothing has happened
	trace      []string
	verbose    bool
	steps      int
	world      *world
	generation uint64 // of the catalog, as it was found last
	notes      int
	prepares   bool          // clients mostly prepare statements, and say them whole
	recalled   int           // columns that were told without a backend
	over       chan struct{} // closed after a failure
	harsh      bool          // the server is down at times, and logins fail
	old        bool          // the server does not know of exemption

	mu          sync.Mutex // guards what the pool's goroutines touch
	letters     []letter
	dialed      []*simConn
	connections int
	down        bool
}

// simulate plays a seed; what has happened is in the trace if verbose is set.
func simulate(t *testing.T, seed uint64, verbose bool) *sim {
	clear(parsedSQL)
	rng := rand.New(rand.NewPCG(seed, 7))
	s := &sim{t: t, rng: rng, decided: map[string]verdict{}, over: make(chan struct{}), verbose: verbose, old: rng.IntN(4) == 0}
	s.config = newSimConfig(rng)
	s.prepares = s.config.Recalls && rng.IntN(2) == 0
	s.world = newWorld(rng)
	s.world.unread = s.unread
	s.newPool()
	s.config.Waiting = s.pool.Waiting
	s.config.Listening = func() bool { return rng.IntN(3) > 0 }
	finished := false
	defer func() {
		if finished && !t.Failed() {
			return
		}
		r := recover()
		if r != nil {
			t.Errorf("panic: %v\n%s", r, debug.Stack())
		}
		t.Logf("seed %d failed after %d steps in %s mode; repeat with: go test ./session -run TestSimulation -seed=%d", seed, s.steps, s.config.Mode, seed)
		for _, line := range s.trace[max(0, len(s.trace)-100):] {
			t.Log(line)
		}
		s.abandon()
	}()
	for i := range 2 + rng.IntN(4) {
		s.clients = append(s.clients, s.newClient(i))
	}
	s.plays()
	s.finish()
	s.drains()
	finished = true
	return s
}

func newSimConfig(rng *rand.Rand) *Config {
	config := []Config{transactionMode, transactionMode, pinMode, unwatched, sessionMode, statementMode, unnamedOnly}[rng.IntN(7)]
	config.Shared = new(Shared)
	if config.MaxPrepared > 0 {
		config.MaxPrepared = 2 + rng.IntN(2)
	}
	if config.State != StateOff {
		config.Listen = []ListenMode{ListenShare, ListenPin}[rng.IntN(2)]
		config.MaxPinned = []int{0, 100}[rng.IntN(2)]
		config.LeakCheck = []float64{0, 0.3, 1}[rng.IntN(3)]
	}
	if rng.IntN(5) > 0 {
		config.Catalog = new(Catalog)
		config.Recalls = rng.IntN(4) > 0
		if rng.IntN(4) > 0 {
			config.LeakCheck = 0
		}
	}
	return &config
}

// happens notes what happens for whoever has to understand a failure.
func (s *sim) happens(format string, args ...any) {
	if s.verbose {
		s.trace = append(s.trace, fmt.Sprintf(format, args...))
	}
}

// event is something that can happen now, with its weight.
type event struct {
	weight int
	do     func()
}

// plays has things happen until nothing can any more.
func (s *sim) plays() {
	s.settle()
	for s.step() {
		s.settle()
		s.check()
		if s.steps++; s.steps > 300_000 {
			s.t.Fatal("it does not end")
		}
	}
}

// step has one of the things happen that can happen now; it is false if there
// is none.
func (s *sim) step() bool {
	var events []event
	add := func(weight int, do func()) { events = append(events, event{weight, do}) }
	for _, c := range s.clients {
		s.clientEvents(c, add)
	}
	for _, b := range s.backends {
		s.backendEvents(b, add)
	}
	for _, c := range s.conns {
		s.connEvents(c, add)
	}
	for loop := 1; loop <= simLoops; loop++ {
		s.loopEvents(loop, add)
	}
	if s.looked != nil {
		add(20, s.looks)
	}
	s.worldEvents(len(events) > 0, add)
	if len(events) == 0 {
		return s.idles()
	}
	s.idle = 0
	if !s.calm {
		s.poolEvents(add)
	}
	sum := 0
	for _, e := range events {
		sum += e.weight
	}
	n := s.rng.IntN(sum)
	for _, e := range events {
		if n -= e.weight; n < 0 {
			e.do()
			break
		}
	}
	return true
}

// worldEvents are those of the database. busy tells that there are others.
func (s *sim) worldEvents(busy bool, add func(int, func())) {
	if s.config.Catalog == nil || !busy && !s.awaited() {
		return
	}
	if !s.world.sound || !s.reads() {
		add(2, s.secondGoesBy)
	}
	if busy && !s.calm && s.config.State != StateOff && s.rng.IntN(100) < 2 {
		add(5, func() {
			n := s.rng.IntN(worldFunctions)
			s.happens("somebody replaces f%d past pgweir", n)
			s.world.replace(n, "")
		})
		add(5, func() {
			s.happens("somebody alters v0 past pgweir")
			s.world.alter("")
		})
	}
}

func (s *sim) backendEvents(b *simBackend, add func(int, func())) {
	if len(b.in) >= wire.HeaderLen && b.waiting == "" {
		add(20, func() { s.carriesOut(b) })
	}
	if b.waiting != "" {
		add(3, func() { s.decide(b, done) })
	}
	if b.notes {
		add(10, func() { s.noted(b) })
	}
	c, comes := b.holder, b.out != "" || b.gone && !b.told
	begun := c != nil && !c.enters && c.rig.s.Phase() != Waiting
	switch {
	case !comes || b.home == s.frozen || b.at == nobodys:
	case b.at < 0:
		if s.looked == nil {
			add(5, func() { s.wakes(b) })
		}
	case c == nil:
		add(5, func() { s.receivedIdle(b) })
	case b.out == "":
		add(10, func() { s.ends(b) })
	case begun:
		add(20, func() { s.fromServer(b) })
	case b.out[0] == 'E':
		add(20, c.relet)
	}
	if s.calm || b.gone || b.dead {
		return
	}
	if s.world.sound && c != nil && c.rig.s.extra != nil && c.rig.s.extra.asking != nil && c.rig.s.extra.asking.Parts&(proof.PartDigest|proof.PartLearn) != 0 {
		return // the objects can be read
	}
	if n := s.rng.IntN(1000); n < 3 {
		add(1, func() { s.kill(b) })
	} else if !begun && n < 10 {
		add(10, func() { s.kill(b) })
	}
	if n := s.rng.IntN(100); n < 3 || !begun && n < 10 {
		add(5, func() { b.out += asyncNotice })
	}
}

// carriesOut has a backend carry the next message out.
func (s *sim) carriesOut(b *simBackend) {
	if b.next() {
		s.happens("backend %d carries a message out: %s", b.id, shown(b.say))
		s.checkPrepared(b)
		b.gone = b.gone || b.refused
		if s.rng.IntN(20) == 0 {
			b.flush() // its buffer is full
		}
	} else if b.waiting != "" {
		s.happens("backend %d begins %s", b.id, b.waiting)
	}
}

// decide gives the verdict over the statement that a backend is busy with.
func (s *sim) decide(b *simBackend, v verdict) {
	s.happens("%s becomes %d", b.waiting, v)
	s.decided[b.waiting] = v
	b.waiting = ""
}

// kill ends a backend, with a word of explanation or without.
func (s *sim) kill(b *simBackend) {
	s.happens("backend %d dies", b.id)
	b.dead, b.gone, b.waiting = true, true, ""
	if c := b.holder; c != nil && !c.enters && c.rig.s.Phase() != Waiting {
		c.doomed = true
	}
	if s.rng.IntN(2) == 0 {
		b.say += fatal("57P01", "terminating connection due to administrator command")
		b.flush()
	} else if s.rng.IntN(2) == 0 {
		b.out = b.out[:s.rng.IntN(len(b.out)+1)] // in the midst of a message, even
	}
}

// cut is how many of n bytes come at once.
func (s *sim) cut(n int) int {
	switch s.rng.IntN(4) {
	case 0:
		return n
	case 1:
		return 1 + s.rng.IntN(min(n, 7))
	}
	return 1 + s.rng.IntN(n)
}

// stepped does what a session wants done, as the proxy would.
func (s *sim) stepped(c *simClient) {
	r := c.rig
	r.took()
	s.learns(c)
	if r.toServer != "" {
		if c.lease == nil {
			s.t.Fatalf("client %d sends without a backend: %s", c.id, show(r.toServer))
		}
		s.happens("client %d to backend %d: %s", c.id, c.lease.id, shown(r.toServer))
		if !c.lease.dead {
			c.lease.in += r.toServer
		}
	}
	if r.toClient != "" {
		s.happens("to client %d: %s", c.id, shown(r.toClient))
		c.reads(r.toClient)
	}
	r.toServer, r.toClient = "", ""
	if r.release || r.drop {
		b := c.lease
		if b == nil {
			s.t.Fatalf("client %d ends a lease that it has not", c.id)
		}
		s.happens("client %d ends the lease of backend %d: release %v", c.id, b.id, r.release)
		if r.release {
			b.out = r.fromServer + b.out // its connection keeps what was not consumed
			if left := b.dirty(); left != "" && !b.dead {
				s.t.Fatalf("client %d releases backend %d while there is still %s", c.id, b.id, left)
			}
			if !b.dead {
				s.checkBelief(b)
			}
		}
		r.fromServer = ""
		if r.release {
			c.release()
		} else {
			c.drop(r.busy)
		}
		s.replaced(c, 0)
		s.altered(c, 0)
	}
	if len(r.unread) > 0 {
		s.happens("client %d says again: %s", c.id, shown(r.unread))
		r.fromClient, r.unread = r.unread+r.fromClient, ""
	}
	if r.need {
		if c.lease != nil {
			s.t.Fatalf("client %d asks for a backend and has one", c.id)
		}
		c.needs = true
	}
	if r.listen || r.syncNotes {
		c.hears = true
	}
	if r.leak != 0 {
		s.t.Fatalf("client %d left %v that no hint had told of", c.id, r.leak)
	}
	if r.end {
		c.close()
	}
	r.need, r.release, r.drop, r.busy, r.end, r.pinned, r.listen, r.syncNotes = false, false, false, false, false, "", false, false
	r.unlisten = false
	if !c.closed && r.s.Phase() == Ended {
		s.t.Fatalf("the session of client %d has ended, and it is not closed", c.id)
	}
	if n := len(r.fromClient); n >= MaxMessage+(64<<10) {
		s.t.Fatalf("%d bytes of client %d are held back", n, c.id)
	}
}
