package telemetry

import (
	"context"
	"net"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"

	"pgweir/status"
)

// The names of spans and of pgweir's own attributes are documented in docs/tracing.md,
// and do not change.
const (
	spanQuery   = "pgweir.query"
	spanWait    = "pgweir.wait"
	spanPrepare = "pgweir.prepare"
	spanServer  = "pgweir.server"
	eventPin    = "pgweir.pin"

	keyClient  = attribute.Key("pgweir.client")
	keyBackend = attribute.Key("pgweir.backend.pid")
	keyUser    = attribute.Key("pgweir.user")
	keyPool    = attribute.Key("pgweir.database")
	keySending = attribute.Key("pgweir.sending_ms")
	keyReasons = attribute.Key("pgweir.pin.reasons")
)

// Follows tells whether a query is to be followed whose caller's span is sampled, or is
// not.
func (t *Telemetry) Follows(sampled bool) bool {
	return sampled && t.plan.sampling.sampled || !sampled && t.plan.sampling.unsampled
}

// Query makes spans of a query: one of it as a whole, whose parent the query has named,
// and below it one of each part that took any time, and of the server's.
func (t *Telemetry) Query(q *status.TracedQuery) {
	state, err := trace.ParseTraceState(q.State)
	if err != nil {
		state = trace.TraceState{} // as the specification has it, the trace goes on without
	}
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: q.Trace, SpanID: q.Span, TraceFlags: flags(q.Sampled), TraceState: state, Remote: true})
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), parent)
	begun := q.End.Add(-q.Waited - q.Preparing - q.Working - q.Sending)
	common := attributes(q)
	ctx, span := t.tracer.Start(ctx, spanQuery, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(begun), trace.WithAttributes(common...),
		trace.WithAttributes(keyClient.Int64(int64(q.Client)), keyUser.String(text(q.User)), keyPool.String(text(q.Database))))
	if !span.IsRecording() { // by OTEL_TRACES_SAMPLER
		return
	}
	at := begun
	part := func(name string, kind trace.SpanKind, took time.Duration, attributes ...attribute.KeyValue) trace.Span {
		_, s := t.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithTimestamp(at), trace.WithAttributes(attributes...))
		at = at.Add(took)
		return s
	}
	if q.Waited > 0 {
		part(spanWait, trace.SpanKindInternal, q.Waited).End(trace.WithTimestamp(at))
	}
	if q.Preparing > 0 {
		part(spanPrepare, trace.SpanKindInternal, q.Preparing).End(trace.WithTimestamp(at))
	}
	if q.PID != 0 {
		s := part(spanServer, trace.SpanKindClient, q.Working+q.Sending, append(common, keyBackend.Int64(int64(q.PID)))...)
		if q.Sending > 0 {
			s.SetAttributes(keySending.Float64(float64(q.Sending.Microseconds()) / 1000))
		}
		fail(s, q)
		s.End(trace.WithTimestamp(at))
	}
	if len(q.Pins) > 0 {
		span.AddEvent(eventPin, trace.WithTimestamp(q.Pinned), trace.WithAttributes(keyReasons.StringSlice(q.Pins)))
	}
	fail(span, q)
	span.End(trace.WithTimestamp(q.End))
}

func flags(sampled bool) trace.TraceFlags { return trace.TraceFlags(0).WithSampled(sampled) }

// fail says of a span that the query has failed, if it has.
func fail(s trace.Span, q *status.TracedQuery) {
	switch {
	case q.SQLState != "":
		s.SetAttributes(semconv.DBResponseStatusCode(q.SQLState), semconv.ErrorTypeKey.String(q.SQLState))
		s.SetStatus(codes.Error, "SQLSTATE "+q.SQLState)
	case q.Unanswered:
		s.SetAttributes(semconv.ErrorTypeOther)
		s.SetStatus(codes.Error, "not answered")
	}
}

// attributes are those of the conventions for databases.
func attributes(q *status.TracedQuery) []attribute.KeyValue {
	all := make([]attribute.KeyValue, 0, 8)
	all = append(all, semconv.DBSystemNamePostgreSQL, semconv.DBNamespace(text(q.DBName)))
	if q.Server == "" {
		return all
	}
	if q.Network == "unix" {
		return append(all, semconv.ServerAddress(text(q.Server)))
	}
	host, port, err := net.SplitHostPort(q.Server)
	if err != nil {
		return append(all, semconv.ServerAddress(text(q.Server)))
	}
	all = append(all, semconv.ServerAddress(host))
	if n, err := strconv.Atoi(port); err == nil {
		all = append(all, semconv.ServerPort(n))
	}
	return all
}

// text is a name as the protocol takes it, in UTF-8; PostgreSQL's names need not be.
func text(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }
