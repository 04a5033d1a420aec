package proxy

import (
	"strings"
	"sync"

	"pgweir/auth"
	"pgweir/authquery"
	"pgweir/config"
	"pgweir/passwords"
	"pgweir/pool"
	"pgweir/wire"
)

// A user who has no secret here may have one at the server (auth_query):
//
//  1. the server is asked, off the loop, unless its last answer serves still
//  2. the exchange begins with the secret. A user whom the server does not know
//     takes the course of those that it knows
//  3. a wrong password has the next login ask anew, and one in clear text its own: anew.go
//  4. what the login has revealed serves to log in to the server as that user; if
//     the secret is another than before, the pool's backends are replaced
//
// A client that will not get in, whatever it proves, takes the same course with the
// same secret: who compares must not see whether there is such a user.

// inquiry is where the secret of a login's user is asked for.
type inquiry struct {
	query config.AuthQuery
	why   string // the client will not get in; "" if it may
}

// inquiry tells where the secret of a login's user is asked for; false if it is not.
func (r *rules) inquiry(a *ask) (inquiry, bool) {
	if r.users.CanLogIn(a.user) || r.connString == nil {
		return inquiry{}, false
	}
	_, known := r.users.Secret(a.user)
	if q, ok := r.config.AuthQueryFor(a.database); ok && !known {
		return inquiry{query: q}, true
	} else if ok {
		return inquiry{q, "the user has no password here"}, true
	}
	if _, ok := r.config.Database(a.database); ok || r.elsewhere == nil {
		return inquiry{}, false
	}
	why := "auth_query: there is no such database, and so none to ask in"
	if a.console {
		why = "auth_query: without auth_dbname, users of the console are not asked about"
	}
	return inquiry{*r.elsewhere, why}, true
}

// source is where an auth_query is asked, in one of its databases.
func (r *rules) source(q config.AuthQuery, database *config.Database) authquery.Source {
	q.Database = database
	s := authquery.Source{Server: database.At(), Database: database.DBName, User: q.User, Query: q.Query}
	s.ConnString, s.Reach = r.connString(q)
	return s
}

// question is about a user, by an auth_query.
func (r *rules) question(in config.AuthQuery, user string) authquery.Question {
	q := authquery.Question{
		Source: r.source(in, in.Database), Name: user,
		Limits: authquery.Limits{TTL: r.config.AuthQueryTTL, Stale: r.config.AuthQueryStale},
	}
	if in.Home != nil {
		home := r.source(in, in.Home)
		q.Home = &home
	}
	return q
}

// prove begins the exchange by a password method. A client for which l.why is said
// will not get in.
func (l *login) prove(method auth.Method) bool {
	in, ok := l.rules.inquiry(&l.ask)
	if !ok {
		if u := l.rules.config.Users[l.ask.user]; u != nil && u.Given() && !l.rules.users.CanLogIn(l.ask.user) {
			l.why = "the source of the user's password has given none yet"
		}
		return l.begins(l.rules.users.Begin(method, l.ask.user))
	}
	if l.why == "" {
		l.why = in.why
	}
	return l.askServer(in.query, secretOf, func(a authquery.Answer, err error) bool {
		return l.answered(method, a, err)
	})
}

// what a server is asked about a user.
type what uint8

const (
	secretOf what = iota
	rolesOf
)

// askServer has a server asked, unless that is disabled, and goes on with then, which is
// true if the client may say more.
func (l *login) askServer(in config.AuthQuery, what what, then func(authquery.Answer, error) bool) bool {
	w := l.c.worker.Load()
	if e := w.proxy.restraint.Load().admitsQuestions(in.Database.Name, l.ask.database); e != nil {
		return then(authquery.Answer{}, e)
	}
	q := l.rules.question(in, l.ask.user)
	q.Roles = what == rolesOf
	a, wait, err := w.proxy.asker.Ask(q, func(a authquery.Answer, err error) {
		w.post(func() { l.resume(func() bool { return then(a, err) }) })
	})
	if wait != nil {
		l.stage, l.leave = stageInquire, wait.Leave
		return false
	}
	return then(a, err)
}

