package integration

import (
	"fmt"
	"strings"
	"testing"
)

// TestAClientThatAlwaysHasAQuestionOpenIsNotTimedOutForAllOfThem: each is short.
func TestAClientThatAlwaysHasAQuestionOpenIsNotTimedOutForAllOfThem(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"session", "transaction"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: "pool_mode = \"" + mode + "\"\nquery_timeout = \"2s\"\ntransaction_timeout = \"2s\"\nidle_transaction_timeout = \"2s\"\nclient_idle_timeout = \"2s\""})
			c := loginWire(t, w)
			const all = 15
			var queries []byte
			for range all {
				queries = append(queries, simpleQuery("select pg_sleep(0.2)")...)
			}
			c.send(queries)
			for range all {
				c.until('Z')
			}
			c.does("select 1")
		})
	}
}

// TestATransactionIsTimedOutThoughEachOfItsQueriesIsShort, and what it wrote is undone.
func TestATransactionIsTimedOutThoughEachOfItsQueriesIsShort(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "transaction_timeout = \"400ms\"\nquery_timeout = \"30s\"\nidle_transaction_timeout = \"30s\""})
	execSQL(t, w.Direct(), "create table written (a int)")
	c := loginWire(t, w)
	for _, sql := range []string{"select 1", "begin", "insert into written values (1)"} {
		c.send(simpleQuery(sql)) // in one go
	}
	var code string
	for code == "" {
		typ, body, err := c.read()
		switch {
		case err != nil:
			t.Fatalf("ended without a word: %v", err)
		case typ == 'E':
			code = errorFields(body)['C']
		case typ == 'Z' && body[0] == 'T':
			_ = c.write(simpleQuery("select pg_sleep(0.01)"))
		}
	}
	if code != "25P04" {
		t.Errorf("ended with %q", code)
	}
	direct := connect(t, w.Direct())
	eventually(t, "its transaction is over", func() bool {
		return ask(t, direct, "select count(*) from pg_locks where relation = 'written'::regclass and pid <> pg_backend_pid()") == "0"
	})
	if n := ask(t, direct, "select count(*) from written"); n != "0" {
		t.Errorf("%s rows are there", n)
	}
}

// TestATimeoutOfItsOwnHoldsForAUserAndForADatabase.
func TestATimeoutOfItsOwnHoldsForAUserAndForADatabase(t *testing.T) {
	t.Parallel()
	db := createDatabase(t, shared)
	w := startWeir(t, weirOptions{DB: db, Top: `idle_transaction_timeout = "1h"`, Database: "pool_size = 2", Tables: fmt.Sprintf(`
[databases.hasty]
host = "127.0.0.1"
port = PGPORT
dbname = %q
idle_transaction_timeout = "300ms"
[users.postgres]
[users.timely]
idle_transaction_timeout = "300ms"
[users.slack]
idle_transaction_timeout = 0
`, db)})
	roleIn(t, w.Direct(), "timely")
	roleIn(t, w.Direct(), "slack")
	in := func(database, user string) *wireClient {
		c := dialWire(t, w.Addr())
		c.login(protocol30, "user", user, "database", database)
		c.send(simpleQuery("begin"))
		return c
	}
	general, own := in(db, "postgres"), in("hasty", "slack")
	for range 2 {
		for _, c := range []*wireClient{in(db, "timely"), in("hasty", "postgres")} {
			if got := c.ended(patience); got != "25P03" {
				t.Errorf("ended with %q", got)
			}
		}
	}
	for _, c := range []*wireClient{general, own} {
		c.until('Z')
		c.does("commit")
	}
}

// TestAWaitThatEndsWithoutABackendIsAWaitAndNoQuery.
func TestAWaitThatEndsWithoutABackendIsAWaitAndNoQuery(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1\nquery_wait_timeout = \"1h\""})
	console, holder := connect(t, w.Console(simpleProtocol)), connect(t, w.DSN())
	first := make([]*wireClient, 3)
	for i := range first {
		first[i] = loginWire(t, w)
	}
	must(t, holder, "begin")
	before := series(t, w)
	late, canceled, left := first[0], first[1], first[2]
	for _, c := range first {
		c.send(simpleQuery("select 1"))
	}
	waitingClients(t, w, console, 3)
	if err := sendCancel(w.Addr(), canceled.pid, canceled.key); err != nil {
		t.Fatal(err)
	}
	if code, err := canceled.answer(); code != "57014" || err != nil {
		t.Errorf("canceled: %q, %v", code, err)
	}
	left.vanish(false)
	waitingClients(t, w, console, 1)
	short := w.opts
	short.Database = "pool_size = 1\nquery_wait_timeout = \"300ms\""
	w.Rewrite(t, short)
	reload(t, console)
	if code, err := late.answer(); code != "53300" || err != nil {
		t.Errorf("too late: %q, %v", code, err)
	}
	after := series(t, w)
	by := fmt.Sprintf(`{database=%q`, w.DB)
	grown := func(name, more string) float64 { return after[name+by+more] - before[name+by+more] }
	const user = `,user="postgres"}`
	for reason, want := range map[string]float64{"timeout": 1, "canceled": 1, "left": 1, "refused": 0} {
		if got := grown("pgweir_pool_waits_failed_total", `,reason="`+reason+`"`+user); got != want {
			t.Errorf("%s: %v, want %v", reason, got, want)
		}
	}
	if n, sum := grown("pgweir_pool_wait_seconds_count", user), grown("pgweir_pool_wait_seconds_sum", user); n != 3 || sum < 0.3 {
		t.Errorf("%v waits, of %v s", n, sum)
	}
	for _, name := range []string{"pgweir_pool_query_seconds", "pgweir_pool_transaction_seconds"} {
		if n, sum := grown(name+"_count", user), grown(name+"_sum", user); n != 0 || sum != 0 {
			t.Errorf("%s: %v, of %v s", name, n, sum)
		}
	}
	stats := rowOf(t, show(t, console, "show stats"), "database", w.DB)
	if len(stats["total_wait_time"]) < len("300000") {
		t.Errorf("SHOW STATS has waits of %s µs", stats["total_wait_time"])
	}
	// Who got an error goes on.
	w.Rewrite(t, w.opts)
	reload(t, console)
	must(t, holder, "commit")
	late.does("select 1")
	_, pools := get(t, w, "/pools")
	if !strings.Contains(pools, `"waits_timed_out"`) {
		t.Error("/pools has no waits_timed_out")
	}
}

// TestWhatAClientAskedForBeforeItsGoodByeIsTimedOutToo: it is carried out, as without
// a pooler, but not for longer than the timeout.
func TestWhatAClientAskedForBeforeItsGoodByeIsTimedOutToo(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	direct, console := connect(t, w.Direct()), connect(t, w.Console(simpleProtocol))
	closed, open := loginWire(t, w), loginWire(t, w)
	for _, c := range []*wireClient{closed, open} {
		c.send(append(simpleQuery("select pg_sleep(1000)"), frame('X', "")...))
	}
	running(t, w, direct, "select pg_sleep", 2)
	closed.vanish(false)
	on := w.opts
	on.Top = `query_timeout = "300ms"`
	w.Rewrite(t, on)
	reload(t, console)
	running(t, w, direct, "select pg_sleep", 0)
	open.ended(patience)
	// Nor does it outlive pgweir, which the end of each test looks for.
	c := loginWire(t, w)
	w.Rewrite(t, w.opts)
	reload(t, console)
	c.send(append(simpleQuery("select pg_sleep(1000)"), frame('X', "")...))
	running(t, w, direct, "select pg_sleep", 1)
}
