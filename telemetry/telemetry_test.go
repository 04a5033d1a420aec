package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"pgweir/status"
)

// spansOf are those that are made of a query.
func spansOf(q *status.TracedQuery) tracetest.SpanStubs {
	memory := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(memory))
	t := &Telemetry{traces: provider, tracer: provider.Tracer("test")}
	t.Query(q)
	return memory.GetSpans()
}

func someQuery() *status.TracedQuery {
	return &status.TracedQuery{
		Trace: [16]byte{1}, Span: [8]byte{2}, Sampled: true, Database: "a\xff", User: "u", DBName: "d", Network: "tcp", Server: "[::1]:5432",
		PID: 7, End: time.Unix(1000, 0), Waited: time.Second, Preparing: 2 * time.Second, Working: 3 * time.Second, Sending: 4 * time.Second,
	}
}

func TestTheSpansOfAQueryAreItsParts(t *testing.T) {
	q := someQuery()
	q.Pins, q.Pinned = []string{"setting"}, q.End.Add(time.Second)
	var told strings.Builder
	for _, s := range spansOf(q) {
		fmt.Fprintf(&told, "%s %s %d-%d %s\n", s.Name, s.SpanKind, s.StartTime.Unix(), s.EndTime.Unix(), s.Status.Code)
		if s.SpanContext.TraceID() != q.Trace || !s.Parent.IsValid() {
			t.Errorf("%s is of the trace %v, its parent %v", s.Name, s.SpanContext.TraceID(), s.Parent)
		}
	}
	want := `pgweir.wait internal 990-991 Unset
pgweir.prepare internal 991-993 Unset
pgweir.server client 993-1000 Unset
pgweir.query server 990-1000 Unset
`
	if told.String() != want {
		t.Errorf("%s\nwant\n%s", &told, want)
	}
}

func TestAPartThatTakesNoTimeIsNoSpan(t *testing.T) {
	q := someQuery()
	q.Waited, q.Preparing = 0, 0
	if all := spansOf(q); len(all) != 2 {
		t.Errorf("the spans are %v", all)
	}
	q.Working, q.Sending, q.PID, q.SQLState = 0, 0, 0, "57014" // it got no backend
	all := spansOf(q)
	if len(all) != 1 || all[0].Status.Description != "SQLSTATE 57014" {
		t.Errorf("the spans are %v", all)
	}
}

func TestAnUnsampledQueryIsNoSpan(t *testing.T) {
	q := someQuery()
	q.Sampled = false
	if all := spansOf(q); len(all) > 0 {
		t.Errorf("the spans are %v", all)
	}
}

func TestNilTelemetrySendsNothing(t *testing.T) {
	var none *Telemetry
	none.Metrics(nil)
	none.CloseMetrics(t.Context())
	none.CloseTraces(t.Context())
	if none.Traces() {
		t.Error("it sends spans")
	}
}

// TestTheLibrarysComplaintsAreInTheLog once a minute each, without the values that it
// shows.
func TestTheLibrarysComplaintsAreInTheLog(t *testing.T) {
	var text bytes.Buffer
	c := &complaints{log: slog.New(slog.NewTextHandler(&text, nil))}
	for range 3 {
		c.Handle(errors.New("no receiver"))
		c.logger().Error(errors.New("no name"), "parse headers", "input", "secret")
	}
	if strings.Count(text.String(), "no receiver") != 1 || strings.Count(text.String(), "parse headers") != 1 || strings.Contains(text.String(), "secret") {
		t.Errorf("the log is\n%s", &text)
	}
	now := time.Now()
	for i := range 3 * maxComplaints {
		c.mayBeSaid(fmt.Sprint(i), now)
	}
	if len(c.last) > maxComplaints || !c.mayBeSaid("no receiver", now.Add(complainEvery)) {
		t.Errorf("%d complaints are remembered", len(c.last))
	}
}
