package integration

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

// A Parse and a Describe of a statement that another client of the pool has prepared
// are answered without a backend.

// preparing has a client prepare a statement in a round trip of its own.
func (c *rawConn) preparing(t *testing.T, name, sql string) {
	t.Helper()
	c.Say(t, parse(name, sql), describe('S', name), sync_)
}

// columnNames are those that the answer to preparing tells, or the code of an error. It is false
// if no answer has come within a while.
func (c *rawConn) columnNames(t *testing.T, within time.Duration) (names string, answered bool) {
	t.Helper()
	if err := c.net.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	defer c.hurry(t)
	var all []string
	for {
		m, err := c.Receive()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return "", false
		} else if err != nil {
			t.Fatal(err)
		}
		switch m := m.(type) {
		case *pgproto3.RowDescription:
			for _, f := range m.Fields {
				all = append(all, string(f.Name))
			}
		case *pgproto3.ErrorResponse:
			all = append(all, m.Code)
		case *pgproto3.ReadyForQuery:
			return strings.Join(all, " "), true
		}
	}
}

// prepared is preparing and columnNames.
func (c *rawConn) prepared(t *testing.T, name, sql string) string {
	t.Helper()
	c.preparing(t, name, sql)
	names, answered := c.columnNames(t, time.Minute)
	if !answered {
		t.Fatal("no answer")
	}
	return names
}

// knownFrom has two clients of a pool with one backend prepare a statement until the second
// needs no backend for it, and gives the name that it has then.
func knownFrom(t *testing.T, holder, other *rawConn, sql, columns string) (name string) {
	t.Helper()
	n := 0
	eventually(t, "a known statement is prepared without a backend", func() bool {
		n++
		name = "a" + strconv.Itoa(n)
		if got := holder.prepared(t, name, sql); got != columns {
			t.Fatalf("the first client is told %q", got)
		}
		simply(t, holder, "begin")
		other.preparing(t, name, sql)
		got, answered := other.columnNames(t, time.Second)
		simply(t, holder, "commit")
		if !answered {
			got, _ = other.columnNames(t, time.Minute) // nobody had looked for two seconds what has changed
		}
		if got != columns {
			t.Fatalf("the second client is told %q", got)
		}
		return answered
	})
	return name
}

func TestAKnownStatementIsPreparedWhileOthersHaveAllBackends(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1"})
	execSQL(t, w.Direct(), migrationSchema)
	holder, other := rawLogin(t, w.Addr(), "postgres", w.DB), rawLogin(t, w.Addr(), "postgres", w.DB)
	name := knownFrom(t, holder, other, "select * from t", "id word")
	other.Say(t, bind(name), execute("", 0), sync_)
	if got := other.until(t, 'Z'); got != "1 one 2 two" {
		t.Errorf("it gives %q", got)
	}
}

