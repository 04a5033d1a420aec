package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/auth"
	"pgweir/census"
	"pgweir/config"
	"pgweir/pool"
	"pgweir/proxy"
	"pgweir/status"
)

// askTimeout bounds the login to a server and the questions together.
const askTimeout = 3 * time.Second

// maxLogins is how many users are tried on one server: enough to pass by a
// stale password, too few to look like an attack.
const maxLogins = 3

// serverLogin is how to log in to a server.
type serverLogin struct {
	host     string // as net.Dial or libpq take it; a folder is a Unix socket's
	port     int
	user     string
	password string // "" if none is known; the server may trust us
	dbname   string
	tls      serverTLS
	auth     serverAuth
	// application is the application_name.
	application string
}

// Format gives user and database only, so that no password gets anywhere.
func (l serverLogin) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "login of user %q to database %q", l.user, l.dbname)
}

// serverTLS has a login of pgx's encrypted as the pools' own are.
type serverTLS pool.TLS

// serverTLSOf is how the configuration has servers reached.
func serverTLSOf(c *config.Config) serverTLS { return serverTLS(proxy.ServerTLS(c)) }

// Apply implements census.Encryption.
func (t serverTLS) Apply(c *pgx.ConnConfig) error { return t.encrypt(&c.Config) }

func (t serverTLS) encrypt(c *pgconn.Config) error {
	err := t.replace(c.Host, &c.TLSConfig)
	for _, f := range c.Fallbacks {
		err = errors.Join(err, t.replace(f.Host, &f.TLSConfig))
	}
	return err
}

// replace puts our own in the place of pgx's, which is nil over a Unix socket and with
// "disable".
func (t serverTLS) replace(host string, config **tls.Config) (err error) {
	if *config != nil {
		*config, err = pool.TLSConfig(pool.Address{Host: host, TLS: pool.TLS(t)})
	}
	return err
}

// serverAuth is what server_auth_methods and server_channel_binding come to in
// libpq's words.
type serverAuth struct{ require, binding string }

func serverAuthOf(c *config.Config) serverAuth {
	a := serverAuth{binding: c.ServerChannelBinding}
	var methods []string
	for _, m := range c.ServerAuthMethods {
		switch m {
		case "trust":
			m = "none"
		case "scram-sha-256-plus":
			m = "scram-sha-256"
			if len(c.ServerAuthMethods) == 1 {
				a.binding = "require"
			}
		}
		if !slices.Contains(methods, m) {
			methods = append(methods, m)
		}
	}
	if len(methods) < 4 { // else they are all that libpq and pgweir have in common
		a.require = strings.Join(methods, ",")
	}
	return a
}

// serverLogins are the ways to log in to d's server, the likeliest first:
// databases with a user of their own, then users whose password is known in
// plain text.
func serverLogins(c *config.Config, d *config.Demand, users map[string]string) []serverLogin {
	base := serverLogin{port: d.Port, application: "pgweir check", tls: serverTLSOf(c), auth: serverAuthOf(c)}
	var forced, known []serverLogin
	for _, part := range d.Databases {
		db := part.Database
		login := base
		login.host = hostList([]config.Server{d.Server()})
		login.dbname = db.DBName
		if login.dbname == "" {
			login.dbname = "postgres" // "*" leads to any; this one is nearly always there
		}
		if db.User != "" {
			login.user, login.password = db.User, string(db.Password)
			if login.password == "" && isPlain(users[db.User]) {
				login.password = users[db.User]
			}
			forced = append(forced, login)
			continue
		}
		for _, user := range sorted(users) {
			if !isPlain(users[user]) {
				continue
			}
			login.user, login.password = user, users[user]
			known = append(known, login)
		}
	}
	logins := append(forced, known...)
	return logins[:min(len(logins), maxLogins)]
}

// isPlain reports whether a secret, known to be well-formed, is the password
// itself, or none.
func isPlain(text string) bool {
	secret, err := auth.ParseSecret(text)
	return err == nil && (secret.Kind() == auth.PlainSecret || secret.Kind() == auth.NoSecret)
}

