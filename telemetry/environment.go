package telemetry

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// signal is what is sent: the names of its variables begin with its own.
type signal struct{ name, prefix string }

var (
	traceSignal  = signal{"traces", "TRACES"}
	metricSignal = signal{"metrics", "METRICS"}
)

// protocol is how a signal is sent.
type protocol uint8

const (
	protocolNone protocol = iota // it is not
	protocolHTTP
	protocolGRPC
)

// lookup gives variables; "" for one that is not set, which means the same.
type lookup func(name string) string

func environment(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// of is the signal's own variable, or else the one for all signals, and its name.
func (s signal) of(env lookup, what string) (value, name string) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_" + s.prefix + "_" + what, "OTEL_EXPORTER_OTLP_" + what} {
		if value = env(name); value != "" {
			return value, name
		}
	}
	return "", ""
}

// protocol tells how the signal is sent. The error is about a variable that has it not
// sent, and shows no value that may be a secret.
func (s signal) protocol(env lookup) (protocol, error) {
	endpoint, endpointName := s.of(env, "ENDPOINT")
	exporterName := "OTEL_" + s.prefix + "_EXPORTER"
	switch exporter := env(exporterName); exporter {
	case "none":
		return protocolNone, nil
	case "":
		if endpoint == "" {
			return protocolNone, nil
		}
	case "otlp":
	default:
		return protocolNone, fmt.Errorf(`%s: %q is not known here, but "otlp" and "none"`, exporterName, exporter)
	}
	if err := checkEndpoint(endpoint); err != nil {
		return protocolNone, fmt.Errorf("%s: %w", endpointName, err)
	}
	if headers, name := s.of(env, "HEADERS"); headers != "" {
		if err := checkHeaders(headers); err != nil {
			return protocolNone, fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, what := range []string{"CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"} {
		if file, name := s.of(env, what); file != "" {
			if _, err := os.ReadFile(file); err != nil {
				return protocolNone, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	switch value, name := s.of(env, "PROTOCOL"); value {
	case "", "http/protobuf":
		return protocolHTTP, nil
	case "grpc":
		return protocolGRPC, nil
	default:
		return protocolNone, fmt.Errorf(`%s: %q is not known here, but "http/protobuf" and "grpc"`, name, value)
	}
}

// checkEndpoint is about a URL, "" for the default one.
func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("this is no URL as http://host:4318 or https://host")
	}
	return nil
}

// checkHeaders is about a list as "name=value,name=value", of which the values may be
// secrets.
func checkHeaders(headers string) error {
	for i, header := range strings.Split(headers, ",") {
		name, value, ok := strings.Cut(header, "=")
		if _, err := url.PathUnescape(value); !ok || strings.TrimSpace(name) == "" || err != nil {
			return fmt.Errorf("number %d of the headers is not as name=value, with %%XX for what may not stand there", i+1)
		}
	}
	return nil
}

// sampling is whose queries are followed.
type sampling struct{ sampled, unsampled bool }

// samplingOf reads OTEL_TRACES_SAMPLER. The library reads it too, and decides; this says
// which queries need not be followed at all.
func samplingOf(env lookup) (sampling, error) {
	name := strings.ToLower(env("OTEL_TRACES_SAMPLER"))
	ratio := strings.HasSuffix(name, "traceidratio")
	if arg := env("OTEL_TRACES_SAMPLER_ARG"); arg != "" && ratio {
		if v, err := strconv.ParseFloat(arg, 64); err != nil || !(v >= 0 && v <= 1) {
			return sampling{}, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG: %q is no share from 0 to 1", arg)
		}
	}
	switch name {
	case "", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio":
		return sampling{sampled: true}, nil // each query has a parent
	case "always_on", "traceidratio":
		return sampling{true, true}, nil
	case "always_off":
		return sampling{}, nil
	}
	return sampling{}, fmt.Errorf(`OTEL_TRACES_SAMPLER: %q is not known here, but "always_on", "always_off", "traceidratio", and these with "parentbased_" before them`, name)
}

// disabled tells whether nothing is to be sent at all.
func disabled(env lookup) (bool, error) {
	switch v := strings.ToLower(env("OTEL_SDK_DISABLED")); v {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	default: // as the specification has it
		return false, fmt.Errorf(`OTEL_SDK_DISABLED: %q is neither "true" nor "false", and counts as "false"`, v)
	}
}
