package integration

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestWrongCommandsOfTheConsoleAreRefusedAsByPgBouncer(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	console := connect(t, w.Console())
	near := " Perhaps you mean " + w.DB + "."
	for sql, want := range map[string]string{
		"PAUSE " + w.DB + "x": "no such database: " + w.DB + "x" + near, "RESUME nowhere": "no such database: nowhere",
		"KILL nowhere": "no such database: nowhere", "RECONNECT nowhere": "no such database: nowhere", "WAIT_CLOSE nowhere": "no such database: nowhere",
		"DISABLE nowhere": "no such database: nowhere", "ENABLE nowhere": "no such database: nowhere", "RECONNECT_CLIENTS nowhere": "no such database: nowhere",
		"PAUSE pgbouncer": "cannot pause admin db: pgbouncer", "KILL pgweir": "cannot kill admin db: pgweir", "DISABLE pgbouncer": "cannot disable admin db: pgbouncer",
		"ENABLE pgbouncer": "cannot enable admin db: pgbouncer", "RECONNECT pgbouncer": "cannot reconnect admin db: pgbouncer", "WAIT_CLOSE pgweir": "cannot wait in admin db: pgweir",
		"DISABLE": "a database is required", "ENABLE": "a database is required",
		"RESUME": "pooler is not paused/suspended", "RESUME " + w.DB: "database " + w.DB + " is not paused",
	} {
		fails(t, console, sql, "08P01", want)
	}
	must(t, console, "PAUSE "+w.DB)
	must(t, console, "PAUSE "+w.DB) // as in PgBouncer
	fails(t, console, "SUSPEND", "08P01", "cannot suspend with paused databases")
	fails(t, console, "RESUME", "08P01", "pooler is not paused/suspended Paused by their names are: "+w.DB+". RESUME with a name resumes one.")
	must(t, console, "RESUME "+w.DB)
	must(t, console, "PAUSE")
	for _, sql := range []string{"PAUSE", "PAUSE " + w.DB, "KILL", "KILL " + w.DB, "SUSPEND"} {
		fails(t, console, sql, "08P01", "already suspended/paused")
	}
	fails(t, console, "RESUME "+w.DB, "08P01", "database "+w.DB+" is not paused All databases are paused; RESUME without a name resumes them.")
	must(t, console, "RESUME")
	servedWithin(t, connect(t, w.DSN()), patience)
}

// PgBouncer registers such a database in silence.
func TestANoticeTellsThatACommandNamesADatabaseThatOnlyTheStarStandsFor(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Tables: "[databases.'*']\nhost = '127.0.0.1'\nport = 1\n"})
	console := connectHearing(t, w.Console())
	const told = `is configured, and nobody uses one: [databases."*"] stands for it`
	for _, sql := range []string{"PAUSE a1", "KILL a2", "RECONNECT a3", "WAIT_CLOSE a4", "DISABLE a5", "ENABLE a6", "RECONNECT_CLIENTS a7"} {
		must(t, console.Conn, sql)
		_, database, _ := strings.Cut(sql, " ")
		console.Said(t, "no database "+database+" "+told)
	}
	fails(t, console.Conn, "RESUME a8", "08P01", "database a8 is not paused")
	console.Said(t, "no database a8 "+told)
	for _, sql := range []string{"RESUME a1", "ENABLE a5", "RECONNECT " + w.DB} { // it is known of these
		must(t, console.Conn, sql)
	}
	must(t, console.Conn, "PAUSE a9")
	console.Said(t, "a9")
	console.mu.Lock()
	defer console.mu.Unlock()
	if n := strings.Count(strings.Join(console.said, "\n"), told); n != 9 {
		t.Errorf("%d times: %q", n, console.said)
	}
}

