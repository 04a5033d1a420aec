package proxy

import (
	"sync"

	"pgweir/auth"
	"pgweir/authquery"
	"pgweir/config"
	"pgweir/pool"
	"pgweir/wire"
)

// A user who has no secret here may have one at the server (auth_query):
//
//  1. the server is asked, off the loop, unless its last answer serves still
//  2. the exchange begins with the secret. A user whom the server does not know
//     takes the course of those that it knows
//  3. a wrong password has the next login ask anew
//  4. what the login has revealed serves to log in to the server as that user; if
//     the secret is another than before, the pool's backends are replaced

// lookedUp is how the secret of a login's user was asked for.
type lookedUp struct {
	source authquery.Source
	answer authquery.Answer
}

// source is where the secret of a login's user is asked for; false if it is not.
func (r *rules) source(a *ask) (s authquery.Source, ok bool) {
	if _, known := r.users.Secret(a.user); known || r.connString == nil {
		return s, false
	}
	q, ok := r.config.AuthQueryFor(a.database)
	if !ok {
		return s, false
	}
	_, server := q.Database.Address()
	s = authquery.Source{Server: server, Database: q.Database.DBName, User: q.User, Query: q.Query}
	s.ConnString, s.Reach = r.connString(q)
	return s, true
}

// prove begins the exchange by a password method.
func (l *login) prove(method auth.Method) bool {
	s, ok := l.rules.source(&l.ask)
	if !ok {
		if _, known := l.rules.users.Secret(l.ask.user); !known && l.rules.config.AuthUser != "" {
			l.why = "auth_query: there is no such database, and so none to ask in"
		}
		return l.begins(l.rules.users.Begin(method, l.ask.user))
	}
	c, w := l.rules.config, l.c.worker.Load()
	l.stage = stageInquire
	then := func(a authquery.Answer, err error) bool { return l.answered(method, s, a, err) }
	a, err, known := w.proxy.asker.Ask(s, l.ask.user, authquery.Limits{TTL: c.AuthQueryTTL, Stale: c.AuthQueryStale},
		func(a authquery.Answer, err error) {
			w.post(func() { l.resume(func() bool { return then(a, err) }) })
		})
	return known && then(a, err)
}

// answered begins the exchange with what the server has said.
func (l *login) answered(method auth.Method, s authquery.Source, a authquery.Answer, err error) bool {
	if err != nil {
		l.why = "auth_query: " + err.Error()
		e := wire.Fatalf(wire.CodeConnectionFailure, "the server could not be asked how user \"%s\" logs in", l.ask.user)
		e.Hint = "The password may be right. Try again later; pgweir's log has the reason."
		l.fail(e)
		return false
	}
	l.lookedUp = &lookedUp{s, a}
	return l.begins(auth.BeginAs(method, l.ask.user, a.User, a.Models))
}

// refuse begins an exchange that will fail.
func (l *login) refuse() bool {
	if s, ok := l.rules.source(&l.ask); ok {
		return l.begins(auth.BeginAs(l.rules.access.refusing, l.ask.user, nil, l.c.worker.Load().proxy.asker.Models(s)))
	}
	return l.begins(l.rules.users.Refuse(l.rules.access.refusing, l.ask.user))
}

// doubt has the next login of the user ask anew, if this one fails for the secret.
func (l *login) doubt(err error) {
	if e, ok := err.(*wire.Error); ok && e.Code == wire.CodeInvalidPassword && l.lookedUp != nil {
		l.c.worker.Load().proxy.asker.Doubt(l.lookedUp.source, l.ask.user, l.lookedUp.answer.Serial)
	}
}

// askedSecret is the secret that the server has given for a pool's user, and clients
// have logged in with.
type askedSecret struct {
	mu     sync.Mutex // held until the pool has learned it, so that an old one comes never last
	serial uint64     // of the answer; 0 if there was none
	secret auth.Secret
}

// reveal keeps what the login has revealed that helps to log in to the server as the
// same user.
func (l *login) reveal(cp *clientPool) {
	user, x := l.ask.user, l.exchange
	if user != cp.key.user {
		return
	}
	out := pool.Learned{ClientKey: x.ClientKey(), Password: x.Password()}
	if l.lookedUp == nil {
		if secret, ok := l.rules.users.Secret(user); ok && out.ClientKey != nil {
			out.ServerKey = secret.Credentials(user).ServerKey
		}
		cp.pool.Learn(out)
		return
	}
	secret := l.lookedUp.answer.User.Secret()
	known := secret.Credentials(user)
	out.ServerKey, out.MD5 = known.ServerKey, known.MD5
	if known.Password != "" {
		out.Password = known.Password
	}
	cp.asked.mu.Lock()
	defer cp.asked.mu.Unlock()
	switch before := &cp.asked; {
	case l.lookedUp.answer.Serial < before.serial:
		// A newer login has taught the pool already.
	case before.serial != 0 && !before.secret.Equal(secret):
		before.serial, before.secret = l.lookedUp.answer.Serial, secret
		cp.pool.Relearn(out)
	default:
		before.serial, before.secret = l.lookedUp.answer.Serial, secret
		cp.pool.Learn(out)
	}
}

// newAsker asks servers for secrets, and logs when that begins and ends to fail.
func (p *Proxy) newAsker() *authquery.Asker {
	attrs := func(s authquery.Source, more ...any) []any {
		return append([]any{"server", s.Server, "database", s.Database, "auth_user", s.User}, more...)
	}
	return authquery.New(authquery.Options{
		Failing: func(s authquery.Source, err error) {
			p.log.Warn("auth_query fails: users without a secret here log in only as long as older answers serve (auth_query_stale)",
				attrs(s, "err", err)...)
		},
		Works: func(s authquery.Source) { p.log.Warn("auth_query works again", attrs(s)...) },
	})
}

// ConnStrings gives the connection string for a question, in libpq's form, and how
// the server is reached. It is
// called on event loops, and must not wait.
type ConnStrings func(config.AuthQuery) (string, authquery.Reach)
