package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgweir/auth"
	"pgweir/config"
	"pgweir/sizing"
)

// ofPools is the share, in percent, of what a server gives that is for the pools. The
// rest is for those who come without them: backups, migrations, psql.
const ofPools = 80

// poolSizeUsual is the default of default_pool_size.
const poolSizeUsual = 20

// sizes are a size for the pools, and how many backends all pools of a database may have
// together, so that all databases fit into the server.
func (s *foundServer) sizes() (pool, database int) {
	given, _ := sizing.Given(&s.limits)
	database = max(1, given*ofPools/100/max(1, len(s.databases)))
	return min(poolSizeUsual, database), database
}

// configText is the config.toml.
func (s *foundServer) configText(now time.Time) []byte {
	var b strings.Builder
	say := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	say("# Made by `pgweir generate` on %s of PostgreSQL %s at %s.", now.Format(time.DateOnly), config.Printable(s.version), config.Printable(s.database().At()))
	say("# docs/configuration.md has every setting; `pgweir check -c` this file says what is wrong")
	say("# with it, and whether its pools fit the server.")
	say("")
	say("# Other machines reach pgweir with \"*\", or with an address of this one.")
	say("listen_addr = \"127.0.0.1\"")
	say("listen_port = 6432")
	say("")
	say("# A client holds a backend for a transaction, so that many share few.")
	say("pool_mode = \"transaction\"")
	s.writeSizes(say)
	s.writeTLS(say)
	s.writeAccess(say)
	say("")
	if s.monitor {
		say("# With a role in pg_monitor or pg_read_all_stats, as %s is, pgweir shows what PostgreSQL's processes do.", config.Quote(s.user))
	} else {
		say("# With a role in pg_monitor or pg_read_all_stats pgweir shows what PostgreSQL's processes do.")
	}
	say("#census_user = \"pgweir_census\"")
	say("#census_password = \"${CENSUS_PASSWORD}\"")
	for _, d := range s.databases {
		s.writeDatabase(say, d)
	}
	if s.password != "" {
		say("")
		say("[users.%s]", config.KeyOf(s.user))
		say("password = %s", config.TextOf(s.password))
	}
	return []byte(b.String())
}

func (s *foundServer) writeSizes(say func(string, ...any)) {
	given, sum := sizing.Given(&s.limits)
	pool, database := s.sizes()
	say("")
	say("# PostgreSQL gives %d backends: %s.", given, sum)
	say("# %d %% of them are for the pools, the same for each of %d databases; the rest is for", ofPools, len(s.databases))
	say("# backups, migrations and psql. Give the busiest database more, and the others less.")
	say("default_pool_size = %d", pool)
	say("max_db_connections = %d", database)
}

func (s *foundServer) writeTLS(say func(string, ...any)) {
	switch s.security {
	case socketSecurity: // nothing is to be protected
	case plainSecurity:
		say("")
		say("# The server answered without TLS; it is used once the server has it.")
		say("server_tls_sslmode = \"prefer\"")
	case encrypted:
		say("")
		say("# The server answered with TLS. That keeps others from reading along, and not from")
		say("# posing as the server: for that, name the authority of its certificate.")
		say("server_tls_sslmode = \"require\"")
		say("#server_tls_sslmode = \"verify-full\"")
		say("#server_tls_ca_file = \"/etc/pgweir/server-ca.crt\"")
	case verified:
		say("")
		say("# The server showed a certificate for this name, of an authority that this system knows.")
		say("server_tls_sslmode = \"verify-full\"")
	}
}

func (s *foundServer) writeAccess(say func(string, ...any)) {
	say("")
	say("# Who may do everything on the console.")
	say("admin_users = [%s]", config.TextOf(s.user))
	say("")
	method := "scram-sha-256"
	if slices.ContainsFunc(s.secrets, func(e auth.Entry) bool { return !strings.HasPrefix(e.Secret, "SCRAM-SHA-256$") }) {
		method = "md5"
		say("# Some roles have an MD5 secret. With md5 those with a SCRAM secret log in with SCRAM.")
	}
	say("auth_type = %s", config.TextOf(method))
	if s.authFile != "" {
		say("# The secrets as PostgreSQL has them. After a changed password it has to be made again;")
		say("# an auth_user, as below, has PostgreSQL asked instead.")
		say("auth_file = %s", config.TextOf(s.authFile))
	}
	if s.password != "" && s.superuser && s.authFile == "" {
		say("# %s asks PostgreSQL for the secret of every user who logs in. A role that may do", config.Quote(s.user))
		say("# nothing else is better than a superuser: see auth_query in docs/configuration.md.")
		say("auth_user = %s", config.TextOf(s.user))
		return
	}
	if s.authFile == "" && s.password == "" {
		say("# Nobody can log in yet. Either name users with their passwords, in tables as")
		say("#   [users.app]")
		say("#   password = \"${APP_PASSWORD}\"")
		say("# at the end, or have `pgweir generate --auth-file` write their secrets into a file, or")
	} else {
		say("# To have PostgreSQL asked for the secrets of all others,")
	}
	say("# have a role ask for them at each login, once a superuser has done this in a database:")
	for line := range strings.Lines(secretOf) {
		say("#   %s", strings.TrimSuffix(line, "\n"))
	}
	say("#auth_user = \"pgweir_auth\"")
	say("#auth_query = \"SELECT * FROM pgweir.secret_of($1)\"")
	if len(s.databases) > 0 {
		say("#auth_dbname = %s", config.TextOf(s.databases[0].name))
	}
	say("# with its password in [users.pgweir_auth].")
}

// secretOf is what docs/sql/auth-query.sql does, in short.
const secretOf = `CREATE ROLE pgweir_auth LOGIN PASSWORD '…';
CREATE SCHEMA pgweir;
CREATE FUNCTION pgweir.secret_of(text, OUT name, OUT text) LANGUAGE sql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS
  $$ SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END
     FROM pg_authid WHERE rolname = $1 AND rolcanlogin AND NOT rolsuper $$;
REVOKE ALL ON FUNCTION pgweir.secret_of FROM PUBLIC;
GRANT USAGE ON SCHEMA pgweir TO pgweir_auth;
GRANT EXECUTE ON FUNCTION pgweir.secret_of TO pgweir_auth;
`

// database is where all databases are.
func (s *foundServer) database() *config.Database {
	return &config.Database{Host: strings.Join(s.hosts, ","), Port: s.port}
}

func (s *foundServer) writeDatabase(say func(string, ...any), d foundDatabase) {
	say("")
	if d.name == "*" || config.IsConsole(d.name) {
		say("# The database %s cannot be reached under this name, which means something else here.", config.Quote(d.name))
		say("# Give it another one, with dbname = %s.", config.TextOf(d.name))
		return
	}
	say("# Its owner is %s.", config.Quote(d.owner))
	say("[databases.%s]", config.KeyOf(d.name))
	say("host = %s", config.TextOf(s.database().Host))
	if len(s.hosts) > 1 {
		say("# The first that lets anybody in, as libpq takes a list of hosts.")
		say("load_balance_hosts = \"disable\"")
	}
	say("port = %d", s.port)
	_, usual := s.sizes()
	if limit, limited := s.limits.Databases[d.name]; limited && limit > 0 && limit < usual {
		say("# It has CONNECTION LIMIT %d.", limit)
		say("max_db_connections = %d", limit)
		say("pool_size = %d", min(limit, poolSizeUsual))
	}
}
