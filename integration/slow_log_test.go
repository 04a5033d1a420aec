package integration

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// logLines are the lines of a log in JSON with this message and application_name.
func logLines(t *testing.T, w *weir, msg, application string) (found []map[string]any) {
	t.Helper()
	for line := range strings.Lines(w.Log()) {
		m := map[string]any{}
		if json.Unmarshal([]byte(line), &m) == nil && m["msg"] == msg && m["application_name"] == application {
			found = append(found, m)
		}
	}
	return found
}

// logLine waits for such a line, and takes that of the longest time: others may be of
// statements that took long on a busy machine.
func logLine(t *testing.T, w *weir, msg, application string) map[string]any {
	t.Helper()
	eventually(t, fmt.Sprintf("there is a %s of %s", msg, application), func() bool { return len(logLines(t, w, msg, application)) > 0 })
	took := func(line map[string]any) float64 {
		ms, ok := line["duration_ms"].(float64)
		if !ok {
			ms, _ = line["waiting_ms"].(float64)
		}
		return ms
	}
	return slices.MaxFunc(logLines(t, w, msg, application), func(a, b map[string]any) int { return cmp.Compare(took(a), took(b)) })
}

const slowTop = "log_format = \"json\"\nlog_min_duration_query = \"250ms\"\nlog_min_duration_wait = \"250ms\"\n"

// hasParts checks that the time of a slow query was at least so long in one part, in
// milliseconds, and that the parts are the whole.
func hasParts(t *testing.T, line map[string]any, least map[string]float64) {
	t.Helper()
	sum := 0.0
	for _, part := range []string{"waiting_ms", "preparing_ms", "server_ms", "sending_ms"} {
		got, ok := line[part].(float64)
		if !ok || got < least[part] {
			t.Errorf("%s is %v, want %v at least", part, line[part], least[part])
		}
		sum += got
	}
	if total, ok := line["duration_ms"].(float64); !ok || math.Abs(total-sum) > 0.01 {
		t.Errorf("the parts of %v are %v", line["duration_ms"], sum)
	}
}

// sleeps has time pass, by PostgreSQL's clock: a loop takes the time once for a batch
// of events, so a little less of it is asked for than passes.
func sleeps(t *testing.T, direct *pgx.Conn) { must(t, direct, "select pg_sleep(0.4)") }

func TestASlowQueryIsLoggedWithTheSplitOfItsTime(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: slowTop + "log_query_text = 18", Database: "pool_size = 1"})
	console, direct, holder := connect(t, w.Console(simpleProtocol)), connect(t, w.Direct()), connect(t, w.DSN())
	client := connect(t, w.DSN("application_name=waits"))
	must(t, holder, "begin")
	done := begin(t, client, "select pg_sleep(0.4), 'secret'")
	waitingClients(t, w, console, 1)
	sleeps(t, direct)
	must(t, holder, "commit")
	if err := finished(t, done, patience); err != nil {
		t.Fatal(err)
	}
	line := logLine(t, w, "slow query", "waits")
	hasParts(t, line, map[string]float64{"waiting_ms": 350, "server_ms": 350})
	pid := ask(t, client, "select pg_backend_pid()")
	if line["query"] != "select pg_sleep(0." || fmt.Sprint(line["pid"]) != pid || line["user"] != "postgres" || line["database"] != w.DB || line["client"] == nil || line["backend"] == nil {
		t.Errorf("the line is %v, the backend's process %s", line, pid)
	}
	if line := logLine(t, w, "slow wait", "waits"); line["end"] != "served" || line["waiting_ms"].(float64) < 350 {
		t.Errorf("the line of the wait is %v", line)
	}
	prepared := connect(t, w.DSN("application_name=prepared"))
	if _, err := prepared.Prepare(t.Context(), "mine", "select pg_sleep(0.4), 1"); err != nil {
		t.Fatal(err)
	}
	if r := prepared.PgConn().ExecPrepared(t.Context(), "mine", nil, nil, nil).Read(); r.Err != nil {
		t.Fatal(r.Err)
	}
	if line := logLine(t, w, "slow query", "prepared"); line["query"] != "select pg_sleep(0." {
		t.Errorf("the line is %v", line)
	}
	deaf := loginUnix(t, w, "application_name", "deaf")
	deaf.send(simpleQuery("select repeat('x', 10000) from generate_series(1, 1000)"))
	deaf.until('D')
	sleeps(t, direct)
	deaf.until('Z')
	hasParts(t, logLine(t, w, "slow query", "deaf"), map[string]float64{"sending_ms": 300})
}