func TestADisabledDatabaseRefusesNewClients(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	in, console := connect(t, w.DSN()), connect(t, w.Console())
	must(t, console, "DISABLE "+w.DB)
	if e := refusedWith(t, w.DSN()); e.Severity != "FATAL" || e.Code != "08P01" || e.Message != `database "`+w.DB+`" is disabled` {
		t.Errorf("%+v", e)
	}
	must(t, in, "select 1")
	if row := rowOf(t, show(t, console, "show databases"), "name", w.DB); row["disabled"] != "1" || row["paused"] != "0" {
		t.Error(row)
	}
	must(t, console, "RELOAD")
	if e := refusedWith(t, w.DSN()); e.Code != "08P01" {
		t.Errorf("after a reload: %+v", e)
	}
	must(t, console, "ENABLE "+w.DB)
	servedWithin(t, connect(t, w.DSN()), patience)
}

func TestKillEndsClientsAndBackendsAtOnceAndPauses(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"", "the database"} {
		w := startWeir(t, weirOptions{})
		if target != "" {
			target = " " + w.DB
		}
		idle, open, works := connect(t, w.DSN()), connect(t, w.DSN()), connect(t, w.DSN())
		must(t, open, "begin; select 1")
		console := connect(t, w.Console())
		query := begins(t, works, "select pg_sleep(600)")
		running(t, w, connect(t, w.Direct()), "select pg_sleep", 1)
		must(t, console, "KILL"+target)
		endsWith(t, query, "57P01")
		for _, c := range []*pgx.Conn{idle, open} {
			if err := runSQL(t.Context(), c, "select 1"); sqlState(err) != "57P01" {
				t.Errorf("a client has outlived KILL: %v", err)
			}
		}
		eventually(t, "no backend but the test's own is left", func() bool { return len(w.Backends(t)) == 1 })
		late := connect(t, w.DSN())
		query = begins(t, late, "select 1")
		waitingClients(t, w, console, 1)
		must(t, console, "RESUME"+target)
		endsWith(t, query, "")
	}
}

func TestReconnectReplacesBackendsWithoutHarmAndWaitCloseWaitsForThat(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "session"} {
		w := startWeir(t, weirOptions{Top: "pool_mode = \"" + mode + "\"", Database: "pool_size = 1"})
		c, console, other := connect(t, w.DSN()), connect(t, w.Console()), connect(t, w.Console())
		must(t, c, "begin")
		before := ask(t, c, "select pg_backend_pid()")
		must(t, console, "WAIT_CLOSE "+w.DB)
		must(t, console, "RECONNECT "+w.DB)
		canceled := begins(t, console, "WAIT_CLOSE")
		end := begins(t, other, "WAIT_CLOSE "+w.DB)
		for range 3 {
			if pid := ask(t, c, "select pg_backend_pid()"); pid != before {
				t.Error("the transaction has another backend")
			}
		}
		if len(end) > 0 {
			t.Error("it did not wait")
		}
		w.Says(t, `command=WAIT_CLOSE`, 1)
		eventually(t, "the command is canceled", func() bool {
			if err := console.PgConn().CancelRequest(t.Context()); err != nil {
				t.Fatal(err)
			}
			return len(canceled) > 0
		})
		if e := endsWith(t, canceled, "57014"); e.Detail != "It waited for 1 backends that are to be closed." {
			t.Error(e)
		}
		must(t, c, "commit")
		if mode == "session" {
			if err := c.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			c = connect(t, w.DSN())
		}
		endsWith(t, end, "")
		if ask(t, c, "select pg_backend_pid()") == before {
			t.Error("the backend is the same")
		}
	}
}

