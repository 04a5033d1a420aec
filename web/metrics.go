package web

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pgweir/status"
)

// metricsHandler serves the metrics of a registry of its own. A figure that
// cannot be rendered does not take the others with it.
func metricsHandler(src Source, version string, guard *Guard) http.Handler {
	return promhttp.HandlerFor(newRegistry(src, version, guard),
		promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4})
}

// Registry has the figures of /metrics. guard may be nil.
func Registry(src Source, version string, guard *Guard) prometheus.Gatherer {
	return newRegistry(src, version, guard)
}

func newRegistry(src Source, version string, guard *Guard) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		&collector{src: src, version: version, guard: guard},
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
	guard   *Guard
}

// maxPoolSeries bounds the pools that have series of their own: with [databases."*"] a
// pool comes to be for each database that somebody asks for and the server has.
const maxPoolSeries = 500

// Labels are databases and users, of which there are as many as pools, servers
// of the configuration, and words of ours: never anything that a client may
// choose freely.
const (
	byDatabase = "database"
	byUser     = "user"
	byState    = "state"
	byReason   = "reason"
	bySource   = "source"
	byServer   = "server"
	byKind     = "kind"
	byCause    = "cause"
	byOurs     = "ours"
	byID       = "id"
	bySeverity = "severity"
)

var (
	buildInfo       = describe("build_info", "Always 1; the label says which version runs.", "version")
	memoryInfo      = describe("backend_memory_info", "Always 1; the label says how the memory of a backend is known: measured, estimated or unknown.", bySource)
	certExpiry      = describe("tls_certificate_expiry_timestamp_seconds", "When the certificate that the setting names, or the first that matters in its file, is no longer good, in seconds since 1970.", "file", "setting")
	httpRefused     = describe("http_refused_total", "Requests over HTTP that were refused, and connections that gave way to others.", byReason)
	poolClients     = describe("pool_clients", "Clients connected to the pool.", byDatabase, byUser, byState)
	poolBackend     = describe("pool_backends", "Backends that the pool has open, opening or closing.", byDatabase, byUser, byState)
	poolCancels     = describe("pool_cancel_requests", "Cancel requests, passed on (active) or not yet (waiting).", byDatabase, byUser, byState)
	poolPinned      = describe("pool_pinned_backends", "Backends that a client keeps because of session state; one with several reasons counts for each.", byDatabase, byUser, byReason)
	poolShapes      = describe("pool_shapes", "Shapes of statements (their texts without constants) that the pool knows.", byDatabase, byUser, byState)
	poolChecks      = describe("pool_state_checks_total", "Ends of transactions at which a backend was asked for its session state: for the cause that the label names.", byDatabase, byUser, byCause)
	poolWait        = describe("pool_wait_seconds", "How long clients waited for a backend, whether they got one or not.", byDatabase, byUser)
	poolWaitsFailed = describe("pool_waits_failed_total", "Waits for a backend that ended without one.", byDatabase, byUser, byReason)
	poolTransaction = describe("pool_transaction_seconds", "How long transactions took, the wait for a backend not included.", byDatabase, byUser)
	poolQuery       = describe("pool_query_seconds", "How long it took to answer, the wait for a backend not included; a pipeline counts as one.", byDatabase, byUser)
)

var totalMetrics = []metric[*status.Snapshot]{
	gauge("clients", "Clients connected.", func(s *status.Snapshot) float64 { return float64(s.Savings.Clients) }),
	gauge("backends", "Backends open, opening or closing.", func(s *status.Snapshot) float64 { return float64(s.Savings.Backends) }),
	gauge("peak_clients", "Most clients since the start.", func(s *status.Snapshot) float64 { return float64(s.Savings.Peak.Clients) }),
	gauge("peak_backends", "Most backends since the start.", func(s *status.Snapshot) float64 { return float64(s.Savings.Peak.Backends) }),
	gauge("peak_saved_backends", "Most backends saved since the start.", func(s *status.Snapshot) float64 { return float64(s.Savings.Peak.Saved) }),
	gauge("login_clients", "Clients that are logging in.", func(s *status.Snapshot) float64 { return float64(s.Lists.LoginClients) }),
	gauge("ready", "1 if clients can be served.", func(s *status.Snapshot) float64 { return oneIf(s.Ready) }),
}

