package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

// promtool is Prometheus' own checker. The script fetches it if it is missing,
// and says what to do if that cannot be.
func promtool(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("../scripts/install-promtool")
	var trouble strings.Builder
	cmd.Stderr = &trouble
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("there is no promtool, which this test needs: scripts/install-promtool: %v\n%s", err, &trouble)
	}
	return strings.TrimSpace(string(out))
}

// scrape is the samples of /metrics by name and labels, as they are written.
type scrape map[string]float64

// sum adds up the samples of a name that have all these labels.
func (s scrape) sum(name string, labels ...string) (total float64) {
	for id, v := range s {
		lacks := func(label string) bool { return !strings.Contains(id, label) }
		if strings.HasPrefix(id, name+"{") && !slices.ContainsFunc(labels, lacks) {
			total += v
		}
	}
	return total
}

func series(t *testing.T, w *weir) scrape {
	t.Helper()
	_, text := get(t, w, "/metrics")
	out := scrape{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(strings.TrimSpace(line[i+1:]), 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out[line[:i]] = v
	}
	return out
}

// TestPrometheusAcceptsTheMetrics, of a pgweir that has something to tell.
func TestPrometheusAcceptsTheMetrics(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "census_user = \"postgres\"\ncensus_interval = \"200ms\""})
	c := connect(t, w.DSN())
	must(t, c, "select 1")
	must(t, c, "select pg_advisory_lock(1)") // a pin
	eventually(t, "a census has been taken", func() bool {
		_, text := get(t, w, "/metrics")
		return strings.Contains(text, "\npgweir_server_processes{")
	})
	_, text := get(t, w, "/metrics")
	cmd := exec.Command(promtool(t), "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	must(t, c, "select pg_advisory_unlock_all()")
}

func TestPromtoolSeesABadMetric(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(promtool(t), "check", "metrics")
	cmd.Stdin = strings.NewReader("# TYPE pgweir_bad counter\npgweir_bad 1\n")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "pgweir_bad") {
		t.Errorf("promtool accepts a counter without _total: %v\n%s", err, out)
	}
}

func TestTheAlertsFireWhenTheyAreToAndNotElse(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"check", "rules", "../docs/prometheus/alerts.yml"},
		{"test", "rules", "../docs/prometheus/alerts_test.yml"},
	} {
		if out, err := exec.Command(promtool(t), args...).CombinedOutput(); err != nil || !strings.Contains(string(out), "SUCCESS") {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
}

// TestTheQueriesOfTheDashboardArePromQL: promtool reads them as rules.
func TestTheQueriesOfTheDashboardArePromQL(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../docs/grafana/pgweir.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(data, &dashboard); err != nil {
		t.Fatal(err)
	}
	type rule struct {
		Record string            `json:"record"`
		Expr   string            `json:"expr"`
		Labels map[string]string `json:"labels"`
	}
	var rules []rule
	for _, p := range dashboard.Panels {
		for _, q := range p.Targets {
			expr := strings.ReplaceAll(q.Expr, "$__rate_interval", "1m")
			expr = regexp.MustCompile(`\$[a-z]+`).ReplaceAllString(expr, ".*")
			rules = append(rules, rule{"dashboard:query", expr, map[string]string{"panel": p.Title, "query": strconv.Itoa(len(rules))}})
		}
	}
	check := func(rules []rule) (string, error) {
		// YAML is a superset of JSON.
		file, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "rules.yml")
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(promtool(t), "check", "rules", path).CombinedOutput()
		return string(out), err
	}
	if out, err := check(rules); err != nil || !strings.Contains(out, fmt.Sprintf("SUCCESS: %d rules found", len(rules))) || len(rules) < 40 {
		t.Errorf("promtool check rules, of %d queries: %v\n%s", len(rules), err, out)
	}
	if out, err := check([]rule{{Record: "dashboard:query", Expr: "sum(pgweir_clients) by by"}}); err == nil {
		t.Errorf("promtool accepts what is not PromQL: %s", out)
	}
}

