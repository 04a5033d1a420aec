package web

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pgweir/status"
)

// Dashboards and alerts for PgBouncer name the metrics of the exporter that is most
// in use, prometheus-community/pgbouncer_exporter (0.12). Here are the same names,
// labels and units, without that exporter.

// pgbouncerHandler serves them from a registry of its own.
func pgbouncerHandler(src Source) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(&pgbouncerCollector{src})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4})
}

type pgbouncerCollector struct{ src Source }

const (
	// maxClientSeries bounds the series of pgbouncer_client_connections that have an
	// application's name of their own, for clients choose these freely.
	maxClientSeries = 500
	// otherApplications is the name of all the others together.
	otherApplications = "(other)"
	// maxApplicationName is how much of a name there is, as in PostgreSQL.
	maxApplicationName = 63
)

var (
	theirUp      = theirs("up", "Always 1: whoever reads this has asked a pgweir that runs.")
	theirVersion = theirs("version_info", "Always 1; the label is what SHOW VERSION says on database pgbouncer.", "version")
	theirClients = theirs("client_connections", "Clients by database, user, application_name and state; the least frequent names together are (other).",
		byDatabase, byUser, "application_name", byState)
)

func theirs(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("pgbouncer_"+name, help, labels, nil)
}

func theirGauge[T any](name, help string, value func(T) float64, labels ...string) metric[T] {
	return metric[T]{theirs(name, help, labels...), prometheus.GaugeValue, value}
}

func theirPool(name, help string, value func(*status.Pool) int) metric[*status.Pool] {
	return theirGauge("pools_"+name, help, func(p *status.Pool) float64 { return float64(value(p)) }, byDatabase, byUser)
}

func theirTotal(name, help string, value func(*status.Totals) float64) metric[*status.Totals] {
	return metric[*status.Totals]{theirs("stats_totals_"+name, help, byDatabase), prometheus.CounterValue, value}
}

func theirDatabase(name, help string, value func(*status.Database) int) metric[*status.Database] {
	return theirGauge("databases_"+name, help, func(d *status.Database) float64 { return float64(value(d)) },
		"name", "host", "port", byDatabase, "force_user", "pool_mode")
}

func theirList(name, help string, value func(*status.Lists) int) metric[*status.Lists] {
	return theirGauge(name, help, func(l *status.Lists) float64 { return float64(value(l)) })
}

var theirPools = []metric[*status.Pool]{
	theirPool("client_active_connections", "Clients that hold a backend, or are idle with nothing asked.", func(p *status.Pool) int { return p.ClientsActive }),
	theirPool("client_active_cancel_connections", "Cancel requests passed on and not yet answered.", func(p *status.Pool) int { return p.ClientsActiveCancel }),
	theirPool("client_waiting_connections", "Clients that wait for a backend.", func(p *status.Pool) int { return p.ClientsWaiting }),
	theirPool("client_waiting_cancel_connections", "Cancel requests not yet passed on.", func(p *status.Pool) int { return p.ClientsWaitingCancel }),
	theirPool("server_active_connections", "Backends lent to a client.", func(p *status.Pool) int { return p.ServersActive }),
	theirPool("server_active_cancel_connections", "Connections that carry a cancel request.", func(p *status.Pool) int { return p.ServersActiveCancel }),
	theirPool("server_being_canceled_connections", "Backends held back until a cancel on its way has arrived.", func(p *status.Pool) int { return p.ServersBeingCanceled }),
	theirPool("server_idle_connections", "Backends ready to be lent.", func(p *status.Pool) int { return p.ServersIdle }),
	theirPool("server_used_connections", "Always 0: pgweir has no backends that wait for a check.", func(p *status.Pool) int { return p.ServersUsed }),
	theirPool("server_testing_connections", "Backends being reset after use.", func(p *status.Pool) int { return p.ServersTested }),
	theirPool("server_login_connections", "Backends being opened.", func(p *status.Pool) int { return p.ServersLogin }),
	theirGauge("pools_client_maxwait_seconds", "How long the first in the waiting line has waited.", func(p *status.Pool) float64 { return p.MaxWait.Seconds() }, byDatabase, byUser),
}

