package session

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"

	"pgweir/pool"
	"pgweir/session/follow"
	"pgweir/wire"
)

// What is here is the server's side of the pool: connections that are opened to
// it, logins that it lets in, refuses or forgets about, cancel requests, and
// processes that take their time to go.

// dial opens a connection for the pool, on any goroutine.
func (s *sim) dial(context.Context, string, string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, syscall.ECONNREFUSED
	}
	c := newSimConn()
	s.dialed = append(s.dialed, c)
	return c, nil
}

// accept takes the connections in that were opened in this step. Those that
// were opened at once, on several goroutines, have no order but what they say.
func (s *sim) accept() {
	s.mu.Lock()
	dialed := s.dialed
	s.dialed = nil
	s.mu.Unlock()
	slices.SortStableFunc(dialed, func(a, b *simConn) int { return strings.Compare(a.written, b.written) })
	for _, c := range dialed {
		start, n, err := wire.DecodeStartup([]byte(c.written))
		if err != nil || n != len(c.written) {
			s.t.Fatalf("the server is sent the startup packet %q: %v", c.written, err)
		}
		s.connections++
		c.id, c.pid, c.start = s.connections, uint32(1000+s.connections), &start
		s.conns = append(s.conns, c)
	}
	s.conns = slices.DeleteFunc(s.conns, func(c *simConn) bool {
		_, closed, _ := c.over()
		return closed
	})
}

func (s *sim) connEvents(c *simConn, add func(int, func())) {
	ended, _, hungUp := c.over()
	switch {
	case hungUp:
	case c.start.Kind == wire.KindCancelRequest:
		add(10, func() { s.cancelArrives(c) })
	case c.stage == connOpened && !ended:
		add(20, func() { s.answers(c) })
	case c.stage == connGreets:
		add(20, func() { s.greets(c) })
	}
	if ended && !hungUp && (c.backend == nil || c.backend.waiting == "") || c.stage == connFailed && !hungUp {
		add(10, func() {
			s.happens("process %d goes", c.pid)
			c.hangUp()
		})
	}
	if b := c.backend; b != nil && b.discarded && b.waiting != "" {
		add(1, func() { s.decide(b, done) })
	}
}

// exemption is the startup parameter that not all servers know.
const exemption = "idle_session_timeout"

// answers has the server answer a startup packet.
func (s *sim) answers(c *simConn) {
	value := func(name string) (string, bool) {
		i := slices.IndexFunc(c.start.Params, func(p wire.Param) bool { return p.Name == name })
		if i < 0 {
			return "", false
		}
		return c.start.Params[i].Value, true
	}
	if _, ok := value(exemption); ok && s.old {
		c.say(fatal("42704", `unrecognized configuration parameter "`+exemption+`"`))
		c.stage = connFailed
		return
	}
	n := s.rng.IntN(25)
	if s.calm || !s.harsh {
		n = 10
	}
	switch n {
	case 0:
		code := []string{"53300", "57P01", "57P03", "22023"}[s.rng.IntN(4)]
		s.happens("the login of process %d is refused with %s", c.pid, code)
		c.say(fatal(code, "not now"))
		c.stage = connFailed
	case 1:
		s.happens("the login of process %d breaks off", c.pid)
		c.hangUp()
		c.stage = connFailed
	case 2:
		s.happens("the login of process %d is forgotten about", c.pid)
		c.stage = connSilent
	default:
		c.unwanted = !s.calm && s.harsh && s.rng.IntN(30) == 0
		all := wire.AppendAuthOK(nil)
		for i, name := range wire.VarNames {
			all = wire.AppendParameterStatus(all, name, startVars[i])
		}
		all = wire.AppendBackendKeyData(all, c.pid, []byte{1, 2, 3, byte(c.pid)})
		c.greeting = string(wire.AppendReadyForQuery(all, 'I'))
		c.stage = connGreets
		s.greets(c)
	}
}