// unanswered refuses a client about whom no server could be asked, with e unless the
// database to ask in is disabled. A client whose own database is not here must not learn
// which other one that is.
func (l *login) unanswered(err error, e *wire.Error) bool {
	disabled, _ := err.(*wire.Error)
	if _, ok := l.rules.config.Database(l.ask.database); disabled != nil && (ok || l.ask.console) {
		e = disabled
	}
	l.fail(e)
	return false
}

// noDatabase is why a client will not be let in that has made up a database.
const noDatabase = "auth_query: the server has no such database, and so there is none to ask in"

// answered begins the exchange with what the server has said.
func (l *login) answered(method auth.Method, a authquery.Answer, err error) bool {
	if err != nil {
		l.why = strings.TrimPrefix(l.why+"; auth_query: "+err.Error(), "; ")
		e := wire.Fatalf(wire.CodeConnectionFailure, "the server could not be asked how user \"%s\" logs in", l.ask.user)
		e.Hint = "The password may be right. Try again later; pgweir's log has the reason."
		return l.unanswered(err, e)
	}
	if a.NoDatabase && l.why == "" {
		l.why = noDatabase
	}
	l.lookedUp = &a
	if a.Kept && method == auth.Plain {
		l.anew = &anew{}
	}
	return l.begins(auth.BeginAs(method, l.ask.user, a.User, a.Models))
}

// doubt has the next login of the user ask anew, if this one fails for the secret.
func (l *login) doubt(err error) {
	if e, ok := err.(*wire.Error); ok && e.Code == wire.CodeInvalidPassword && l.lookedUp != nil {
		l.c.worker.Load().proxy.asker.Doubt(*l.lookedUp, l.ask.user)
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
		if out.ClientKey != nil {
			out.ServerKey = x.Secret().Credentials(user).ServerKey
		}
		cp.pool.Learn(out)
		return
	}
	secret := l.lookedUp.User.Secret()
	known := secret.Credentials(user)
	out.ServerKey, out.MD5 = known.ServerKey, known.MD5
	if known.Password != "" {
		out.Password = known.Password
	}
	cp.asked.mu.Lock()
	defer cp.asked.mu.Unlock()
	switch before := &cp.asked; {
	case l.lookedUp.Serial < before.serial:
		// A newer login has taught the pool already.
	case before.serial != 0 && !before.secret.Equal(secret):
		before.serial, before.secret = l.lookedUp.Serial, secret
		cp.pool.Relearn(out)
	default:
		before.serial, before.secret = l.lookedUp.Serial, secret
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
			p.log.Warn("auth_query fails: users without a secret here, and those whose roles count (+role), log in only as long as older answers serve (auth_query_stale)",
				attrs(s, "err", err)...)
		},
		Works:     func(s authquery.Source) { p.log.Warn("auth_query works again", attrs(s)...) },
		Passwords: func(s authquery.Source) passwords.List { return p.Passwords(s.User) },
		Dial:      p.Dial,
		Held:      func(s authquery.Source) bool { return p.holdsSource(s.Server, s.Database) },
	})
}

// Passwords are those with which pgweir itself may log in as a user just now, as
// auth_user and census_user do: what is known here in plain text.
func (p *Proxy) Passwords(user string) passwords.List {
	r := p.rules.Load()
	var out passwords.List
	plain := func(s auth.Secret) string { return s.Credentials(user).Password }
	for _, secret := range r.users.Secrets(user) {
		if text := plain(secret); text != "" {
			out.Known = append(out.Known, text)
		}
	}
	u := r.config.Users[user]
	if u == nil {
		return out
	}
	source, ok := r.config.Source(&u.Passwords)
	if !ok {
		return out
	}
	key, refused := source.Key(), u.Password
	out.Renew = func() (string, bool) {
		text, ok := r.secrets.Renew(key, refused)
		if !ok {
			return "", false
		}
		secret, err := auth.ParseSecret(string(text))
		return plain(secret), err == nil && plain(secret) != ""
	}
	return out
}

// ConnStrings gives the connection string for a question, in libpq's form and without
// a password, and how the server is reached. It is called on event loops, and must not wait.
type ConnStrings func(config.AuthQuery) (string, authquery.Reach)
