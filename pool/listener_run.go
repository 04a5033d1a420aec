package pool

import (
	"net"
	"time"

	"pgweir/wire"
)

// listenerParams are the startup parameters of a listening backend: no
// client's, but a name for pg_stat_activity.
var listenerParams = []wire.Param{{Name: "application_name", Value: "pgweir listener"}}

// run is the goroutine, which lives as long as there is anything to hear or to
// answer: it gets a place, logs in, listens; and begins anew after a loss.
func (l *Listener) run() {
	for l.goOn() {
		if wait, ok := l.pause(); !ok {
			l.sleep(wait)
			continue
		}
		placed, e := l.getPlace()
		if !placed {
			l.pool.budget.servers.listensNoMore(l.pool) // it is not the server that it waits for
		}
		if e != nil {
			l.failed(e, troubleLasts)
			continue
		}
		if !placed {
			continue
		}
		if b := l.connect(); b != nil {
			l.converse(b)
		}
	}
}

// goOn tells whether there is anything to do; if not, the goroutine must end.
func (l *Listener) goOn() bool {
	if l.pool.drained() {
		l.dismiss()
	}
	for {
		l.tell()
		if l.needed() {
			return true
		}
		l.pool.quitPlace()
		l.pool.budget.servers.listensNoMore(l.pool)
		l.mu.Lock()
		over := len(l.queue)+len(l.settled)+l.heard == 0
		if over {
			l.running = false
		}
		l.mu.Unlock()
		if over {
			return false
		}
	}
}

// drained tells whether the pool is closed for good.
func (p *Pool) drained() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// dismiss ends all requests and subscriptions.
func (l *Listener) dismiss() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuseAll(errDrained)
	for _, sub := range l.subs {
		l.forget(sub)
	}
}

// needed tells whether a backend is.
func (l *Listener) needed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue)+l.heard > 0
}

// pause tells whether a login may be tried; if not, because the last one has
// failed, requests are told why, and wait is the time to the next.
func (l *Listener) pause() (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Since(l.pool.epoch)
	e, wait := l.failure.refuses(now), l.failure.until-now
	if e == nil {
		e, wait = l.pool.budget.servers.refusesListener(l.pool, l.hosts(), now, l.heard > 0), restPause
	}
	if e == nil {
		return 0, true
	}
	l.refuseAll(e)
	if l.heard == 0 {
		return 0, false // nobody waits for its end
	}
	return wait, false
}

// sleep waits, but not longer than until there is something to look at.
func (l *Listener) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.wake:
	}
}

// retry ends a pause: the pool has new settings.
func (l *Listener) retry() {
	l.mu.Lock()
	l.failure = failure{}
	l.mu.Unlock()
	l.signal()
}

// failed notes that there is no backend to be had, and tells those who wait.
func (l *Listener) failed(e *wire.Error, kind trouble) {
	chance := l.pool.budget.servers.chance()
	retry := l.pool.Settings().LoginRetry
	l.mu.Lock()
	l.failure.note(e, kind, time.Since(l.pool.epoch), retry, chance)
	l.refuseAll(e)
	l.mu.Unlock()
	l.tell()
}

// getPlace waits for a place among the pool's backends. It is false without an
// error if none is needed any more. Whatever place there is then, goOn gives
// back.
func (l *Listener) getPlace() (bool, *wire.Error) {
	timer := time.NewTimer(l.pool.Settings().ConnectTimeout)
	defer timer.Stop()
	for {
		placed, e := l.pool.askPlace()
		if placed || e != nil {
			return placed, e
		}
		select {
		case <-timer.C:
			if l.pool.Halted() { // until Resume, as a query waits
				l.pool.budget.servers.listensNoMore(l.pool)
				timer.Reset(l.pool.Settings().ConnectTimeout)
				continue
			}
			return false, wire.Errorf(wire.CodeTooManyConnections,
				"all backends of the pool are in use, and none made room for the one that listens within server_connect_timeout")
		case <-l.wake:
		}
		l.tell()
		if !l.needed() {
			return false, nil
		}
	}
}

// connect logs in. If that fails it is nil, and the place is given back.
func (l *Listener) connect() *Backend {
	p := l.pool
	p.mu.Lock()
	s, stamp := p.settings, p.generation
	candidates := p.candidates()
	p.mu.Unlock()
	b, conn, err := p.logInListener(s, candidates, l.hosts())
	if err == nil {
		b.ID, b.pool, b.stamp = p.ids(), p, stamp
		b.Opened = time.Now()
		b.opened = time.Since(p.epoch)
		l.failures = 0
		p.mu.Lock()
		p.logins++
		p.mu.Unlock()
		return b
	}
	p.closePlace(false)
	go func() {
		if conn != nil {
			outlast(conn, time.Now().Add(s.ConnectTimeout))
		}
		p.freePlace()
	}()
	l.failures++
	l.failed(asError(err), troubleOf(err))
	return nil
}

// hosts are the pool's, that first which is to be tried first: the one that backends are at,
// if they are at one.
func (l *Listener) hosts() []*hostEntry {
	p := l.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.hosts.all
	first := l.failures
	if p.settings.Balancing == Staying {
		first += p.hosts.turn
	}
	first %= len(all)
	return append(all[first:len(all):len(all)], all[:first]...)
}

// logInListener logs in, when one of the hosts takes a login.
func (p *Pool) logInListener(s Settings, candidates []wire.Credentials, hosts []*hostEntry) (*Backend, net.Conn, error) {
	a, err := p.listener.turn(hosts, s.ConnectTimeout)
	if err != nil {
		return nil, nil, err
	}
	servers := &p.budget.servers
	s.Address = a.host.Address
	b, conn, err := p.logIn(s, candidates, listenerParams)
	wake(servers.end(p, &s.Address, err, a, time.Since(p.epoch)))
	return b, conn, err
}

// turn waits for the login's turn at one of some hosts.
func (l *Listener) turn(hosts []*hostEntry, timeout time.Duration) (admission, error) {
	servers := &l.pool.budget.servers
	for begun := time.Since(l.pool.epoch); ; l.sleep(restPause) {
		now := time.Since(l.pool.epoch)
		a, ok, e := servers.enterListener(l.pool, hosts, now)
		switch {
		case e != nil:
			return a, unreachable{e}
		case ok:
			return a, nil
		case l.pool.drained():
			return a, errDrained
		case now-begun > timeout:
			return a, unreachable{errCrowd}
		}
	}
}

var errCrowd = wire.Errorf(wire.CodeConnectionFailure, "the server has just come back, and too many log in for the one that listens")

// converse listens with a backend until that is lost or not needed any more.
func (l *Listener) converse(b *Backend) {
	l.mu.Lock()
	l.backend = b
	l.mu.Unlock()
	c := newConversation(l, b)
	lost := c.run()
	l.detach(c.batch, lost)
	c.close()
	if lost != nil && time.Since(b.Opened) < restPause {
		// One that goes at once would go on and on.
		time.Sleep(l.rest)
	}
}
