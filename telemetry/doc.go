// Package telemetry sends pgweir's figures, and spans of traced queries, by
// OpenTelemetry's protocol (OTLP), as the variables say that its specification has for
// all programs ("OpenTelemetry Environment Variable Specification", "OpenTelemetry
// Protocol Exporter"). It alone knows OpenTelemetry's library.
//
// It must not know where figures come from, nor how a query came to be traced: it is
// given a registry of Prometheus' and one status.TracedQuery after the other.
package telemetry