// TestTheDurationsInTheMetricsAreTrue: one client holds the only backend, and
// its query is held up; another waits for the backend meanwhile.
func TestTheDurationsInTheMetricsAreTrue(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1"})
	console := connect(t, w.Console())
	holder, waiter := connect(t, w.DSN()), connect(t, w.DSN())
	by := fmt.Sprintf(`{database=%q,user="postgres"`, w.DB)
	before := series(t, w)
	const quick, slow = 20, 0.6
	for range quick {
		must(t, waiter, "select 1")
	}
	direct := connect(t, w.Direct())
	must(t, direct, "select pg_advisory_lock(1)")
	done := begin(t, holder, "begin; select pg_advisory_xact_lock(1); commit")
	running(t, w, direct, "begin; select pg_advisory_xact_lock", 1)
	waits := begin(t, waiter, "select 1")
	waitingClients(t, w, console, 1)
	must(t, direct, fmt.Sprintf("select pg_sleep(%v)", slow))
	must(t, direct, "select pg_advisory_unlock(1)")
	if err := finished(t, done, patience); err != nil {
		t.Fatal(err)
	}
	if err := finished(t, waits, patience); err != nil {
		t.Fatal(err)
	}
	after := series(t, w)
	diff := func(name, more string) float64 { return after[name+by+more] - before[name+by+more] }
	for name, want := range map[string]float64{"transaction": quick + 2, "query": quick + 2, "wait": quick + 2} {
		name = "pgweir_pool_" + name + "_seconds"
		if got := diff(name+"_count", "}"); got != want {
			t.Errorf("%s_count has grown by %v, want %v", name, got, want)
		}
		if got, inf := diff(name+"_count", "}"), diff(name+"_bucket", `,le="+Inf"}`); got != inf {
			t.Errorf("%s: count %v, the last bucket %v", name, got, inf)
		}
	}
	// One was slow, and the other has waited for it, which is counted by itself.
	for name, want := range map[string]float64{"transaction": 1, "query": 1, "wait": 1} {
		name = "pgweir_pool_" + name + "_seconds"
		if slower := diff(name+"_count", "}") - diff(name+"_bucket", `,le="0.5"}`); slower < want {
			t.Errorf("%s: %v took longer than half a second, want %v and more", name, slower, want)
		}
	}
	transactions, queries, waited := diff("pgweir_pool_transaction_seconds_sum", "}"), diff("pgweir_pool_query_seconds_sum", "}"), diff("pgweir_pool_wait_seconds_sum", "}")
	// A loop takes the time once for a batch of events, so a little is lost.
	const little = 0.01
	if queries < slow || queries > patience.Seconds() || waited < slow-little || transactions < queries-little || transactions > queries+waited {
		t.Errorf("transactions took %v s, answers %v s, and the waits %v s", transactions, queries, waited)
	}
	for counter, histogram := range map[string]string{"pgweir_transaction_seconds_total": "pgweir_pool_transaction_seconds_sum",
		"pgweir_query_seconds_total": "pgweir_pool_query_seconds_sum"} {
		if after[counter+by+"}"] != after[histogram+by+"}"] {
			t.Errorf("%s is %v, %s is %v", counter, after[counter+by+"}"], histogram, after[histogram+by+"}"])
		}
	}
}

