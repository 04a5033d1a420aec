package proxy

import (
	"pgweir/auth"
	"pgweir/pool"
	"pgweir/wire"
)

// Refused logs that PostgreSQL refuses a user whom pgweir lets in. The client gets
// PostgreSQL's words, which do not tell it from a wrong password of its own. Of a
// user without a secret, whom auth_type = "trust" lets in, nothing is to be said.
func (p *Proxy) Refused(of *pool.Pool, e *wire.Error) {
	r := p.rules.Load()
	differs := "the user's secret here differs from the one at PostgreSQL"
	if db, ok := r.config.Database(of.Database); ok && db.User != "" && db.Given() {
		differs = "the database's password here differs from the one at PostgreSQL"
	} else if secret, ok := r.users.Secret(of.Settings().Credentials.User); !ok || secret.Kind() == auth.NoSecret {
		return
	}
	why := "PostgreSQL refuses the login: " + differs
	if e.Code != wire.CodeInvalidPassword {
		why = "PostgreSQL refuses the login: pg_hba.conf or the role keeps the user out, or " + differs
	}
	p.log.Warn(why, "user", of.Settings().Credentials.User, "database", of.Database, "server", of.Settings().Address.Addr, "err", e.Error())
}
