package integration

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// callerSpan is the caller's span in all these tests.
var callerSpan = bytes.Repeat([]byte{0xab}, 8)

// traced is a statement of a trace, by the number of which its id is made.
func traced(sql string, trace byte) string { return sql + " " + traceComment(trace, 1) }

func traceComment(trace byte, flags int) string {
	return fmt.Sprintf("/*action='a',traceparent='00-%s-%x-%02x'*/", strings.Repeat(fmt.Sprintf("%02x", trace), 16), callerSpan, flags)
}

// tracing are variables with which spans leave soon.
func tracing(r *receiver, more ...string) []string {
	return append([]string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + r.URL, "OTEL_METRICS_EXPORTER=none", "OTEL_BSP_SCHEDULE_DELAY=20"}, more...)
}

// query checks the span of a query: its caller, its kind, the server, and that its
// parts are within it.
func (r *receiver) query(t *testing.T, w *weir, trace byte) *tracepb.Span {
	t.Helper()
	s := r.one(t, trace, "pgweir.query")
	if !bytes.Equal(s.ParentSpanId, callerSpan) || s.Kind != tracepb.Span_SPAN_KIND_SERVER {
		t.Errorf("trace %d: the parent is %x, the kind %v", trace, s.ParentSpanId, s.Kind)
	}
	for key, want := range map[string]string{"db.system.name": "postgresql", "db.namespace": w.DB, "pgweir.database": w.DB, "pgweir.user": "postgres"} {
		if got := attributeOf(s.Attributes, key); got != want {
			t.Errorf("trace %d: %s is %q, want %q", trace, key, got, want)
		}
	}
	last := s.StartTimeUnixNano
	for _, name := range []string{"pgweir.wait", "pgweir.prepare", "pgweir.server"} {
		for _, part := range r.of(trace, name) {
			if !bytes.Equal(part.ParentSpanId, s.SpanId) || part.StartTimeUnixNano != last || part.EndTimeUnixNano > s.EndTimeUnixNano {
				t.Errorf("trace %d: %s is no part of the query: %v of %v", trace, name, part, s)
			}
			last = part.EndTimeUnixNano
		}
	}
	if len(r.of(trace, "pgweir.server")) == 1 && last != s.EndTimeUnixNano {
		t.Errorf("trace %d: the parts end at %d, the query at %d", trace, last, s.EndTimeUnixNano)
	}
	return s
}

// failed checks a span's status and SQLSTATE.
func failed(t *testing.T, s *tracepb.Span, code string) {
	t.Helper()
	if s.Status.GetCode() != tracepb.Status_STATUS_CODE_ERROR || attributeOf(s.Attributes, "db.response.status_code") != code || attributeOf(s.Attributes, "error.type") != code {
		t.Errorf("%s has status %v and %v, want %s", s.Name, s.Status, s.Attributes, code)
	}
}

