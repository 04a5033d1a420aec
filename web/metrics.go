package web

import (
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pgweir/status"
)

// metricsHandler serves the metrics of a registry of its own. A figure that
// cannot be rendered does not take the others with it.
func metricsHandler(src Source, version string) http.Handler {
	return promhttp.HandlerFor(newRegistry(src, version),
		promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4})
}

func newRegistry(src Source, version string) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		&collector{src: src, version: version},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}

// A collector reads one snapshot for each scrape, so that the figures of a
// scrape fit each other and nothing is counted twice.
type collector struct {
	src     Source
	version string
}

// A metric is one figure of T: its name, and its kind.
type metric[T any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(T) float64
}

func gauge[T any](name, help string, value func(T) float64, labels ...string) metric[T] {
	return metric[T]{describe(name, help, labels...), prometheus.GaugeValue, value}
}

func count[T any](name, help string, value func(T) float64, labels ...string) metric[T] {
	return metric[T]{describe(name, help, labels...), prometheus.CounterValue, value}
}

func (m metric[T]) send(ch chan<- prometheus.Metric, of T, labels ...string) {
	send(ch, m.desc, m.kind, m.value(of), labels...)
}

// send sends one figure. What cannot be a metric is sent as its error, which
// the registry reports.
func send(ch chan<- prometheus.Metric, desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
	m, err := prometheus.NewConstMetric(desc, kind, value, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(desc, err)
	}
	ch <- m
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("pgweir_"+name, help, labels, nil)
}

// Labels are databases and users, of which there are as many as pools, and
// words of ours: never anything that a client may choose freely.
const (
	byDatabase = "database"
	byUser     = "user"
	byState    = "state"
	byReason   = "reason"
)

var (
	buildInfo   = describe("build_info", "Always 1; the label says which version runs.", "version")
	poolClients = describe("pool_clients", "Clients connected to the pool.", byDatabase, byUser, byState)
	poolBackend = describe("pool_backends", "Backends that the pool has open, opening or closing.", byDatabase, byUser, byState)
	poolCancels = describe("pool_cancel_requests", "Cancel requests, passed on (active) or not yet (waiting).", byDatabase, byUser, byState)
	poolPinned  = describe("pool_pinned_backends", "Backends that a client keeps because of session state; one with several reasons counts for each.", byDatabase, byUser, byReason)
	poolWait    = describe("pool_wait_seconds", "How long clients waited for a backend.", byDatabase, byUser)
	memorySaved = describe("memory_saved_bytes", "Memory of the backends saved; absent when unknown.")
	memoryEach  = describe("backend_memory_bytes", "Memory that one backend holds for itself, on average; absent when unknown.")
)

var totalMetrics = []metric[*status.Snapshot]{
	gauge("clients", "Clients connected.", func(s *status.Snapshot) float64 { return float64(s.Savings.Clients) }),
	gauge("backends", "Backends open, opening or closing.", func(s *status.Snapshot) float64 { return float64(s.Savings.Backends) }),
	gauge("saved_backends", "Clients less backends, never below 0.", func(s *status.Snapshot) float64 { return float64(s.Savings.Saved) }),
	gauge("peak_clients", "Most clients since the start.", func(s *status.Snapshot) float64 { return float64(s.Savings.Peak.Clients) }),
	gauge("peak_backends", "Most backends since the start.", func(s *status.Snapshot) float64 { return float64(s.Savings.Peak.Backends) }),
	gauge("peak_saved_backends", "Most backends saved since the start.", func(s *status.Snapshot) float64 { return float64(s.Savings.Peak.Saved) }),
	gauge("login_clients", "Clients that are logging in.", func(s *status.Snapshot) float64 { return float64(s.Lists.LoginClients) }),
	gauge("ready", "1 if clients can be served.", func(s *status.Snapshot) float64 { return oneIf(s.Ready) }),
}

var poolMetrics = []metric[*status.Pool]{
	poolGauge("pool_size", "Most backends that the pool may have.", func(p *status.Pool) float64 { return float64(p.Size) }),
	poolGauge("pool_paused", "1 if the pool is paused.", func(p *status.Pool) float64 { return oneIf(p.Paused) }),
	poolGauge("pool_max_wait_seconds", "How long the first in the waiting line has waited.", func(p *status.Pool) float64 { return p.MaxWait.Seconds() }),
	poolGauge("pool_peak_clients", "Most clients since the start.", func(p *status.Pool) float64 { return float64(p.ClientsPeak) }),
	poolGauge("pool_peak_backends", "Most backends since the start.", func(p *status.Pool) float64 { return float64(p.BackendsPeak) }),
	poolGauge("pool_peak_saved_backends", "Most backends saved since the start.", func(p *status.Pool) float64 { return float64(p.SavedPeak) }),
	poolGauge("pool_listening_backends", "Backends that listen for all clients of the pool.", func(p *status.Pool) float64 { return float64(p.Listening) }),
	poolGauge("pool_listening_clients", "Clients that hear notifications through the pool's listening backend.", func(p *status.Pool) float64 { return float64(p.ListeningClients) }),
	count("pool_settings_replays_total", "Settings put on a backend ahead of a client's message.", func(p *status.Pool) float64 { return float64(p.Replays) }, byDatabase, byUser),
	count("pool_state_questions_total", "Times a backend was asked for its session state.", func(p *status.Pool) float64 { return float64(p.Questions) }, byDatabase, byUser),
	count("pool_leaks_total", "Leaks of session state that leak_check found.", func(p *status.Pool) float64 { return float64(p.LeaksFound) }, byDatabase, byUser),
	poolCount("server_assignments_total", "Times a client was lent a backend.", func(t *status.Totals) float64 { return float64(t.ServerAssignments) }),
	poolCount("transactions_total", "Transactions.", func(t *status.Totals) float64 { return float64(t.Transactions) }),
	poolCount("queries_total", "Queries.", func(t *status.Totals) float64 { return float64(t.Queries) }),
	poolCount("received_bytes_total", "Bytes received from clients.", func(t *status.Totals) float64 { return float64(t.Received) }),
	poolCount("sent_bytes_total", "Bytes sent to clients.", func(t *status.Totals) float64 { return float64(t.Sent) }),
	poolCount("transaction_seconds_total", "Time that backends spent in transactions, idle in them too.", func(t *status.Totals) float64 { return t.TransactionTime.Seconds() }),
	poolCount("query_seconds_total", "Time that backends spent working.", func(t *status.Totals) float64 { return t.QueryTime.Seconds() }),
	poolCount("client_parses_total", "Prepared statements that clients made.", func(t *status.Totals) float64 { return float64(t.ClientParses) }),
	poolCount("server_parses_total", "Prepared statements made on backends.", func(t *status.Totals) float64 { return float64(t.ServerParses) }),
	poolCount("binds_total", "Prepared statements bound by clients.", func(t *status.Totals) float64 { return float64(t.Binds) }),
	poolCount("client_logins_total", "Clients that logged in.", func(t *status.Totals) float64 { return float64(t.ClientLogins) }),
	poolCount("server_logins_total", "Backends opened.", func(t *status.Totals) float64 { return float64(t.ServerLogins) }),
	poolCount("errors_total", "Errors passed to clients.", func(t *status.Totals) float64 { return float64(t.Errors) }),
}

