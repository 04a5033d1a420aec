package session

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgweir/session/proof"
	"pgweir/wire"
)

var (
	simSeeds = flag.Int("seeds", 3000, "how many seeds the simulation plays")
	simFirst = flag.Uint64("first", 1, "the first of them")
	simSeed  = flag.Uint64("seed", 0, "play only this seed of the simulation, and tell what happens")
)

// TestSimulation plays conversations of several clients over a few modelled
// backends with everything cut, late and in the wrong moment that the seed
// makes of it, and holds what each client reads against a model of the
// connection that it believes to have: one of its own.
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
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		simulate(t, *simSeed, true)
		return
	}
	for seed := range uint64(*simSeeds) {
		simulate(t, *simFirst+seed, false)
	}
}

// sim is one seed's world.
type sim struct {
	t          *testing.T
	rng        *rand.Rand
	config     *Config
	clients    []*simClient
	backends   []*simBackend
	line       []*simClient // waiting for a backend, in order of arrival
	room       int          // how many backends there may be
	decided    map[string]verdict
	calm       bool // nothing breaks any more
	trace      []string
	verbose    bool
	steps      int
	world      *world
	generation uint64 // of the catalog, as it was found last
	notes      int
}

type simBackend struct {
	*backend
	id     int
	holder *simClient
	link   *Link
	gone   bool // it closes its connection when all it said has been read
}

