package proxy

import (
	"fmt"
	"time"

	"pgweir/session"
	"pgweir/wire"
)

var errShutdown = wire.Fatalf(wire.CodeAdminShutdown, "terminating connection due to administrator command")

// AwaitClients stops accepting clients, and serves those who are in until they have gone
// of themselves. Stopped tells when it is over. Drain may cut it short.
func (p *Proxy) AwaitClients() {
	if p.draining.Load() || !p.awaiting.CompareAndSwap(false, true) {
		return
	}
	p.log.Info("shutting down when the last client has gone")
	p.endSuspension()
	p.closeListeners()
	go func() {
		for !p.quiet() && !p.draining.Load() {
			time.Sleep(20 * time.Millisecond)
		}
		p.Drain(0)
	}()
}

// Drain stops accepting clients, closes those that are at rest, lets the
// others finish their transactions until the deadline, then closes them too.
// Stopped tells when it is over.
func (p *Proxy) Drain(deadline time.Duration) {
	if !p.draining.CompareAndSwap(false, true) {
		return
	}
	p.log.Info("shutting down", "deadline", deadline)
	p.endSuspension()
	p.closeListeners()
	for _, w := range p.workers {
		w.post(func() { p.endIdle(w) })
	}
	go func() {
		end := time.Now().Add(deadline)
		for !p.quiet() && time.Now().Before(end) {
			time.Sleep(20 * time.Millisecond)
		}
		p.endClients()
		for _, cp := range p.pools() {
			if cp.pool != nil {
				cp.pool.Drain()
			}
		}
		p.awaitBackends()
		p.finish()
	}()
}

// partingTime is how long PostgreSQL's processes get to go before we do.
const partingTime = 2 * time.Second

// awaitBackends waits for the backends that are being closed: those at work
// have to be told to stop, or they would work on for nobody.
func (p *Proxy) awaitBackends() {
	leaving := func() bool {
		for _, cp := range p.pools() {
			if cp.pool == nil {
				continue
			}
			if c := cp.pool.Counts(); c.Lent+c.Closing+c.Replicas > 0 {
				return true
			}
		}
		return false
	}
	for end := time.Now().Add(partingTime); leaving() && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
}

// quiet tells whether all clients have gone, but for the console's.
func (p *Proxy) quiet() bool {
	for _, c := range p.clients.all() {
		if !p.consoles.has(c) {
			return false
		}
	}
	return true
}

// endIdle closes the clients of a loop that are at rest, or not in yet, or wait for RESUME.
func (p *Proxy) endIdle(w *worker) {
	for _, c := range p.clients.all() {
		if c.worker.Load() != w || c.atConsole() || c.state != clientOpen {
			continue
		}
		if c.login != nil || c.atRest() || c.waitsInVain() {
			c.kill(errShutdown)
		}
	}
}

// waitsInVain tells whether the client waits for a backend of a pool that is halted: during
// a drain there is no RESUME.
func (c *client) waitsInVain() bool {
	return c.server == nil && c.sess.Phase() == session.Waiting && c.pool.pool != nil && c.pool.pool.Halted()
}

// endAtRest closes a client that has just got its answer during a drain, before
// it asks for more: one that never pauses would else hold the drain up.
func (c *client) endAtRest() {
	if c.state == clientOpen && c.login == nil && c.atRest() {
		c.kill(errShutdown)
	}
}

// atRest tells whether the client waits for nothing and is in no transaction.
func (c *client) atRest() bool {
	switch c.sess.Phase() {
	case session.Idle:
		return true
	case session.Active:
		return !c.sess.Owes() && !c.sess.InTransaction() && !c.sess.MidMessage()
	}
	return false
}

// shut closes a client, whatever it is doing.
func (c *client) shut() {
	if c.atConsole() {
		c.extra.console.Close()
		return
	}
	c.kill(errShutdown)
}

// endClients closes all clients. Who is on the way from one loop to another has
// arrived for the second round.
func (p *Proxy) endClients() {
	for range 2 {
		for _, w := range p.workers {
			w.do(func() { p.endAll(w) })
		}
	}
}

// endAll closes all clients of a loop.
func (p *Proxy) endAll(w *worker) {
	for _, c := range p.clients.all() {
		if c.worker.Load() == w && c.state != clientAway {
			c.shut()
		}
	}
}

// KillClient disconnects one client.
func (p *Proxy) KillClient(id uint64) error {
	for _, c := range p.clients.all() {
		if c.id != id {
			continue
		}
		c.do(c.shut)
		return nil
	}
	return fmt.Errorf("no client has the id %d", id)
}