// What is saved, in all and by each pool. The console's pools save nothing.
var (
	totalSavings = savingsMetrics("")
	poolSavings  = savingsMetrics("pool_", byDatabase, byUser)
)

func savingsMetrics(prefix string, labels ...string) []metric[*status.Savings] {
	return []metric[*status.Savings]{
		gauge(prefix+"saved_backends", "Clients less backends, never below 0.", func(v *status.Savings) float64 { return float64(v.Saved) }, labels...),
		// Not a counter: it falls when a backend is opened without a login.
		gauge(prefix+"forks_avoided", "Logins of clients less backends opened, never below 0: processes that PostgreSQL did not have to start.",
			func(v *status.Savings) float64 { return float64(max(0, v.ClientLogins-v.ServerLogins)) }, labels...),
		gauge(prefix+"backend_memory_bytes", "Memory that one backend holds for itself, on average; absent when unknown.",
			func(v *status.Savings) float64 { return orAbsent(v.BackendMemory) }, labels...),
		gauge(prefix+"memory_saved_bytes", "Memory of the backends saved; absent when unknown.",
			func(v *status.Savings) float64 { return orAbsent(v.MemorySaved) }, labels...),
	}
}

var poolMetrics = []metric[*status.Pool]{
	poolGauge("pool_size", "Most backends that the pool may have.", func(p *status.Pool) float64 { return float64(p.Size) }),
	poolGauge("pool_paused", "1 if the pool is paused.", func(p *status.Pool) float64 { return oneIf(p.Paused) }),
	poolGauge("pool_max_wait_seconds", "How long the first in the waiting line has waited.", func(p *status.Pool) float64 { return p.MaxWait.Seconds() }),
	poolGauge("pool_peak_clients", "Most clients since the start.", func(p *status.Pool) float64 { return float64(p.ClientsPeak) }),
	poolGauge("pool_peak_backends", "Most backends since the start.", func(p *status.Pool) float64 { return float64(p.BackendsPeak) }),
	poolGauge("pool_peak_saved_backends", "Most backends saved since the start.", func(p *status.Pool) float64 { return float64(p.SavedPeak) }),
	poolGauge("pool_pins", "Backends that a client keeps because of session state, each counted once.", func(p *status.Pool) float64 { return float64(p.Pinned) }),
	poolGauge("pool_oldest_pin_seconds", "How long the client has kept its backend that has done so longest; 0 if none does.", func(p *status.Pool) float64 { return p.OldestPin.Seconds() }),
	poolGauge("pool_listening_backends", "Backends that listen for all clients of the pool.", func(p *status.Pool) float64 { return float64(p.Listening) }),
	poolGauge("pool_listening_clients", "Clients that hear notifications through the pool's listening backend.", func(p *status.Pool) float64 { return float64(p.ListeningClients) }),
	counter("pool_settings_replays_total", "Settings put on a backend ahead of a client's message.", func(p *status.Pool) float64 { return float64(p.Replays) }, byDatabase, byUser),
	counter("pool_state_questions_total", "Times a backend was asked for its session state.", func(p *status.Pool) float64 { return float64(p.Questions) }, byDatabase, byUser),
	counter("pool_leaks_total", "Leaks of session state that leak_check found.", func(p *status.Pool) float64 { return float64(p.LeaksFound) }, byDatabase, byUser),
	poolCount("server_assignments_total", "Times a client was lent a backend.", func(t *status.Totals) float64 { return float64(t.ServerAssignments) }),
	poolCount("transactions_total", "Transactions.", func(t *status.Totals) float64 { return float64(t.Transactions) }),
	poolCount("queries_total", "Queries.", func(t *status.Totals) float64 { return float64(t.Queries) }),
	poolCount("received_bytes_total", "Bytes received from clients.", func(t *status.Totals) float64 { return float64(t.Received) }),
	poolCount("sent_bytes_total", "Bytes sent to clients.", func(t *status.Totals) float64 { return float64(t.Sent) }),
	poolCount("transaction_seconds_total", "Time that transactions took; the sum of pgweir_pool_transaction_seconds.", func(t *status.Totals) float64 { return t.TransactionTime.Seconds() }),
	poolCount("query_seconds_total", "Time that it took to answer; the sum of pgweir_pool_query_seconds.", func(t *status.Totals) float64 { return t.QueryTime.Seconds() }),
	poolCount("client_parses_total", "Prepared statements that clients made.", func(t *status.Totals) float64 { return float64(t.ClientParses) }),
	poolCount("server_parses_total", "Prepared statements made on backends.", func(t *status.Totals) float64 { return float64(t.ServerParses) }),
	poolCount("binds_total", "Prepared statements bound by clients.", func(t *status.Totals) float64 { return float64(t.Binds) }),
	poolCount("client_logins_total", "Clients that logged in.", func(t *status.Totals) float64 { return float64(t.ClientLogins) }),
	poolCount("server_logins_total", "Backends opened.", func(t *status.Totals) float64 { return float64(t.ServerLogins) }),
	poolCount("shed_total", "Clients that were refused at once because max_waiting others waited already.", func(t *status.Totals) float64 { return float64(t.Shed) }),
	poolCount("errors_total", "Errors passed to clients.", func(t *status.Totals) float64 { return float64(t.Errors) }),
}