func simulate(t *testing.T, seed uint64, verbose bool) {
	clear(parsedSQL)
	rng := rand.New(rand.NewPCG(seed, 7))
	s := &sim{t: t, rng: rng, room: 1 + rng.IntN(3), decided: map[string]verdict{}, verbose: verbose}
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
		if rng.IntN(4) > 0 {
			config.LeakCheck = 0
		}
	}
	s.world = newWorld(rng)
	config.Waiting = func() bool { return len(s.line) > 0 }
	s.config = &config
	finished := false
	defer func() {
		if finished && !t.Failed() {
			return
		}
		if r := recover(); r != nil {
			t.Errorf("panic: %v", r)
			defer panic(r)
		}
		t.Logf("seed %d failed after %d steps in %s mode; repeat with: go test ./session -run TestSimulation -seed=%d", seed, s.steps, s.config.Mode, seed)
		for _, line := range s.trace[max(0, len(s.trace)-100):] {
			t.Log(line)
		}
	}()
	for i := range 2 + rng.IntN(4) {
		s.clients = append(s.clients, s.newClient(i))
	}
	for s.step() {
		if s.steps++; s.steps > 1_000_000 {
			t.Fatal("it does not end")
		}
	}
	s.finish()
	finished = true
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
	if len(s.line) > 0 && (s.idle() != nil || len(s.backends) < s.room) {
		add(20, s.grant)
	}
	if c := s.config.Catalog; c != nil && (len(events) > 0 || s.awaited()) {
		if !s.world.sound || !s.reads() {
			add(2, s.secondGoesBy)
		}
		if !s.calm && s.config.State != StateOff && s.rng.IntN(100) < 2 {
			add(5, func() {
				n := s.rng.IntN(worldFunctions)
				s.happens("somebody replaces f%d past pgweir", n)
				s.world.replace(n, "")
			})
		}
	}
	if len(events) == 0 {
		return false
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

func (s *sim) backendEvents(b *simBackend, add func(int, func())) {
	if len(b.in) >= wire.HeaderLen && b.waiting == "" {
		add(20, func() {
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
		})
	}
	if b.waiting != "" {
		add(3, func() { s.decide(b, done) })
	}
	c := b.holder
	switch {
	case b.out != "" && c != nil:
		add(20, func() { s.fromServer(b) })
	case b.out != "": // proxy and pool deal with what an idle backend says
		add(5, func() { b.out = "" })
	case b.gone && c != nil:
		add(10, func() {
			s.happens("backend %d closes its connection", b.id)
			c.rig.s.Lost(&c.rig.o)
			c.rig.took()
			c.rig.again()
			s.stepped(c)
		})
	case b.gone:
		add(10, func() { s.backends = slices.DeleteFunc(s.backends, func(o *simBackend) bool { return o == b }) })
	}
	if s.calm || b.gone || b.dead {
		return
	}
	if s.world.sound && c != nil && c.rig.s.x != nil && c.rig.s.x.asking != nil && c.rig.s.x.asking.Parts&(proof.PartDigest|proof.PartLearn) != 0 {
		return // the objects can be read
	}
	if s.rng.IntN(1000) < 3 {
		add(1, func() { s.kill(b) })
	}
	if s.rng.IntN(100) < 3 {
		add(5, func() { b.out += asyncNotice })
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
	if c := b.holder; c != nil {
		c.doomed = true
	}
	if s.rng.IntN(2) == 0 {
		b.say += fatal("57P01", "terminating connection due to administrator command")
		b.flush()
	} else if s.rng.IntN(2) == 0 {
		b.out = b.out[:s.rng.IntN(len(b.out)+1)] // in the midst of a message, even
	}
}

// fromServer has the session read some of what its backend has said.
func (s *sim) fromServer(b *simBackend) {
	c := b.holder
	n := s.cut(len(b.out))
	c.rig.fromServer += b.out[:n]
	b.out = b.out[n:]
	c.rig.stepServer()
	s.stepped(c)
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

func (s *sim) idle() *simBackend {
	for _, b := range s.backends {
		if b.holder == nil && !b.gone && b.out == "" {
			return b
		}
	}
	return nil
}

// grant lends a backend to whoever has waited longest.
func (s *sim) grant() {
	c := s.line[0]
	s.line = s.line[1:]
	b := s.idle()
	if b == nil {
		vars := startVars
		b = &simBackend{backend: newBackend(vars), id: s.steps, link: &Link{Vars: &vars}}
		b.verdict = func(token string) verdict { return s.decided[token] }
		b.refuses = func() bool { return s.rng.IntN(10) == 0 }
		b.fails, b.rng = s.fails, s.rng.IntN
		b.world, b.pooled = s.world, true
		s.backends = append(s.backends, b)
	}
	if left := b.dirty(); left != "" {
		s.t.Fatalf("backend %d is lent while there is still %s", b.id, left)
	}
	s.happens("backend %d is lent to client %d", b.id, c.id)
	b.holder, c.lease, c.waiting = c, b, false
	b.owner = c.direct.owner
	c.rig.link = b.link
	c.rig.s.Lease(b.link, &c.rig.o)
	c.rig.stepClient()
	s.stepped(c)
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
		} else {
			s.backends = slices.DeleteFunc(s.backends, func(o *simBackend) bool { return o == b })
		}
		b.holder, c.lease = nil, nil
		s.replaced(c, 0)
		r.fromServer = ""
		if c.closed {
			r.s.Forget()
		}
	}
	if len(r.unread) > 0 {
		s.happens("client %d says again: %s", c.id, shown(r.unread))
		r.fromClient, r.unread = r.unread+r.fromClient, ""
	}
	if r.need {
		if c.lease != nil || c.waiting {
			s.t.Fatalf("client %d asks for a backend and has one, or waits for it", c.id)
		}
		c.waiting = true
		s.line = append(s.line, c)
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

// checkBelief: a backend that is released is as its link says.
func (s *sim) checkBelief(b *simBackend) {
	if *b.link.Vars != b.vars {
		s.t.Fatalf("backend %d is released with the settings %v, and is believed to have %v", b.id, b.vars, *b.link.Vars)
	}
	has, believed := map[string]string{}, map[string]string{}
	for name, value := range b.settings {
		if value != "" || !strings.Contains(name, ".") {
			has[name] = value
		}
	}
	for _, v := range b.link.settings.all() {
		if (v.Value != "" || !strings.Contains(v.Name, ".")) && v != (wire.Param{Name: nameRole, Value: "none"}) {
			believed[v.Name] = v.Value
		}
	}
	if !maps.Equal(has, believed) {
		s.t.Fatalf("backend %d is released with the settings %v, and is believed to have %v", b.id, has, believed)
	}
	for name := range b.stmts {
		if name != "" {
			has["statement "+name] = ""
		}
	}
	for st := range b.link.have.all {
		believed["statement "+st.name] = ""
	}
	if !maps.Equal(has, believed) {
		s.t.Fatalf("backend %d is released with %v, and is believed to have %v", b.id, has, believed)
	}
}

// checkPrepared: a backend has no more shared statements than it may. It may have
// more for a while if an error has had it skip a Close, and what was sent behind
// the Sync counts on that.
func (s *sim) checkPrepared(b *simBackend) {
	n := 0
	for name := range b.stmts {
		if strings.HasPrefix(name, namePrefix) && name != scratchName {
			n++
		}
	}
	switch {
	case n < s.config.MaxPrepared:
		b.unclosed = false
	case n > s.config.MaxPrepared && !b.unclosed:
		s.t.Fatalf("backend %d has %d shared statements, and may have %d", b.id, n, s.config.MaxPrepared)
	}
}

// finish looks at what is left when nothing can happen any more.
func (s *sim) finish() {
	for _, c := range s.clients {
		if !c.closed {
			s.t.Fatalf("client %d is forgotten in phase %d: %s has not been consumed, %s not answered", c.id, c.rig.s.Phase(),
				show(c.rig.fromClient), strings.Join(c.missing(), " "))
		}
		if n := c.rig.s.namedBytes; n != 0 {
			s.t.Fatalf("client %d has gone, and has %d bytes of named statements", c.id, n)
		}
		if c.lease != nil {
			s.t.Fatalf("client %d has gone, and backend %d with it", c.id, c.lease.id)
		}
	}
	if len(s.line) > 0 {
		s.t.Fatal("somebody who has gone is still in the line")
	}
	h := s.config.Shared
	if n := h.places.Load(); n != 0 {
		s.t.Fatalf("%d places are taken, and all clients have gone", n)
	}
	if n := h.Pinned.Load(); n != 0 {
		s.t.Fatalf("%d clients are pinned, and all have gone", n)
	}
	if used := h.Statements.Len() - h.Statements.unusedCount; used != 0 {
		s.t.Fatalf("%d statements are used, and all clients have gone", used)
	}
}