var theirTotals = []metric[*status.Totals]{
	theirTotal("queries_pooled_total", "Queries.", func(t *status.Totals) float64 { return float64(t.Queries) }),
	theirTotal("queries_duration_seconds_total", "Time that backends spent working.", func(t *status.Totals) float64 { return t.QueryTime.Seconds() }),
	theirTotal("received_bytes_total", "Bytes from clients.", func(t *status.Totals) float64 { return float64(t.Received) }),
	theirTotal("sent_bytes_total", "Bytes to clients.", func(t *status.Totals) float64 { return float64(t.Sent) }),
	theirTotal("client_wait_seconds_total", "Time that clients waited for a backend.", func(t *status.Totals) float64 { return t.WaitTime.Seconds() }),
	theirTotal("sql_transactions_pooled_total", "Transactions.", func(t *status.Totals) float64 { return float64(t.Transactions) }),
	theirTotal("server_in_transaction_seconds_total", "Time that backends spent in transactions.", func(t *status.Totals) float64 { return t.TransactionTime.Seconds() }),
	theirTotal("client_parses_total", "Prepared statements that clients made.", func(t *status.Totals) float64 { return float64(t.ClientParses) }),
	theirTotal("server_parses_total", "Prepared statements made on backends.", func(t *status.Totals) float64 { return float64(t.ServerParses) }),
	theirTotal("binds_total", "Prepared statements bound by clients.", func(t *status.Totals) float64 { return float64(t.Binds) }),
	theirTotal("server_assignments_total", "Times a client was lent a backend.", func(t *status.Totals) float64 { return float64(t.ServerAssignments) }),
}

var theirDatabases = []metric[*status.Database]{
	theirDatabase("pool_size", "Most backends of a pool.", func(d *status.Database) int { return d.PoolSize }),
	theirDatabase("reserve_pool", "Backends beyond that, for clients that have waited.", func(d *status.Database) int { return d.ReservePool }),
	theirDatabase("max_connections", "Most backends of all pools of the database; 0 is no limit.", func(d *status.Database) int { return d.MaxConnections }),
	theirDatabase("current_connections", "Backends of all pools of the database.", func(d *status.Database) int { return d.Connections }),
	theirDatabase("paused", "1 if the database is paused.", func(d *status.Database) int { return int(oneIf(d.Paused)) }),
	theirDatabase("disabled", "1 if the database takes no new clients.", func(d *status.Database) int { return int(oneIf(d.Disabled)) }),
}

var theirLists = []metric[*status.Lists]{
	theirList("databases", "Databases.", func(l *status.Lists) int { return l.Databases }),
	theirList("users", "Users that are known.", func(l *status.Lists) int { return l.Users }),
	theirList("pools", "Pools.", func(l *status.Lists) int { return l.Pools }),
	theirList("free_clients", "Always 0: nothing is kept for clients to come.", func(l *status.Lists) int { return l.FreeClients }),
	theirList("used_clients", "Clients.", func(l *status.Lists) int { return l.UsedClients }),
	theirList("login_clients", "Clients that are logging in.", func(l *status.Lists) int { return l.LoginClients }),
	theirList("free_servers", "Backends ready to be lent.", func(l *status.Lists) int { return l.FreeServers }),
	theirList("used_servers", "All other backends.", func(l *status.Lists) int { return l.UsedServers }),
	theirList("cached_dns_names", "Names of servers that are known.", func(l *status.Lists) int { return l.DNSNames }),
	theirList("cached_dns_zones", "Always 0: zones are not watched.", func(*status.Lists) int { return 0 }),
	theirList("in_flight_dns_queries", "Names of servers that are being looked up.", func(l *status.Lists) int { return l.DNSQueries }),
}

// theirConfig are the settings that are metrics, by their names in SHOW CONFIG.
var theirConfig = []struct {
	key  string
	desc *prometheus.Desc
}{
	{"max_client_conn", theirs("config_max_client_connections", "max_client_conn.")},
	{"max_user_connections", theirs("config_max_user_connections", "max_user_connections; 0 is no limit.")},
}

