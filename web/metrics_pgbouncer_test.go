package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"pgweir/status"
)

// exporterMetrics are the metrics of prometheus-community/pgbouncer_exporter 0.12.1 with
// their types and labels, as it was seen to give them beside PgBouncer 1.25.2.
const exporterMetrics = `
client_connections gauge application_name,database,state,user
config_max_client_connections gauge
config_max_user_connections gauge
databases gauge
free_clients gauge
free_servers gauge
in_flight_dns_queries gauge
cached_dns_names gauge
cached_dns_zones gauge
login_clients gauge
pools gauge
up gauge
used_clients gauge
used_servers gauge
users gauge
version_info gauge version
databases_current_connections gauge database,force_user,host,name,pool_mode,port
databases_disabled gauge database,force_user,host,name,pool_mode,port
databases_max_connections gauge database,force_user,host,name,pool_mode,port
databases_paused gauge database,force_user,host,name,pool_mode,port
databases_pool_size gauge database,force_user,host,name,pool_mode,port
databases_reserve_pool gauge database,force_user,host,name,pool_mode,port
pools_client_active_cancel_connections gauge database,user
pools_client_active_connections gauge database,user
pools_client_maxwait_seconds gauge database,user
pools_client_waiting_cancel_connections gauge database,user
pools_client_waiting_connections gauge database,user
pools_server_active_cancel_connections gauge database,user
pools_server_active_connections gauge database,user
pools_server_being_canceled_connections gauge database,user
pools_server_idle_connections gauge database,user
pools_server_login_connections gauge database,user
pools_server_testing_connections gauge database,user
pools_server_used_connections gauge database,user
stats_totals_binds_total counter database
stats_totals_client_parses_total counter database
stats_totals_client_wait_seconds_total counter database
stats_totals_queries_duration_seconds_total counter database
stats_totals_queries_pooled_total counter database
stats_totals_received_bytes_total counter database
stats_totals_sent_bytes_total counter database
stats_totals_server_assignments_total counter database
stats_totals_server_in_transaction_seconds_total counter database
stats_totals_server_parses_total counter database
stats_totals_sql_transactions_pooled_total counter database
`

// seenByPgBouncersTools is madeUp with what only these metrics tell.
func seenByPgBouncersTools() scraped {
	src := madeUp()
	src.s.Databases = []status.Database{{Name: "app", Host: "10.0.0.5", Port: 5432, Database: "shop", ForceUser: "svc",
		PoolSize: 20, ReservePool: 3, MaxConnections: 40, Connections: 16, PoolMode: "transaction", Disabled: true}}
	src.s.Config = []status.Setting{{Key: "max_client_conn", Value: "10000"}, {Key: "max_user_connections", Value: "7"}, {Key: "listen_port", Value: "6432"}}
	src.s.Lists = status.Lists{Databases: 1, Users: 5, Pools: 3, UsedClients: 151, LoginClients: 2, FreeServers: 2, UsedServers: 14}
	src.s.Clients = []status.Client{
		{Conn: status.Conn{ID: 1, Database: "app", User: "alice", State: "active", Link: 9, ApplicationName: "psql"}},
		{Conn: status.Conn{ID: 2, Database: "app", User: "alice", State: "active", ApplicationName: "psql"}},
		{Conn: status.Conn{ID: 3, Database: "app", User: "alice", State: "waiting", ApplicationName: "b\xffb"}},
		{Conn: status.Conn{ID: 4, Database: "app", User: "alice", State: "login"}},
	}
	return src
}

