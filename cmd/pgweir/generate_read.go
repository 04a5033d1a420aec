package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/auth"
	"pgweir/status"
)

// foundServer is what a server has told of itself.
type foundServer struct {
	hosts     []string // one at least
	user      string
	port      int
	version   string
	security  security
	superuser bool
	monitor   bool // the role is a member of pg_monitor
	limits    status.ServerLimits
	databases []foundDatabase
	secrets   []auth.Entry // of those who may log in; nil if not asked for

	password string // "": it is not to be written
	authFile string // its full path; "": there is none
}

// security is how the connection that asked was protected.
type security int

const (
	socketSecurity security = iota // a Unix socket
	plainSecurity                  // TCP without TLS
	encrypted                      // TLS, with a certificate that the system's authorities do not vouch for
	verified                       // TLS, with one that they do, for this host
)

type foundDatabase struct{ name, owner string }

// readServer logs in and reads all that a configuration takes.
func readServer(ctx context.Context, c *pgx.ConnConfig, secrets bool) (*foundServer, error) {
	c.RuntimeParams["application_name"] = "pgweir generate"
	fail := func(err error) error {
		return fmt.Errorf("--dsn: %s: %w", dsnServer(&c.Config), shortened(dsnLogin(&c.Config), err))
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, fail(err)
	}
	defer conn.Close(ctx)
	s := &foundServer{hosts: hostsOf(c), port: int(c.Port)}
	s.security = securityOf(conn.PgConn(), s.hosts)
	if err := s.read(ctx, conn); err != nil {
		return nil, fail(err)
	}
	if !secrets {
		return s, nil
	}
	if s.secrets, err = readSecrets(ctx, conn, s.user); err != nil {
		var refused *pgconn.PgError
		if errors.As(err, &refused) && refused.Code == "42501" {
			return nil, fmt.Errorf("--auth-file: user %q may not read pg_authid, which takes a superuser; without it, see what the file says of auth_user", s.user)
		}
		return nil, fail(err)
	}
	return s, nil
}

// hostsOf are the hosts of a DSN, in their order.
func hostsOf(c *pgx.ConnConfig) []string {
	hosts := []string{c.Host}
	for _, f := range c.Fallbacks {
		if !slices.Contains(hosts, f.Host) {
			hosts = append(hosts, f.Host)
		}
	}
	return hosts
}

// securityOf looks at the connection itself, which is to one of some hosts: what the DSN
// allows may not have come true.
func securityOf(conn *pgconn.PgConn, hosts []string) security {
	if conn.Conn().RemoteAddr().Network() == "unix" {
		return socketSecurity
	}
	secure, ok := conn.Conn().(*tls.Conn)
	if !ok {
		return plainSecurity
	}
	chain := secure.ConnectionState().PeerCertificates
	if len(chain) == 0 {
		return encrypted
	}
	between := x509.NewCertPool()
	for _, cert := range chain[1:] {
		between.AddCert(cert)
	}
	for _, host := range hosts {
		if _, err := chain[0].Verify(x509.VerifyOptions{DNSName: host, Intermediates: between}); err == nil {
			return verified
		}
	}
	return encrypted
}

func (s *foundServer) read(ctx context.Context, conn *pgx.Conn) (err error) {
	err = conn.QueryRow(ctx, `
		select rolname::pg_catalog.text, pg_catalog.current_setting('server_version'), rolsuper,
		       pg_catalog.pg_has_role('pg_monitor', 'usage')
		from pg_catalog.pg_roles where rolname operator(pg_catalog.=) current_user`).Scan(&s.user, &s.version, &s.superuser, &s.monitor)
	if err != nil {
		return err
	}
	if s.limits, err = serverLimits(ctx, conn); err != nil {
		return err
	}
	rows, err := conn.Query(ctx, `
		select datname::pg_catalog.text, pg_catalog.pg_get_userbyid(datdba)::pg_catalog.text from pg_catalog.pg_database
		where datallowconn and not datistemplate order by datname operator(pg_catalog.=) 'postgres', datname`)
	if err != nil {
		return err
	}
	var d foundDatabase
	_, err = pgx.ForEachRow(rows, []any{&d.name, &d.owner}, func() error {
		s.databases = append(s.databases, d)
		return nil
	})
	return err
}

// readSecrets are those of all who may log in with a password. Of superusers only the
// one who asks is among them: applications are none.
func readSecrets(ctx context.Context, conn *pgx.Conn, self string) (entries []auth.Entry, err error) {
	rows, err := conn.Query(ctx, `
		select rolname::pg_catalog.text, rolpassword from pg_catalog.pg_authid
		where rolcanlogin and rolpassword is not null and (not rolsuper or rolname operator(pg_catalog.=) $1)
		  and (rolvaliduntil is null or rolvaliduntil operator(pg_catalog.>) pg_catalog.now())
		order by rolname`, self)
	if err != nil {
		return nil, err
	}
	entries = []auth.Entry{}
	var e auth.Entry
	_, err = pgx.ForEachRow(rows, []any{&e.Name, &e.Secret}, func() error {
		entries = append(entries, e)
		return nil
	})
	return entries, err
}

// authFileText is PgBouncer's format of an auth_file.
func authFileText(entries []auth.Entry) []byte {
	var b strings.Builder
	quote := func(text string) string { return `"` + strings.ReplaceAll(text, `"`, `""`) + `"` }
	for _, e := range entries {
		b.WriteString(quote(e.Name) + " " + quote(e.Secret) + "\n")
	}
	return []byte(b.String())
}