// Describe implements prometheus.Collector.
func (c *pgbouncerCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{theirUp, theirVersion, theirClients} {
		ch <- d
	}
	for _, s := range theirConfig {
		ch <- s.desc
	}
	describeAll(ch, theirPools)
	describeAll(ch, theirTotals)
	describeAll(ch, theirDatabases)
	describeAll(ch, theirLists)
}

// Collect implements prometheus.Collector.
func (c *pgbouncerCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.src.Snapshot(status.Full).AsTheirs()
	send(ch, theirUp, prometheus.GaugeValue, 1)
	send(ch, theirVersion, prometheus.GaugeValue, 1, "PgBouncer "+status.PgBouncerVersion)
	lists := s.TheirLists()
	for _, m := range theirLists {
		m.send(ch, &lists)
	}
	sendTheirConfig(ch, s.Config)
	databases := s.TheirDatabases()
	for i := range databases {
		d := &databases[i]
		for _, m := range theirDatabases {
			m.send(ch, d, label(d.Name), label(d.Host), strconv.Itoa(d.Port), label(d.Database), label(d.ForceUser), d.PoolMode)
		}
	}
	pools := status.WithOthers(s.Pools, maxPoolSeries)
	for i := range pools {
		for _, m := range theirPools {
			m.send(ch, &pools[i], label(pools[i].Database), label(pools[i].User))
		}
	}
	sendTheirTotals(ch, pools)
	sendTheirClients(ch, s.Clients)
}

func sendTheirConfig(ch chan<- prometheus.Metric, rows []status.Setting) {
	for _, s := range theirConfig {
		at := slices.IndexFunc(rows, func(row status.Setting) bool { return row.Key == s.key })
		if at < 0 {
			continue
		}
		if n, err := strconv.Atoi(rows[at].Value); err == nil {
			send(ch, s.desc, prometheus.GaugeValue, float64(n))
		}
	}
}

// sendTheirTotals adds up the pools of each database; they stand together.
func sendTheirTotals(ch chan<- prometheus.Metric, pools []status.Pool) {
	for start := 0; start < len(pools); {
		var sum status.Totals
		end := start
		for ; end < len(pools) && pools[end].Database == pools[start].Database; end++ {
			sum.Add(&pools[end].Totals)
		}
		for _, m := range theirTotals {
			m.send(ch, &sum, label(pools[start].Database))
		}
		start = end
	}
}

// clientGroup are the clients that one series of pgbouncer_client_connections counts.
type clientGroup struct{ database, user, application, state string }

func sendTheirClients(ch chan<- prometheus.Metric, clients []status.Client) {
	counts := map[clientGroup]int{}
	for i := range clients {
		c := &clients[i].Conn
		if c.State != "login" { // SHOW CLIENTS does not have these
			counts[clientGroup{label(c.Database), label(c.User), applicationLabel(c.ApplicationName), c.ShownState()}]++
		}
	}
	for g, n := range boundedGroups(counts) {
		send(ch, theirClients, prometheus.GaugeValue, float64(n), g.database, g.user, g.application, g.state)
	}
}

func applicationLabel(name string) string {
	return label(name[:min(len(name), maxApplicationName)])
}

// boundedGroups puts the smallest groups beyond the bound together, by all but the
// name of the application.
func boundedGroups(counts map[clientGroup]int) map[clientGroup]int {
	if len(counts) <= maxClientSeries {
		return counts
	}
	groups := make([]clientGroup, 0, len(counts))
	for g := range counts {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b clientGroup) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a.application, b.application),
			cmp.Compare(a.database, b.database), cmp.Compare(a.user, b.user), cmp.Compare(a.state, b.state))
	})
	out := make(map[clientGroup]int, maxClientSeries)
	for i, g := range groups {
		n := counts[g]
		if i >= maxClientSeries {
			g.application = otherApplications
		}
		out[g] += n
	}
	return out
}
