package integration

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestInSessionModeTheProcessIDIsTheBackendsOwn: isolation tests, NOTIFY and
// pg_terminate_backend rely on it.
func TestInSessionModeTheProcessIDIsTheBackendsOwn(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: `pool_mode = "session"`})
	direct := connect(t, w.Direct())
	for range 3 { // the pool's backend is used again
		c := connect(t, w.DSN())
		if own, told := backendOf(t, c), int(c.PgConn().PID()); own != told {
			t.Errorf("BackendKeyData says %d, the backend is %d", told, own)
		}
		_ = c.Close(t.Context())
	}
	listener, sender := connect(t, w.DSN()), connect(t, w.DSN())
	must(t, listener, "listen news")
	must(t, sender, "notify news, 'rain'")
	n, err := listener.WaitForNotification(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n.PID != sender.PgConn().PID() || n.Channel != "news" || n.Payload != "rain" {
		t.Errorf("notified of %+v, the sender is %d", n, sender.PgConn().PID())
	}
	must(t, direct, fmt.Sprintf("select pg_terminate_backend(%d)", sender.PgConn().PID()))
	if err := runSQL(t.Context(), sender, "select 1"); sqlState(err) != "57P01" {
		t.Errorf("the client whose process was terminated: %v", err)
	}
	must(t, listener, "select 1")
}

func TestInSessionModeABackendBelongsToItsClientUntilItLeaves(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: `pool_mode = "session"`, Database: "pool_size = 1"})
	console := connect(t, w.Console())
	first := connect(t, w.DSN())
	must(t, first, "select 1")
	second := make(chan error, 1)
	go func() {
		conn, err := pgx.Connect(t.Context(), w.DSN())
		if err == nil {
			err = conn.Close(t.Context())
		}
		second <- err
	}()
	eventually(t, "the second client waits at its login", func() bool {
		return rowOf(t, show(t, console, "show lists"), "list", "login_clients")["items"] == "1"
	})
	must(t, first, "select 1")
	_ = first.Close(t.Context())
	if err := finished(t, second, patience); err != nil {
		t.Error(err)
	}
}

// leftovers are questions about session state, and their answers in a new session.
var leftovers = map[string]string{
	"show search_path": `"$user", public`,
	"show work_mem":    "4MB",
	"select coalesce(current_setting('my.own', true),'')":                                  "",
	"select coalesce(to_regclass('mine')::text, 'none')":                                   "none",
	"select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()": "0",
	"select count(*) from pg_prepared_statements":                                          "0",
	"select count(*) from pg_cursors":                                                      "0",
	"select count(*) from pg_listening_channels()":                                         "0",
	"select current_user = session_user":                                                   "t",
}

func TestServerResetQueryCleansUpBetweenSessions(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: `pool_mode = "session"`, Database: "pool_size = 1"})
	execSQL(t, w.Direct(), "drop role if exists somebody_else; create role somebody_else")
	untidy := connect(t, w.DSN())
	for _, sql := range []string{
		"set search_path = pg_catalog", "set work_mem = '7MB'", "set my.own = 'x'", "create temp table mine(i int)",
		"select pg_advisory_lock(1)", "prepare p as select 1", "listen c", "declare held cursor with hold for select 1",
		"set role somebody_else",
	} {
		must(t, untidy, sql)
	}
	var named int
	if err := untidy.QueryRow(t.Context(), "select $1::int", 5).Scan(&named); err != nil { // prepares
		t.Fatal(err)
	}
	pid := untidy.PgConn().PID()
	_ = untidy.Close(t.Context())
	tidy := connect(t, w.DSN())
	if got := tidy.PgConn().PID(); got != pid {
		t.Errorf("the next client has backend %d, not %d: it was not cleaned but replaced", got, pid)
	}
	for sql, want := range leftovers {
		if got := ask(t, tidy, sql); got != want {
			t.Errorf("%s gives %q, want %q", sql, got, want)
		}
	}
	// Who leaves a transaction for a new connection must not be told the same
	// process ID.
	must(t, tidy, "begin")
	_ = tidy.Close(t.Context())
	if got := connect(t, w.DSN()).PgConn().PID(); got == pid {
		t.Errorf("after a transaction that was left, the next client has backend %d again", got)
	}
}