func pgbouncerMetrics(t *testing.T, src Source) []*dto.MetricFamily {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(&pgbouncerCollector{src})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

func TestTheMetricsOfPgBouncersExporterAreAllThere(t *testing.T) {
	var got []string
	for _, f := range pgbouncerMetrics(t, seenByPgBouncersTools()) {
		labels := labelNames(f)
		slices.Sort(labels)
		line := strings.TrimPrefix(f.GetName(), "pgbouncer_") + " " + strings.ToLower(f.GetType().String())
		if len(labels) > 0 {
			line += " " + strings.Join(labels, ",")
		}
		got = append(got, line)
	}
	want := strings.Split(strings.TrimSpace(exporterMetrics), "\n")
	slices.Sort(want)
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTheFiguresOfPgBouncersMetrics(t *testing.T) {
	w := httptest.NewRecorder()
	Handler(seenByPgBouncersTools(), "0.1.0", everybody()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics/pgbouncer", nil))
	text := w.Body.String()
	for _, want := range []string{
		`pgbouncer_up 1`,
		`pgbouncer_version_info{version="PgBouncer ` + status.PgBouncerVersion + `"} 1`,
		`pgbouncer_config_max_client_connections 10000`,
		`pgbouncer_config_max_user_connections 7`,
		`pgbouncer_users 6`,
		`pgbouncer_used_servers 14`,
		`pgbouncer_databases_reserve_pool{database="shop",force_user="svc",host="10.0.0.5",name="app",pool_mode="transaction",port="5432"} 3`,
		`pgbouncer_databases_disabled{database="shop",force_user="svc",host="10.0.0.5",name="app",pool_mode="transaction",port="5432"} 1`,
		`pgbouncer_databases_pool_size{database="pgbouncer",force_user="pgbouncer",host="",name="pgbouncer",pool_mode="statement",port="6432"} 2`,
		`pgbouncer_pools_client_active_connections{database="app",user="alice"} 140`,
		`pgbouncer_pools_client_active_connections{database="pgbouncer",user="pgbouncer"} 1`,
		`pgbouncer_pools_client_maxwait_seconds{database="app",user="alice"} 2.5`,
		`pgbouncer_pools_server_testing_connections{database="app",user="alice"} 1`,
		`pgbouncer_stats_totals_client_wait_seconds_total{database="app"} 1.5`,
		`pgbouncer_stats_totals_sql_transactions_pooled_total{database="app"} 100`,
		`pgbouncer_client_connections{application_name="psql",database="app",state="active",user="alice"} 1`,
		`pgbouncer_client_connections{application_name="psql",database="app",state="idle",user="alice"} 1`,
		`pgbouncer_client_connections{application_name="b\\xffb",database="app",state="waiting",user="alice"} 1`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
}

// TestApplicationsCannotMakeSeriesWithoutBound: the most frequent names have series of
// their own, and no client is lost.
func TestApplicationsCannotMakeSeriesWithoutBound(t *testing.T) {
	src := seenByPgBouncersTools()
	src.s.Clients = nil
	const names = 2 * maxClientSeries
	add := func(n int, application string) {
		for range n {
			src.s.Clients = append(src.s.Clients, status.Client{Conn: status.Conn{Database: "app", User: "alice", State: "active", ApplicationName: application}})
		}
	}
	for i := range names {
		add(1, fmt.Sprintf("%0100d", i)) // all alike but for what is cut off
		add(1, fmt.Sprint("app ", i))
	}
	add(3, "busy")
	found := map[string]float64{}
	sum := 0.0
	for _, f := range pgbouncerMetrics(t, src) {
		if f.GetName() != "pgbouncer_client_connections" {
			continue
		}
		for _, m := range f.GetMetric() {
			name := m.GetLabel()[0].GetValue()
			found[name] = m.GetGauge().GetValue()
			sum += m.GetGauge().GetValue()
			if len(name) > maxApplicationName {
				t.Errorf("a label of %d bytes", len(name))
			}
		}
	}
	if len(found) != maxClientSeries+1 || sum != 2*names+3 {
		t.Errorf("%d series of %v clients", len(found), sum)
	}
	if found["busy"] != 3 || found[strings.Repeat("0", maxApplicationName)] != names || found[otherApplications] != names-(maxClientSeries-2) {
		t.Errorf("busy %v, long %v, others %v", found["busy"], found[strings.Repeat("0", maxApplicationName)], found[otherApplications])
	}
}

func TestTheDocumentationHasPgBouncersMetrics(t *testing.T) {
	page, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## PgBouncer's metrics\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(strings.TrimSpace(exporterMetrics)) {
		name := strings.Fields(line)[0]
		for _, group := range []string{"pools_", "databases_", "stats_totals_"} {
			name = strings.TrimPrefix(name, group)
		}
		if !strings.Contains(section, name) {
			t.Errorf("docs/metrics.md does not have %s", strings.Fields(line)[0])
		}
	}
}
