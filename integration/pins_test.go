package integration

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// pinCases are state that keeps a backend: how it is made, how its owner and
// others see it, how it ends, and what SHOW PINS calls it.
var pinCases = []struct{ name, make, see, mine, others, end, reason string }{
	{"an advisory lock", "select pg_advisory_lock(11)", advisoryLocks, "1", "0", "select pg_advisory_unlock(11)", "advisory lock"},
	{"an advisory lock taken twice", "select pg_advisory_lock(11), pg_advisory_lock(11)", advisoryLocks, "1", "0", "select pg_advisory_unlock(11); select pg_advisory_unlock(11)", "advisory lock"},
	{"a shared advisory lock", "select pg_try_advisory_lock_shared(1, 2)", advisoryLocks, "1", "0", "select pg_advisory_unlock_all()", "advisory lock"},
	{"an advisory lock in a block", "begin; select pg_advisory_lock(12); commit", advisoryLocks, "1", "0", "discard all", "advisory lock"},
	{"an advisory lock in a block that is rolled back", "begin; select pg_advisory_lock(13); rollback", advisoryLocks, "1", "0", "select pg_advisory_unlock(13)", "advisory lock"},
	{"an advisory lock in a DO block", "do $$ begin perform pg_advisory_lock(14); end $$", advisoryLocks, "1", "0", "do $$ begin perform pg_advisory_unlock(14); end $$", "advisory lock"},
	{"an advisory lock in a function", "select locks(15)", advisoryLocks, "1", "0", "select pg_advisory_unlock_all()", "advisory lock"},
	{"a temporary table", "create temp table mine as select 'x' as a", tempTable, "mine", "", "drop table mine", "temporary table"},
	{"a temporary table by its schema", "create table pg_temp.mine (a int)", tempTable, "mine", "", "discard temp", "temporary table"},
	{"a temporary table that is selected into", "select 1 as a into temp mine", tempTable, "mine", "", "discard all", "temporary table"},
	{"a temporary view", "create temp view mine as select 1", tempTable, "mine", "", "drop view mine", "temporary table"},
	{"a temporary sequence", "create temp sequence mine", tempTable, "mine", "", "drop sequence mine", "temporary table"},
	{"a temporary table in a block", "begin; create temp table mine (a int) on commit delete rows; commit", tempTable, "mine", "", "begin; drop table mine; commit", "temporary table"},
	{"a temporary table in a function", "select makes_temp()", tempTable, "mine", "", "drop table mine", "temporary table"},
	{"a held cursor", "begin; declare mine cursor with hold for select generate_series(1, 5); commit", heldCursors, "1", "0", "close mine", "held cursor"},
	{"a held cursor outside of a block", "declare mine scroll cursor with hold for select 1", heldCursors, "1", "0", "close all", "held cursor"},
	{"a prepared statement", "prepare mine as select 1", sqlStatements, "1", "0", "deallocate mine", "prepared statement"},
	{"a prepared statement, all thrown away", "prepare mine as select 1", sqlStatements, "1", "0", "deallocate all", "prepared statement"},
}

const (
	advisoryLocks = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
	tempTable     = "select coalesce(to_regclass('pg_temp.mine')::text, '')"
	heldCursors   = "select count(*) from pg_cursors where is_holdable"
	sqlStatements = "select count(*) from pg_prepared_statements where from_sql"

	pinSchema = `
create function locks(bigint) returns void language plpgsql as $$ begin perform pg_advisory_lock($1); end $$;
create function makes_temp() returns void language plpgsql as $$ begin create temp table mine (a int); end $$;
create table items (id int primary key, word text);
insert into items select i, 'word ' || i from generate_series(1, 10) i;`
)

const simpleProtocol = "default_query_exec_mode=simple_protocol"