func TestServerResetQueryCanBeAnotherOrNone(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{"": "7MB 8MB", "reset work_mem": "4MB 8MB"} {
		w := startWeir(t, weirOptions{
			Top:      fmt.Sprintf("pool_mode = \"session\"\nserver_reset_query = %q", query),
			Database: "pool_size = 1",
		})
		c := connect(t, w.DSN())
		must(t, c, "set work_mem = '7MB'; set maintenance_work_mem = '8MB'")
		_ = c.Close(t.Context())
		if got := ask(t, connect(t, w.DSN()), "select current_setting('work_mem') || ' ' || current_setting('maintenance_work_mem')"); got != want {
			t.Errorf("after %q: %s, want %s", query, got, want)
		}
	}
	// One that fails costs the backend and nobody else.
	w := startWeir(t, weirOptions{Top: "pool_mode = \"session\"\nserver_reset_query = \"select 1/0\"", Database: "pool_size = 1"})
	c := connect(t, w.DSN())
	pid := c.PgConn().PID()
	_ = c.Close(t.Context())
	if next := connect(t, w.DSN()); next.PgConn().PID() == pid {
		t.Error("a backend that could not be cleaned was used again")
	}
}

func TestInSessionModeNamedStatementsWork(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: `pool_mode = "session"`, Database: "pool_size = 1"})
	for range 3 {
		c := connect(t, w.DSN())
		for i := range 3 { // the second time on, by name only
			var got int
			if err := c.QueryRow(t.Context(), "select $1::int + 1", i).Scan(&got); err != nil || got != i+1 {
				t.Fatalf("got %d, %v", got, err)
			}
		}
		_ = c.Close(t.Context())
	}
}

// TestModesOfDatabasesAndUsersComeBeforeTheGeneralOne, the user's first.
func TestModesOfDatabasesAndUsersComeBeforeTheGeneralOne(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{
		Top: `pool_mode = "statement"`, Database: `pool_mode = "transaction"`,
		Tables: "[databases.postgres]\nhost = \"127.0.0.1\"\nport = PGPORT\n[users.postgres]\n[users.sessions]\npool_mode = \"session\"\n",
	})
	execSQL(t, w.Direct(), "drop role if exists sessions; create role sessions login")
	clients := map[string]*pgx.Conn{
		"statement":   connect(t, dsn(w.Port, "postgres")),
		"transaction": connect(t, w.DSN()),
		"session":     connect(t, w.DSN("user=sessions")),
	}
	for mode, c := range clients {
		must(t, c, "select 1")
		pools := show(t, connect(t, w.Console()), "show pools")
		db, user := c.Config().Database, c.Config().User
		if got := rowOf(t, pools, "database", db, "user", user)["pool_mode"]; got != mode {
			t.Errorf("the pool of %s and %s is in %s mode, want %s", db, user, got, mode)
		}
	}
}

func TestInStatementModeTransactionsOfSeveralStatementsAreRefused(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: `pool_mode = "statement"`, Database: "pool_size = 1"})
	direct := connect(t, w.Direct())
	must(t, direct, "create table t(i int)")
	for _, sql := range []string{"insert into t values (1)", "insert into t values (2); insert into t values (3)", "begin; insert into t values (4); commit"} {
		must(t, connect(t, w.DSN()), sql)
	}
	for _, sql := range []string{"begin", "begin; insert into t values (5)"} {
		c := loginWire(t, w)
		c.send(simpleQuery(sql))
		if code := c.ended(patience); code != "0A000" {
			t.Errorf("%q: %q", sql, code)
		}
	}
	eventually(t, "what was refused is rolled back", func() bool {
		return ask(t, direct, "select string_agg(i::text, ' ' order by i) from t") == "1 2 3 4" &&
			ask(t, direct, "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in%'") == "0"
	})
	servedWithin(t, connect(t, w.DSN()), patience)
}
