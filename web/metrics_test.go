package web

import (
	"bytes"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"pgweir/status"
)

var updateMetrics = flag.Bool("update-metrics", false, "rewrite testdata/metrics.txt and the tables in docs/metrics.md")

// scraped is a Source that has something to tell for every metric.
type scraped struct {
	fixed
	sizing *status.Sizing
}

func (s scraped) Sizing() *status.Sizing          { return s.sizing }
func (s scraped) Reload() (*status.Reload, error) { return &status.Reload{}, nil }

// madeUp is a pool with much in it, one that is paused and has nothing, and the
// console's; a server of this machine, one of another that tells little, and
// one that is down.
func madeUp() scraped {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := &status.Snapshot{
		At: at, Started: at.Add(-90 * time.Minute), Version: "0.1.0", Ready: true,
		Engine: status.Engine{Name: "io_uring", Reason: "io_uring: io_uring_enter: bad address", Loops: 4, Retreated: 1,
			Buffers: 96, BuffersFree: 90, BufferSize: 32 << 10, Shortages: 8, LateBytes: 4096},
		Pools: []status.Pool{
			{Database: "app", User: "alice", Mode: "transaction", Size: 20, ClientsActive: 140, ClientsWaiting: 10,
				ClientsActiveCancel: 1, ClientsWaitingCancel: 2, ServersActive: 5, ServersActiveCancel: 1,
				ServersBeingCanceled: 1, ServersIdle: 2, ServersTested: 1, ServersLogin: 3, ServersClosing: 3,
				MaxWait: 2500 * time.Millisecond, Pinned: 4, OldestPin: 90 * time.Second,
				PinnedBy:  map[string]int{"advisory lock": 1, "temporary table": 2, "new": 3, "unknown": 4},
				Listening: 1, ListeningClients: 30, Replays: 51, Questions: 52, LeaksFound: 53,
				Evidence: &status.Evidence{Shapes: map[string]int{"proven": 54, "leaves state": 55}, Hinted: 56, Unproven: 57, Catalog: 61, Sampled: 58,
					Found: 59, Generation: 60, Certain: true},
				Totals: status.Totals{ServerAssignments: 90, Transactions: 100, Queries: 300, Received: 4000, Sent: 1 << 40,
					TransactionTime: 5 * time.Second, QueryTime: 4 * time.Second, WaitTime: 1500 * time.Millisecond,
					ClientParses: 11, ServerParses: 12, Binds: 13, ClientLogins: 1000, ServerLogins: 16, Errors: 17},
				Waits:            []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13},
				TransactionTimes: []uint64{5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 100},
				QueryTimes:       []uint64{10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, 150, 160, 170, 200},
				ClientsPeak:      160, BackendsPeak: 20, SavedPeak: 142, BackendMemory: 16 * 2 << 20,
				LoadBalanceHosts: "disable", Hosts: []status.PoolHost{{Addr: "10.0.0.5:5432", Away: "nobody is there"}, {Addr: "10.0.0.6:5432"}}},
			{Database: "app", User: "<b>bob</b>", Mode: "session", Size: 5, Paused: true, BackendMemory: -1, Evidence: &status.Evidence{Failing: true},
				Totals: status.Totals{ServerLogins: 3}},
			{Database: "pgweir", User: "admin", Mode: "statement", ClientsActive: 1, BackendMemory: -1},
		},
		Savings: status.Savings{Clients: 150, Backends: 16, Saved: 134, Ratio: 9.375, ClientLogins: 1001, ServerLogins: 17,
			BackendMemory: 2 << 20, MemorySaved: 134 * 2 << 20, MemorySource: "measured"},
		Lists: status.Lists{LoginClients: 3},
	}
	s.Certificates = []status.Certificate{
		{Setting: "client_tls_cert_file", File: "/etc/pgweir/weir.crt", Subject: "CN=weir.example", Expires: at.Add(90 * 24 * time.Hour)},
		{Setting: "server_tls_ca_file", File: "/etc/pgweir/ca.crt", Subject: "CN=the authority", Expires: at.Add(-time.Hour)},
	}
	s.Savings.Peak.Clients, s.Savings.Peak.Backends, s.Savings.Peak.Saved = 161, 21, 142
	backend := func(state string, ours bool, memory int64) status.Process {
		return status.Process{Kind: clientBackend, State: state, Ours: ours, Memory: memory, CPU: time.Minute}
	}
	s.Censuses = []*status.Census{
		{
			At: at.Add(-1500 * time.Millisecond), Server: status.CensusServer{Host: "127.0.0.1:5432", Where: status.Here},
			Processes: []status.Process{
				{Kind: "postmaster", Memory: 3 << 20, CPU: 12500 * time.Millisecond},
				{Kind: "checkpointer", Memory: 1 << 20, CPU: 2 * time.Second},
				{Kind: "walwriter", Memory: -1, CPU: -1},
				{Kind: "pg_cron launcher", Memory: 2 << 20, CPU: time.Second},
				{Kind: "autovacuum worker", Memory: 4 << 20, CPU: time.Second},
				backend("active", true, 2<<20), backend("idle", true, 3<<20), backend("idle in transaction", false, -1),
				backend("on holiday", false, -1),
			},
			Findings: []status.Finding{
				{ID: "near_max_connections", Severity: status.Warning},
				{ID: "lock_queue", Severity: status.Critical},
			},
			Limits: &status.ServerLimits{MaxConnections: 100, SuperuserReserved: 3, Reserved: 2},
		},
		{
			At: at, Server: status.CensusServer{Host: "db.example:5432"},
			Processes: []status.Process{
				{Memory: -1, CPU: -1}, {Memory: -1, CPU: -1},
				backend("", false, -1),
			},
			Findings: []status.Finding{{ID: "census_rights", Severity: status.Info}},
		},
		{
			At: at.Add(-time.Minute), Server: status.CensusServer{Host: "/run/postgresql/.s.PGSQL.5432"},
			Findings: []status.Finding{{ID: "postmaster_gone", Severity: status.Critical, Down: true}},
		},
	}
	return scraped{fixed{s}, &status.Sizing{Sums: []status.SizingSum{
		{Server: "127.0.0.1:5432", Wanted: 120, Usable: 95},
		{Server: "db.example:5432", Wanted: 20, Usable: -1, Fits: true},
		{Server: "/run/postgresql/.s.PGSQL.5432", Wanted: 20, Usable: 0},
	}}}
}

