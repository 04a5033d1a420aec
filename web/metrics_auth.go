package web

import (
	"github.com/prometheus/client_golang/prometheus"

	"pgweir/status"
)

// authQueryUsers are by kind: scram, md5, plain, or unknown for names that a server
// does not let in with a password.
var authQueryUsers = describe("auth_query_users", "Users whose answer to auth_query is kept, by the kind of their secret; unknown are names that may not log in with a password.", byKind)

var authQueryMetrics = []metric[*status.AuthQuery]{
	counter("auth_query_questions_total", "Times that a server was asked for a user's secret.", func(a *status.AuthQuery) float64 { return float64(a.Questions) }),
	counter("auth_query_hits_total", "Logins that an answer to auth_query has served which was kept.", func(a *status.AuthQuery) float64 { return float64(a.Hits) }),
	counter("auth_query_stale_hits_total", "Logins that an answer has served which was older than auth_query_ttl, as the server could not be asked.", func(a *status.AuthQuery) float64 { return float64(a.StaleHits) }),
	counter("auth_query_failures_total", "Times that a server was asked for a user's secret, and no answer came.", func(a *status.AuthQuery) float64 { return float64(a.Failures) }),
	gauge("auth_query_failing", "Places where auth_query did not work the last time.", func(a *status.AuthQuery) float64 { return float64(a.Failing()) }),
	gauge("auth_query_connections", "Connections of auth_query, which are backends besides the pools' own.", func(a *status.AuthQuery) float64 { return float64(a.Connections) }),
	gauge("auth_query_oldest_seconds", "How old the oldest answer to auth_query is that is kept; 0 if none is.", func(a *status.AuthQuery) float64 { return max(0, a.Oldest.Seconds()) }),
}

// sendAuthQuery has every kind, so that a series does not come and go.
func sendAuthQuery(ch chan<- prometheus.Metric, a *status.AuthQuery) {
	for _, m := range authQueryMetrics {
		m.send(ch, a)
	}
	for kind, n := range map[string]int{"scram": a.SCRAM, "md5": a.MD5, "plain": a.Plain, "unknown": a.Unknown} {
		send(ch, authQueryUsers, prometheus.GaugeValue, float64(n), kind)
	}
}
