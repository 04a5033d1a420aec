package web

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pgweir/status"
)

var (
	serverUp        = describe("server_up", "0 if a finding says that clients cannot be served because of this server, else 1.", byServer)
	censusAge       = describe("census_age_seconds", "How old the last census of the server is.", byServer)
	serverFindings  = describe("findings", "1 for what is wrong with the server now, or with pgweir itself (server=\"pgweir\"); what is not wrong is absent.", byServer, byID, bySeverity)
	serverProcesses = describe("server_processes", "Processes of the server by kind.", byServer, byKind)
	serverMemory    = describe("server_memory_bytes", "Memory that the processes of a kind hold for themselves, of those that were measured; absent when none was.", byServer, byKind)
	serverMeasured  = describe("server_measured_processes", "Processes of a kind whose memory is in pgweir_server_memory_bytes.", byServer, byKind)
	serverCPU       = describe("server_process_cpu_seconds_total", "CPU time of a process that the server has one of; absent when unknown.", byServer, byKind)
	serverBackends  = describe("server_client_backends", "Client backends of the server by state; ours are those of this pgweir's pools.", byServer, byState, byOurs)
)

var limitMetrics = []metric[*status.ServerLimits]{
	gauge("server_max_connections", "The server's max_connections; absent when unknown.",
		func(l *status.ServerLimits) float64 { return float64(l.MaxConnections) }, byServer),
	gauge("server_usable_connections", "The server's max_connections less superuser_reserved_connections and reserved_connections; absent when unknown.",
		func(l *status.ServerLimits) float64 {
			return float64(l.MaxConnections - l.SuperuserReserved - l.Reserved)
		}, byServer),
}

var sizingMetrics = []metric[*status.SizingSum]{
	gauge("sizing_wanted_backends", "What the sizes of the pools of this server add up to.",
		func(s *status.SizingSum) float64 { return float64(s.Wanted) }, byServer),
	gauge("sizing_usable_backends", "Backends that the server can give to pgweir; absent when unknown.",
		func(s *status.SizingSum) float64 { return orAbsent(int64(s.Usable)) }, byServer),
	gauge("sizing_fits", "1 if the server can give what its pools may ask of it, else 0; absent when unknown.",
		func(s *status.SizingSum) float64 {
			if s.Usable < 0 {
				return absent
			}
			return oneIf(s.Fits)
		}, byServer),
}

// findingIDs are those of package health, which this one does not know; a test
// compares them.
var (
	findingIDs = []string{
		"archiver_failing", "census_blind", "census_login", "census_rights", "certificate_expiry", "clients_wait", "idle_in_transaction",
		"lock_queue", "logins_refused", "long_query", "near_max_connections", "pool_starved", "pools_too_large", "postmaster_gone",
		"process_missing", "process_restarting", "process_stopped", "process_stuck", "server_crashed", "server_restarted",
		"server_starting", "server_unreachable", "vacuum_held", "waits_failed",
	}
	severities = []string{string(status.Info), string(status.Warning), string(status.Critical)}
)

func describeServers(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{serverUp, censusAge, serverFindings, serverProcesses, serverMemory, serverMeasured,
		serverCPU, serverBackends} {
		ch <- d
	}
	describeAll(ch, limitMetrics)
	describeAll(ch, sizingMetrics)
}

// oneOf is a word if it is one of those known, "unknown" if there is none, else
// "other".
func oneOf(known []string, word string) string {
	switch {
	case word == "":
		return "unknown"
	case slices.Contains(known, word):
		return word
	}
	return "other"
}

// sendServers sends the last census of each server. Two of one name would be
// refused by the registry, so the first counts.
func sendServers(ch chan<- prometheus.Metric, s *status.Snapshot) {
	seen := map[string]bool{status.Itself: true}
	sendFindings(ch, s.Findings, status.Itself)
	for _, c := range s.Censuses {
		if server := label(c.Server.Host); !seen[server] {
			seen[server] = true
			sendCensus(ch, c, server, s.At)
		}
	}
}

func sendCensus(ch chan<- prometheus.Metric, c *status.Census, server string, now time.Time) {
	up := !slices.ContainsFunc(c.Findings, func(f status.Finding) bool { return f.Down })
	send(ch, serverUp, prometheus.GaugeValue, oneIf(up), server)
	send(ch, censusAge, prometheus.GaugeValue, max(0, now.Sub(c.At).Seconds()), server)
	sendFindings(ch, c.Findings, server)
	if c.Limits != nil {
		for _, m := range limitMetrics {
			m.send(ch, c.Limits, server)
		}
	}
	// A census without processes could not be taken, and says nothing of them.
	if len(c.Processes) > 0 {
		sendProcesses(ch, c, server)
	}
}

// sendFindings sends each once. Names that are not known may fall together.
func sendFindings(ch chan<- prometheus.Metric, found []status.Finding, server string) {
	type finding struct{ id, severity string }
	sent := map[finding]bool{}
	for _, f := range found {
		one := finding{oneOf(findingIDs, f.ID), oneOf(severities, string(f.Severity))}
		if !sent[one] {
			sent[one] = true
			send(ch, serverFindings, prometheus.GaugeValue, 1, server, one.id, one.severity)
		}
	}
}

// sendSizing sends what the pools of each server add up to.
func sendSizing(ch chan<- prometheus.Metric, s *status.Sizing) {
	if s == nil {
		return
	}
	seen := map[string]bool{}
	for i := range s.Sums {
		sum := &s.Sums[i]
		server := label(sum.Server)
		if seen[server] {
			continue
		}
		seen[server] = true
		for _, m := range sizingMetrics {
			m.send(ch, sum, server)
		}
	}
}