func TestAQueryWithATraceparentIsASpan(t *testing.T) {
	t.Parallel()
	r := startReceiver(t)
	w := startWeir(t, weirOptions{Env: tracing(r, "OTEL_EXPORTER_OTLP_HEADERS=x-token=a%20b"), Database: "pool_size = 1"})
	console, direct, client := connect(t, w.Console(simpleProtocol)), connect(t, w.Direct()), loginWire(t, w)
	round := func(sql, code string) {
		t.Helper()
		if got, err := client.roundTrip(sql); got != code || err != nil {
			t.Fatalf("%s: %q, %v", sql, got, err)
		}
	}
	round(traced("select 'secret'", 1), "")
	simple := r.query(t, w, 1)
	if simple.Status.GetCode() != tracepb.Status_STATUS_CODE_UNSET {
		t.Errorf("it has failed: %v", simple.Status)
	}
	server := r.one(t, 1, "pgweir.server")
	pid := ask(t, connect(t, w.DSN(simpleProtocol)), "select pg_backend_pid()")
	for key, want := range map[string]string{"server.address": "127.0.0.1", "server.port": fmt.Sprint(w.PG.Port), "db.system.name": "postgresql", "pgweir.backend.pid": pid} {
		if got := attributeOf(server.Attributes, key); got != want || server.Kind != tracepb.Span_SPAN_KIND_CLIENT {
			t.Errorf("%v: %s is %q, want %q", server.Kind, key, got, want)
		}
	}

	round(traced("select 1/0", 2), "22012")
	failed(t, r.query(t, w, 2), "22012")
	failed(t, r.one(t, 2, "pgweir.server"), "22012")

	round("select 1 "+traceComment(3, 0), "") // not sampled
	round("select 1", "")
	round(traceComment(4, 1)+"select 1", "")
	r.query(t, w, 4)

	holder := connect(t, w.DSN())
	must(t, holder, "begin")
	waits := connect(t, w.DSN(simpleProtocol))
	done := begin(t, waits, traced("select 1", 5))
	waitingClients(t, w, console, 1)
	must(t, holder, "commit")
	if err := finished(t, done, patience); err != nil {
		t.Fatal(err)
	}
	r.query(t, w, 5)
	r.one(t, 5, "pgweir.wait")

	must(t, holder, "begin")
	client.send(simpleQuery(traced("select 1", 6)))
	waitingClients(t, w, console, 1)
	cancelOf(t, w, client)
	if code, err := client.answer(); code != "57014" || err != nil {
		t.Fatalf("the canceled wait: %q, %v", code, err)
	}
	must(t, holder, "commit")
	failed(t, r.query(t, w, 6), "57014")
	r.one(t, 6, "pgweir.wait")

	round("begin", "")
	round(traced("select 1", 7), "") // in a block, in which nothing is waited for
	r.query(t, w, 7)
	round("commit", "")
	if len(r.of(7, "pgweir.wait")) > 0 {
		t.Error("a query in a block has waited for a backend")
	}

	client.send(simpleQuery(traced("select pg_sleep(60)", 8)))
	running(t, w, direct, "select pg_sleep(60)", 1)
	must(t, direct, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like 'select pg_sleep(60)%'")
	failed(t, r.query(t, w, 8), "57P01")

	goes := loginWire(t, w)
	goes.send(simpleQuery(traced("select pg_sleep(60)", 9)))
	running(t, w, direct, "select pg_sleep(60)", 1)
	goes.vanish(false)
	if s := r.query(t, w, 9); s.Status.GetCode() != tracepb.Status_STATUS_CODE_ERROR || attributeOf(s.Attributes, "error.type") != "_OTHER" {
		t.Errorf("the client has gone, and the span says %v", s)
	}

	if got, want := r.traces(), []byte{1, 2, 4, 5, 6, 7, 8, 9}; !slices.Equal(got, want) {
		t.Errorf("there are spans of the traces %v, want %v", got, want)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if bytes.Contains(r.raw.Bytes(), []byte("secret")) || slices.ContainsFunc(r.tokens, func(token string) bool { return token != "a b" }) {
		t.Errorf("a query's text is sent, or not the header: %q", r.tokens)
	}
}

// cancelOf asks for the cancel of what a client does.
func cancelOf(t *testing.T, w *weir, c *wireClient) {
	t.Helper()
	dialWire(t, w.Addr()).send(cancelPacket(c.pid, c.key))
}

func TestATraceparentIsFoundInTheExtendedProtocol(t *testing.T) {
	t.Parallel()
	r := startReceiver(t)
	w := startWeir(t, weirOptions{Env: tracing(r), Database: "pool_size = 1"})
	client := connect(t, w.DSN()).PgConn()
	if res := client.ExecParams(t.Context(), traced("select $1::text", 1), [][]byte{[]byte("secret")}, nil, nil, nil).Read(); res.Err != nil {
		t.Fatal(res.Err)
	}
	r.query(t, w, 1)
	if _, err := client.Prepare(t.Context(), "mine", traced("select 2", 2), nil); err != nil {
		t.Fatal(err)
	}
	r.query(t, w, 2)
	if res := client.ExecPrepared(t.Context(), "mine", nil, nil, nil).Read(); res.Err != nil {
		t.Fatal(res.Err)
	}
	eventually(t, "the run of the prepared statement is a span too", func() bool { return len(r.of(2, "pgweir.query")) == 2 })
	if res := client.ExecParams(t.Context(), traced("select 1/$1::int", 3), [][]byte{[]byte("0")}, nil, nil, nil).Read(); res.Err == nil {
		t.Fatal("no error")
	}
	failed(t, r.query(t, w, 3), "22012")
	// Of a pipeline the first that has one counts.
	var batch pgx.Batch
	batch.Queue("select 1")
	batch.Queue(traced("select 2", 4))
	piped := connect(t, w.DSN("default_query_exec_mode=exec"))
	if err := piped.SendBatch(t.Context(), &batch).Close(); err != nil {
		t.Fatal(err)
	}
	r.query(t, w, 4)
	if got := r.traces(); !slices.Equal(got, []byte{1, 2, 3, 4}) {
		t.Errorf("there are spans of the traces %v", got)
	}
}

// TestAPinIsAnEventOfItsQuery, also when it is found only after the answer.
func TestAPinIsAnEventOfItsQuery(t *testing.T) {
	t.Parallel()
	r := startReceiver(t)
	w := startWeir(t, weirOptions{Env: tracing(r)})
	client := loginWire(t, w)
	pins(t, r, w, client, 1, "create temp table mine (a int)", "[temporary table]")
	pins(t, r, w, client, 2, "select pg_advisory_lock(1)", "[advisory lock temporary table]")
	if code, err := client.roundTrip(traced("select 1", 3)); code != "" || err != nil {
		t.Fatal(code, err)
	}
	if s := r.query(t, w, 3); len(s.Events) > 0 {
		t.Errorf("a query that pins nothing has the events %v", s.Events)
	}
}

func pins(t *testing.T, r *receiver, w *weir, client *wireClient, trace byte, sql, reasons string) {
	t.Helper()
	if code, err := client.roundTrip(traced(sql, trace)); code != "" || err != nil {
		t.Fatal(code, err)
	}
	s := r.query(t, w, trace)
	if len(s.Events) != 1 || s.Events[0].Name != "pgweir.pin" || attributeOf(s.Events[0].Attributes, "pgweir.pin.reasons") != reasons {
		t.Errorf("%s: the events are %v, want a pin for %s", sql, s.Events, reasons)
	}
}

// TestATracestateIsThatOfTheSpans, if it is one.
func TestATracestateIsThatOfTheSpans(t *testing.T) {
	t.Parallel()
	r := startReceiver(t)
	w := startWeir(t, weirOptions{Env: tracing(r)})
	client := loginWire(t, w)
	for trace, c := range map[byte]struct{ said, want string }{
		1: {"congo%3Dt61%2Crojo%3D00f067aa0ba902b7", "congo=t61,rojo=00f067aa0ba902b7"}, 2: {"congo=t61", "congo=t61"},
		3: {"congo", ""}, 4: {"a%3D1,a%3D2", ""}, 5: {"a%3D" + strings.Repeat("x", 300), ""},
	} {
		said := "select 1 " + strings.Replace(traceComment(trace, 1), "*/", ",tracestate='"+c.said+"'*/", 1)
		if code, err := client.roundTrip(said); code != "" || err != nil {
			t.Fatal(code, err)
		}
		for _, span := range []*tracepb.Span{r.query(t, w, trace), r.one(t, trace, "pgweir.server")} {
			if span.TraceState != c.want {
				t.Errorf("%s: the tracestate of %s is %q, want %q", c.said, span.Name, span.TraceState, c.want)
			}
		}
	}
}
