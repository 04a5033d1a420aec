package telemetry

import (
	"strings"
	"testing"
)

func TestTheEnvironmentSaysWhatIsSent(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318"
	both := plan{protocolHTTP, protocolHTTP, sampling{sampled: true}}
	for _, c := range []struct {
		env  string // of words
		want plan
		warn string // in the first warning; "" for none
	}{
		{"", plan{}, ""},
		{"OTEL_SERVICE_NAME=mine OTEL_TRACES_SAMPLER=always_on OTEL_EXPORTER_OTLP_PROTOCOL=grpc", plan{}, ""},
		{endpoint, both, ""},
		{endpoint + " OTEL_SDK_DISABLED=true", plan{}, ""},
		{endpoint + " OTEL_SDK_DISABLED=TRUE", plan{}, ""},
		{endpoint + " OTEL_SDK_DISABLED=yes", both, `"yes"`},
		{"OTEL_TRACES_EXPORTER=otlp OTEL_METRICS_EXPORTER=otlp", both, ""},
		{"OTEL_METRICS_EXPORTER=otlp", plan{metrics: protocolHTTP}, ""},
		{endpoint + " OTEL_TRACES_EXPORTER=none", plan{metrics: protocolHTTP}, ""},
		{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=https://localhost", plan{metrics: protocolHTTP}, ""},
		{endpoint + " OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/protobuf", plan{protocolGRPC, protocolHTTP, sampling{sampled: true}}, ""},
		{endpoint + " OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/json", plan{traces: protocolHTTP, sampling: sampling{sampled: true}}, `"http/json"`},
		{endpoint + " OTEL_METRICS_EXPORTER=prometheus", plan{traces: protocolHTTP, sampling: sampling{sampled: true}}, `"prometheus"`},
		{endpoint + " OTEL_TRACES_SAMPLER=Always_On", plan{protocolHTTP, protocolHTTP, sampling{true, true}}, ""},
		{endpoint + " OTEL_TRACES_SAMPLER=always_off", plan{protocolHTTP, protocolHTTP, sampling{}}, ""},
		{endpoint + " OTEL_TRACES_SAMPLER=parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=0.5", both, ""},
		{endpoint + " OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=1.5", plan{metrics: protocolHTTP}, `"1.5"`},
		{endpoint + " OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=NaN", plan{metrics: protocolHTTP}, `"NaN"`},
		{endpoint + " OTEL_TRACES_SAMPLER=jaeger_remote", plan{metrics: protocolHTTP}, `"jaeger_remote"`},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4317", plan{}, "OTEL_EXPORTER_OTLP_ENDPOINT: this is no URL"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=ftp://secret@host", plan{}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: this is no URL"},
		{endpoint + " OTEL_EXPORTER_OTLP_HEADERS=a=b,secret", plan{}, "number 2"},
		{endpoint + " OTEL_EXPORTER_OTLP_HEADERS=a=%zzsecret", plan{}, "number 1"},
		{endpoint + " OTEL_EXPORTER_OTLP_HEADERS=a=%20b,c=d", both, ""},
		{endpoint + " OTEL_EXPORTER_OTLP_CERTIFICATE=/nowhere/ca.pem", plan{}, "OTEL_EXPORTER_OTLP_CERTIFICATE"},
	} {
		vars := map[string]string{}
		for word := range strings.FieldsSeq(c.env) {
			name, value, _ := strings.Cut(word, "=")
			vars[name] = value
		}
		got, warnings := planOf(func(name string) string { return vars[name] })
		if got != c.want || (len(warnings) > 0) != (c.warn != "") {
			t.Errorf("%s: %+v and %v, want %+v", c.env, got, warnings, c.want)
		}
		for i, err := range warnings {
			if i == 0 && !strings.Contains(err.Error(), c.warn) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: the warning is %v", c.env, err)
			}
		}
	}
}
