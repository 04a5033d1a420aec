package proxy

import (
	"encoding/binary"
	"math"
	"time"

	"golang.org/x/sys/unix"

	"pgweir/config"
	"pgweir/throttle"
	"pgweir/wire"
)

// Who arrives gets a seat and is served, or waits, or is turned away
// (throttle.Entrance). All three hang on its address, and on nothing that it says.

// spareFiles are the descriptors that no client gets, so that backends and the
// console can be served when all others are taken.
const spareFiles = 200

// fileBound is the number from which on a descriptor is one of the spare ones: the
// kernel gives the lowest that is free.
func fileBound() int {
	var lim unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &lim) != nil || lim.Cur > math.MaxInt32 {
		return math.MaxInt32
	}
	return int(lim.Cur) - min(spareFiles, int(lim.Cur)/4)
}

func limitsOf(c *config.Config) throttle.Limits {
	return throttle.Limits{Clients: c.MaxClientConn, Logins: c.MaxLogins, PerAddr: c.MaxLoginsPerAddress}
}

func penaltyOf(c *config.Config) throttle.Penalty {
	return throttle.Penalty{First: c.LoginFailureDelay, Max: max(c.LoginFailureDelay, c.LoginFailureDelayMax)}
}

// arrive takes a connection that has been accepted in, on the listener's loop.
func (p *Proxy) arrive(fd int, from peer, at *listener) {
	w := p.place()
	c := &client{id: p.nextID(), peer: from}
	l := &login{c: c}
	c.login = l
	c.worker.Store(w)
	c.conn.Init(fd, c)
	l.visitor.Guest, l.attempt.Ready = l, l.mayBeJudged
	if p.rules.Load().sendsHeader(from) {
		l.first = stageHeader
	}
	l.stage = l.first
	switch p.entrance.Arrive(&l.visitor, c.address(), p.since(), fd >= p.fileBound) {
	case throttle.TurnedAway:
		p.turnAway(c)
		return
	case throttle.Waits:
		l.stage = stageWaiting
	}
	p.clients.add(c)
	if w == at.on {
		c.begin()
	} else {
		w.post(c.begin)
	}
}

// address is where the client comes from, as its logins are counted.
func (c *client) address() throttle.Addr {
	if c.peer.local() {
		return throttle.LocalAddr(binary.BigEndian.Uint32(c.peer.ip[:]))
	}
	return throttle.AddrOf(c.peer.netAddr())
}

// moved has the login counted under the address that the client has now. It is
// false if it has to wait there; then what it has said is not to be looked at yet.
func (l *login) moved() bool {
	c := l.c
	if c.worker.Load().proxy.entrance.Move(&l.visitor, c.address()) {
		return true
	}
	l.stage = stageWaiting
	c.conn.Pause()
	return false
}

// Serve is throttle.Guest: the login's turn has come.
func (l *login) Serve() {
	l.c.post(func() {
		if l.c.state == clientOpen && l.stage == stageWaiting {
			l.stage = l.first
			l.read()
		}
	})
}

// Yield is throttle.Guest: another has the login's seat.
func (l *login) Yield() {
	l.c.post(func() {
		if l.c.login == l {
			l.fail(l.noSeat())
		}
	})
}

// seated has the client keep its seat, now that it has shown who it is.
func (l *login) seated() bool {
	l.c.seat = l.c.worker.Load().proxy.entrance.Proven(&l.visitor)
	return l.c.seat != throttle.NoSeat
}

// noSeat is why a client is refused for which there is no room.
func (l *login) noSeat() *wire.Error {
	return noSeat(l.c.worker.Load().proxy, l.visitor.Scarce())
}

func noSeat(p *Proxy, scarce bool) *wire.Error {
	if scarce {
		return wire.Fatalf(wire.CodeTooManyConnections, "no more client connections are allowed (file descriptors are short)")
	}
	return wire.Fatalf(wire.CodeTooManyConnections,
		"no more client connections are allowed (max_client_conn = %d)", p.Config().MaxClientConn)
}

// turnAway closes a connection of which nothing has been read. What it is told libpq
// takes for an answer to its SSLRequest, too.
func (p *Proxy) turnAway(c *client) {
	e := noSeat(p, c.login.visitor.Scarce())
	if say, unsaid := p.notes.Note(c.address(), throttle.Refused, p.since()); say {
		p.log.Info("clients are turned away unread", "addr", c.peer.addr(), "err", e.Error(), "unsaid", unsaid)
	}
	c.conn.Send(e.Append(nil))
	c.conn.Close()
}

// acceptFailed is called when a connection cannot be accepted, five times a second if
// that goes on.
func (p *Proxy) acceptFailed(err error) {
	now := p.since()
	if last := p.acceptFailure.Swap(int64(now)); last == 0 || now-time.Duration(last) > acceptQuiet {
		p.log.Error("accepting a client failed; it is tried again until it works", "err", err)
	}
}

// acceptQuiet is how long accepting must have worked until a failure is worth a line
// again.
const acceptQuiet = 10 * time.Second
