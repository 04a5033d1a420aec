package census

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/passwords"
)

const (
	connectTimeout   = 5 * time.Second
	statementTimeout = 5 * time.Second
	// answerTimeout is for a server that does not even keep its own timeout.
	answerTimeout = statementTimeout + time.Second
	// closeTimeout is how long saying goodbye may take.
	closeTimeout = time.Second
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
	ReachAbstract(&c.Config)
	c.ConnectTimeout = connectTimeout
	for key, value := range map[string]string{
		"application_name": "pgweir census",
		// Text is taken as the bytes that it is: databases may have any
		// encoding, and one name that cannot be converted would fail it all.
		"client_encoding":               "SQL_ASCII",
		"search_path":                   "pg_catalog, pg_temp",
		"statement_timeout":             fmt.Sprint(statementTimeout.Milliseconds()),
		"idle_session_timeout":          "0",
		"default_transaction_read_only": "on",
		"jit":                           "off",
	} {
		c.RuntimeParams[key] = value
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
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
		err = &askError{text: reason(err), err: err}
		if refusal(sqlState(err)) {
			l.refused, l.until = err, time.Now().Add(refusalPause)
		}
		return false, err
	}
	return false, nil
}

// ReachAbstract has pgx connect to an abstract Unix socket where the host begins
// with "@", as libpq does: it would take that for the name of a machine.
func ReachAbstract(c *pgconn.Config) {
	if !strings.HasPrefix(c.Host, "@") {
		return
	}
	socket := fmt.Sprintf("%s/.s.PGSQL.%d", c.Host, c.Port)
	c.TLSConfig, c.Fallbacks = nil, nil
	c.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	c.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
}

// close says goodbye, if there is a connection.
func (l *line) close() {
	if l.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = l.conn.Close(ctx) // it is given up either way
	l.conn = nil
}

// refusal tells whether a login that failed with code will fail again: who we
// are, or what we ask for, is wrong. (53300 and 57P03 pass.)
func refusal(code string) bool {
	return strings.HasPrefix(code, "28") || strings.HasPrefix(code, "3D") || strings.HasPrefix(code, "42")
}

// sqlState is the SQLSTATE that an error carries, "" if the server said nothing.
func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// askError is a failed question, in one line and without the password.
type askError struct {
	text string
	err  error
}

func (e *askError) Error() string { return e.text }
func (e *askError) Unwrap() error { return e.err }

// reason is the innermost reason of an error: pgx repeats one for each address
// and TLS mode, over several lines.
func reason(err error) string {
	var pgErr *pgconn.PgError
	var opErr *net.OpError
	var dnsErr *net.DNSError
	switch {
	case errors.As(err, &pgErr):
		return fmt.Sprintf("%s (SQLSTATE %s)", pgErr.Message, pgErr.Code)
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &dnsErr):
		return dnsErr.Error()
	case errors.As(err, &opErr):
		return opErr.Error()
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}
