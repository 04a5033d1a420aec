package web

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

const (
	metricsPage   = "../docs/metrics.md"
	dashboardPath = "../docs/grafana/pgweir.json"
	alertsPath    = "../docs/prometheus/alerts.yml"
	alertTests    = "../docs/prometheus/alerts_test.yml"
)

// released are the names that a release has had: dashboards and alerts of other
// people rely on them. A line may go only with a word in the changelog.
var released = []string{
	"pgweir_auth_query_connections", "pgweir_auth_query_failing", "pgweir_auth_query_failures_total",
	"pgweir_auth_query_hits_total", "pgweir_auth_query_oldest_seconds", "pgweir_auth_query_questions_total",
	"pgweir_auth_query_stale_hits_total", "pgweir_auth_query_users",
	"pgweir_backend_memory_bytes", "pgweir_backend_memory_info", "pgweir_backends", "pgweir_binds_total",
	"pgweir_build_info", "pgweir_census_age_seconds", "pgweir_client_logins_total", "pgweir_client_parses_total",
	"pgweir_clients", "pgweir_errors_total", "pgweir_findings", "pgweir_forks_avoided", "pgweir_http_refused_total", "pgweir_login_addresses", "pgweir_login_clients",
	"pgweir_io_engine_buffer_bytes", "pgweir_io_engine_info", "pgweir_io_engine_late_bytes", "pgweir_io_engine_retreats_total", "pgweir_io_engine_shortages_total",
	"pgweir_logins_delayed", "pgweir_logins_delayed_total", "pgweir_logins_failed_total", "pgweir_logins_garbled_total", "pgweir_logins_refused_total",
	"pgweir_logins_served", "pgweir_logins_timed_out_total", "pgweir_logins_waiting",
	"pgweir_memory_saved_bytes", "pgweir_peak_backends", "pgweir_peak_clients", "pgweir_peak_saved_backends",
	"pgweir_pool_backend_memory_bytes", "pgweir_pool_backends", "pgweir_pool_cancel_requests",
	"pgweir_pool_catalog_certain", "pgweir_pool_catalog_changes_total", "pgweir_pool_catalog_failing",
	"pgweir_pool_clients", "pgweir_pool_forks_avoided", "pgweir_pool_leaks_total",
	"pgweir_pool_listening_backends", "pgweir_pool_listening_clients", "pgweir_pool_max_wait_seconds",
	"pgweir_pool_memory_saved_bytes", "pgweir_pool_oldest_pin_seconds", "pgweir_pool_paused",
	"pgweir_pool_peak_backends", "pgweir_pool_peak_clients", "pgweir_pool_peak_saved_backends",
	"pgweir_pool_pinned_backends", "pgweir_pool_pins", "pgweir_pool_query_seconds", "pgweir_pool_saved_backends",
	"pgweir_pool_settings_replays_total", "pgweir_pool_shapes", "pgweir_pool_size",
	"pgweir_pool_state_checks_total", "pgweir_pool_state_found_total", "pgweir_pool_state_questions_total",
	"pgweir_pool_transaction_seconds", "pgweir_pool_wait_seconds", "pgweir_pool_waits_failed_total", "pgweir_queries_total",
	"pgweir_query_seconds_total", "pgweir_ready", "pgweir_reserve_clients", "pgweir_received_bytes_total", "pgweir_saved_backends",
	"pgweir_sent_bytes_total", "pgweir_server_assignments_total", "pgweir_server_client_backends",
	"pgweir_server_logins_total", "pgweir_server_max_connections", "pgweir_server_measured_processes",
	"pgweir_server_memory_bytes", "pgweir_server_parses_total", "pgweir_server_process_cpu_seconds_total",
	"pgweir_server_processes", "pgweir_server_up", "pgweir_shed_total", "pgweir_server_usable_connections", "pgweir_sizing_fits",
	"pgweir_sizing_usable_backends", "pgweir_sizing_wanted_backends", "pgweir_tls_certificate_expiry_timestamp_seconds",
	"pgweir_traced_queries_dropped_total", "pgweir_traced_queries_total",
	"pgweir_transaction_seconds_total", "pgweir_transactions_total",
}

func TestNoMetricDisappears(t *testing.T) {
	names := described(t)
	for _, name := range released {
		if !slices.Contains(names, name) {
			t.Errorf("%s is gone", name)
		}
	}
	for _, name := range names {
		if !slices.Contains(released, name) {
			t.Errorf("%s is new, and belongs into the list of those that must not disappear", name)
		}
	}
}

