package telemetry

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"

	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/prometheus/client_golang/prometheus"
)

// Telemetry is what is sent. A nil one sends nothing.
type Telemetry struct {
	log      *slog.Logger
	resource *resource.Resource
	plan     plan

	traces  *sdktrace.TracerProvider // nil if none are sent
	tracer  trace.Tracer
	metrics *sdkmetric.MeterProvider // nil until Metrics
}

// plan is what the environment says.
type plan struct {
	traces, metrics protocol
	sampling        sampling
}

// planOf reads the environment. What is wrong there does not keep pgweir from pooling: it
// is told in the warnings, and what it is about is not sent.
func planOf(env lookup) (p plan, warnings []error) {
	off, err := disabled(env)
	if err != nil {
		warnings = append(warnings, err)
	}
	if off {
		return plan{}, warnings
	}
	if p.traces, err = traceSignal.protocol(env); err != nil {
		warnings = append(warnings, fmt.Errorf("%s are not sent: %w", traceSignal.name, err))
	}
	if p.metrics, err = metricSignal.protocol(env); err != nil {
		warnings = append(warnings, fmt.Errorf("%s are not sent: %w", metricSignal.name, err))
	}
	if p.traces != protocolNone {
		if p.sampling, err = samplingOf(env); err != nil {
			warnings = append(warnings, fmt.Errorf("%s are not sent: %w", traceSignal.name, err))
			p.traces = protocolNone
		}
	}
	return p, warnings
}

// New begins to send spans, if the environment has it so; nil if nothing is sent at all.
// version is pgweir's own. Nothing is waited for.
func New(version string, log *slog.Logger) *Telemetry {
	p, warnings := planOf(environment)
	for _, err := range warnings {
		log.Warn("OpenTelemetry", "err", err)
	}
	if p.traces == protocolNone && p.metrics == protocolNone {
		return nil
	}
	t := &Telemetry{log: log, plan: p}
	listen(log)
	t.resource = resourceOf(version, log)
	if p.traces != protocolNone {
		exporter, err := newSpanExporter(context.Background(), p.traces)
		if err != nil {
			log.Warn("OpenTelemetry: traces are not sent", "err", err)
		} else {
			t.traces = sdktrace.NewTracerProvider(sdktrace.WithResource(t.resource),
				// Query may wait, and whoever calls it counts what is lost.
				sdktrace.WithBatcher(exporter, sdktrace.WithBlocking()))
			t.tracer = t.traces.Tracer("pgweir", trace.WithInstrumentationVersion(version), trace.WithSchemaURL(semconv.SchemaURL))
		}
	}
	log.Info("OpenTelemetry is on", "traces", t.Traces(), "metrics", p.metrics != protocolNone)
	return t
}

// Traces tells whether spans are sent.
func (t *Telemetry) Traces() bool { return t != nil && t.traces != nil }

// Metrics has the figures of a registry sent from now on, if the environment has it so.
func (t *Telemetry) Metrics(registry prometheus.Gatherer) {
	if t == nil || t.plan.metrics == protocolNone {
		return
	}
	exporter, err := newMetricExporter(context.Background(), t.plan.metrics)
	if err != nil {
		t.log.Warn("OpenTelemetry: metrics are not sent", "err", err)
		return
	}
	producer := bridge.NewMetricProducer(bridge.WithGatherer(registry))
	t.metrics = sdkmetric.NewMeterProvider(sdkmetric.WithResource(t.resource),
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithProducer(producer))))
}

// CloseMetrics sends the figures once more, and gives up when ctx ends. It is called
// while they can still be read.
func (t *Telemetry) CloseMetrics(ctx context.Context) {
	if t == nil || t.metrics == nil {
		return
	}
	if err := t.metrics.Shutdown(ctx); err != nil {
		t.log.Warn("OpenTelemetry: the last metrics were not sent", "err", err)
	}
}

// CloseTraces sends the spans that have not been sent, and gives up when ctx ends.
func (t *Telemetry) CloseTraces(ctx context.Context) {
	if !t.Traces() {
		return
	}
	if err := t.traces.Shutdown(ctx); err != nil {
		t.log.Warn("OpenTelemetry: the last traces were not sent", "err", err)
	}
}

// resourceOf is who sends: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come before
// what pgweir says itself.
func resourceOf(version string, log *slog.Logger) *resource.Resource {
	r, err := resource.New(context.Background(), resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(semconv.ServiceName("pgweir"), semconv.ServiceVersion(version), semconv.ServiceInstanceID(newInstance())),
		resource.WithFromEnv())
	if err != nil {
		log.Warn("OpenTelemetry: OTEL_RESOURCE_ATTRIBUTES are incomplete", "err", err)
	}
	return r
}

// newInstance is a random UUID, version 4 (RFC 9562, 5.4).
func newInstance() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// listen has the log told what the library complains of.
func listen(log *slog.Logger) {
	c := &complaints{log: log}
	otel.SetErrorHandler(c)
	otel.SetLogger(c.logger())
}