// connString is the login in libpq's form: keywords and quoted values.
func (l serverLogin) connString() string {
	var b strings.Builder
	add := func(key, value string) {
		if value == "" {
			return
		}
		value = strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value)
		fmt.Fprintf(&b, "%s='%s' ", key, value)
	}
	add("host", l.host)
	add("port", strconv.Itoa(l.port))
	add("user", l.user)
	add("password", l.password)
	add("dbname", l.dbname)
	add("sslmode", string(l.tls.Mode))
	negotiation := "postgres"
	if l.tls.Direct {
		negotiation = "direct"
	}
	add("sslnegotiation", negotiation)
	// Files are serverTLS's to read; those of pgx's defaults do not count.
	b.WriteString("sslrootcert='' sslcert='' sslkey='' ")
	add("require_auth", l.auth.require)
	add("channel_binding", l.auth.binding)
	add("connect_timeout", strconv.Itoa(int(askTimeout/time.Second)))
	add("application_name", l.application)
	return b.String()
}

// askServer logs in and reads the server's limits.
func askServer(ctx context.Context, login serverLogin) (status.ServerLimits, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	c, err := pgx.ParseConfig(login.connString())
	if err == nil {
		err = login.tls.Apply(c)
	}
	if err != nil {
		return status.ServerLimits{}, shortened(login, err)
	}
	census.ReachAbstract(&c.Config)
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return status.ServerLimits{}, shortened(login, err)
	}
	defer conn.Close(ctx)

	l, err := serverLimits(ctx, conn)
	if err != nil {
		return status.ServerLimits{}, shortened(login, err)
	}
	return l, nil
}

// serverLimits reads how many backends a server gives, and to whom.
func serverLimits(ctx context.Context, conn *pgx.Conn) (l status.ServerLimits, err error) {
	err = conn.QueryRow(ctx, `
		select pg_catalog.current_setting('max_connections')::pg_catalog.int4,
		       pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int4,
		       coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::pg_catalog.int4`).
		Scan(&l.MaxConnections, &l.SuperuserReserved, &l.Reserved)
	if err != nil {
		return l, err
	}
	// Superusers are bound by neither limit.
	if l.Roles, err = readLimits(ctx, conn,
		`select rolname::pg_catalog.text, rolconnlimit from pg_catalog.pg_roles where rolconnlimit operator(pg_catalog.>=) 0 and not rolsuper`); err != nil {
		return l, err
	}
	l.Databases, err = readLimits(ctx, conn,
		`select datname::pg_catalog.text, datconnlimit from pg_catalog.pg_database where datconnlimit operator(pg_catalog.>=) 0`)
	return l, err
}

func readLimits(ctx context.Context, conn *pgx.Conn, query string) (map[string]int, error) {
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	limits := map[string]int{}
	var name string
	var limit int
	_, err = pgx.ForEachRow(rows, []any{&name, &limit}, func() error {
		limits[name] = limit
		return nil
	})
	return limits, err
}

// askError is a failed question, in one line and without the password.
type askError struct {
	text string
	err  error
}

func (e *askError) Error() string { return e.text }
func (e *askError) Unwrap() error { return e.err }

// shortened says as whom it was tried, and the innermost reason: pgx repeats
// one for each address and TLS mode, over several lines.
func shortened(login serverLogin, err error) error {
	reason := err.Error()
	var pgErr *pgconn.PgError
	var opErr *net.OpError
	var dnsErr *net.DNSError
	switch {
	case errors.As(err, &pgErr):
		reason = fmt.Sprintf("%s (SQLSTATE %s)", pgErr.Message, pgErr.Code)
	case errors.Is(err, context.DeadlineExceeded):
		reason = fmt.Sprintf("no answer within %s", askTimeout)
	case errors.As(err, &dnsErr):
		reason = dnsErr.Error()
	case errors.As(err, &opErr):
		reason = opErr.Err.Error()
	default:
		reason = strings.Join(strings.Fields(reason), " ")
	}
	return &askError{text: fmt.Sprintf("as user %q to database %q: %s", login.user, login.dbname, reason), err: err}
}

// unreachable reports whether err came from the network, so that another user
// would fare no better.
func unreachable(err error) bool {
	var opErr *net.OpError
	var dnsErr *net.DNSError
	return errors.As(err, &opErr) || errors.As(err, &dnsErr) || errors.Is(err, context.DeadlineExceeded)
}
