package integration

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"pgweir/cluster"
)

// evidenceTop are the settings as shipped.
const evidenceTop = "leak_check = 0.0\n"

// ofPool is a metric of the test's pool. labels are further ones as they are
// written, those ahead of "database" and those behind it.
func (w *weir) ofPool(t *testing.T, name, ahead, behind string) float64 {
	t.Helper()
	of := fmt.Sprintf("%s{%sdatabase=%q,%suser=%q}", name, ahead, w.DB, behind, w.Role())
	v, ok := series(t, w)[of]
	if !ok {
		t.Fatalf("no scrape has %s", of)
	}
	return v
}

// asked is how often the backends of the test's pool were asked for a cause.
func (w *weir) asked(t *testing.T, cause string) float64 {
	t.Helper()
	return w.ofPool(t, "pgweir_pool_state_checks_total", fmt.Sprintf("cause=%q,", cause), "")
}

// TestWhatIsKnownOfStatements needs a server of its own: a setting of a role
// that another test changes would have everything proven anew.
func TestWhatIsKnownOfStatements(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	execSQL(t, pg.DSN("postgres"), "create role "+ordinaryRole+" login")
	t.Run("a proven statement is not asked about", func(t *testing.T) { testAProvenStatement(t, pg) })
	t.Run("a trigger that sets something is found out", func(t *testing.T) { testATriggerThatSets(t, pg) })
}

