package proxy

import (
	"net"
	"os"
	"sync"
	"unique"

	"pgweir/session"
	"pgweir/wire"
)

// Console serves the clients of the admin console. Welcome appends its
// ParameterStatus messages; Serve answers until the client goes, on a
// goroutine of its own.
type Console interface {
	Welcome(dst []byte, database string) []byte
	Serve(conn net.Conn, c ConsoleClient) error
}

// HealthApplication is the application_name of a client of the console that comes so often
// that its coming and going would fill the log, and that is one of ours; see isSelf.
const HealthApplication = "pgweir health"

// ConsoleClient is a client of the console that has logged in.
type ConsoleClient struct {
	User, Database string               // Database is the one that it asked for
	Rights         func() ConsoleRights // what it may do now
	Cancels        <-chan struct{}      // holds a cancel request that has come for it
}

// ConsoleRights are what a client may do on the console.
type ConsoleRights struct{ Read, Admin bool }

// consoleRights are those of a user. As in PgBouncer, whoever is let in under whatever
// name may read with auth_type = "any".
func (r *rules) consoleRights(user string) ConsoleRights {
	admin := r.admins[user]
	return ConsoleRights{Read: admin || r.stats[user] || r.config.AuthType == "any", Admin: admin}
}

// enterConsole lets a client into the console, if it may.
func (l *login) enterConsole() bool {
	c, w := l.c, l.c.worker.Load()
	p := w.proxy
	self := l.isSelf()
	if !self && !l.rules.consoleRights(l.ask.user).Read {
		l.fail(wire.Fatalf(wire.CodeInsufficientPrivilege,
			"user \"%s\" is neither in admin_users nor in stats_users", l.ask.user))
		return false
	}
	c.user = unique.Make(l.ask.user)
	c.pool = p.consolePool(l.ask.database)
	c.sess.Init(c.pool.conf.Load(), &wire.Vars{wire.VarApplicationName: l.ask.application})
	c.secret = randomUint32()
	c.longKey = l.ask.minor >= 2
	out := l.appendAuthOK()
	out = p.opts.Console.Welcome(out, l.ask.database)
	out = wire.AppendBackendKeyData(out, c.pid, p.cancelKey(c, c.pid))
	out = wire.AppendReadyForQuery(out, 'I')
	w.buf = out[:0]
	c.more().cancels = make(chan struct{}, 1)
	c.extra.untold = self && l.ask.application == HealthApplication
	c.keyed.Store(true)
	c.conn.Send(out)
	l.in()
	c.post(func() { c.serveConsole(self) })
	return false
}

// atConsole tells whether the console's goroutine serves the client. On its loop.
func (c *client) atConsole() bool { return c.extra != nil && c.extra.console != nil }

// serveConsole takes the client off its loop, and waits on a goroutine until
// it has gone. self tells whether it is one of ours, who may do everything.
func (c *client) serveConsole(self bool) {
	if c.state != clientOpen {
		return
	}
	p := c.worker.Load().proxy
	end, err := c.ownEnd()
	var conn net.Conn
	if err == nil {
		conn, err = c.conn.Detach()
	}
	if err != nil {
		p.log.Error("a client of the console cannot be served", "client", c.id, "err", err)
		c.finish()
		return
	}
	c.more().console, c.extra.consoleEnd = conn, end
	user := c.userName()
	client := ConsoleClient{User: user, Database: c.pool.key.database, Cancels: c.extra.cancels}
	client.Rights = func() ConsoleRights {
		if self {
			return ConsoleRights{Read: true, Admin: true}
		}
		return p.rules.Load().consoleRights(user)
	}
	p.consoles.add(c, client.Rights)
	go func() {
		if err := p.opts.Console.Serve(conn, client); err != nil {
			p.log.Info("a client of the console was closed", "client", c.id, "err", err)
		}
		conn.Close()
		p.consoles.remove(c)
		p.endUnattended()
		c.post(c.finish)
	}()
}

// consoles are the console's clients, and what each may do now.
type consoles struct {
	mu     sync.Mutex
	rights map[*client]func() ConsoleRights
}

func (s *consoles) add(c *client, rights func() ConsoleRights) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rights == nil {
		s.rights = map[*client]func() ConsoleRights{}
	}
	s.rights[c] = rights
}

func (s *consoles) remove(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rights, c)
}

// has tells whether the client is one of them. Any goroutine may ask.
func (s *consoles) has(c *client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rights[c] != nil
}

// haveAdmin tells whether one of them may do everything.
func (s *consoles) haveAdmin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rights := range s.rights {
		if rights().Admin {
			return true
		}
	}
	return false
}

// isSelf tells whether the client is on a Unix socket, asks for the user
// "pgweir" (or "pgbouncer"), and runs as the same operating-system user as we
// do, who could read and change everything here anyway.
func (l *login) isSelf() bool {
	if l.ask.user != "pgweir" && l.ask.user != "pgbouncer" || !l.c.peer.local() {
		return false
	}
	uid, err := peerUID(l.c.conn.FD())
	return err == nil && uid == os.Getuid()
}

// consolePool is the pool that the console's clients count in.
func (p *Proxy) consolePool(database string) *clientPool {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := poolKey{database, database}
	cp := p.mu.pools[key]
	if cp == nil {
		cp = p.newClientPool(key)
		cp.conf.Store(&session.Config{Mode: session.StatementMode})
	}
	return cp
}