func TestAStatementIsDescribedAsItIsNowToWhoeverPreparesItNow(t *testing.T) {
	t.Parallel()
	const sql = "select * from t"
	for name, c := range map[string]struct {
		does func(t *testing.T, w *weir, one, two *rawConn)
		want string
	}{
		"altered by another client": {func(t *testing.T, w *weir, one, two *rawConn) {
			simply(t, one, "alter table t add column more int")
		}, "id word more"},
		"by a DO": {func(t *testing.T, w *weir, one, two *rawConn) {
			simply(t, one, "do $$ begin alter table t add column more int; end $$")
		}, "id word more"},
		"in a block": {func(t *testing.T, w *weir, one, two *rawConn) {
			simply(t, one, "begin")
			simply(t, one, "alter table t add column more int")
			one.prepared(t, "within", sql)
			simply(t, one, "rollback")
		}, "id word"},
		"another table in another schema": {func(t *testing.T, w *weir, one, two *rawConn) {
			simply(t, two, "create schema other; create table other.t (x int)")
			simply(t, two, "set search_path = other")
		}, "x"},
		"one that only one client sees": {func(t *testing.T, w *weir, one, two *rawConn) {
			simply(t, one, "create temp table t (mine int)")
			if got := one.prepared(t, "own", sql); got != "mine" {
				t.Errorf("whose table it is is told %q", got)
			}
		}, "id word"},
		"for a role that may not see the schema": {func(t *testing.T, w *weir, one, two *rawConn) {
			simply(t, two, "create schema hidden; create table hidden.t (h int); set search_path = hidden, public")
			if got := two.prepared(t, "seen", sql); got != "h" {
				t.Errorf("the superuser is told %q", got)
			}
			simply(t, two, "set role pg_monitor")
		}, "id word"},
		"dropped": {func(t *testing.T, w *weir, one, two *rawConn) { simply(t, one, "drop table t") }, "42P01"},
		"covered by SELECT INTO": {func(t *testing.T, w *weir, one, two *rawConn) {
			simply(t, one, "select 1 as made into covering.t")
		}, "made"},
		"by an explained CREATE": {func(t *testing.T, w *weir, one, two *rawConn) {
			simply(t, one, "explain analyze create table covering.t as select 1 as made")
		}, "made"},
		"and its transaction goes on as another": {func(t *testing.T, w *weir, one, two *rawConn) {
			simply(t, one, "begin")
			simply(t, one, "create table covering.t (made int)")
			simply(t, one, "commit and chain")
		}, "made"},
		"by a function call": {func(t *testing.T, w *weir, one, two *rawConn) {
			var oid uint32
			if err := connect(t, w.Direct()).QueryRow(t.Context(), "select 'covers'::regproc::oid").Scan(&oid); err != nil {
				t.Fatal(err)
			}
			one.Say(t, &pgproto3.FunctionCall{Function: oid})
			one.until(t, 'Z')
		}, "made"},
		"a schema whose rights are granted": {func(t *testing.T, w *weir, one, two *rawConn) {
			simply(t, one, "create table closed.t (x int)")
			simply(t, two, "set search_path = closed, public; set role pg_monitor")
			if got := two.prepared(t, "before", sql); got != "id word" {
				t.Errorf("before it is %q", got)
			}
			two.prepared(t, "known", sql)
			simply(t, one, "grant usage on schema closed to pg_monitor")
		}, "x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: stageTop, Database: "pool_size = 2"})
			execSQL(t, w.Direct(), migrationSchema+"; create schema covering; create schema closed;"+
				"create function covers() returns void language plpgsql as 'begin create table covering.t (made int); end';"+
				"alter role postgres in database "+pgx.Identifier{w.DB}.Sanitize()+" set search_path = covering, public")
			one, two := rawLogin(t, w.Addr(), "postgres", w.DB), rawLogin(t, w.Addr(), "postgres", w.DB)
			for i, c := range []*rawConn{one, two, one, two} {
				if got := c.prepared(t, "a"+strconv.Itoa(i), sql); got != "id word" {
					t.Fatalf("at first it is %q", got)
				}
			}
			c.does(t, w, one, two)
			if got := two.prepared(t, "now", sql); got != c.want {
				t.Errorf("the client is told %q, want %q", got, c.want)
			}
		})
	}
}

// TestAStatementThatIsAlteredPastPgweirIsDescribedAsItIsSoon: within the time that a
// question takes to be due.
func TestAStatementThatIsAlteredPastPgweirIsDescribedAsItIsSoon(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 2"})
	execSQL(t, w.Direct(), migrationSchema)
	c := rawLogin(t, w.Addr(), "postgres", w.DB)
	c.prepared(t, "a", "select * from t")
	execSQL(t, w.Direct(), "alter table t add column more int")
	n, since := 0, time.Now()
	eventually(t, "what was altered past pgweir is seen by who does nothing but prepare", func() bool {
		n++
		return c.prepared(t, "b"+strconv.Itoa(n), "select * from t") == "id word more"
	})
	t.Logf("after %v and %d times", time.Since(since), n)
}

// TestWhateverIsAlteredPastPgweirIsSeenSoon goes through kinds of objects that a name in
// a statement may mean.
func TestWhateverIsAlteredPastPgweirIsSeenSoon(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ makes, sql, before, changes, after string }{
		"a composite type":            {"create type k as (x int)", "select null::k", "k", "alter type k rename to j", "42704"},
		"a sequence":                  {"create sequence s", "select * from s", "last_value log_cnt is_called", "alter sequence s rename to z", "42P01"},
		"a label":                     {"create type e as enum ('a')", "select 'a'::e", "e", "alter type e rename value 'a' to 'b'", "22P02"},
		"a collation":                 {`create collation c from "C"`, "select 'x' collate c", "?column?", "drop collation c", "42704"},
		"a text search configuration": {"create text search configuration f (copy = simple)", "select to_tsvector('f', 'x')", "to_tsvector", "drop text search configuration f", "42704"},
		"a dictionary":                {"create text search dictionary d (template = simple)", "select ts_lexize('d', 'x')", "ts_lexize", "drop text search dictionary d", "42704"},
		"an index":                    {"create table t (a int); create index i on t (a)", "select 'i'::regclass", "regclass", "alter index i rename to j", "42P01"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Database: "pool_size = 1"})
			execSQL(t, w.Direct(), c.makes)
			one, two := rawLogin(t, w.Addr(), "postgres", w.DB), rawLogin(t, w.Addr(), "postgres", w.DB)
			knownFrom(t, one, two, c.sql, c.before)
			execSQL(t, w.Direct(), c.changes)
			n := 0
			eventually(t, "what was altered past pgweir is seen", func() bool {
				n++
				simply(t, one, "select 1") // behind which is looked what has changed
				return two.prepared(t, "b"+strconv.Itoa(n), c.sql) == c.after
			})
		})
	}
}