func TestSuspendReadsNobodyUntilResume(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	one, two, console := connect(t, w.DSN()), connect(t, w.DSN()), connect(t, w.Console())
	must(t, one, "begin; select 1")
	must(t, console, "SUSPEND")
	if row := rowOf(t, show(t, console, "show state"), "key", "suspended"); row["value"] != "yes" {
		t.Error(row)
	}
	queries := []<-chan error{begins(t, one, "select 2; commit"), begins(t, two, "select 3")}
	login := make(chan error, 1)
	go func() {
		conn, err := pgx.Connect(t.Context(), w.DSN())
		if err == nil {
			err = conn.Close(context.Background())
		}
		login <- err
	}()
	for range 20 { // each takes a turn of every loop
		show(t, console, "show clients")
	}
	if len(queries[0])+len(queries[1])+len(login) > 0 {
		t.Error("something was read")
	}
	fails(t, console, "PAUSE", "08P01", "already suspended/paused")
	must(t, console, "RESUME")
	for _, end := range append(queries, login) {
		endsWith(t, end, "")
	}

	// Nobody is left who could say RESUME.
	must(t, console, "SUSPEND")
	end := begins(t, two, "select 4")
	if err := console.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	endsWith(t, end, "")
	w.Says(t, "the suspension has ended", 1)
}

func TestASuspendThatCannotSendEverythingEndsWithItsClient(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	console := connect(t, w.Console())
	sayTo(t, w, w.DB, "select repeat('x', 1000) from generate_series(1, 100000)") // and reads nothing
	direct := connect(t, w.Direct())
	same, last := 0, ""
	eventually(t, "nothing more fits", func() bool {
		state := ask(t, direct, "select coalesce(string_agg(wait_event, ','), '') from pg_stat_activity where datname = current_database() and starts_with(query, 'select repeat')")
		for _, row := range show(t, console, "show stats") {
			state += " " + row["total_sent"]
		}
		if same++; state != last || !strings.HasPrefix(state, "ClientWrite ") {
			same = 0
		}
		last = state
		return same > 20
	})
	other, err := pgx.Connect(t.Context(), w.Console())
	if err != nil {
		t.Fatal(err)
	}
	end := begins(t, other, "SUSPEND")
	eventually(t, "everything is suspended", func() bool {
		return rowOf(t, show(t, console, "show state"), "key", "suspended")["value"] == "yes"
	})
	if len(end) > 0 {
		t.Error("it did not wait")
	}
	other.PgConn().Conn().Close()
	w.Says(t, "the suspension has ended", 1)
	servedWithin(t, connect(t, w.DSN()), patience)
}

