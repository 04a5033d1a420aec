package proxy

import (
	"fmt"
	"net/netip"

	"pgweir/auth"
	"pgweir/auth/hba"
	"pgweir/wire"
)

// How a client is to show who it is, in order:
//
//  1. the line of auth_hba_file that applies, if there is one; names are looked for
//     on a goroutine (resolver.go), and the user's roles are asked for (roles.go)
//  2. what the line asks of the client's certificate
//  3. the method: trust and cert are done, peer asks the operating system, and the
//     others begin an exchange, for which the server may have to be asked for the
//     user's secret (secrets.go), or an LDAP server for its word (directory.go)
//
// A client for which no line applies takes the course of a wrong password, and so
// does not learn whether there is such a user, or such a line.

// maxInquiries bounds how many logins ask for users of the operating system at a
// time, and maxDirectory LDAP servers: these may take long, and be somebody else's to
// delay.
const (
	maxInquiries = 16
	maxDirectory = 64
)

// decide finds what the client has to show. It is true if the client may say more.
func (l *login) decide() bool {
	a := l.rules.access
	if a.lines == nil {
		return l.show(*a.always)
	}
	return l.match(facts)
}

// match finds the line that applies. What it hangs on and is not known yet is asked for
// first, one thing after the other.
func (l *login) match(known hba.Facts) bool {
	lines, who := l.rules.access.lines, l.who()
	switch lines.Needs(who, known) {
	case hba.NeedNames:
		return l.resolve(who, func(n names) bool {
			known.Names = func(netip.Addr) ([]string, error) { return n.list, n.err }
			return l.match(known)
		})
	case hba.NeedMember:
		return l.askRoles(func() bool {
			known.Member = l.roles.member
			return l.match(known)
		})
	}
	return l.show(l.rules.access.demand(lines.Match(who, known)))
}

// resolve goes on with then when the names of the client's address are known.
func (l *login) resolve(who hba.Client, then func(names) bool) bool {
	w := l.c.worker.Load()
	found, wait := w.proxy.resolving.ask(who.Addr, func(n names) {
		w.post(func() { l.resume(func() bool { return then(n) }) })
	})
	if wait != nil {
		l.stage, l.leave = stageInquire, wait.leave
		return false
	}
	return then(found)
}

// who is the client as lines have it.
func (l *login) who() hba.Client {
	c := hba.Client{
		Local: l.c.peer.local(), Addr: l.c.peer.netAddr(), TLS: l.c.conn.TLS() != nil,
		Database: l.ask.database, User: l.ask.user,
	}
	if l.ask.replication == replicationPhysical {
		c.Replication, c.Database = true, ""
	}
	return c
}

// inquire has something done on a goroutine that may stand still, when the gate lets
// it, and goes on with then, which is true if the client may say more.
func (l *login) inquire(among gate, do func(), then func() bool) {
	w := l.c.worker.Load()
	l.stage = stageInquire
	go among.do(func() {
		if l.over.Load() {
			return
		}
		do()
		w.post(func() { l.resume(then) })
	})
}

// resume goes on with a login that has stood still, on its loop.
func (l *login) resume(then func() bool) {
	c := l.c
	if c.state != clientOpen || l.over.Load() {
		return
	}
	l.stage, l.leave = stagePassword, nil
	if then() || c.login == nil {
		c.conn.Again() // more may have come meanwhile
	}
}

// show has the client show what is demanded.
func (l *login) show(d demand) bool {
	if d.method == hba.Reject {
		l.why = d.from
		return l.prove(l.rules.access.refusing(l.who()))
	}
	if l.roles == nil && l.rules.access.asksRoles(&d) {
		later := d // a copy of its own: d itself stays off the heap
		return l.askRoles(func() bool { return l.show(later) })
	}
	if e := l.certified(&d); e != nil {
		l.why = d.from
		l.fail(e)
		return false
	}
	switch d.method {
	case hba.Trust, hba.Cert:
		return l.enter()
	case hba.Peer:
		return l.peerIs(d)
	case hba.LDAP:
		l.directory = &directory{d.ldap, d.from}
		return l.begins(auth.AskPassword(l.ask.user))
	}
	return l.prove(passwordMethods[d.method])
}

// begins begins the exchange.
func (l *login) begins(x *auth.Exchange) bool {
	w := l.c.worker.Load()
	l.exchange = x
	if l.why != "" {
		x.Refuse()
	}
	x.Bind(l.endPoint)
	x.Sent(l.ask.sentUser)
	out := x.Start(w.buf[:0])
	w.buf = out[:0]
	l.c.conn.Send(out)
	l.stage = stagePassword
	return true
}

// certified tells what the client's certificate lacks; nil for nothing.
func (l *login) certified(d *demand) *wire.Error {
	wanted := d.cert
	if wanted == hba.CertNotAsked && l.rules.tls.certificate && !l.c.peer.local() {
		wanted = hba.CertVerifyCA // client_tls_sslmode
	}
	if wanted == hba.CertNotAsked {
		return nil
	}
	t := l.c.conn.TLS()
	if t == nil || len(t.ConnectionState().VerifiedChains) == 0 {
		return wire.Fatalf(wire.CodeInvalidAuthorization, "connection requires a valid client certificate")
	}
	if wanted != hba.CertVerifyFull {
		return nil
	}
	name := certName(t.ConnectionState().PeerCertificates[0], d.name)
	if name == "" || !l.rules.access.allows(d, name, l.ask.user, l.roles) {
		return wire.Fatalf(wire.CodeInvalidAuthorization, "certificate authentication failed for user \"%s\"", l.ask.user)
	}
	return nil
}

// peerIs lets the client in if the operating system says that it is the user.
func (l *login) peerIs(d demand) bool {
	refused := wire.Fatalf(wire.CodeInvalidAuthorization, "Peer authentication failed for user \"%s\"", l.ask.user)
	if !l.c.peer.local() {
		l.why = d.from + ": peer is for Unix sockets"
		l.fail(refused)
		return false
	}
	uid, err := peerUID(l.c.conn.FD())
	if err != nil {
		l.why = fmt.Sprintf("%s: %v", d.from, err)
		l.fail(refused)
		return false
	}
	var name string
	p := l.c.worker.Load().proxy
	l.inquire(p.inquiring, func() { name, err = p.peerName(uid) }, func() bool {
		switch {
		case err != nil:
			l.why = fmt.Sprintf("%s: %v", d.from, err)
		case !l.rules.access.allows(&d, name, l.ask.user, l.roles):
			l.why = fmt.Sprintf("%s: the operating system's user is %q", d.from, name)
		default:
			return l.enter()
		}
		l.fail(refused)
		return false
	})
	return false
}