// testAProvenStatement: the question comes when the runs have doubled, and at no
// other time.
func testAProvenStatement(t *testing.T, pg *cluster.Cluster) {
	w := startWeir(t, weirOptions{Cluster: pg, Top: evidenceTop, Role: ordinaryRole})
	execSQL(t, w.Direct(), "create table t (a int, b text); insert into t values (1, 'x')")
	console, simple, prepared := connect(t, w.Console(simpleProtocol)), connect(t, w.DSN(simpleProtocol)), connect(t, w.DSN())
	run := func(times int) {
		t.Helper()
		for i := range times {
			must(t, simple, fmt.Sprintf("select b from t where a = %d", i))
			if _, err := prepared.Exec(t.Context(), "update t set b = $1 where a = $2", "y", i); err != nil {
				t.Fatal(err)
			}
		}
	}
	run(2100)
	// Two shapes at runs 1, 2, 4 ... 2048, or as often at others if the catalog
	// was asked about meanwhile; and once before anything was known.
	first := w.asked(t, "unproven")
	if first < 2 || first > 2*12+1 {
		t.Errorf("asked %v times about what was not proven", first)
	}
	before := w.ofPool(t, "pgweir_transactions_total", "", "")
	run(2000)
	done, asked := w.ofPool(t, "pgweir_transactions_total", "", "")-before, w.asked(t, "unproven")-first+w.asked(t, "hinted")+w.asked(t, "sampled")
	// Until its runs have doubled, no shape is asked about twice.
	if done != 4000 || asked > 2 {
		t.Errorf("asked %v times in %v transactions", asked, done)
	}
	eventually(t, "both shapes are proven", func() bool {
		run(1) // for the case that the next run is asked about
		return w.ofPool(t, "pgweir_pool_shapes", "", `state="proven",`) == 2
	})
	for _, beginning := range []string{"select b from t", "update t set b"} {
		found := 0
		for _, row := range show(t, console, "show shapes") {
			if strings.HasPrefix(row["statement"], beginning) {
				found++
				runs, next := number(t, row["runs"]), number(t, row["next_question"])
				if runs < 4100 || next <= runs+1 || next > 2*runs || row["state"] != "proven" || row["database"] != w.DB || row["user"] != ordinaryRole {
					t.Errorf("SHOW SHAPES has %v", row)
				}
			}
		}
		if found != 1 {
			t.Errorf("SHOW SHAPES has %d rows of %s", found, beginning)
		}
	}
	row := rowOf(t, show(t, console, "show evidence"), "database", w.DB)
	if row["proven"] != "2" || row["found"] != "0" || row["generation"] != "1" || row["catalog"] != "certain" {
		t.Errorf("SHOW EVIDENCE has %v", row)
	}
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// testATriggerThatSets: no word of it, nor of what it calls, says so. Another
// client does not see it, and from then on it is asked about.
func testATriggerThatSets(t *testing.T, pg *cluster.Cluster) {
	w := startWeir(t, weirOptions{Cluster: pg, Top: evidenceTop, Role: ordinaryRole, Database: "pool_size = 1"})
	execSQL(t, dsn(pg.Port, w.DB), "create function quiet_setting(int) returns int language plpgsql as $$ begin perform set_config('work_mem', '9MB', false); return $1; end $$; create operator <+> (rightarg = int, function = quiet_setting)")
	execSQL(t, w.Direct(), `create table watched (a int);
create function on_watched() returns trigger language plpgsql as $$ begin perform <+>-1; return new; end $$;
create trigger on_watched before insert on watched for each row execute function on_watched()`)
	console, setter, other := connect(t, w.Console(simpleProtocol)), connect(t, w.DSN(simpleProtocol)), connect(t, w.DSN(simpleProtocol))
	must(t, other, "select 1") // what there is in the database is known
	must(t, setter, "insert into watched values (1)")
	if got := ask(t, other, "show work_mem"); got != "4MB" {
		t.Errorf("another sees %q", got)
	}
	if got := ask(t, setter, "show work_mem"); got != "9MB" {
		t.Errorf("its owner sees %q, want 9MB", got)
	}
	found := func() string {
		t.Helper()
		for _, row := range show(t, console, "show shapes") {
			if strings.HasPrefix(row["statement"], "insert into watched") {
				return row["state"]
			}
		}
		return "not there"
	}
	if got := found(); got != "leaves state" {
		t.Errorf("SHOW SHAPES says of it: %s", got)
	}
	if n := w.ofPool(t, "pgweir_pool_shapes", "", `state="leaves state",`); n != 1 {
		t.Errorf("%v shapes leave state", n)
	}
	if n := w.ofPool(t, "pgweir_pool_state_found_total", "", ""); n != 1 {
		t.Errorf("something was found %v times", n)
	}
	before := w.asked(t, "unproven")
	for range 5 {
		must(t, other, "insert into watched values (2)")
		must(t, other, "reset work_mem") // with what it sets itself it is another shape
	}
	if n := w.asked(t, "unproven") - before; n != 5 {
		t.Errorf("asked %v times about 5 runs", n)
	}
	// The trigger goes, and so does what was known of the table.
	must(t, other, "drop trigger on_watched on watched")
	eventually(t, "the insertion is proven", func() bool {
		must(t, other, "insert into watched values (3)")
		return found() == "proven"
	})
	if n := w.ofPool(t, "pgweir_pool_catalog_changes_total", "", ""); n < 2 {
		t.Errorf("the database's objects were found to be others %v times", n)
	}
}

// TestADatabaseThatCannotBeReadIsAskedAboutAlways: nothing leaks meanwhile, and
// the log says so once.
func TestADatabaseThatCannotBeReadIsAskedAboutAlways(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: evidenceTop, Role: bareRole, Database: "pool_size = 1"})
	execSQL(t, w.Direct("user=postgres"), "revoke select on pg_policy from public; create function sets() returns void language sql as $$ update pg_settings set setting = '9MB' where name = 'work_mem' $$")
	console, setter, other := connect(t, w.Console(simpleProtocol)), connect(t, w.DSN(simpleProtocol)), connect(t, w.DSN(simpleProtocol))
	for range 10 {
		must(t, setter, "select sets()")
		if got := ask(t, other, "show work_mem"); got != "4MB" {
			t.Errorf("another sees %q", got)
		}
	}
	const line = "cannot be read, so backends are asked"
	eventually(t, "the log has it", func() bool {
		must(t, other, "select 1")
		return strings.Contains(w.Log(), line)
	})
	if row := rowOf(t, show(t, console, "show evidence"), "database", w.DB); row["catalog"] != "unreadable" || row["proven"] != "0" {
		t.Errorf("SHOW EVIDENCE has %v", row)
	}
	if n := w.ofPool(t, "pgweir_pool_catalog_failing", "", ""); n != 1 {
		t.Errorf("pgweir_pool_catalog_failing is %v", n)
	}
	execSQL(t, w.Direct("user=postgres"), "grant select on pg_policy to public")
	eventually(t, "it is read again", func() bool {
		must(t, other, "select 1")
		return strings.Contains(w.Log(), "can be read again")
	})
	if n := strings.Count(w.Log(), line); n != 1 {
		t.Errorf("the log has it %d times", n)
	}
	if n := w.ofPool(t, "pgweir_pool_catalog_certain", "", ""); n != 1 {
		t.Errorf("pgweir_pool_catalog_certain is %v", n)
	}
}