func TestSetChangesASettingUntilTheNextReload(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "default_pool_size = 1"})
	console := connect(t, w.Console())
	value := func(key string) string { return rowOf(t, show(t, console, "show config"), "key", key)["value"] }
	holder, other := connect(t, w.DSN()), connect(t, w.DSN())
	must(t, holder, "begin; select 1")
	end := begins(t, other, "select 1")
	waitingClients(t, w, console, 1)
	must(t, console, "SET default_pool_size = 2")
	endsWith(t, end, "")
	must(t, console, "set QUERY_WAIT_TIMEOUT to '90s'")
	must(t, console, "set server_lifetime = 120")
	must(t, console, "set admin_users = postgres, ann")
	for key, want := range map[string]string{"default_pool_size": "2", "query_wait_timeout": "90s", "server_lifetime": "120s", "admin_users": "postgres, ann"} {
		if got := value(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	for sql, want := range map[string][2]string{
		"set listen_port = 1":               {"55P02", `"listen_port" takes effect at a restart only`},
		"set default_poolsize = 3":          {"22023", `unknown setting "default_poolsize"; did you mean "default_pool_size"?`},
		"set no_such_thing_anywhere = 3":    {"22023", `unknown setting "no_such_thing_anywhere"; SHOW CONFIG lists them`},
		"set default_pool_size = many":      {"22023", ""},
		"set default_pool_size = 0":         {"22023", ""},
		"set pool_mode = sessions":          {"22023", ""},
		"set query_wait_timeout = '3 ages'": {"22023", ""},
		"set census_password = hidden":      {"42501", `"census_password" is set in the file only: it may hold a secret`},
		"set auth_file = '/no/such/file'":   {"42501", ""},
		"set default_pool_size":             {"42601", ""},
	} {
		if e := endsWith(t, begins(t, console, sql), want[0]); e == nil || want[1] != "" && e.Message != want[1] {
			t.Errorf("%s: %+v", sql, e)
		}
	}
	must(t, console, "set server_reset_query = '${HOME}'") // an environment that nobody may read
	if got := value("server_reset_query"); got != "${HOME}" {
		t.Error(got)
	}
	if got := value("default_pool_size"); got != "2" {
		t.Errorf("what was refused has changed default_pool_size to %q", got)
	}
	must(t, console, "RELOAD")
	if got := value("default_pool_size") + value("admin_users"); got != "1postgres" {
		t.Errorf("after a reload: %s", got)
	}
	if strings.Contains(w.Log(), "hidden") {
		t.Error("a value is in the log")
	}
	must(t, holder, "commit")
}

func TestClientsAreAskedToConnectAnew(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	console := connectHearing(t, w.Console())
	open, pinned := connect(t, w.DSN()), connect(t, w.DSN())
	must(t, open, "begin")
	must(t, pinned, "create temp table mine()")
	var rest []*pgx.Conn
	for range 20 {
		rest = append(rest, connect(t, w.DSN()))
	}
	must(t, console.Conn, "RECONNECT_CLIENTS "+w.DB+" OVER '500ms'")
	console.Said(t, "22 clients are asked to connect anew")
	eventually(t, "those at rest are gone", func() bool { return len(show(t, console.Conn, "show clients")) == 3 })
	for _, c := range rest {
		if err := runSQL(t.Context(), c, "select 1"); sqlState(err) != "57P01" {
			t.Errorf("a client at rest: %v", err)
		}
	}
	must(t, open, "select 1")
	must(t, pinned, "select * from mine")
	must(t, open, "commit")
	must(t, pinned, "drop table mine")
	w.Says(t, `msg="clients were asked to connect anew" database=`+w.DB+` clients=22 "never at rest"=0`, 1)
	if left := show(t, console.Conn, "show clients"); len(left) != 1 || slices.Contains([]string{w.DB}, left[0]["database"]) {
		t.Error(left)
	}
}

// A database that no table names is shown as long as a command holds it up, without a pool.
func TestADatabaseIsShownThatIsHeldUpWithoutAPool(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Tables: "[databases.\"*\"]\nhost = \"127.0.0.1\"\nport = PGPORT"})
	console := connect(t, w.Console(simpleProtocol))
	must(t, console, "PAUSE one")
	must(t, console, "DISABLE other")
	rows := show(t, console, "show databases")
	if one, other := rowOf(t, rows, "name", "one"), rowOf(t, rows, "name", "other"); one["paused"]+one["disabled"]+other["paused"]+other["disabled"] != "1001" {
		t.Error(one, other)
	}
	must(t, console, "RESUME one")
	must(t, console, "ENABLE other")
	if rows := show(t, console, "show databases"); len(rows) != 1 {
		t.Error(rows)
	}
}

// The time of a suspension is nobody's fault: who has spoken meanwhile is heard before any
// timeout, and who waits for a backend waits on.
func TestASuspensionIsNoTimeThatAnybodyTakes(t *testing.T) {
	t.Parallel()
	const timeout = 3 * time.Second
	w := startWeir(t, weirOptions{Top: "idle_transaction_timeout = \"3s\"\nquery_wait_timeout = \"3s\"\nreserve_pool_size = 0", Database: "pool_size = 1"})
	holds, waits, console := connect(t, w.DSN()), connect(t, w.DSN()), connect(t, w.Console(simpleProtocol))
	must(t, holds, "begin; select 1")
	query := begins(t, waits, "select 2")
	waitingClients(t, w, console, 1)
	must(t, console, "SUSPEND")
	suspended := time.Now()
	commit := begins(t, holds, "commit")
	eventually(t, "more than the timeouts has passed", func() bool { return time.Since(suspended) > timeout+500*time.Millisecond })
	must(t, console, "RESUME")
	endsWith(t, commit, "")
	endsWith(t, query, "")
}
