package integration

import (
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// told checks that the long answer to sql, of which the client hears only when something
// else is known, is a line of the log, a span, and in the figures, as any other is.
func (r *receiver) told(t *testing.T, w *weir, trace byte, name, sql, code string) {
	t.Helper()
	client := loginWire(t, w, "application_name", name)
	before := series(t, w)
	if got, err := client.roundTrip(traced(sql, trace)); got != code || err != nil {
		t.Fatalf("%s: %q, %v", sql, got, err)
	}
	line := logLine(t, w, "slow query", name)
	hasParts(t, line, map[string]float64{"server_ms": 350})
	if line["query"] != sql[:18] || line["pid"] == nil {
		t.Errorf("%s: the line is %v", name, line)
	}
	s := r.query(t, w, trace)
	if code != "" {
		failed(t, s, code)
	} else if s.Status.GetCode() != tracepb.Status_STATUS_CODE_UNSET {
		t.Errorf("%s: the span's status is %v", name, s.Status)
	}
	r.one(t, trace, "pgweir.server")
	now := series(t, w)
	for _, figure := range []string{"pool_query_seconds_count", "pool_transaction_seconds_count", "queries_total", "transactions_total"} {
		label := `database="` + w.DB + `"`
		if n := now.sum("pgweir_"+figure, label) - before.sum("pgweir_"+figure, label); n != 1 {
			t.Errorf("%s: %s has grown by %v", name, figure, n)
		}
	}
}

func TestAnAnswerThatIsWithheldIsToldLikeAnyOther(t *testing.T) {
	t.Parallel()
	t.Run("LISTEN", func(t *testing.T) {
		t.Parallel()
		r := startReceiver(t)
		w := startWeir(t, weirOptions{Env: tracing(r), Top: slowTop + "log_query_text = 18"})
		r.told(t, w, 1, "first", "select pg_sleep(0.4); listen a", "") // whose backend goes back before
		r.told(t, w, 2, "second", "select pg_sleep(0.4); listen a", "")
		r.told(t, w, 3, "both", "select pg_sleep(0.4); listen a; unlisten a", "")
	})
	t.Run("max_pinned", func(t *testing.T) {
		t.Parallel()
		r := startReceiver(t)
		w := startWeir(t, weirOptions{Env: tracing(r), Top: slowTop + "log_query_text = 18", Database: "max_pinned = 1"})
		r.told(t, w, 1, "leaves nothing", "do $$ begin perform pg_sleep(0.4); end $$", "")
		must(t, connect(t, w.DSN()), "create temp table pinned ()")
		r.told(t, w, 2, "refused", "do $$ begin perform pg_sleep(0.4); execute 'create temp table made ()'; end $$", "53400")
	})
}