// scrape is what a scrape of a Source gives of ours, in Prometheus' text format.
func scrape(t *testing.T, src Source) string {
	t.Helper()
	w := httptest.NewRecorder()
	Handler(src, "0.1.0", everybody()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("/metrics: %d %s", w.Code, w.Body)
	}
	var ours strings.Builder
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE "), "pgweir_") {
			ours.WriteString(line)
		}
	}
	return ours.String()
}

// gather is what a registry of the made-up figures has of ours.
func gather(t *testing.T, src Source) []*dto.MetricFamily {
	t.Helper()
	families, err := newRegistry(src, "0.1.0", everybody()).Gather()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(families, func(f *dto.MetricFamily) bool { return !strings.HasPrefix(f.GetName(), "pgweir_") })
}

// described are the names of ours that the collector announces.
func described(t *testing.T) []string {
	t.Helper()
	ch := make(chan *prometheus.Desc, 1000)
	(&collector{}).Describe(ch)
	close(ch)
	name := regexp.MustCompile(`fqName: "([^"]+)"`)
	var out []string
	for d := range ch {
		out = append(out, name.FindStringSubmatch(d.String())[1])
	}
	slices.Sort(out)
	return out
}

func TestMetricsKeepToTheConventions(t *testing.T) {
	src := madeUp()
	problems, err := testutil.GatherAndLint(newRegistry(src, "0.1.0", everybody()))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, f := range gather(t, src) {
		if f.GetHelp() == "" {
			t.Errorf("%s has no help", f.GetName())
		}
	}
}

