package pool

import (
	"fmt"

	"pgweir/wire"
)

// lending is whether a pool lends its backends. Everything that is asked of a pool that
// is halted waits in the line, as it does for a backend that is at work.
//
//	       Pause
//	lends ──────▶ halted
//	  ▲──────────────┘
//	       Resume
type lending uint32

const (
	lends lending = iota
	// halted: no backend is lent and none is opened. Those that come back, and those
	// whose login ends, are closed.
	halted
)

// Pause has the pool give up its backends: the idle ones now, the others when they come
// back. Until Resume nobody is lent one. Counts tells how many are left.
func (p *Pool) Pause() {
	p.mu.Lock()
	p.lending.Store(uint32(halted))
	p.hosts.forgive() // who waits, waits for Resume
	p.kills = 0
	if len(p.queued) > 0 {
		p.budget.servers.content(p)
	}
	evict := p.leaveIdle(anyBackend)
	p.mu.Unlock()
	for _, b := range evict {
		p.host.Evict(b)
	}
	p.listener.signal()
}

// Resume ends a Pause. The server may be another one by now: what it has said to startup
// parameters is asked anew, and no login pauses for a failure of before.
func (p *Pool) Resume() {
	p.mu.Lock()
	p.lending.Store(uint32(lends))
	p.anew()
	p.forgetAnswers()
	p.mu.Unlock()
	p.dials.end()
	p.begin(nil)
}

// Halted tells whether nobody is lent a backend, because of Pause. It takes no lock.
func (p *Pool) Halted() bool { return lending(p.lending.Load()) == halted }

// Reconnect has every backend replaced that is open or whose login is under way: the idle
// ones are closed now, the others when they come back.
func (p *Pool) Reconnect() {
	p.mu.Lock()
	evict := p.outdate()
	p.anew()
	p.mu.Unlock()
	p.dials.end()
	p.begin(evict)
}

// Outdated tells whether a backend is closed as soon as it is given back, since it was
// opened before Reconnect, or with settings that have changed.
func (b *Backend) Outdated() bool {
	p := b.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	return b.stamp != p.generation || p.hosts.strays(b)
}

// ListensOutdated tells the same of the listening backend.
func (p *Pool) ListensOutdated() bool {
	p.listener.mu.Lock()
	b := p.listener.backend
	p.listener.mu.Unlock()
	return b != nil && b.Outdated()
}

// Left is how many processes of PostgreSQL's are still there on the pool's account,
// those that are being opened and closed among them.
func (c *Counts) Left() int {
	return c.Opening + c.Idle + c.Lent + c.Closing + c.Listening + c.Replicas
}

// lateFor is why somebody who has waited for query_wait_timeout got no backend; logins
// may have failed for a reason.
func (p *Pool) lateFor(s *Settings, reason *wire.Error) *wire.Error {
	e := late("query_wait_timeout", s.QueryWait, reason)
	if p.Halted() {
		e.Message += fmt.Sprintf(": database \"%s\" is paused", p.Database)
	}
	return e
}

// errPaused is for a client that replicates: its backend would be in no pool, and so it
// cannot wait in the line.
func (p *Pool) errPaused() *wire.Error {
	return wire.Fatalf(wire.CodeCannotConnectNow, "database \"%s\" is paused", p.Database)
}
