package console

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib"

	"pgweir/wire"
)

// listen serves the console on a port of the loopback to whoever comes, and
// returns a connection string.
func listen(t *testing.T, ctl Control) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if login(conn, "pgweir") {
					// The drivers tell what went wrong.
					_ = Serve(conn, from("admin", Admin), ctl)
				}
			}()
		}
	}()
	return "postgres://admin@" + ln.Addr().String() + "/pgweir?sslmode=disable&connect_timeout=10"
}

// login lets a client in that sends a StartupMessage and waits for the answer.
func login(conn net.Conn, database string) bool {
	var got []byte
	for {
		b := make([]byte, 1024)
		n, err := conn.Read(b)
		if err != nil {
			return false
		}
		got = append(got, b[:n]...)
		s, n, err := wire.DecodeStartup(got)
		if err != nil || n > 0 && s.Kind != wire.KindStartup {
			return false
		}
		if n > 0 {
			break
		}
	}
	out := Welcome(wire.AppendAuthOK(nil), database, "0.1.0")
	out = wire.AppendBackendKeyData(out, 1, []byte("key1"))
	_, err := conn.Write(wire.AppendReadyForQuery(out, 'I'))
	return err == nil
}

func TestPgxReadsEveryTableInEachOfItsModes(t *testing.T) {
	url := listen(t, &fakeControl{})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe,
		pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		t.Run(mode.String(), func(t *testing.T) {
			config, err := pgx.ParseConfig(url)
			if err != nil {
				t.Fatal(err)
			}
			config.DefaultQueryExecMode = mode
			conn, err := pgx.ConnectConfig(ctx, config)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(ctx)
			if err := conn.Ping(ctx); err != nil {
				t.Error(err)
			}
			for _, tab := range tables {
				for range 2 { // the second time from the driver's cache
					checkTable(ctx, t, conn, tab.name, tab.table)
				}
			}
			checkSavings(ctx, t, conn)
			checkErrors(ctx, t, conn)
		})
	}
}

// checkTable reads a table and compares every value with what the table gives.
func checkTable(ctx context.Context, t *testing.T, conn *pgx.Conn, name string, want table) {
	t.Helper()
	rows, err := conn.Query(ctx, "SHOW "+strings.ToUpper(name))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	result := want.read(fixture())
	fields := want.fields()
	row := 0
	for rows.Next() {
		for i := range fields {
			v := result.cell(row, i)
			got := rows.RawValues()[i]
			if (got == nil) != v.null {
				t.Errorf("%s, row %d, %s: NULL %v, want %v", name, row, fields[i].name, got == nil, v.null)
			}
		}
		values, err := rows.Values()
		if err != nil {
			t.Fatalf("%s, row %d: %v", name, row, err)
		}
		for i, f := range fields {
			if v := result.cell(row, i); f.oid == oidText && !v.null && values[i] != v.text {
				t.Errorf("%s, row %d, %s: %q, want %q", name, row, f.name, values[i], v.text)
			} else if f.oid == oidInt4 && !v.null && values[i] != int32(v.number) {
				t.Errorf("%s, row %d, %s: %v, want %d", name, row, f.name, values[i], v.number)
			}
		}
		row++
	}
	if err := rows.Err(); err != nil || row != result.rows {
		t.Errorf("%s: %d rows, want %d; %v", name, row, result.rows, err)
	}
	if tag := rows.CommandTag().String(); tag != "SHOW" {
		t.Errorf("%s: tag %q", name, tag)
	}
}

func checkSavings(ctx context.Context, t *testing.T, conn *pgx.Conn) {
	t.Helper()
	type saved struct {
		Database                   string
		User                       *string
		Clients, Backends, Saved   int
		Ratio                      float64
		PeakClients, PeakBackends  int
		PeakSaved                  int
		ClientLogins, ServerLogins int64
		ForksAvoided               int64
		BackendMemory, MemorySaved *int64
		MemorySource               string
	}
	rows, err := conn.Query(ctx, "SHOW SAVINGS")
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[saved])
	if err != nil || len(got) != 3 {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	total := got[2]
	if total.User != nil || total.Saved != 134 || total.Ratio != 9.38 || total.ForksAvoided != 984 || *total.MemorySaved != 268<<20 {
		t.Errorf("%+v", total)
	}
	if got[1].BackendMemory != nil {
		t.Errorf("%+v", got[1])
	}
}

func checkErrors(ctx context.Context, t *testing.T, conn *pgx.Conn) {
	t.Helper()
	_, err := conn.Exec(ctx, "SHOW NOTHING")
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code != wire.CodeSyntaxError {
		t.Errorf("SHOW NOTHING: %v", err)
	}
	tag, err := conn.Exec(ctx, "RELOAD")
	if err != nil || tag.String() != "RELOAD" {
		t.Errorf("RELOAD: %v %v", tag, err)
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var version string
	if err := tx.QueryRow(ctx, "SHOW VERSION").Scan(&version); err != nil || version != "pgweir 0.1.0" {
		t.Errorf("SHOW VERSION: %q %v", version, err)
	}
	if err := tx.Commit(ctx); err != nil {
		t.Error(err)
	}
}

func TestDatabaseSQLUsesTheConsole(t *testing.T) {
	ctl := &fakeControl{}
	db, err := sql.Open("pgx", listen(t, ctl))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	rows, err := db.QueryContext(ctx, "SHOW POOLS")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil || len(columns) != 21 || columns[17] != "sv_closing" || columns[20] != "sv_replication" {
		t.Fatalf("%v %v", columns, err)
	}
	n := 0
	for rows.Next() {
		cells := make([]any, len(columns))
		for i := range cells {
			cells[i] = new(sql.NullString)
		}
		if err := rows.Scan(cells...); err != nil {
			t.Fatal(err)
		}
		if n == 0 && cells[2].(*sql.NullString).String != "140" {
			t.Errorf("cl_active is %v", cells[2])
		}
		n++
	}
	if err := rows.Err(); err != nil || n != 3 {
		t.Errorf("%d rows, %v", n, err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(ctx, "KILL_CLIENT 1"); err != nil {
		t.Error(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	if calls := ctl.takeCalls(); !slices.Equal(calls, []string{"Issued KILL_CLIENT 1", "KillClient 1"}) {
		t.Errorf("calls: %v", calls)
	}
}