// evidenceMetrics are those of a pool that watches what transactions leave behind.
var evidenceMetrics = []metric[*status.Evidence]{
	counter("pool_state_found_total", "Times that a backend was found to have session state which nothing had hinted at; it stayed with its client.", func(e *status.Evidence) float64 { return float64(e.Found) }, byDatabase, byUser),
	counter("pool_catalog_changes_total", "Times that the pool's database was found to have other functions, views, triggers and the like than before, the first reading included.", func(e *status.Evidence) float64 { return float64(e.Generation) }, byDatabase, byUser),
	gauge("pool_catalog_certain", "1 if the functions, views, triggers and the like of the pool's database are known; otherwise nothing is proven, and every transaction is asked about.", func(e *status.Evidence) float64 { return oneIf(e.Certain) }, byDatabase, byUser),
	gauge("pool_catalog_failing", "1 if the functions, views, triggers and the like of the pool's database could not be read the last time that it was tried.", func(e *status.Evidence) float64 { return oneIf(e.Failing) }, byDatabase, byUser),
}

func poolGauge(name, help string, value func(*status.Pool) float64) metric[*status.Pool] {
	return gauge(name, help, value, byDatabase, byUser)
}

func poolCount(name, help string, value func(*status.Totals) float64) metric[*status.Pool] {
	return counter(name, help, func(p *status.Pool) float64 { return value(&p.Totals) }, byDatabase, byUser)
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{buildInfo, memoryInfo, certExpiry, httpRefused, poolClients, poolBackend, poolCancels, poolPinned,
		poolShapes, poolChecks, poolWait, poolWaitsFailed, poolTransaction, poolQuery, authQueryUsers, engineInfo} {
		ch <- d
	}
	describeAll(ch, totalMetrics)
	describeAll(ch, engineMetrics)
	describeAll(ch, authQueryMetrics)
	describeAll(ch, loginMetrics)
	describeAll(ch, traceMetrics)
	describeAll(ch, totalSavings)
	describeAll(ch, poolSavings)
	describeAll(ch, poolMetrics)
	describeAll(ch, evidenceMetrics)
	describeServers(ch)
}

func describeAll[T any](ch chan<- *prometheus.Desc, metrics []metric[T]) {
	for _, m := range metrics {
		ch <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.src.Snapshot(status.WithEvidence)
	send(ch, buildInfo, prometheus.GaugeValue, 1, c.version)
	for _, m := range totalMetrics {
		m.send(ch, s)
	}
	for _, m := range totalSavings {
		m.send(ch, &s.Savings)
	}
	send(ch, memoryInfo, prometheus.GaugeValue, 1, memorySource(&s.Savings))
	sendEngine(ch, &s.Engine)
	sendAuthQuery(ch, &s.AuthQuery)
	for _, m := range loginMetrics {
		m.send(ch, &s.Logins)
	}
	for _, m := range traceMetrics {
		m.send(ch, &s.Traces)
	}
	for _, cert := range s.Certificates {
		send(ch, certExpiry, prometheus.GaugeValue, float64(cert.Expires.Unix()), label(cert.File), cert.Setting)
	}
	for _, why := range allRefusals {
		if c.guard == nil {
			break // nothing is served
		}
		send(ch, httpRefused, prometheus.CounterValue, float64(c.guard.refusals.of(why)), string(why))
	}
	pools := status.WithOthers(s.Pools, maxPoolSeries)
	for i := range pools {
		sendPool(ch, s, &pools[i])
	}
	sendServers(ch, s)
	sendSizing(ch, c.src.Sizing())
}
