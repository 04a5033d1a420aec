package integration

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestWhatFollowsAClientOutlivesItsBackend: settings and statements are the
// client's, whatever becomes of the backend that they were made on.
func TestWhatFollowsAClientOutlivesItsBackend(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: stageTop, Database: "pool_size = 1"})
	console, direct := connect(t, w.Console(simpleProtocol)), connect(t, w.PG.DSN("postgres"))
	c := rawLogin(t, w.Addr(), "postgres", w.DB, "work_mem", "6MB")
	saying := func(want string, messages ...pgproto3.FrontendMessage) {
		t.Helper()
		c.Say(t, messages...)
		if got := c.until(t, 'Z'); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	saying("", query("set statement_timeout = '91s'; set my.own = 'mine'; set role pg_monitor"))
	saying("", parse("a", "select current_setting('work_mem'), current_setting('statement_timeout'), current_setting('my.own'), current_user, $1::int"), sync_)
	const want = "6MB 91s mine pg_monitor "
	pids := map[string]bool{}
	for round := range 3 {
		saying(want+fmt.Sprint(round), bind("a", fmt.Sprint(round)), execute("", 0), sync_)
		c.Say(t, query("select pg_backend_pid()"))
		pid := c.until(t, 'Z')
		eventually(t, "the backend is idle", func() bool { return rowsWith(show(t, console, "show servers"), "state", "idle") == 1 })
		ask(t, direct, "select pg_terminate_backend("+pid+", 10000)")
		pids[pid] = true
		// pgweir must have seen it, else it may lend a dead backend.
		eventually(t, "the backend is gone", func() bool {
			return len(show(t, console, "show servers")) == 0 || rowsWith(show(t, console, "show servers"), "remote_pid", pid) == 0
		})
	}
	saying(want+"9", bind("a", "9"), describe('P', ""), execute("", 0), sync_)
	if len(pids) != 3 {
		t.Errorf("the client was on %d backends", len(pids))
	}
}

// rowsWith counts the rows with this value of this column.
func rowsWith(rows []map[string]string, column, value string) (n int) {
	for _, row := range rows {
		if row[column] == value {
			n++
		}
	}
	return n
}

// TestAPinnedClientIsToldWhenItsBackendIsLost: what it had there is lost, as it
// would be directly, so it must not carry on as if nothing had been.
func TestAPinnedClientIsToldWhenItsBackendIsLost(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: stageTop, Database: "pool_size = 2"})
	console, direct := connect(t, w.Console(simpleProtocol)), connect(t, w.PG.DSN("postgres"))
	c, other := loginWire(t, w), connect(t, w.DSN(simpleProtocol))
	c.does("create temp table mine (a int)")
	eventually(t, "the pin is shown", func() bool { return len(show(t, console, "show pins")) == 1 })
	row := rowOf(t, show(t, console, "show pins"), "database", w.DB)
	ask(t, direct, "select pg_terminate_backend("+row["remote_pid"]+", 10000)")
	if code := c.ended(patience); code != "57P01" {
		t.Errorf("its last word was %q, want 57P01", code)
	}
	servedWithin(t, other, patience)
	eventually(t, "the pin ends", func() bool { return len(show(t, console, "show pins")) == 0 })
}

// TestTheConsoleShowsWhatAClientHas: statements held, and a fingerprint of the
// settings that differs where they do.
func TestTheConsoleShowsWhatAClientHas(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: stageTop, Database: "pool_size = 1"})
	console := connect(t, w.Console(simpleProtocol))
	settings := func(name, setup string) string {
		t.Helper()
		c := rawLogin(t, w.Addr(), "postgres", w.DB, "application_name", name)
		c.Say(t, query(setup))
		c.until(t, 'Z')
		c.Say(t, parse("a", "select 1"), parse("b", "select 2"), parse("gone", "select 3"), closeStatement("gone"), sync_)
		c.until(t, 'Z')
		row := showsClient(t, console, map[string]string{"application_name": name})
		if row["prepared_statements"] != "2" || row["pin"] != "" {
			t.Errorf("SHOW CLIENTS has %v", row)
		}
		return row["settings"]
	}
	one, two, other, none := settings("one", "set work_mem = '6MB'"), settings("two", "set work_mem = '6144kB'"), settings("other", "set work_mem = '7MB'"), settings("none", "select 1")
	if one == other || one == none || one == "" {
		t.Errorf("fingerprints: %q, %q, %q, %q", one, two, other, none)
	}
	if rows := show(t, console, "show servers"); len(rows) != 1 || rows[0]["prepared_statements"] == "0" {
		t.Errorf("SHOW SERVERS has %v", rows)
	}
}
