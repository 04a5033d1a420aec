package integration

import (
	"strings"
	"testing"
)

// leakSchema are functions whose text does not show what they leave behind: the
// statement that they run is in hexadecimal digits.
const leakSchema = `
create function hidden(code text) returns void language plpgsql as $$ begin execute convert_from(decode(code, 'hex'), 'UTF8'); end $$;
create table watched (a int);
create function on_watched() returns trigger language plpgsql as $$ begin perform hidden('73657420776f726b5f6d656d3d27394d4227'); return new; end $$;
create trigger on_watched before insert on watched for each row execute function on_watched()`

// TestLeakCheckFindsWhatNothingHintedAt and names it; nobody else sees it.
func TestLeakCheckFindsWhatNothingHintedAt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ leave, see, others, kind string }{
		"a setting by a function": {"select hidden('73657420776f726b5f6d656d203d2027394d4227')", "show work_mem", "4MB", "setting"},
		"a setting by a trigger":  {"insert into watched values (1)", "show work_mem", "4MB", "setting"},
		"an advisory lock": {"select hidden('73656c6563742070675f61647669736f72795f6c6f636b28373729')",
			"select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()", "0", "advisory lock"},
		"a temporary table": {"select hidden('6372656174652074656d70207461626c65206d696e6520286120696e7429')", "select coalesce(to_regclass('pg_temp.mine')::text, '')", "", "temporary table"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: stageTop, Database: "pool_size = 2", Leaks: true})
			execSQL(t, w.Direct(), leakSchema)
			console := connect(t, w.Console("default_query_exec_mode=simple_protocol"))
			leaker, other := connect(t, w.DSN("application_name=leaker")), connect(t, w.DSN("application_name=other"))
			ask(t, other, "select 1")
			must(t, leaker, c.leave)
			for range 3 {
				if got := ask(t, other, c.see); got != c.others {
					t.Errorf("another sees %q, want %q", got, c.others)
				}
			}
			eventually(t, "the leak is shown", func() bool { return len(show(t, console, "show leaks")) > 0 })
			row := rowOf(t, show(t, console, "show leaks"), "database", w.DB, "user", "postgres")
			if row["statement"] != c.leave || row["application_name"] != "leaker" || !strings.Contains(row["kinds"], c.kind) || row["count"] == "0" {
				t.Errorf("SHOW LEAKS has %v", row)
			}
			eventually(t, "the log speaks of a leak", func() bool { return strings.Contains(w.Log(), "left something behind") })
			if code, body := get(t, w, "/metrics"); code != 200 || !strings.Contains(body, "pgweir_pool_leaks_total{database=\""+w.DB+"\",user=\"postgres\"} 1") {
				t.Errorf("pgweir_pool_leaks_total is not 1 (status %d)", code)
			}
			if n := len(w.Backends(t)); n > 2 {
				t.Errorf("%d backends", n)
			}
		})
	}
}

// TestAFunctionThatLeakedIsKnownAfterwards: from then on its calls are a hint,
// and its client keeps what it has set.
func TestAFunctionThatLeakedIsKnownAfterwards(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: stageTop, Database: "pool_size = 1", Leaks: true})
	execSQL(t, w.Direct(), leakSchema)
	console := connect(t, w.Console("default_query_exec_mode=simple_protocol"))
	leaker, other := connect(t, w.DSN()), connect(t, w.DSN())
	const leave = "select hidden('73657420776f726b5f6d656d203d2027394d4227')"
	must(t, leaker, leave)
	if got := ask(t, other, "show work_mem"); got != "4MB" {
		t.Errorf("another sees %q", got)
	}
	eventually(t, "the function is learned", func() bool {
		rows := show(t, console, "show leaks")
		return len(rows) == 1 && strings.Contains(rows[0]["learned"], "hidden")
	})
	must(t, leaker, "reset work_mem")
	must(t, leaker, leave)
	for range 3 {
		if got := ask(t, other, "show work_mem"); got != "4MB" {
			t.Errorf("another sees %q", got)
		}
		if got := ask(t, leaker, "show work_mem"); got != "9MB" {
			t.Errorf("its owner sees %q, want 9MB", got)
		}
	}
	if rows := show(t, console, "show leaks"); rows[0]["count"] != "1" {
		t.Errorf("it was a leak %s times", rows[0]["count"])
	}
}

// TestNothingIsALeakThatIsNone: with leak_check = 1, ordinary work and state
// that was hinted at leave no leak behind.
func TestNothingIsALeakThatIsNone(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: stageTop, Database: "pool_size = 2"})
	console := connect(t, w.Console("default_query_exec_mode=simple_protocol"))
	conn := connect(t, w.DSN("options='-c work_mem=6MB'"))
	if _, err := conn.Exec(t.Context(), "select $1::int", 1); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"select 1", "create table t (a int)", "insert into t values (1)", "set work_mem = '7MB'", "begin; set local work_mem = '8MB'; commit", "set my.own = 'x'",
		"create temp table mine (a int)", "drop table mine", "select pg_advisory_lock(1)", "select pg_advisory_unlock(1)", "prepare p as select 1", "execute p", "deallocate p", "set role pg_monitor", "reset role", "listen c", "unlisten c",
		"create temp table passing (a int) on commit drop", "select pg_advisory_xact_lock(1)", "begin; declare c cursor with hold for select 1; commit", "close c", "discard all", "select lo_unlink(lo_create(0))"} {
		must(t, conn, sql)
		must(t, conn, "select 1")
	}
	if rows := show(t, console, "show leaks"); len(rows) != 0 {
		t.Errorf("SHOW LEAKS has %v", rows)
	}
}
