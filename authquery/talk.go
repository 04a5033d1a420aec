package authquery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/auth"
	"pgweir/passwords"
)

const (
	connectTimeout   = 5 * time.Second
	statementTimeout = 5 * time.Second
	// closeTimeout is how long saying goodbye may take.
	closeTimeout = time.Second
	// maxSecret bounds a secret, in bytes: PostgreSQL takes no longer password.
	maxSecret = 65535
)

// parameters are those of every connection: what the role, the database and the
// environment ask for does not count. Names are taken as the bytes that they are,
// as PostgreSQL does at a login.
var parameters = map[string]string{
	"application_name":                    "pgweir auth_query",
	"client_encoding":                     "SQL_ASCII",
	"search_path":                         "pg_catalog, pg_temp",
	"statement_timeout":                   strconv.FormatInt(statementTimeout.Milliseconds(), 10),
	"idle_session_timeout":                "0",
	"idle_in_transaction_session_timeout": "0",
	"default_transaction_read_only":       "on",
	"jit":                                 "off",
}

// talk is a conn to PostgreSQL.
type talk struct {
	conn  *pgconn.PgConn
	name  string // the system identifier, which a primary and its replicas have in common, as they have their users
	shape auth.Shape
}

// Reach says how connections to a server are encrypted and dialed, beyond what a
// connection string says.
type Reach interface{ Apply(*pgconn.Config) error }

// openTalk is the opener for PostgreSQL.
func openTalk(ctx context.Context, s Source, password string) (conn, error) {
	c, err := pgconn.ParseConfig(s.ConnString)
	if err != nil {
		return nil, fmt.Errorf("the connection string: %w", err)
	}
	if s.Reach != nil {
		if err := s.Reach.Apply(c); err != nil {
			return nil, shortened(err)
		}
	}
	if password != "" {
		c.Password = password
	}
	for name, value := range parameters {
		c.RuntimeParams[name] = value
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := pgconn.ConnectConfig(ctx, c)
	if err != nil {
		return nil, shortened(err)
	}
	t := &talk{conn: conn}
	if err := t.identify(ctx); err != nil {
		t.close()
		return nil, shortened(err)
	}
	return t, nil
}

// identity asks which server it is, and what secrets it makes.
const (
	identity = "SELECT s.system_identifier, pg_catalog.current_setting('password_encryption'), pg_catalog.current_setting('scram_iterations', true)" +
		" FROM pg_catalog.pg_control_system() s"
	existence = "SELECT FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) $1 AND datallowconn"
)

// identify asks for the server's identity. One that does not tell it has none.
func (t *talk) identify(ctx context.Context) error {
	r := t.conn.ExecParams(ctx, identity, nil, nil, nil, nil).Read()
	if r.Err != nil && (sqlState(r.Err) == "" || t.dead()) {
		return r.Err
	}
	if r.Err != nil || len(r.Rows) != 1 {
		return nil
	}
	row := r.Rows[0]
	t.name, t.shape.MD5 = string(row[0]), string(row[1]) == "md5"
	t.shape.Iterations, _ = strconv.Atoi(string(row[2])) // before version 16 there is no such setting
	return nil
}

func (t *talk) server() (string, auth.Shape) { return t.name, t.shape }

func (t *talk) exists(ctx context.Context, database string) (bool, error) {
	r := t.conn.ExecParams(ctx, existence, [][]byte{[]byte(database)}, nil, nil, nil).Read()
	switch {
	case notAName(r.Err):
		return false, nil
	case r.Err != nil:
		return false, shortened(r.Err)
	}
	return len(r.Rows) > 0, nil
}

func (t *talk) dead() bool { return t.conn.IsClosed() }

func (t *talk) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = t.conn.Close(ctx) // it is given up either way
}

// ask puts the question. Its row has to be the very user's: PostgreSQL cuts a name
// of 64 bytes and more, which then is another's.
func (t *talk) ask(ctx context.Context, query, name string) (secret string, err error) {
	rows := t.conn.ExecParams(ctx, query, [][]byte{[]byte(name)}, nil, nil, nil)
	var wrong error
	for n := 1; rows.NextRow(); n++ {
		row := rows.Values()
		switch {
		case n > 1:
			wrong = errors.New("auth_query gives more than one row")
		case len(row) < 2:
			wrong = errors.New("auth_query gives no second column, the secret")
		case len(row[1]) > maxSecret:
			wrong = errors.New("auth_query gives a secret of impossible length")
		case string(row[0]) == name:
			secret = string(row[1])
		}
	}
	_, err = rows.Close()
	switch {
	case notAName(err):
		return "", nil
	case err != nil:
		return "", shortened(err)
	case wrong != nil:
		return "", wrong
	}
	return secret, nil
}

// notAName tells an error about the name itself, as that its bytes are no text in
// the server's encoding: nobody has it. (Class 22 is that of wrong data.)
func notAName(err error) bool { return strings.HasPrefix(sqlState(err), "22") }

// openOnce opens a connection with the first password that the server takes.
func openOnce(ctx context.Context, s Source, list passwords.List) (c conn, err error) {
	var login passwords.Login
	err = login.Try(ctx, list, func(password string) (err error) {
		c, err = openTalk(ctx, s, password)
		return err
	})
	return c, err
}

// Try asks a source once, over a connection that is closed again. The error is in one
// line, and has no secret.
func Try(ctx context.Context, s Source, list passwords.List, name string) error {
	c, err := openOnce(ctx, s, list)
	if err != nil {
		return err
	}
	defer c.close()
	_, err = c.ask(ctx, s.Query, name)
	return err
}

// isRefusal tells that the server is there and does not let us in: who we are, or what
// we ask for, is wrong.
func isRefusal(err error) bool {
	code := sqlState(err)
	return len(code) == 5 && (code[:2] == "28" || code[:2] == "3D" || code[:2] == "42" || code[:2] == "55")
}

// isNoDatabase tells that there is no database of this name.
func isNoDatabase(err error) bool { return sqlState(err) == "3D000" }

func sqlState(err error) string {
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

// shortened says the innermost reason: pgconn repeats one for each address and TLS
// mode, over several lines.
func shortened(err error) error {
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