func TestASlowWaitThatEndsWithoutABackendIsLogged(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: slowTop, Database: "pool_size = 1\nquery_wait_timeout = \"400ms\""})
	holder := connect(t, w.DSN())
	must(t, holder, "begin")
	late := loginWire(t, w, "application_name", "late")
	if code, err := late.roundTrip("select 'secret'"); code != "53300" || err != nil {
		t.Errorf("%q, %v", code, err)
	}
	if line := logLine(t, w, "slow wait", "late"); line["end"] != "timeout" || line["waiting_ms"].(float64) < 350 {
		t.Errorf("the line is %v", line)
	}
	if lines := logLines(t, w, "slow query", "late"); len(lines) > 0 {
		t.Errorf("it is a query too: %v", lines)
	}
}

// TestWithoutLogQueryTextNoTextIsLogged, and without the others no line at all; a
// reload is enough for either.
func TestWithoutLogQueryTextNoTextIsLogged(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: `log_format = "json"`})
	console := connect(t, w.Console(simpleProtocol))
	client := connect(t, w.DSN("application_name=first"))
	must(t, client, "select pg_sleep(0.4), 'secret'")
	show(t, console, "show clients") // the loop is asked, which has sent the answer and may not have counted it
	on := w.opts
	on.Top = slowTop
	w.Rewrite(t, on)
	reload(t, console)
	other := connect(t, w.DSN("application_name=second"))
	must(t, other, "select pg_sleep(0.4), 'secret'")
	line := logLine(t, w, "slow query", "second")
	hasParts(t, line, map[string]float64{"server_ms": 350})
	if lines := logLines(t, w, "slow query", "first"); len(lines) > 0 || strings.Contains(w.Log(), "secret") {
		t.Errorf("too much is said: %v", lines)
	}
}

// TestWhatIsPutAheadOfAQueryIsItsPreparation: a setting that follows the client has to
// wait for a lock on its new backend.
func TestWhatIsPutAheadOfAQueryIsItsPreparation(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: slowTop, Database: "pool_size = 2"})
	first, second, client := connect(t, w.DSN()), connect(t, w.DSN()), connect(t, w.DSN(simpleProtocol, "application_name=prepares"))
	must(t, first, "begin")
	must(t, client, "set default_text_search_config = 'pg_catalog.german'")
	must(t, second, "begin") // on that backend
	must(t, first, "commit")
	direct, other := connect(t, w.Direct()), connect(t, w.Direct())
	must(t, direct, "begin; lock table pg_catalog.pg_ts_config in access exclusive mode")
	done := begin(t, client, "select 1")
	eventually(t, "it waits for the lock", func() bool {
		return ask(t, other, "select count(*) from pg_locks where not granted and relation = 'pg_ts_config'::regclass") == "1"
	})
	sleeps(t, other)
	must(t, direct, "commit")
	if err := finished(t, done, patience); err != nil {
		t.Fatal(err)
	}
	hasParts(t, logLine(t, w, "slow query", "prepares"), map[string]float64{"preparing_ms": 350})
	must(t, second, "commit")
}

// TestTheTextOfAMessageThatComesInPartsIsItsBeginning: its rest is not taken for messages.
func TestTheTextOfAMessageThatComesInPartsIsItsBeginning(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: slowTop + "log_query_text = 18"})
	for name, statement := range map[string]string{"named": "mine", "unnamed": ""} {
		client := loginWire(t, w, "application_name", name)
		// Behind every part that may have been read stands what looks like a Query.
		sql := "select pg_sleep(0.4) /*" + strings.Repeat("Q", 300_000) + "*/"
		said := frame('P', statement+"\x00"+sql+"\x00\x00\x00")
		said = append(said, frame('B', "\x00"+statement+"\x00\x00\x00\x00\x00\x00\x00")...)
		client.send(append(append(said, frame('E', "\x00\x00\x00\x00\x00")...), frame('S', "")...))
		if code, err := client.answer(); code != "" || err != nil {
			t.Fatalf("%s: %q, %v", name, code, err)
		}
		if line := logLine(t, w, "slow query", name); line["query"] != sql[:18] {
			t.Errorf("%s: the line is %v", name, line)
		}
	}
}
