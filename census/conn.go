package census

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/asking"
	"pgweir/passwords"
)

const (
	// answerTimeout is for a server that does not even keep its own timeout.
	answerTimeout = asking.StatementTimeout + time.Second
	// refusalPause is how long a refused login is not tried again: each try
	// writes to the server's log, and none will fare better soon.
	refusalPause = 30 * time.Second
)

// line is the one connection to a server. It is opened when something is asked
// and kept; after an error it is closed.
type line struct {
	connString string
	passwords  func() passwords.List // nil for the one in connString
	login      passwords.Login
	encryption Encryption
	dial       asking.Dial
	user       string // in it, once it was read
	conn       *pgx.Conn

	refused error     // the last login's, if another would be refused as well
	until   time.Time // when it may be tried again
}

// open makes sure that there is a connection; reused tells that it has been
// there before, and may have died meanwhile.
func (l *line) open(ctx context.Context) (reused bool, err error) {
	if l.conn != nil {
		if !l.conn.IsClosed() {
			return true, nil
		}
		l.conn = nil
	}
	var list passwords.List
	if l.passwords != nil {
		list = l.passwords()
	}
	if l.refused != nil && time.Now().Before(l.until) && !l.login.HasOther(list) {
		return false, l.refused
	}
	l.refused = nil
	c, err := pgx.ParseConfig(l.connString)
	if err != nil {
		return false, fmt.Errorf("the connection string: %w", err)
	}
	if l.encryption != nil {
		if err := l.encryption.Apply(c); err != nil {
			return false, err
		}
	}
	l.user = c.User
	asking.DialBy(&c.Config, l.dial)
	ReachAbstract(&c.Config)
	c.ConnectTimeout = asking.ConnectTimeout
	asking.SetParameters(&c.Config, "pgweir census")
	asking.SetSearchPath(&c.Config)
	ctx, cancel := context.WithTimeout(ctx, asking.ConnectTimeout)
	defer cancel()
	err = l.login.Try(ctx, list, func(password string) (err error) {
		if password != "" {
			c.Password = password
		}
		l.conn, err = pgx.ConnectConfig(ctx, c)
		return err
	})
	if err != nil {
		l.conn = nil
		err = asking.Shortened(err)
		if refusal(asking.SQLState(err)) {
			l.refused, l.until = err, time.Now().Add(refusalPause)
		}
		return false, err
	}
	return false, nil
}

// ReachAbstract has pgx connect to an abstract Unix socket where a host begins
// with "@", as libpq does: it would take that for the name of a machine.
func ReachAbstract(c *pgconn.Config) {
	known := map[string]bool{c.Host: true}
	c.Fallbacks = slices.DeleteFunc(c.Fallbacks, func(f *pgconn.FallbackConfig) bool {
		if !isAbstract(f.Host) {
			return false
		}
		again := known[f.Host] // pgx would try it with TLS and without
		known[f.Host], f.TLSConfig = true, nil
		return again
	})
	if isAbstract(c.Host) {
		c.TLSConfig = nil
	}
	lookup, dial := c.LookupFunc, c.DialFunc
	c.LookupFunc = func(ctx context.Context, host string) ([]string, error) {
		if isAbstract(host) {
			return []string{host}, nil
		}
		return lookup(ctx, host)
	}
	c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if host, port, err := net.SplitHostPort(addr); err == nil && isAbstract(host) {
			return new(net.Dialer).DialContext(ctx, "unix", fmt.Sprintf("%s/.s.PGSQL.%s", host, port))
		}
		return dial(ctx, network, addr)
	}
}

func isAbstract(host string) bool { return strings.HasPrefix(host, "@") }

// close says goodbye, if there is a connection.
func (l *line) close() {
	if l.conn == nil {
		return
	}
	asking.Close(l.conn)
	l.conn = nil
}

// refusal tells whether a login that failed with code will fail again: who we
// are, or what we ask for, is wrong. (53300 and 57P03 pass.)
func refusal(code string) bool {
	return strings.HasPrefix(code, "28") || strings.HasPrefix(code, "3D") || strings.HasPrefix(code, "42")
}
