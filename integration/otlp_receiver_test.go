package integration

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	metricrpc "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracerpc "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricpb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// receiver takes what is sent by OTLP.
type receiver struct {
	URL string

	mu        sync.Mutex
	requests  int
	raw       bytes.Buffer // of all, as it came
	tokens    []string     // the header x-token of each request
	spans     []*tracepb.Span
	metrics   []*metricpb.Metric // the last that were sent
	resources []*resourcepb.Resource
}

// startReceiver takes HTTP with protobuf.
func startReceiver(t *testing.T) *receiver {
	t.Helper()
	r := new(receiver)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, q *http.Request) {
		m := new(tracerpc.ExportTraceServiceRequest)
		if r.decode(w, q, m) {
			r.takeSpans(m, q.Header.Get("X-Token"))
		}
	})
	mux.HandleFunc("POST /v1/metrics", func(w http.ResponseWriter, q *http.Request) {
		m := new(metricrpc.ExportMetricsServiceRequest)
		if r.decode(w, q, m) {
			r.takeMetrics(m, q.Header.Get("X-Token"))
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

func (r *receiver) decode(w http.ResponseWriter, q *http.Request, m proto.Message) bool {
	body, err := io.ReadAll(q.Body)
	if err == nil {
		err = proto.Unmarshal(body, m)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.raw.Write(body)
	return true
}

func (r *receiver) takeSpans(m *tracerpc.ExportTraceServiceRequest, token string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	r.tokens = append(r.tokens, token)
	for _, of := range m.ResourceSpans {
		r.resources = append(r.resources, of.Resource)
		for _, scope := range of.ScopeSpans {
			r.spans = append(r.spans, scope.Spans...)
		}
	}
}

func (r *receiver) takeMetrics(m *metricrpc.ExportMetricsServiceRequest, token string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	r.tokens = append(r.tokens, token)
	r.metrics = nil
	for _, of := range m.ResourceMetrics {
		r.resources = append(r.resources, of.Resource)
		for _, scope := range of.ScopeMetrics {
			r.metrics = append(r.metrics, scope.Metrics...)
		}
	}
}

// grpcReceiver is a receiver of gRPC.
type grpcReceiver struct {
	tracerpc.UnimplementedTraceServiceServer
	*receiver
}

func startGRPCReceiver(t *testing.T) *receiver {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{URL: "http://" + ln.Addr().String()}
	server := grpc.NewServer()
	tracerpc.RegisterTraceServiceServer(server, grpcReceiver{receiver: r})
	go server.Serve(ln)
	t.Cleanup(server.Stop)
	return r
}

func (r grpcReceiver) Export(ctx context.Context, m *tracerpc.ExportTraceServiceRequest) (*tracerpc.ExportTraceServiceResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	token := ""
	if all := md.Get("x-token"); len(all) > 0 {
		token = all[0]
	}
	r.takeSpans(m, token)
	return new(tracerpc.ExportTraceServiceResponse), nil
}

// of are the spans of a trace with this name.
func (r *receiver) of(trace byte, name string) (found []*tracepb.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.spans {
		if s.Name == name && bytes.Equal(s.TraceId, bytes.Repeat([]byte{trace}, 16)) {
			found = append(found, s)
		}
	}
	return found
}

// one waits for the span of a trace with this name, of which there is one.
func (r *receiver) one(t *testing.T, trace byte, name string) *tracepb.Span {
	t.Helper()
	eventually(t, fmt.Sprintf("there is a span %s of trace %d", name, trace), func() bool { return len(r.of(trace, name)) > 0 })
	all := r.of(trace, name)
	if len(all) != 1 {
		t.Errorf("trace %d has %d spans %s", trace, len(all), name)
	}
	return all[0]
}

// traces are the first bytes of the ids of all traces that have come.
func (r *receiver) traces() (all []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.spans {
		all = append(all, s.TraceId[0])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// metric is the value of a metric's point that has this attribute, or of its only one.
func (r *receiver) metric(name, key, value string) (v float64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.metrics {
		if m.Name != name {
			continue
		}
		points := m.GetGauge().GetDataPoints()
		if sum := m.GetSum(); sum != nil {
			points = sum.DataPoints
		}
		for _, p := range points {
			if key == "" || attributeOf(p.Attributes, key) == value {
				return p.GetAsDouble(), true
			}
		}
	}
	return 0, false
}

// attributeOf is an attribute as text; "" if there is none.
func attributeOf(all []*commonpb.KeyValue, key string) string {
	for _, kv := range all {
		if kv.Key != key {
			continue
		}
		switch v := kv.Value.Value.(type) {
		case *commonpb.AnyValue_StringValue:
			return v.StringValue
		case *commonpb.AnyValue_IntValue:
			return fmt.Sprint(v.IntValue)
		case *commonpb.AnyValue_ArrayValue:
			var texts []string
			for _, e := range v.ArrayValue.Values {
				texts = append(texts, e.GetStringValue())
			}
			return fmt.Sprint(texts)
		default:
			return fmt.Sprint(v)
		}
	}
	return ""
}
