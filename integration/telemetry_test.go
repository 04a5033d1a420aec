package integration

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgweir/cluster"
)

func TestTheMetricsOfAScrapeAreSentToo(t *testing.T) {
	t.Parallel()
	r := startReceiver(t)
	w := startWeir(t, weirOptions{Env: []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + r.URL, "OTEL_TRACES_EXPORTER=none", "OTEL_METRIC_EXPORT_INTERVAL=50",
		"OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test,service.name=other", "OTEL_SERVICE_NAME=mine",
	}})
	client := connect(t, w.DSN(simpleProtocol))
	for range 7 {
		must(t, client, traced("select 1", 1))
	}
	eventually(t, "the queries are counted", func() bool {
		v, ok := r.metric("pgweir_queries_total", "database", w.DB)
		return ok && v == 7
	})
	if v, ok := r.metric("pgweir_clients", "", ""); !ok || v != 1 {
		t.Errorf("%v clients, %v", v, ok)
	}
	scraped := map[string]bool{}
	_, text := get(t, w, "/metrics")
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			scraped[strings.Fields(name)[0]] = true
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.metrics {
		if !scraped[m.Name] {
			t.Errorf("%s is not scraped", m.Name)
		}
		delete(scraped, m.Name)
	}
	for name := range scraped {
		if !strings.HasPrefix(name, "pgweir_backend_memory_") { // it is measured now and then
			t.Errorf("%s is not sent", name)
		}
	}
	if len(r.spans) > 0 {
		t.Errorf("%d spans have come", len(r.spans))
	}
	who := r.resources[0].Attributes
	if attributeOf(who, "service.name") != "mine" || attributeOf(who, "deployment.environment.name") != "test" || attributeOf(who, "service.version") == "" || attributeOf(who, "service.instance.id") == "" {
		t.Errorf("the resource is %v", who)
	}
}

// TestNothingIsSentUnasked: without an endpoint, with the library disabled, or by an
// variable that is wrong, which the log tells; a secret is not in it.
func TestNothingIsSentUnasked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		more  []string
		warns string
	}{
		{"disabled", []string{"OTEL_SDK_DISABLED=true"}, ""},
		{"bad headers", []string{"OTEL_EXPORTER_OTLP_HEADERS=a=b,planted-secret"}, "number 2 of the headers"},
		{"always off", []string{"OTEL_TRACES_SAMPLER=always_off"}, ""},
		{"no endpoint", []string{"OTEL_EXPORTER_OTLP_ENDPOINT="}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := startReceiver(t)
			w := startWeir(t, weirOptions{Env: tracing(r, c.more...)})
			client := loginWire(t, w)
			if code, err := client.roundTrip(traced("select 1", 1)); code != "" || err != nil {
				t.Fatal(code, err)
			}
			w.Signal(t, syscall.SIGTERM)
			w.Exited(t, stopDeadline) // by then all would be sent
			if r.requests > 0 || strings.Contains(w.Log(), "planted-secret") {
				t.Errorf("%d requests have come; the log:\n%s", r.requests, w.Log())
			}
			if strings.Contains(w.Log(), "level=WARN msg=OpenTelemetry") != (c.warns != "") || !strings.Contains(w.Log(), c.warns) {
				t.Errorf("the log should warn of %q:\n%s", c.warns, w.Log())
			}
		})
	}
}

func TestUnsampledQueriesAreFollowedIfTheSamplerHasItSo(t *testing.T) {
	t.Parallel()
	r := startReceiver(t)
	w := startWeir(t, weirOptions{Env: tracing(r, "OTEL_TRACES_SAMPLER=always_on")})
	if code, err := loginWire(t, w).roundTrip("select 1 " + traceComment(1, 0)); code != "" || err != nil {
		t.Fatal(code, err)
	}
	r.query(t, w, 1)
}

// TestTheLastSpansAreSentAtTheEnd, by gRPC here, and the last figures.
func TestTheLastSpansAreSentAtTheEnd(t *testing.T) {
	t.Parallel()
	spans, figures := startGRPCReceiver(t), startReceiver(t)
	w := startWeir(t, weirOptions{Env: []string{
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=" + spans.URL, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc", "OTEL_BSP_SCHEDULE_DELAY=3600000",
		"OTEL_EXPORTER_OTLP_TRACES_HEADERS=x-token=a", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=" + figures.URL + "/v1/metrics", "OTEL_METRIC_EXPORT_INTERVAL=3600000",
	}})
	if code, err := loginWire(t, w).roundTrip(traced("select 1", 1)); code != "" || err != nil {
		t.Fatal(code, err)
	}
	w.Signal(t, syscall.SIGTERM)
	if code := w.Exited(t, stopDeadline); code != 0 {
		t.Errorf("exit code %d", code)
	}
	spans.query(t, w, 1)
	if v, ok := figures.metric("pgweir_queries_total", "database", w.DB); !ok || v != 1 || !slices.Equal(spans.tokens, []string{"a"}) {
		t.Errorf("%v queries, %v; the tokens are %q", v, ok, spans.tokens)
	}
}

// TestAReceiverThatDoesNotAnswerHoldsNothingUp: neither a query nor, for long, the end.
func TestAReceiverThatDoesNotAnswerHoldsNothingUp(t *testing.T) {
	t.Parallel()
	for name, queries := range map[string]int{"hangs": 2300, "down": 50} { // the first is more than pgweir keeps
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := new(receiver)
			if name == "hangs" {
				ln, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts
				if err != nil {
					t.Fatal(err)
				}
				defer ln.Close()
				r.URL = "http://" + ln.Addr().String()
			} else {
				port, err := cluster.FreePort()
				if err != nil {
					t.Fatal(err)
				}
				r.URL = fmt.Sprintf("http://127.0.0.1:%d", port)
			}
			w := startWeir(t, weirOptions{Env: tracing(r, "OTEL_BSP_MAX_QUEUE_SIZE=8", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=8", "OTEL_METRICS_EXPORTER=otlp")})
			client := loginWire(t, w)
			query := simpleQuery(traced("select 1", 1))
			for range queries {
				client.send(query)
				client.until('Z')
			}
			if name == "hangs" {
				eventually(t, "some were dropped", func() bool { return series(t, w)["pgweir_traced_queries_dropped_total"] > 0 })
			}
			w.Signal(t, syscall.SIGTERM)
			if code := w.Exited(t, stopDeadline); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}
