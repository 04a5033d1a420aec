package web

import "pgweir/status"

var traceMetrics = []metric[*status.Traces]{
	counter("traced_queries_total", "Queries with a traceparent of which spans were made.", func(t *status.Traces) float64 { return float64(t.Queries) }),
	counter("traced_queries_dropped_total", "Queries with a traceparent of which none were made, since spans left too slowly.", func(t *status.Traces) float64 { return float64(t.Dropped) }),
}