// TestTheWholeOfAScrape compares it with what a reader has approved of.
func TestTheWholeOfAScrape(t *testing.T) {
	const golden = "testdata/metrics.txt"
	got := scrape(t, madeUp())
	if *updateMetrics {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	have, wanted := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for _, line := range wanted {
		if !slices.Contains(have, line) {
			t.Errorf("gone: %s", line)
		}
	}
	for _, line := range have {
		if !slices.Contains(wanted, line) {
			t.Errorf("new: %s", line)
		}
	}
	t.Errorf("%s is not what a scrape gives; go test ./web -update-metrics rewrites it", golden)
}

// TestEveryMetricIsSent: what is announced and never sent would be in the
// documentation's table, and nowhere else.
func TestEveryMetricIsSent(t *testing.T) {
	var sent []string
	for _, f := range gather(t, madeUp()) {
		sent = append(sent, f.GetName())
	}
	slices.Sort(sent)
	if want := described(t); !slices.Equal(sent, want) {
		t.Errorf("sent %q\nannounced %q", sent, want)
	}
}

func TestWhatIsUnknownIsAbsent(t *testing.T) {
	src := madeUp()
	src.s.Savings.BackendMemory, src.s.Savings.MemorySaved, src.s.Savings.MemorySource = -1, -1, "unknown"
	src.s.Pools = src.s.Pools[1:]
	src.s.Censuses = src.s.Censuses[1:]
	src.sizing.Sums = src.sizing.Sums[1:2]
	text := "\n" + scrape(t, src)
	for _, unwanted := range []string{"pgweir_backend_memory_bytes", "pgweir_memory_saved_bytes", "pgweir_pool_backend_memory_bytes",
		"pgweir_pool_memory_saved_bytes", "pgweir_server_memory_bytes", "pgweir_server_process_cpu_seconds_total",
		"pgweir_server_max_connections", "pgweir_server_usable_connections", "pgweir_sizing_usable_backends", "pgweir_sizing_fits",
		// What has no kind may be a checkpointer.
		`pgweir_server_processes{kind="checkpointer",server="db`, `pgweir_server_client_backends{ours="false",server="db.example:5432",state="active"}`,
		// Of a server that is down there are no processes to be counted.
		`pgweir_server_processes{kind="checkpointer",server="/run`, `pgweir_server_client_backends{ours="true",server="/run`,
	} {
		if strings.Contains(text, "\n"+unwanted) {
			t.Errorf("there is %s", unwanted)
		}
	}
	for _, want := range []string{
		`pgweir_backend_memory_info{source="unknown"} 1`,
		`pgweir_server_processes{kind="unknown",server="db.example:5432"} 2`,
		`pgweir_server_client_backends{ours="false",server="db.example:5432",state="unknown"} 1`,
		`pgweir_server_up{server="/run/postgresql/.s.PGSQL.5432"} 0`,
		`pgweir_sizing_wanted_backends{server="db.example:5432"} 20`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
}

// TestACounterOfCPUTimeIsOfOneProcess: of several, it would fall when one ends.
func TestACounterOfCPUTimeIsOfOneProcess(t *testing.T) {
	src := madeUp()
	c := src.s.Censuses[0]
	c.Processes = append(c.Processes, status.Process{Kind: "checkpointer", CPU: time.Hour, Memory: -1})
	text := scrape(t, src)
	for kind, want := range map[string]bool{"postmaster": true, "checkpointer": false, "walwriter": false, "autovacuum worker": false, "other": false} {
		if got := strings.Contains(text, `pgweir_server_process_cpu_seconds_total{kind="`+kind+`"`); got != want {
			t.Errorf("of the %s: %v, want %v", kind, got, want)
		}
	}
}

func TestTheStatesOfBackendsAddUpToBackends(t *testing.T) {
	p := madeUp().s.Pools[0]
	p.ServersUsed = 7
	sum := 0
	for _, b := range backendStates {
		sum += b.count(&p)
	}
	if sum != p.Backends() {
		t.Errorf("%d, want %d", sum, p.Backends())
	}
}

// TestTheProcessesOfACensusAreAllCounted, whatever their kinds and states.
func TestTheProcessesOfACensusAreAllCounted(t *testing.T) {
	src := madeUp()
	processes, backends := 0.0, 0.0
	for _, f := range gather(t, src) {
		for _, m := range f.GetMetric() {
			if labelOf(m, byServer) != "127.0.0.1:5432" {
				continue
			}
			switch f.GetName() {
			case "pgweir_server_processes":
				processes += m.GetGauge().GetValue()
			case "pgweir_server_client_backends":
				backends += m.GetGauge().GetValue()
			}
		}
	}
	if want := float64(len(src.s.Censuses[0].Processes)); processes != want || backends != 4 {
		t.Errorf("%v processes and %v client backends, want %v and 4", processes, backends, want)
	}
}

func labelOf(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

func TestAScrapeIsAlwaysInTheSameOrder(t *testing.T) {
	first := scrape(t, madeUp())
	for range 20 {
		if again := scrape(t, madeUp()); again != first {
			t.Fatalf("%s\nand then\n%s", first, again)
		}
	}
}

func BenchmarkScrape(b *testing.B) {
	h := Handler(madeUp(), "0.1.0", everybody())
	var body bytes.Buffer
	for b.Loop() {
		w := httptest.NewRecorder()
		w.Body = &body
		body.Reset()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	}
	b.ReportMetric(float64(body.Len()), "bytes/scrape")
}