// labelNames are the names of a metric's labels.
func labelNames(f *dto.MetricFamily) (out []string) {
	for _, l := range f.GetMetric()[0].GetLabel() {
		out = append(out, l.GetName())
	}
	return out
}

var metricsTable = regexp.MustCompile(`(?s)<!-- table: ([^\n]*) -->\n(.*?)<!-- end -->`)

// TestTheDocumentationHasEveryMetric in a table of those with the label
// database, of those with the label server, or of the rest.
func TestTheDocumentationHasEveryMetric(t *testing.T) {
	tables := map[string]string{}
	for _, f := range gather(t, madeUp()) {
		labels, group := labelNames(f), "total"
		for _, by := range []string{byDatabase, byServer} {
			if slices.Contains(labels, by) {
				group = by
			}
		}
		tables[group] += fmt.Sprintf("| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()),
			strings.Join(labels, ", "), f.GetHelp())
	}
	data, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	want := metricsTable.ReplaceAllStringFunc(string(data), func(found string) string {
		group := metricsTable.FindStringSubmatch(found)[1]
		rows := tables[group]
		if rows == "" {
			t.Errorf("%s has a table %q twice, or no metric is of that kind", metricsPage, group)
		}
		delete(tables, group)
		return fmt.Sprintf("<!-- table: %s -->\n| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n%s<!-- end -->", group, rows)
	})
	for group := range tables {
		t.Errorf("%s has no table %q", metricsPage, group)
	}
	if want == string(data) || t.Failed() {
		return
	}
	if !*updateMetrics {
		t.Fatalf("the tables in %s are not those of the metrics; go test ./web -update-metrics rewrites them", metricsPage)
	}
	if err := os.WriteFile(metricsPage, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// exposed are the names of the series of a scrape with their labels; those of
// histograms have suffixes.
func exposed(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, f := range gather(t, madeUp()) {
		labels := append(labelNames(f), "job", "instance")
		if f.GetType() != dto.MetricType_HISTOGRAM {
			out[f.GetName()] = labels
			continue
		}
		out[f.GetName()+"_bucket"] = append(slices.Clone(labels), "le")
		out[f.GetName()+"_sum"], out[f.GetName()+"_count"] = labels, labels
	}
	return out
}

var (
	promSelector = regexp.MustCompile(`\b(pgweir_[a-z_]+)(?:\{([^{}]*)\})?`)
	promMatcher  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	promLabels   = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left) \(([a-z_, ]*)\)`)
)

// strangers are the series and labels of a PromQL expression that no scrape has.
func strangers(expr string, series map[string][]string) (out []string) {
	known := []string{"le"}
	for _, m := range promSelector.FindAllStringSubmatch(expr, -1) {
		labels, ok := series[m[1]]
		if !ok {
			out = append(out, m[1])
			continue
		}
		known = append(known, labels...)
		for _, l := range promMatcher.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(labels, l[1]) {
				out = append(out, m[1]+" with "+l[1])
			}
		}
	}
	for _, m := range promLabels.FindAllStringSubmatch(expr, -1) {
		for l := range strings.SplitSeq(m[1], ", ") {
			if !slices.Contains(known, l) {
				out = append(out, "label "+l)
			}
		}
	}
	return out
}

func TestAStrangerIsSeen(t *testing.T) {
	series := exposed(t)
	for expr, want := range map[string]string{
		`sum(pgweir_clients{job="x",instance=~"y"}) / pgweir_backends`:                "",
		`histogram_quantile(0.9, rate(pgweir_pool_wait_seconds_bucket{le!="1"}[5m]))`: "",
		`pgweir_pool_wait_seconds_count - pgweir_pool_wait_seconds_sum{database="a"}`: "",
		`pgweir_pool_wait_seconds`:                                                        "pgweir_pool_wait_seconds",
		`rate(pgweir_gone_total[5m]) + pgweir_clients`:                                    "pgweir_gone_total",
		`sum by (job, le) (pgweir_clients) + ignoring (user) pgweir_backends`:             "label user",
		`pgweir_clients{database="x"}`:                                                    "pgweir_clients with database",
		`pgweir_pool_size{user="a",state="b"} and pgweir_pool_query_seconds_sum{le="+1"}`: "pgweir_pool_size with state, pgweir_pool_query_seconds_sum with le",
	} {
		if got := strings.Join(strangers(expr, series), ", "); got != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

// dashboard is what is checked of Grafana's.
type dashboard struct {
	Title, UID    string
	SchemaVersion int
	Panels        []dashboardPanel
	Templating    struct {
		List []struct{ Name, Type, Definition string }
	}
}

type dashboardPanel struct {
	ID          int
	Type, Title string
	GridPos     struct{ X, Y, W, H int }
	Datasource  struct{ UID string }
	Targets     []struct{ RefID, Expr string }
}

func TestTheDashboardFitsTheMetrics(t *testing.T) {
	data, err := os.ReadFile(dashboardPath)
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	// 36 is that of Grafana 10.0.
	if d.Title != "pgweir" || d.UID == "" || d.SchemaVersion < 36 {
		t.Errorf("title %q, uid %q, schemaVersion %d", d.Title, d.UID, d.SchemaVersion)
	}
	series := exposed(t)
	variables := []string{"__rate_interval"}
	for i, v := range d.Templating.List {
		if i == 0 && (v.Name != "datasource" || v.Type != "datasource") {
			t.Errorf("the first variable is %s, of type %s", v.Name, v.Type)
		}
		for _, s := range strangers(v.Definition, series) {
			t.Errorf("variable %s: no scrape has %s", v.Name, s)
		}
		variables = append(variables, v.Name)
	}
	var rows []string
	ids := map[int]bool{}
	taken := map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%s: its id is that of another panel", p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s lies upon %q, or beyond the edge", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			rows = append(rows, p.Title)
			continue
		}
		if len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" {
			t.Errorf("%s has %d queries, of %q", p.Title, len(p.Targets), p.Datasource.UID)
		}
		for _, q := range p.Targets {
			if !promSelector.MatchString(q.Expr) {
				t.Errorf("%s asks for nothing of ours: %s", p.Title, q.Expr)
			}
			for _, s := range strangers(q.Expr, series) {
				t.Errorf("%s: no scrape has %s", p.Title, s)
			}
			for _, v := range regexp.MustCompile(`\$\{?([a-z_]+)`).FindAllStringSubmatch(q.Expr, -1) {
				if !slices.Contains(variables, v[1]) {
					t.Errorf("%s: there is no variable %s", p.Title, v[1])
				}
			}
		}
	}
	if want := []string{"Savings", "Pools", "Waits", "Census", "Findings"}; !slices.Equal(rows, want) {
		t.Errorf("rows %q, want %q", rows, want)
	}
}

// TestTheAlertsFitTheMetrics: promtool knows PromQL, but not which metrics there
// are. Each alert must have a test in which it fires, one in which it does not,
// and a row in the documentation.
func TestTheAlertsFitTheMetrics(t *testing.T) {
	read := func(path string) string {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	rules, tests, page := read(alertsPath), read(alertTests), read(metricsPage)
	series := exposed(t)
	for path, text := range map[string]string{alertsPath: rules, alertTests: tests} {
		if !strings.Contains(text, "pgweir_ready") {
			t.Errorf("%s does not even name pgweir_ready", path)
		}
		for _, s := range strangers(text, series) {
			t.Errorf("%s: no scrape has %s", path, s)
		}
	}
	alerts := strings.Split(rules, "      - alert: ")[1:]
	if len(alerts) < 10 {
		t.Fatalf("%s has %d alerts that can be read", alertsPath, len(alerts))
	}
	for _, text := range alerts {
		name, _, _ := strings.Cut(text, "\n")
		severity := regexp.MustCompile(`\n          severity: (critical|warning|info)\n`).FindStringSubmatch(text)
		if severity == nil {
			t.Errorf("%s has no severity", name)
			continue
		}
		for _, part := range []string{"        expr: ", "          summary: ", "          description: "} {
			if !strings.Contains(text, "\n"+part) {
				t.Errorf("%s has no %s", name, strings.TrimSpace(part))
			}
		}
		if !strings.Contains(page, fmt.Sprintf("\n| %s | %s | ", name, severity[1])) {
			t.Errorf("%s has no row for %s of severity %s", metricsPage, name, severity[1])
		}
		var fires, quiet bool
		for _, test := range strings.Split(tests, "      - alertname: ")[1:] {
			if tested, rest, _ := strings.Cut(test, "\n"); tested == name {
				none := strings.Contains(rest, "exp_alerts: []")
				fires, quiet = fires || !none, quiet || none
			}
		}
		if !fires || !quiet {
			t.Errorf("%s: tested that it fires: %v, that it does not: %v", name, fires, quiet)
		}
	}
	for _, m := range regexp.MustCompile(`\n\| (Pgweir[A-Za-z]+) \|`).FindAllStringSubmatch(page, -1) {
		if !strings.Contains(rules, "      - alert: "+m[1]+"\n") {
			t.Errorf("%s has a row for %s, which is no alert", metricsPage, m[1])
		}
	}
}