// TestAStatementThatAClientHasUnderOtherNamesIsNotGivenToAnother: what is on the backend may
// be about another table than a Parse would find.
func TestAStatementThatAClientHasUnderOtherNamesIsNotGivenToAnother(t *testing.T) {
	t.Parallel()
	const sql = "select * from t"
	for name, change := range map[string]string{
		"search_path": "set search_path = other", "temporary": "begin; create temp table t (x int)", "in its block": "begin; set local search_path = other",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: "max_prepared_statements = 1", Database: "pool_size = 1"})
			execSQL(t, w.Direct(), migrationSchema+"; create schema other; create table other.t (x int)")
			one, two := rawLogin(t, w.Addr(), "postgres", w.DB), rawLogin(t, w.Addr(), "postgres", w.DB)
			one.prepared(t, "a", sql)
			one.prepared(t, "b", "select 1") // takes its place on the backend
			simply(t, one, change)
			one.Say(t, describe('S', "a"), sync_)
			if got, _ := one.columnNames(t, time.Minute); got != "x" {
				t.Errorf("the client itself is told %q", got)
			}
			if strings.HasPrefix(change, "begin") {
				simply(t, one, "rollback")
			}
			two.preparing(t, "a", sql)
			var answer []string
			for {
				m, err := two.Receive()
				if err != nil {
					t.Fatal(err)
				}
				if d, ok := m.(*pgproto3.RowDescription); ok && string(d.Fields[0].Name) != "id" {
					t.Errorf("another is told of %s", d.Fields[0].Name)
				}
				answer = append(answer, strings.TrimPrefix(fmt.Sprintf("%T", m), "*pgproto3."))
				if _, ok := m.(*pgproto3.ReadyForQuery); ok {
					break
				}
			}
			if got, want := strings.Join(answer, " "), "ParseComplete ParameterDescription RowDescription ReadyForQuery"; got != want {
				t.Errorf("another is told %s, want %s", got, want)
			}
		})
	}
}

// TestAClientMayAskForMoreThanItReads: answers wait until it has read those before.
func TestAClientMayAskForMoreThanItReads(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 2"})
	sql := "select 1 as a" + strings.Repeat(", 1 as "+strings.Repeat("x", 60), 80)
	c := rawLogin(t, w.Addr(), "postgres", w.DB)
	c.prepared(t, "a", sql)
	c.prepared(t, "b", sql)
	const asked = 3000
	all := make([]pgproto3.FrontendMessage, 0, 2*asked)
	for range asked {
		all = append(all, describe('S', "a"), sync_)
	}
	c.Say(t, all...)
	for i := range asked {
		if got, answered := c.columnNames(t, time.Minute); !answered || !strings.HasPrefix(got, "a xxx") {
			t.Fatalf("answer %d is %.20q", i, got)
		}
	}
}

func TestPgbenchPreparesWithOneThreadAndFewBackends(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "query_wait_timeout = 60", Database: "pool_size = 1"})
	pgbench(t, w.Port, w.DB, "-i", "-q")
	for _, script := range []string{"tpcb-like", "select-only"} {
		if n := pgbench(t, w.Port, w.DB, "-n", "-c", "8", "-j", "1", "-t", "20", "-M", "prepared", "-b", script); n != 160 {
			t.Errorf("%s: %d of 160 transactions", script, n)
		}
	}
}

// TestADriverThatPreparesFirstTakesABackendOnceForAQuery: not for the round trip with a
// Parse and a Describe ahead of it.
func TestADriverThatPreparesFirstTakesABackendOnceForAQuery(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 2"})
	execSQL(t, w.Direct(), migrationSchema)
	console := connect(t, w.Console())
	leases := func() int {
		n, err := strconv.Atoi(rowOf(t, show(t, console, "show stats_totals"), "database", w.DB)["server_assignment_count"])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	const clients = 50
	query := func() {
		var word string
		if err := connect(t, w.DSN()).QueryRow(t.Context(), "select word from t where id = $1", 2).Scan(&word); err != nil || word != "two" {
			t.Fatalf("%q, %v", word, err)
		}
	}
	query()
	before := leases()
	for range clients {
		query()
	}
	if n := leases() - before; n < clients || n > clients*3/2 {
		t.Errorf("%d leases for one query of %d clients each", n, clients)
	} else {
		t.Logf("%d leases for one query of %d clients each", n, clients)
	}
}
