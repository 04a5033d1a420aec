package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/authquery"
	"pgweir/census"
	"pgweir/config"
	"pgweir/proxy"
)

// authLogins is for proxy.Options.
func authLogins(c *config.Config) proxy.ConnStrings {
	return func(q config.AuthQuery) (string, authquery.Reach) {
		login := authLogin(c, q)
		return login.connString(), authReach(login.tls)
	}
}

// authReach has a connection encrypted and dialed as the pools' own are.
type authReach serverTLS

// Apply implements authquery.Reach.
func (r authReach) Apply(c *pgconn.Config) error {
	census.ReachAbstract(c)
	return serverTLS(r).encrypt(c)
}

// authLogin is how auth_user logs in, but for the password.
func authLogin(c *config.Config, q config.AuthQuery) serverLogin {
	login := serverLogin{
		host: hostList(q.Database.Servers()), port: q.Database.Port, user: q.User, dbname: q.Database.DBName,
		tls: serverTLSOf(c), auth: serverAuthOf(c), application: "pgweir auth_query",
	}
	return login
}

// hostList is servers as libpq's host: the first that lets us in is asked.
func hostList(servers []config.Server) string {
	var all []string
	for _, s := range servers {
		host := s.Host
		if dir, ok := s.SocketDir(); ok {
			host = dir
		}
		all = append(all, host)
	}
	return strings.Join(all, ",")
}

// authSource is where a question is asked.
func authSource(c *config.Config, q config.AuthQuery) authquery.Source {
	login := authLogin(c, q)
	return authquery.Source{Server: q.Database.At(), Database: login.dbname, User: q.User, ConnString: login.connString(), Reach: authReach(login.tls), Query: q.Query}
}

// authSources are the places where secrets are asked for, each once. Where the client
// chooses the database, that is "postgres", which is nearly always there.
func authSources(c *config.Config) (out []authquery.Source) {
	for name := range c.Databases {
		q, ok := c.AuthQueryFor(name)
		if !ok {
			continue
		}
		if q.Database.Name == "*" && q.Database.DBName == "*" {
			q, _ = c.AuthQueryFor("postgres")
		}
		s := authSource(c, q)
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b authquery.Source) int {
		return cmp.Or(cmp.Compare(a.Server, b.Server), cmp.Compare(a.Database, b.Database), cmp.Compare(a.User, b.User), cmp.Compare(a.Query, b.Query))
	})
	return out
}

// authQueries tries every auth_query, and prints what does not work.
func (ck *checker) authQueries(ctx context.Context, c *config.Config) {
	for _, s := range authSources(c) {
		fmt.Fprintf(ck.out, "auth_query: user %q asks in database %q of %s, over one connection besides the pools' own\n", s.User, s.Database, s.Server)
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		if err := ck.tryQuery(ctx, s, passwordsOf(c, s.User), s.User); err != nil {
			fmt.Fprintf(ck.out, "warning: auth_query as user %q in database %q of %s does not work: %s\n", s.User, s.Database, s.Server, err)
		}
		cancel()
	}
}
