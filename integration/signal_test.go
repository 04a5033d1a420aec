package integration

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// TestAProcessIDThatWasToldAtTheLoginCanBeSignaled: in transaction mode it is no
// backend's, but pg_cancel_backend and pg_terminate_backend of it reach the
// client that was told it, as directly.
func TestAProcessIDThatWasToldAtTheLoginCanBeSignaled(t *testing.T) {
	t.Parallel()
	const role = "signals_nobody"
	w := startWeir(t, weirOptions{Tables: "[users.postgres]\n[users." + role + "]\n"})
	createRole(t, role)
	direct := connect(t, w.Direct())
	var notices []string
	heard := func(more ...string) *pgx.Conn {
		config, err := pgx.ParseConfig(w.DSN(more...))
		if err != nil {
			t.Fatal(err)
		}
		config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notices = append(notices, n.Message) }
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(t.Context()) })
		return conn
	}
	signaler, stranger := heard(), heard("user="+role)
	signals := func(by *pgx.Conn, function string, pid uint32) bool {
		t.Helper()
		var ok bool
		if err := by.QueryRow(t.Context(), "select "+function+"($1)", pid).Scan(&ok); err != nil {
			t.Fatal(err)
		}
		return ok
	}
	target := connect(t, w.DSN())
	pid := target.PgConn().PID()

	const sleeps = "select pg_sleep(60) /* signaled */"
	query := begin(t, target, sleeps)
	running(t, w, direct, sleeps, 1)
	for _, function := range []string{"pg_cancel_backend", "pg_terminate_backend"} {
		if signals(stranger, function, pid) {
			t.Errorf("somebody else may %s", function)
		}
	}
	if len(notices) != 2 || !strings.Contains(notices[0], fmt.Sprint(pid)) {
		t.Errorf("a stranger heard %q", notices)
	}
	notices = nil
	running(t, w, direct, sleeps, 1)
	if !signals(signaler, "pg_cancel_backend", pid) {
		t.Error("pg_cancel_backend says false")
	}
	if code := sqlState(finished(t, query, patience)); code != "57014" {
		t.Errorf("the query was ended with %q", code)
	}

	query = begin(t, target, sleeps)
	running(t, w, direct, sleeps, 1)
	if !signals(signaler, "pg_terminate_backend", pid) {
		t.Error("pg_terminate_backend says false")
	}
	if code := sqlState(finished(t, query, patience)); code != "57P01" {
		t.Errorf("the connection was ended with %q", code)
	}
	running(t, w, direct, sleeps, 0)

	idle := connect(t, w.DSN())
	if !signals(signaler, "pg_terminate_backend", idle.PgConn().PID()) {
		t.Error("pg_terminate_backend of an idle client says false")
	}
	eventually(t, "the idle client's connection is closed", func() bool { return idle.Ping(t.Context()) != nil })
	if len(notices) > 0 {
		t.Errorf("it heard %q", notices)
	}
	if signals(signaler, "pg_terminate_backend", pid) || len(notices) != 1 {
		t.Errorf("a client that has gone could be ended, and %q was heard", notices)
	}
	err := runSQL(t.Context(), signaler, fmt.Sprintf("select pg_terminate_backend(%d)", signaler.PgConn().PID()))
	if code := sqlState(err); code != "57P01" {
		t.Errorf("ending oneself: %v", err)
	}
}

// TestTheProcessIDOfABackendMeansWhoHasAskedForIt: the backend that a client asked
// pg_backend_pid() on is lent to the one who signals that process next.
func TestTheProcessIDOfABackendMeansWhoHasAskedForIt(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "leak_check = 0\n", Database: "pool_size = 1"})
	for name, options := range map[string]string{
		"text": simpleProtocol, "unnamed": "default_query_exec_mode=exec", "named": "default_query_exec_mode=cache_statement",
	} {
		victim, caller := loginWire(t, w), connect(t, w.DSN(options))
		victim.send(simpleQuery("select pg_backend_pid()"))
		pid := string(victim.until('D')[6:])
		victim.until('Z')
		n, err := strconv.Atoi(pid)
		if err != nil {
			t.Fatal(err)
		}
		var done bool
		if err := caller.QueryRow(t.Context(), "select pg_cancel_backend($1)", n).Scan(&done); err != nil || !done {
			t.Errorf("%s: pg_cancel_backend: %v, %v", name, done, err)
		}
		victim.does("select 1") // there was nothing to cancel
		if err := caller.QueryRow(t.Context(), "select pg_terminate_backend($1)", n).Scan(&done); err != nil || !done {
			t.Errorf("%s: pg_terminate_backend: %v, %v", name, done, err)
		}
		if code := victim.ended(patience); code != "57P01" {
			t.Errorf("%s: the client that was meant got %q", name, code)
		}
		// It has gone; the backend is there still, and so is who has it now.
		if err := caller.QueryRow(t.Context(), "select pg_terminate_backend($1)", n).Scan(&done); err != nil || done {
			t.Errorf("%s: to one that has gone: %v, %v", name, done, err)
		}
		if got := ask(t, caller, "select pg_backend_pid()"); got != pid {
			t.Errorf("%s: the backend was process %s and is %s", name, pid, got)
		}
	}
}
