package proxy

import (
	"strings"
	"time"

	"pgweir/auth"
	"pgweir/pool"
	"pgweir/wire"
)

// Refused logs that PostgreSQL refuses a user whom pgweir lets in. The client gets
// PostgreSQL's words, which do not tell it from a wrong password of its own. It is said
// again when secrets or settings have changed.
func (p *Proxy) Refused(of *pool.Pool, e *wire.Error) {
	settings := of.Settings()
	user, server := settings.Credentials.User, settings.At()
	differs := p.rules.Load().differs(of.Database, user)
	why := "PostgreSQL refuses the login: " + differs
	if e.Code != wire.CodeInvalidPassword {
		why = "PostgreSQL refuses the login: pg_hba.conf or the role keeps the user out, or " + differs
	}
	say, unsaid := p.refusals.Note(strings.Join([]string{user, of.Database, server, e.Error()}, "\x00"), time.Now())
	if say {
		p.log.Warn(why, "user", user, "database", of.Database, "server", server, "err", e.Error(), "unsaid", unsaid)
	}
}

// differs says what is wrong if PostgreSQL does not take what pgweir logs in with.
func (r *rules) differs(database, user string) string {
	if db, ok := r.config.Database(database); ok && db.User != "" && db.Given() {
		return "the database's password here differs from the one at PostgreSQL"
	}
	if secret, ok := r.users.Secret(user); ok && secret.Kind() != auth.NoSecret {
		return "the user's secret here differs from the one at PostgreSQL"
	}
	if _, ok := r.config.AuthQueryFor(database); ok {
		return "the user's secret by auth_query differs from the one at PostgreSQL, or is none"
	}
	return "pgweir has no secret of the user's, and PostgreSQL wants one"
}
