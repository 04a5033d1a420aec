package session

import (
	"slices"
	"time"

	"pgweir/pool"
	"pgweir/wire"
)

// What is here makes the pool, has happen to it what time and operators do, and
// holds its counters against what there is.

// newPool makes the pool of all clients.
func (s *sim) newPool() {
	rng := s.rng
	s.began = time.Now()
	s.params = [][]wire.Param{nil}
	for _, p := range []string{"jit", "geqo"} {
		if rng.IntN(3) == 0 {
			s.params = append(s.params, []wire.Param{{Name: p, Value: "off"}})
		}
	}
	s.harsh = rng.IntN(3) == 0
	s.settings = pool.Settings{
		Size: 1 + rng.IntN(3), Lifetime: time.Hour, ConnectTimeout: 5 * time.Second, LoginRetry: time.Second,
		Address: pool.Address{Network: "unix", Addr: "simulated"}, DBName: "db", Credentials: wire.Credentials{User: "user"},
		Sharing: []pool.Sharing{pool.SharedNever, pool.SharedBlindly}[rng.IntN(2)],
	}
	set := &s.settings
	switch rng.IntN(8) {
	case 0:
		set.Lifetime = 0
	case 1:
		set.Lifetime = 200 * time.Millisecond
	}
	if rng.IntN(3) == 0 {
		set.IdleTimeout = 100 * time.Millisecond
	}
	if rng.IntN(3) == 0 {
		set.QueryWait = 2 * time.Second
	}
	if rng.IntN(5) == 0 {
		set.Reserve, set.ReserveTimeout = 1, 50*time.Millisecond
	}
	if rng.IntN(5) == 0 {
		set.MinSize = 1
	}
	if rng.IntN(5) == 0 {
		set.MaxDatabase = 1 + rng.IntN(set.Size)
	}
	id := uint64(0)
	s.budget = pool.NewBudget()
	s.pool = pool.New("db", "user", s, s.dial, nil, s.budget, s.began, func() uint64 { id++; return id }, *set)
}

// poolEvents are what time and operators do. Something else can happen as well.
func (s *sim) poolEvents(add func(int, func())) {
	switch n := s.rng.IntN(3000); {
	case n < 60:
		add(20, func() {
			d := 20 * time.Millisecond
			switch n := s.rng.IntN(40); {
			case n == 0:
				d = 6 * time.Second
			case n < 4:
				d = 1100 * time.Millisecond
			case n < 10:
				d = 150 * time.Millisecond
			}
			s.happens("%v go by", d)
			s.passes(d)
		})
	case n == 60 && s.harsh:
		add(50, func() { s.turnsDown(true) })
	case n == 61:
		add(50, func() {
			s.settings.DBName += "x"
			s.happens("the database is called %s from now on", s.settings.DBName)
			s.pool.Set(s.settings)
		})
	}
	if s.down && s.rng.IntN(5) == 0 {
		add(50, func() { s.turnsDown(false) })
	}
}

// idles has a second go by in which nothing else happens, and is false if that
// brings nothing any more.
func (s *sim) idles() bool {
	rests := len(s.conns) == len(s.backends) && !slices.ContainsFunc(s.clients, func(c *simClient) bool { return !c.closed })
	if s.idle++; rests || s.idle > 30 {
		return false
	}
	s.turnsDown(false)
	s.happens("a second goes by")
	s.passes(time.Second)
	return true
}

// check holds the pool's counters against what there is, and sees that nobody
// waits for nothing.
func (s *sim) check() {
	if s.looked == nil {
		for _, c := range s.clients {
			if c.needs {
				s.t.Fatalf("client %d needs a backend, and nobody has asked for it", c.id)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := s.pool.Counts()
	idle, waiting, processes := 0, 0, 0
	for _, b := range s.backends {
		if b.idle {
			idle++
		}
		if b.idle && b.at > 0 && b != s.looked && b.out == "" {
			s.t.Errorf("backend %d is idle, and at %d", b.id, b.at)
		}
	}
	for _, t := range s.seats() {
		if !t.inLine {
			continue
		}
		waiting++
		for _, b := range slices.Clone(s.backends) {
			if b.idle && b.pool.Variant() == t.wait.Variant && !t.fresh {
				s.t.Errorf("somebody waits, and backend %d is idle", b.id)
			}
		}
	}
	cancels := 0
	for _, c := range s.conns {
		if _, _, hungUp := c.over(); c.start.Kind == wire.KindCancelRequest {
			cancels++
		} else if !hungUp {
			processes++
		}
	}
	lent, coming := len(s.backends)-idle, len(s.conns)-cancels-len(s.backends)
	slots := counts.Opening + counts.Idle + counts.Lent + counts.Closing
	most := s.settings.Size + s.settings.Reserve
	if n := s.settings.MaxDatabase; n > 0 {
		most = min(most, n)
	}
	if counts.Idle != idle || counts.Lent != lent || counts.Waiting != waiting || counts.Opening+counts.Closing != coming {
		s.t.Errorf("%d idle, %d lent, %d waiting, %d coming or going; the pool says %+v", idle, lent, waiting, coming, counts)
	}
	if slots > most || processes > most || s.budget.Database("db") != slots {
		s.t.Errorf("%d processes, of at most %d; %d of the database; the pool says %+v", processes, most, s.budget.Database("db"), counts)
	}
	if s.t.Failed() {
		s.t.FailNow()
	}
}

// seats are all that may be in the line.
func (s *sim) seats() (all []*seat) {
	for _, c := range s.clients {
		all = append(all, &c.seat)
	}
	for _, n := range s.absentees {
		all = append(all, &n.seat)
	}
	return all
}

// drains closes the pool, whose backends are idle all.
func (s *sim) drains() {
	if c := s.pool.Counts(); c.Idle != len(s.backends) || c.Opening+c.Lent+c.Closing+c.Waiting > 0 {
		s.t.Fatalf("all clients have gone, and %d backends are there: %+v", len(s.backends), c)
	}
	s.calm = true
	s.pool.Drain()
	s.plays()
	if c := s.pool.Counts(); !s.pool.Quiet() || c.Idle > 0 || s.budget.User("user") > 0 {
		s.t.Fatalf("the pool is drained: %+v", c)
	}
}

// abandonedIn is how long the pool may take to end after a failure, by the
// simulation's clock.
const abandonedIn = 2 * time.Minute

// abandon ends the pool's goroutines after a failure.
func (s *sim) abandon() {
	close(s.over)
	s.turnsDown(true)
	s.pool.Drain()
	for deadline := s.now() + abandonedIn; !s.pool.Quiet() || len(s.backends) > 0; {
		if s.now() > deadline {
			s.t.Errorf("the pool does not end: %+v, %d backends", s.pool.Counts(), len(s.backends))
			return
		}
		for _, b := range slices.Clone(s.backends) {
			s.discard(b, false)
		}
		for _, c := range s.conns {
			c.hangUp()
		}
		advance(time.Second)
		s.settle()
	}
}
