// Package asking has what pgweir's own connections to PostgreSQL have in common: those of
// auth_query and of a census. It knows under which settings something is asked on them, how
// long that may take, and how an error is told in one line.
//
// It must not know what is asked, who asks, or what becomes of the answer.
package asking

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	ConnectTimeout   = 5 * time.Second
	StatementTimeout = 5 * time.Second
	// closeTimeout is how long saying goodbye may take.
	closeTimeout = time.Second
)

// SetParameters has a connection begin with settings of pgweir's own, whatever the role,
// the database and the environment ask for, but for search_path. Texts are taken as the
// bytes that they are, as PostgreSQL does at a login: databases may have any encoding.
func SetParameters(c *pgconn.Config, applicationName string) {
	for name, value := range map[string]string{
		"application_name":                    applicationName,
		"client_encoding":                     "SQL_ASCII",
		"statement_timeout":                   strconv.FormatInt(StatementTimeout.Milliseconds(), 10),
		"idle_session_timeout":                "0",
		"idle_in_transaction_session_timeout": "0",
		"default_transaction_read_only":       "on",
		"jit":                                 "off",
	} {
		c.RuntimeParams[name] = value
	}
}

// SetSearchPath has names be looked for among the server's own alone.
func SetSearchPath(c *pgconn.Config) { c.RuntimeParams["search_path"] = "pg_catalog, pg_temp" }

// Dial opens a connection as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// DialBy has a connection opened by dial, which looks names up itself; nil changes nothing.
func DialBy(c *pgconn.Config, dial Dial) {
	if dial != nil {
		c.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
		c.DialFunc = pgconn.DialFunc(dial)
	}
}

// Close says goodbye on a connection, and closes it.
func Close(conn interface{ Close(context.Context) error }) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx) // it is given up either way
}

// SQLState is that of an error, "" if the server said nothing.
func SQLState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// shortError is an error in one line.
type shortError struct {
	text string
	err  error
}

func (e *shortError) Error() string { return e.text }
func (e *shortError) Unwrap() error { return e.err }

// Shortened is an error of pgx's in one line, without the password: the innermost reason,
// which pgx repeats for each address and TLS mode.
func Shortened(err error) error {
	text := strings.Join(strings.Fields(err.Error()), " ")
	var pgErr *pgconn.PgError
	var dnsErr *net.DNSError
	var opErr *net.OpError
	switch {
	case errors.As(err, &pgErr):
		text = fmt.Sprintf("%s (SQLSTATE %s)", pgErr.Message, pgErr.Code)
	case errors.Is(err, context.DeadlineExceeded):
		text = "no answer in time"
	case errors.As(err, &dnsErr):
		text = dnsErr.Error()
	case errors.As(err, &opErr):
		text = opErr.Error()
	}
	return &shortError{text, err}
}
