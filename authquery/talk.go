package authquery

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/asking"
	"pgweir/auth"
	"pgweir/passwords"
)

// maxSecret bounds a secret, in bytes: PostgreSQL takes no longer password.
const maxSecret = 65535

// talk is a conn to PostgreSQL. auth_query is the operator's, and its names are looked for
// as auth_user has them (search_path of the role or its database), as with PgBouncer;
// pgweir's own questions name everything in full.
type talk struct {
	conn  *pgconn.PgConn
	name  string // the system identifier, which a primary and its replicas have in common, as they have their users
	shape auth.Shape
}

// Reach says how connections to a server are encrypted and dialed, beyond what a
// connection string says.
type Reach interface{ Apply(*pgconn.Config) error }

// openBy is the opener for PostgreSQL.
func openBy(dial asking.Dial) opener {
	return func(ctx context.Context, s Source, password string) (conn, error) {
		return openTalk(ctx, s, password, dial)
	}
}

func openTalk(ctx context.Context, s Source, password string, dial asking.Dial) (conn, error) {
	c, err := pgconn.ParseConfig(s.ConnString)
	if err != nil {
		return nil, fmt.Errorf("the connection string: %w", err)
	}
	asking.DialBy(c, dial)
	if s.Reach != nil {
		if err := s.Reach.Apply(c); err != nil {
			return nil, asking.Shortened(err)
		}
	}
	if password != "" {
		c.Password = password
	}
	asking.SetParameters(c, "pgweir auth_query")
	ctx, cancel := context.WithTimeout(ctx, asking.ConnectTimeout)
	defer cancel()
	conn, err := pgconn.ConnectConfig(ctx, c)
	if err != nil {
		return nil, asking.Shortened(err)
	}
	t := &talk{conn: conn}
	if err := t.identify(ctx); err != nil {
		t.close()
		return nil, asking.Shortened(err)
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
	if r.Err != nil && (asking.SQLState(r.Err) == "" || t.dead()) {
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
		return false, asking.Shortened(r.Err)
	}
	return len(r.Rows) > 0, nil
}

func (t *talk) dead() bool { return t.conn.IsClosed() }

func (t *talk) close() { asking.Close(t.conn) }

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
		return "", asking.Shortened(err)
	case wrong != nil:
		return "", wrong
	}
	return secret, nil
}

// notAName tells an error about the name itself, as that its bytes are no text in
// the server's encoding: nobody has it. (Class 22 is that of wrong data.)
func notAName(err error) bool { return strings.HasPrefix(asking.SQLState(err), "22") }

// openOnce opens a connection with the first password that the server takes.
func openOnce(ctx context.Context, s Source, list passwords.List) (c conn, err error) {
	var login passwords.Login
	err = login.Try(ctx, list, func(password string) (err error) {
		c, err = openTalk(ctx, s, password, nil)
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
	code := asking.SQLState(err)
	return len(code) == 5 && (code[:2] == "28" || code[:2] == "3D" || code[:2] == "42" || code[:2] == "55")
}

// isNoDatabase tells that there is no database of this name.
func isNoDatabase(err error) bool { return asking.SQLState(err) == "3D000" }