func poolGauge(name, help string, value func(*status.Pool) float64) metric[*status.Pool] {
	return gauge(name, help, value, byDatabase, byUser)
}

func poolCount(name, help string, value func(*status.Totals) float64) metric[*status.Pool] {
	return count(name, help, func(p *status.Pool) float64 { return value(&p.Totals) }, byDatabase, byUser)
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{buildInfo, poolClients, poolBackend, poolCancels, poolPinned, poolWait, memorySaved, memoryEach} {
		ch <- d
	}
	for _, m := range totalMetrics {
		ch <- m.desc
	}
	for _, m := range poolMetrics {
		ch <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.src.Snapshot(status.Counts)
	one := func(desc *prometheus.Desc, v float64, labels ...string) {
		send(ch, desc, prometheus.GaugeValue, v, labels...)
	}
	one(buildInfo, 1, c.version)
	for _, m := range totalMetrics {
		m.send(ch, s)
	}
	if s.Savings.MemorySaved >= 0 {
		one(memorySaved, float64(s.Savings.MemorySaved))
	}
	if s.Savings.BackendMemory >= 0 {
		one(memoryEach, float64(s.Savings.BackendMemory))
	}
	for i := range s.Pools {
		p := &s.Pools[i]
		database, user := label(p.Database), label(p.User)
		for _, m := range poolMetrics {
			m.send(ch, p, database, user)
		}
		one(poolClients, float64(p.ClientsActive), database, user, "active")
		one(poolClients, float64(p.ClientsWaiting), database, user, "waiting")
		one(poolCancels, float64(p.ClientsActiveCancel), database, user, "active")
		one(poolCancels, float64(p.ClientsWaitingCancel), database, user, "waiting")
		for _, b := range backendStates {
			one(poolBackend, float64(b.count(p)), database, user, b.state)
		}
		for reason, n := range pinsByReason(p) {
			one(poolPinned, float64(n), database, user, reason)
		}
		sendWaits(ch, p, database, user)
	}
}

// backendStates are the parts of status.Pool.Backends.
var backendStates = []struct {
	state string
	count func(*status.Pool) int
}{
	{"active", func(p *status.Pool) int { return p.ServersActive }},
	{"being_canceled", func(p *status.Pool) int { return p.ServersBeingCanceled }},
	{"idle", func(p *status.Pool) int { return p.ServersIdle }},
	{"used", func(p *status.Pool) int { return p.ServersUsed }},
	{"tested", func(p *status.Pool) int { return p.ServersTested }},
	{"login", func(p *status.Pool) int { return p.ServersLogin }},
	{"closing", func(p *status.Pool) int { return p.ServersClosing }},
	{"listening", func(p *status.Pool) int { return p.Listening }},
}

// pinsByReason has every reason of status.PinReasons, so that a series does not
// come and go, and no other: what is none of them is "unknown".
func pinsByReason(p *status.Pool) map[string]int {
	out := make(map[string]int, len(status.PinReasons))
	for _, reason := range status.PinReasons {
		out[reason] = 0
	}
	for reason, n := range p.PinnedBy {
		if _, ok := out[reason]; !ok {
			reason = "unknown"
		}
		out[reason] += n
	}
	return out
}

// sendWaits sends the waits of a pool as a histogram. A pool that counts none,
// as the console's, has none.
func sendWaits(ch chan<- prometheus.Metric, p *status.Pool, database, user string) {
	if len(p.Waits) != len(status.WaitBounds)+1 {
		return
	}
	buckets := make(map[float64]uint64, len(status.WaitBounds))
	for i, bound := range status.WaitBounds {
		buckets[bound] = p.Waits[i]
	}
	m, err := prometheus.NewConstHistogram(poolWait, p.Waits[len(status.WaitBounds)],
		p.Totals.WaitTime.Seconds(), buckets, database, user)
	if err != nil {
		m = prometheus.NewInvalidMetric(poolWait, err)
	}
	ch <- m
}

// label is a name as a label's value, which must be UTF-8; PostgreSQL's names
// need not be.
func label(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	quoted := strconv.Quote(name)
	return quoted[1 : len(quoted)-1]
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