// greets has some of a greeting come.
func (s *sim) greets(c *simConn) {
	n := len(c.greeting)
	if s.rng.IntN(3) == 0 {
		n = s.cut(n)
	}
	c.say(c.greeting[:n])
	if c.greeting = c.greeting[n:]; c.greeting == "" {
		s.happens("process %d lets the pool in", c.pid)
		c.stage = connServes
	}
}

// cancelArrives has a cancel request carried out. It must find what it is meant
// for, or nothing.
func (s *sim) cancelArrives(c *simConn) {
	i := slices.IndexFunc(s.conns, func(o *simConn) bool { return o.pid == c.start.PID })
	if i >= 0 && s.conns[i].backend != nil {
		b := s.conns[i].backend
		if !b.discarded && (b.cancels == 0 || b.holder != nil && b.holder != b.canceler) {
			s.t.Fatalf("a cancel request for backend %d comes late", b.id)
		}
		if b.waiting != "" {
			s.decide(b, canceled)
		}
	}
	c.hangUp()
}

// turnsDown has the server accept no connections for a while, or accept them
// again.
func (s *sim) turnsDown(down bool) {
	s.happens("the server is down: %v", down)
	s.sets(&s.down, down)
}

// Adopt takes a backend in whose login is done, on any goroutine, as the proxy
// does: the first loop is the one that watches it.
func (s *sim) Adopt(p *pool.Backend) error {
	conn := p.Conn.(*simConn)
	if conn.unwanted {
		return errors.New("it cannot be watched")
	}
	vars := startVars
	p.Worker = max(p.Worker, 0)
	loop := int(p.Worker) + 1
	b := &simBackend{backend: newBackend(vars), id: int(p.ID), pool: p, conn: conn, home: loop, at: loop}
	// Login is left open: RESET turns back to what all backends begin with, and the
	// clients' connections of their own as well.
	b.link = &Link{Vars: p.Vars, Params: p.Params, PID: p.PID}
	b.link.Begin(follow.NewSettings(nil), follow.NewSettings(nil), "", p.Variant().Key())
	b.verdict = func(token string) verdict { return s.decided[token] }
	b.refuses = func() bool { return s.rng.IntN(10) == 0 }
	b.fails, b.rng = s.fails, s.rng.IntN
	b.world, b.pooled = s.world, true
	p.Conn, p.Host = nil, b
	adopted := make(chan struct{})
	s.post(loop, b.key(), func() {
		s.happens("backend %d is there: process %d", b.id, conn.pid)
		conn.backend = b
		s.backends = append(s.backends, b)
		b.parks()
		s.sets(&b.idle, true)
		close(adopted)
	})
	select {
	case <-adopted:
	case <-s.over:
	}
	return nil
}

// Evict gives up an idle backend, on any goroutine.
func (s *sim) Evict(p *pool.Backend) {
	b := p.Host.(*simBackend)
	s.sets(&b.idle, false)
	s.post(b.home, b.key(), func() {
		s.happens("backend %d is evicted", b.id)
		if !b.claimedBy(b.home) {
			s.t.Fatalf("backend %d is evicted and somebody's", b.id)
		}
		s.discard(b, false)
	})
}

// Refused is for a server that asks for more than a name, which none does.
func (s *sim) Refused(*pool.Pool, *wire.Error) {}

func (s *sim) Unreached(*pool.Pool, *wire.Error) {}

func (s *sim) Reached(*pool.Pool) {}

func (s *sim) Away(*pool.Address, *wire.Error) {}
func (s *sim) AwayAgain(*pool.Address, int)    {}
func (s *sim) UnreachedAgain(*pool.Pool, int)  {}

func (s *sim) Back(*pool.Address) {}

// Sign is for the listening backend, of which there is none.
func (s *sim) Sign(*pool.Address, []byte) {}

func (s *sim) Notify([]pool.Subscriber, []byte) {}
