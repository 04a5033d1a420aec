package main

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/config"
)

// dsnWords are libpq's that pgx understands, or PostgreSQL by the same name.
var dsnWords = []string{
	"host", "port", "dbname", "database", "user", "password", "passfile", "connect_timeout",
	"sslmode", "sslkey", "sslcert", "sslrootcert", "sslnegotiation", "sslpassword", "sslsni",
	"target_session_attrs", "service", "servicefile", "channel_binding", "require_auth",
	"min_protocol_version", "max_protocol_version", "krbspn", "krbsrvname",
	"application_name", "options", "client_encoding", "timezone", "datestyle", "replication",
}

// checkDSN finds words in a flag's DSN that are slips of one of libpq's. Any other is taken
// for a setting of PostgreSQL's, which says itself what it does not know. A DSN that
// cannot be read is no matter of this.
func checkDSN(flag, dsn string) error {
	c, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(c.RuntimeParams)) {
		if slices.Contains(dsnWords, strings.ToLower(name)) {
			continue
		}
		if near := config.Nearest(name, dsnWords); near != "" {
			return fmt.Errorf("%s: unknown word %s; did you mean %q?", flag, config.Quote(name), near)
		}
	}
	return nil
}

// dsnServer is the server of a DSN as messages name it.
func dsnServer(c *pgconn.Config) string {
	if strings.HasPrefix(c.Host, "/") || strings.HasPrefix(c.Host, "@") {
		return config.SocketPath(c.Host, int(c.Port))
	}
	return net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
}

// dsnLogin is the login of a DSN for messages.
func dsnLogin(c *pgconn.Config) serverLogin {
	return serverLogin{user: c.User, dbname: cmp.Or(c.Database, c.User)}
}