func TestStateThatCannotFollowKeepsItsBackendUntilItEnds(t *testing.T) {
	t.Parallel()
	inBothSettings(t, func(t *testing.T, opts weirOptions) {
		opts.Database = "pool_size = 2"
		w := startWeir(t, opts)
		execSQL(t, w.Direct(), pinSchema)
		console := connect(t, w.Console(simpleProtocol))
		for _, c := range pinCases {
			t.Run(c.name, func(t *testing.T) {
				one, two := connect(t, w.DSN(simpleProtocol, "application_name=pinned")), connect(t, w.DSN(simpleProtocol))
				must(t, one, c.make)
				eventually(t, "the pin is shown", func() bool { return len(show(t, console, "show pins")) == 1 })
				row := rowOf(t, show(t, console, "show pins"), "database", w.DB, "user", w.Role())
				if row["reasons"] != c.reason || row["application_name"] != "pinned" || !strings.HasPrefix(row["statement"], c.make) {
					t.Errorf("SHOW PINS has %v", row)
				}
				if got := ask(t, one, "select pg_backend_pid()"); got != row["remote_pid"] {
					t.Errorf("its owner is on backend %s, the pin on %s", got, row["remote_pid"])
				}
				for range 2 {
					if got := ask(t, one, c.see); got != c.mine {
						t.Errorf("its owner sees %q, want %q", got, c.mine)
					}
					if got := ask(t, two, c.see); got != c.others {
						t.Errorf("another sees %q, want %q", got, c.others)
					}
				}
				if n := poolRow(t, w, console)["pinned"]; n != "1" {
					t.Errorf("SHOW POOLS has %s pinned", n)
				}
				must(t, one, c.end)
				eventually(t, "the pin ends", func() bool { return len(show(t, console, "show pins")) == 0 })
				eventually(t, "the backend is shared", func() bool { return sharesBackend(t, w, console, one.PgConn(), two.PgConn()) })
				for _, conn := range []*pgx.Conn{one, two} {
					if got := ask(t, conn, c.see); got != c.others {
						t.Errorf("after %s: %q, want %q", c.end, got, c.others)
					}
				}
				if err := one.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

// TestAPinHasAllItsReasonsAndEndsWithTheLast.
func TestAPinHasAllItsReasonsAndEndsWithTheLast(t *testing.T) {
	t.Parallel()
	inBothSettings(t, func(t *testing.T, opts weirOptions) {
		opts.Database = "pool_size = 2"
		w := startWeir(t, opts)
		console, conn := connect(t, w.Console(simpleProtocol)), connect(t, w.DSN(simpleProtocol))
		has := func(after string, reasons ...string) {
			t.Helper()
			must(t, conn, after)
			eventually(t, after+": "+strings.Join(reasons, ", "), func() bool {
				rows := show(t, console, "show pins")
				if len(reasons) == 0 || len(rows) != 1 {
					return len(reasons) == len(rows)
				}
				for _, r := range reasons {
					if !strings.Contains(rows[0]["reasons"], r) {
						return false
					}
				}
				return strings.Count(rows[0]["reasons"], ",") == len(reasons)-1
			})
		}
		has("select pg_advisory_lock(1)", "advisory lock")
		has("create temp table mine (a int)", "advisory lock", "temporary table")
		has("prepare p as select 1", "advisory lock", "temporary table", "prepared statement")
		has("select pg_advisory_unlock(1)", "temporary table", "prepared statement")
		has("deallocate p", "temporary table")
		has("begin; drop table mine; rollback", "temporary table")
		has("declare c cursor with hold for select 1", "temporary table", "held cursor")
		has("set work_mem = '6MB'", "temporary table", "held cursor")
		has("discard temp; close c")
		if got := ask(t, conn, "show work_mem"); got != "6MB" {
			t.Errorf("work_mem is %s after the pin", got)
		}
		has("discard all")
	})
}

// TestTransactionsThatLeaveNothingDoNotPin: one backend serves two clients.
func TestTransactionsThatLeaveNothingDoNotPin(t *testing.T) {
	t.Parallel()
	inBothSettings(t, func(t *testing.T, opts weirOptions) {
		opts.Database = "pool_size = 1"
		w := startWeir(t, opts)
		one, two := connect(t, w.DSN(simpleProtocol)), connect(t, w.DSN(simpleProtocol))
		for _, sql := range []string{
			"select pg_advisory_xact_lock(1)", "select pg_advisory_lock(1), pg_advisory_unlock(1)", "begin; select pg_advisory_lock(2); select pg_advisory_unlock(2); commit",
			"create temp table mine (a int) on commit drop", "begin; create temp table mine (a int); rollback", "begin; create temp table mine (a int); drop table mine; commit",
			"begin; declare c cursor for select 1; fetch c; commit", "begin; declare c cursor with hold for select 1; rollback", "prepare p as select 1; execute p; deallocate p",
			"set work_mem = '6MB'", "set role pg_monitor", "reset role", "set my.own = 'x'", "begin; listen c; rollback", "listen c; unlisten c", "do $$ begin perform 1; end $$", "discard all",
		} {
			must(t, one, sql)
			servedWithin(t, two, patience)
		}
	})
}

// TestAClientThatVanishesTakesItsPinWithIt: whoever comes next on the only
// backend is served soon, and finds nothing.
func TestAClientThatVanishesTakesItsPinWithIt(t *testing.T) {
	t.Parallel()
	inBothSettings(t, func(t *testing.T, opts weirOptions) {
		opts.Database = "pool_size = 1"
		w := startWeir(t, opts)
		execSQL(t, w.Direct(), pinSchema)
		console := connect(t, w.Console(simpleProtocol))
		direct := connect(t, w.Direct())
		for i, c := range pinCases {
			for _, block := range []bool{false, true} {
				one := loginWire(t, w)
				statements := []string{c.make}
				if block {
					statements = append(statements, "begin", "insert into items values (1000, 'x')", "select pg_advisory_lock(99)", "set work_mem = '6MB'")
				}
				for _, sql := range statements {
					if code, err := one.roundTrip(sql); code != "" || err != nil {
						t.Fatalf("%s: %q, %v", sql, code, err)
					}
				}
				start := time.Now()
				one.vanish(i%2 == 0)
				two := connect(t, w.DSN(simpleProtocol))
				if got := ask(t, two, c.see); got != c.others {
					t.Errorf("%s: the next sees %q, want %q", c.name, got, c.others)
				}
				if got := ask(t, two, "select count(*) || current_setting('work_mem') from items where id = 1000"); got != "04MB" {
					t.Errorf("%s: the next sees %q", c.name, got)
				}
				if took := time.Since(start); took > patience {
					t.Errorf("%s: the next was served after %v", c.name, took)
				}
				if got := ask(t, direct, "select count(*) from pg_locks where locktype = 'advisory'"+
					" and database = (select oid from pg_database where datname = current_database())"); got != "0" {
					t.Errorf("%s: %s advisory locks are left", c.name, got)
				}
				if rows := show(t, console, "show pins"); len(rows) != 0 {
					t.Errorf("%s: SHOW PINS has %v", c.name, rows)
				}
				_ = two.Close(t.Context())
			}
		}
	})
}

// TestMaxPinnedBoundsPinsAndOthersKeepWorking: whoever would pin one backend
// too many gets an error, and what it made is gone.
func TestMaxPinnedBoundsPinsAndOthersKeepWorking(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: stageTop + "max_pinned = 1", Database: "pool_size = 2"})
	execSQL(t, w.Direct(), pinSchema)
	console := connect(t, w.Console(simpleProtocol))
	first, other := connect(t, w.DSN(simpleProtocol)), connect(t, w.DSN(simpleProtocol))
	must(t, first, "select pg_advisory_lock(500)")
	// As long as there is a place, a client is not kept waiting until it is
	// known that it takes it.
	eventually(t, "the first client has the place", func() bool { return len(show(t, console, "show pins")) == 1 })
	for _, c := range pinCases {
		second := connect(t, w.DSN(simpleProtocol))
		// It is told so at the statement itself or, if only the backend knew
		// what the statement leaves behind, soon after.
		err := runSQL(t.Context(), second, c.make)
		for i := 0; i < 3 && err == nil; i++ {
			err = runSQL(t.Context(), second, "select 1")
		}
		if !strings.HasPrefix(sqlState(err), "53") {
			t.Errorf("%s: the second client to pin got %v", c.name, err)
		}
		servedWithin(t, other, patience)
		if got := ask(t, other, c.see); got != c.others {
			t.Errorf("%s: another sees %q, want %q", c.name, got, c.others)
		}
		if got := ask(t, first, advisoryLocks); got != "1" {
			t.Errorf("%s: the first client has %s locks", c.name, got)
		}
		if rows := show(t, console, "show pins"); len(rows) != 1 {
			t.Errorf("%s: SHOW PINS has %v", c.name, rows)
		}
		if !second.IsClosed() {
			servedWithin(t, second, patience)
		}
		_ = second.Close(t.Context())
	}
	// When the place is free again, it can be had.
	must(t, first, "select pg_advisory_unlock(500)")
	eventually(t, "the place is free", func() bool { return len(show(t, console, "show pins")) == 0 })
	second := connect(t, w.DSN(simpleProtocol))
	must(t, second, "select pg_advisory_lock(501)")
	if got := ask(t, second, advisoryLocks); got != "1" {
		t.Errorf("the second client has %s locks", got)
	}
}

// TestSessionStateCanBePinnedAlwaysOrNotWatched are the other two ways.
func TestSessionStateCanBePinnedAlwaysOrNotWatched(t *testing.T) {
	t.Parallel()
	t.Run("pin", func(t *testing.T) {
		t.Parallel()
		w := startWeir(t, weirOptions{Top: stageTop + `session_state = "pin"`, Database: "pool_size = 2"})
		console := connect(t, w.Console(simpleProtocol))
		one, two := connect(t, w.DSN(simpleProtocol)), connect(t, w.DSN(simpleProtocol))
		must(t, one, "set work_mem = '6MB'")
		eventually(t, "a setting pins", func() bool {
			rows := show(t, console, "show pins")
			return len(rows) == 1 && strings.Contains(rows[0]["reasons"], "setting")
		})
		if mine, others := ask(t, one, "show work_mem"), ask(t, two, "show work_mem"); mine != "6MB" || others != "4MB" {
			t.Errorf("its owner sees %s, another %s", mine, others)
		}
		must(t, one, "reset work_mem")
		eventually(t, "the pin ends", func() bool { return len(show(t, console, "show pins")) == 0 })
	})
	t.Run("off", func(t *testing.T) {
		t.Parallel()
		w := startWeir(t, weirOptions{Top: "session_state = \"off\"\nleak_check = 0.0", Database: "pool_size = 1"})
		console := connect(t, w.Console(simpleProtocol))
		one, two := connect(t, w.DSN(simpleProtocol)), connect(t, w.DSN(simpleProtocol))
		must(t, one, "select pg_advisory_lock(1)")
		servedWithin(t, two, patience)
		if rows := show(t, console, "show pins"); len(rows) != 0 {
			t.Errorf("SHOW PINS has %v", rows)
		}
		if !sharesBackend(t, w, console, []*pgconn.PgConn{one.PgConn(), two.PgConn()}...) {
			t.Error("the two do not share a backend")
		}
	})
}

// TestPinnedStateReadsTheSameWithAndWithoutPgweir has a backend for each player.
func TestPinnedStateReadsTheSameWithAndWithoutPgweir(t *testing.T) {
	t.Parallel()
	playScenes(t, stage{schema: pinSchema, pool: 3, asShipped: true}, pinScenes())
}

func pinScenes() []scene {
	return []scene{
		{name: "temporary tables", steps: sqls(
			"create temp table mine (a int, b text default 'x')", "insert into mine values (1), (2)", "select * from mine", "begin", "insert into mine values (3)", "rollback", "select count(*) from mine", "create temp table mine (a int)", "create temp table if not exists mine (a int)", "drop table mine", "select * from mine",
			"create temp table passing (a int) on commit drop", "select * from passing", "begin; create temp table passing (a int) on commit delete rows; insert into passing values (1); select * from passing; commit", "select * from passing", "discard temp", "select * from passing",
			"create temp table items (id int)", "select count(*) from items", "select count(*) from public.items", "drop table items", "select count(*) from items", "create temp view v as select 1 as one", "select * from v", "create temp table parent (a int primary key); create temp table child (a int references parent)", "insert into parent values (1); insert into child values (1)", "discard all", "select * from v"),
			has: []string{"42P01", "42P07"}},
		{name: "temporary tables in the extended protocol", steps: []step{
			synced(extended("create temp table mine (a int)")), synced(extended("insert into mine select generate_series(1, $1::int)", "5")), talk(parse("sum", "select sum(a) from mine"), sync_), synced(runs("sum")), synced(extended("drop table mine")), synced(runs("sum")),
			synced(extended("create temp table mine (a int)")), synced(runs("sum")), {say(query("copy mine from stdin")), "G"}, talk(data("7\n8\n"), done), synced(runs("sum")), sql("discard all"), synced(runs("sum"))}},
		{name: "advisory locks", alone: true, steps: sqls(
			"select pg_advisory_lock(77)", "select 1", advisoryLocks, "select pg_advisory_lock(77)", "select pg_advisory_unlock(77)", advisoryLocks, "select pg_advisory_unlock(77)", "select pg_advisory_unlock(77)", advisoryLocks, "select pg_try_advisory_lock(78), pg_try_advisory_lock_shared(1, 2), pg_advisory_xact_lock(79)", advisoryLocks,
			"select pg_advisory_unlock_all()", advisoryLocks, "begin", "select pg_advisory_lock(80), pg_advisory_xact_lock(81)", "savepoint s", "select pg_advisory_lock(82)", "rollback to s", advisoryLocks, "rollback", advisoryLocks, "discard all", advisoryLocks, "select pg_advisory_unlock_shared(1, 2)"),
			has: []string{"WARNING"}},
		{name: "advisory locks of two clients", acts: acts(
			by(0, sql("select pg_advisory_lock(1)")), by(1, sql("select pg_try_advisory_lock(1)"), sql("select pg_try_advisory_lock(2)")), by(0, sql("select pg_try_advisory_lock(2)"), sql("select pg_advisory_unlock(2)"), sql("select pg_advisory_unlock(1)")),
			by(1, sql("select pg_try_advisory_lock(1)"), sql("select pg_advisory_unlock_all()")), by(0, sql("select pg_try_advisory_lock(1), pg_try_advisory_lock(2)"), sql("discard all")), by(1, sql("select pg_try_advisory_lock(1)"), sql("select pg_advisory_unlock(1)")))},
		{name: "held cursors", steps: sqls(
			"begin", "declare c scroll cursor with hold for select id from items order by id", "fetch 2 from c", "commit", "fetch 2 from c", "select name, is_holdable from pg_cursors order by name", "fetch backward 1 from c", "begin", "fetch 1 from c", "rollback", "fetch 1 from c", "close c", "fetch 1 from c",
			"declare d cursor with hold for select 1", "begin; declare e cursor with hold for select 2; rollback", "fetch e", "close all", "fetch d", "declare f cursor with hold for select 3", "discard all", "fetch f", "declare g cursor for select 1", "begin; declare h cursor for select 4; fetch h; commit", "fetch h"),
			has: []string{"34000", "25P01"}},
		{name: "everything at once", alone: true, steps: sqls(
			"create temp table mine as select 1 as a", "prepare p as select * from mine", "select pg_advisory_lock(5)", "begin; declare c cursor with hold for select * from mine; commit", "set work_mem = '6MB'", "set my.all = 'x'", "execute p", "fetch c", "discard temp", "close c", "execute p", "deallocate p", "show work_mem", advisoryLocks, "select pg_advisory_unlock(5)", "show work_mem", "show my.all", "select 1", "show my.all", "reset all", "show work_mem")},
		{name: "sequences in one session's eyes", alone: true, steps: sqls(
			"create temp sequence s", "select nextval('s')", "select currval('s')", "select lastval()", "select nextval('s'), nextval('s')", "select currval('s')", "discard sequences", "select currval('s')", "drop sequence s"),
			has: []string{"55000"}},
	}
}
