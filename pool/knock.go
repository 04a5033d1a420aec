package pool

import (
	"bufio"
	"context"
	"time"

	"pgweir/wire"
)

// Where a pool has several hosts, no client waits for a login at one that is away. So the
// pool knocks there: it begins a login and leaves when the server has answered, which takes
// up no slot and no cap. PostgreSQL has a process for it for a moment.

// knock has the server at a host be knocked at, unless a login or a knock goes on that says
// something of it, or its pause. The pool's lock is held, and that of the servers.
func (g *servers) knock(p *Pool, h *hostEntry, s *attendance, now time.Duration) {
	if s.telling > 0 || s.failure.refuses(now) != nil {
		return
	}
	a := g.logsIn(s)
	settings := p.settings
	settings.Address = h.Address
	go func() {
		err := knock(&settings, &p.transport)
		wake(g.end(p, &settings.Address, err, a, time.Since(p.epoch)))
	}()
}

// lost has the server at a host be knocked at, of which a backend has been lost.
func (g *servers) lost(p *Pool, h *hostEntry, now time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.knock(p, h, g.at(&h.Address), now)
}

// knock finds out whether a server lets anybody in, as far as it says before it asks for a
// password. The error is that of a login that finds it away.
func knock(s *Settings, t *transport) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.ConnectTimeout)
	defer cancel()
	conn, err := t.connect(ctx, s.Address)
	if err != nil {
		return unreachable{asError(err)}
	}
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	secured, err := t.protect(conn, s.Address)
	if err == nil {
		l := loginConn{conn: secured, r: bufio.NewReaderSize(secured, 4096), settings: s, version: wire.Protocol30}
		err = l.greet()
	}
	go outlast(conn, deadline)
	if err != nil && !answered(err) {
		return unreachable{asError(err)}
	}
	return err
}

// greet begins a login, and returns when the server has answered. The error is its own, or
// why it has not.
func (l *loginConn) greet() error {
	start, err := wire.AppendStartup(nil, l.version, []wire.Param{
		{Name: "user", Value: l.settings.Credentials.User}, {Name: "database", Value: l.settings.DBName},
	})
	if err != nil {
		return err
	}
	if err := l.send(start); err != nil {
		return err
	}
	for {
		switch typ, body, err := l.receive(); {
		case err != nil:
			return err
		case typ == 'E':
			return refusal(body)
		case typ != 'N':
			return nil
		}
	}
}
