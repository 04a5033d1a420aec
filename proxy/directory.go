package proxy

import (
	"context"
	"errors"

	"pgweir/auth/ldap"
	"pgweir/throttle"
)

// A client whose password an LDAP server checks:
//
//  1. the exchange asks for the password, in clear text
//  2. the server is asked, on a goroutine, when the gate lets it; a client that goes
//     meanwhile has that ended
//  3. whatever is wrong, the client reads what a wrong password would; the log has the
//     reason
//  4. the password serves to log in to PostgreSQL as the user (secrets.go: reveal)

// directory is where a login's password is checked.
type directory struct {
	servers *ldap.Verifier
	from    string // where that is written, for the log
}

// askDirectory has the password checked. It is false: the client may not say more
// meanwhile.
func (l *login) askDirectory(password string) bool {
	d, user := l.directory, l.ask.user
	ctx, leave := context.WithCancel(context.Background())
	var err error
	l.inquire(l.c.worker.Load().proxy.directories, func() { err = d.servers.Verify(ctx, user, password) }, func() bool {
		leave()
		if err != nil {
			l.why = d.from + ": " + err.Error()
		}
		if no := new(ldap.Refusal); err != nil && !errors.As(err, &no) {
			l.judged(throttle.Abandoned) // nobody knows, so it is no guess at the password
		}
		return l.exchanged(nil, err == nil, l.exchange.Verdict(err == nil))
	})
	l.leave = leave
	return false
}
