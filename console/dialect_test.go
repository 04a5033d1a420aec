package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/status"
)

// ask runs one text on a console of this database, and gives its rows with | and ;
// between, or the SQLSTATE.
func ask(t *testing.T, database string, access Access, text string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	config, err := pgconn.ParseConfig("postgres://ann@console/" + database + "?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	config.LookupFunc = func(context.Context, string) ([]string, error) { return []string{"192.0.2.1"}, nil }
	config.DialFunc = func(context.Context, string, string) (net.Conn, error) { return theirs, nil }
	go func() {
		defer ours.Close()
		if login(ours, database) {
			// The client tells what went wrong.
			_ = Serve(ours, Client{User: "ann", Database: database, Access: always(access)}, &fakeControl{})
		}
	}()
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	results, err := conn.Exec(ctx, text).ReadAll()
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, r := range results {
		for _, row := range r.Rows {
			rows = append(rows, strings.ReplaceAll(fmt.Sprintf("%s", row), " ", "|"))
		}
		rows = append(rows, r.CommandTag.String())
	}
	return strings.Join(rows, ";")
}

// TestTheDatabaseChoosesTheDialect: what tools read off the console, by database.
func TestTheDatabaseChoosesTheDialect(t *testing.T) {
	for _, c := range []struct {
		access            Access
		text              string
		pgbouncer, pgweir string
	}{
		{Admin, "SHOW VERSION", "[PgBouncer|" + status.PgBouncerVersion + "];SHOW", "[pgweir|0.1.0];SHOW"},
		{Admin, "SHOW server_version", "[" + status.PgBouncerVersion + "/bouncer];SHOW", "[0.1.0/pgweir];SHOW"},
		{Admin, "select version()", "[PgBouncer|" + status.PgBouncerVersion + "];SELECT 1", "[pgweir|0.1.0];SELECT 1"},
		{Admin, "select current_database(), current_user", "[pgbouncer|ann];SELECT 1", "[pgweir|ann];SELECT 1"},
		{Admin, "nonsense", "08P01", "42601"},
		{Admin, "show nonsense", "08P01", "42601"},
		{Admin, "kill_client 99", "08P01", "42704"},
		{Admin, "kill_client x", "08P01", "22023"},
		{Stats, "reload", "08P01", "42501"},
		{Stats, "show fds", "08P01", "42501"},
		{Stats, "show state", "[active|yes];[paused|no];[suspended|no];SHOW", "[active|yes];[paused|no];[suspended|no];[ready|yes];[io_engine|io_uring];SHOW"},
		{Stats, "show mem", "SHOW", "[io_uring_buffers|32768|3|61|2097152|17|4096];SHOW"},
		// Either has the tables of pgweir's own.
		{Stats, "show pins", "SHOW", "SHOW"},
	} {
		for database, want := range map[string]string{"pgbouncer": c.pgbouncer, "pgweir": c.pgweir} {
			got := ask(t, database, c.access, c.text)
			if want == "SHOW" {
				got = got[strings.LastIndexByte(got, ';')+1:]
			}
			if got != want {
				t.Errorf("%s on %s: %s, want %s", c.text, database, got, want)
			}
		}
	}
}

func TestOnDatabasePgbouncerTheConsoleHasOnePool(t *testing.T) {
	for _, table := range []string{"pools", "stats"} {
		if got := ask(t, "pgweir", Admin, "show "+table); !strings.Contains(got, "pgweir|") {
			t.Errorf("%s on pgweir: %s", table, got)
		}
		if got := ask(t, "pgbouncer", Admin, "show "+table); strings.Contains(got, "pgweir|") || !strings.Contains(got, "pgbouncer|") {
			t.Errorf("%s on pgbouncer: %s", table, got)
		}
	}
}

// TestWhatDriversAskForIsAnswered: what is sent at the login, or to see whether
// anybody is there, by libpq, pgjdbc, psycopg, SQLAlchemy, DBeaver and postgres.js.
func TestWhatDriversAskForIsAnswered(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT 1":                                              "[1];SELECT 1",
		"select 1;":                                             "[1];SELECT 1",
		"SELECT 1 AS one, 'two' three, -3":                      "[1|two|-3];SELECT 1",
		"SELECT 'it''s'":                                        "[it's];SELECT 1",
		"select pg_catalog.pg_is_in_recovery()":                 "[f];SELECT 1",
		"SELECT current_schema(),session_user":                  "[public|ann];SELECT 1",
		"SELECT current_catalog, user":                          "[pgbouncer|ann];SELECT 1",
		"SHOW transaction_read_only":                            "[off];SHOW",
		"SHOW TRANSACTION ISOLATION LEVEL":                      "[read|committed];SHOW",
		"show standard_conforming_strings":                      "[on];SHOW",
		"SET extra_float_digits = 3":                            "SET",
		"SET statement_timeout TO 0":                            "SET",
		"set client_min_messages = notice":                      "SET",
		"SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE": "SET",
		"select b.oid, b.typarray from pg_catalog.pg_type a left join pg_catalog.pg_type b on b.oid = a.typelem where a.typcategory = 'A' group by b.oid, b.typarray order by b.oid": "SELECT 0",
		// What is neither is an error, and not an empty answer.
		"select oid, datname from pg_database": "08P01",
		"select 1 from x":                      "08P01",
		"select":                               "08P01",
		"select 1,":                            "08P01",
		"select (1)":                           "08P01",
		"select 1 one two":                     "08P01",
		"select \"x\"":                         "08P01",
		"select now()":                         "08P01",
		"select version() version ()":          "08P01",
	} {
		if got := ask(t, "pgbouncer", Stats, text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