// TestTheMetricsOfAServerAreTrue, with the server itself as the witness.
func TestTheMetricsOfAServerAreTrue(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{Settings: map[string]string{
		"max_connections": "30", "superuser_reserved_connections": "4", "autovacuum": "off"}})
	w := startWeir(t, weirOptions{Cluster: pg, Top: "census_user = \"postgres\"\ncensus_interval = \"200ms\"", Database: "pool_size = 40"})
	server := fmt.Sprintf(`server="127.0.0.1:%d"`, pg.Port)
	direct := connect(t, w.Direct())
	for range 3 {
		c := connect(t, w.DSN())
		must(t, c, "begin")
	}
	var got scrape
	eventually(t, "the metrics agree with pg_stat_activity", func() bool {
		got = series(t, w)
		for kind, want := range processKinds(t, direct) {
			if got[fmt.Sprintf("pgweir_server_processes{kind=%q,%s}", kind, server)] != want {
				return false
			}
		}
		return true
	})
	if all, backends := got.sum("pgweir_server_client_backends", server), got.sum("pgweir_server_processes", server, `kind="client backend"`); all != backends {
		t.Errorf("%v client backends by state, %v by kind", all, backends)
	}
	fixed := map[string]float64{
		"pgweir_server_up{" + server + "}":                                                       1,
		"pgweir_server_max_connections{" + server + "}":                                          30,
		"pgweir_server_usable_connections{" + server + "}":                                       26,
		"pgweir_sizing_wanted_backends{" + server + "}":                                          40,
		"pgweir_sizing_fits{" + server + "}":                                                     0,
		`pgweir_server_processes{kind="postmaster",` + server + "}":                              1,
		`pgweir_server_processes{kind="other",` + server + "}":                                   0,
		`pgweir_server_processes{kind="unknown",` + server + "}":                                 0,
		`pgweir_server_client_backends{ours="true",` + server + `,state="idle in transaction"}`:  3,
		`pgweir_server_client_backends{ours="false",` + server + `,state="idle in transaction"}`: 0,
	}
	hasSamples(t, w, fixed)
	eventually(t, "the postmaster has used a tick of CPU", func() bool {
		execSQL(t, dsn(pg.Port, "postgres"), "select 1") // it forks
		got = series(t, w)
		cpu := got[`pgweir_server_process_cpu_seconds_total{kind="postmaster",`+server+"}"]
		if cpu > 60 {
			t.Fatalf("the postmaster has used %v s", cpu)
		}
		return cpu > 0
	})
	if age, ok := got["pgweir_census_age_seconds{"+server+"}"]; !ok || age > patience.Seconds() {
		t.Errorf("the census is %v s old", age)
	}
	downAndUpAgain(t, w, pg, server)
}

// downAndUpAgain stops a server and starts it: while it is down, it has no
// processes, not 0 of each kind.
func downAndUpAgain(t *testing.T, w *weir, pg *cluster.Cluster, server string) {
	t.Helper()
	if err := pg.Stop(cluster.Immediate); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server is seen to be down", func() bool {
		up, ok := series(t, w)["pgweir_server_up{"+server+"}"]
		return ok && up == 0
	})
	// That reading may be from the midst of the stop.
	eventually(t, "a critical finding tells of it, and no process is left", func() bool {
		got := series(t, w)
		return got.sum("pgweir_findings", server, `severity="critical"`) > 0 && got.sum("pgweir_server_processes", server, `kind="checkpointer"`) == 0
	})
	if err := pg.Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server is seen to be up", func() bool {
		return series(t, w)["pgweir_server_up{"+server+"}"] == 1
	})
}

// processKinds is how many processes there are of each kind.
func processKinds(t *testing.T, direct *pgx.Conn) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for _, row := range show(t, direct, "select backend_type, count(*) from pg_stat_activity group by 1") {
		n, err := strconv.ParseFloat(row["count"], 64)
		if err != nil {
			t.Fatal(err)
		}
		out[row["backend_type"]] = n
	}
	return out
}

// hasSamples waits for samples with these values.
func hasSamples(t *testing.T, w *weir, samples map[string]float64) {
	t.Helper()
	var differs string
	defer func() {
		if t.Failed() && differs != "" {
			t.Log(differs)
		}
	}()
	eventually(t, "the census has all backends in their states", func() bool {
		got := series(t, w)
		differs = ""
		for id, want := range samples {
			if v, ok := got[id]; !ok || v != want {
				differs += fmt.Sprintf("%s is %v (%v), want %v\n", id, v, ok, want)
			}
		}
		return differs == ""
	})
}
