package web

import (
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pgweir/status"
)

const clientBackend = "client backend"

// The kinds of processes that have series of their own. The names that
// extensions give to their processes are theirs to choose, so these are "other";
// "unknown" is what the server does not tell the kind of.
var (
	// singleKinds are those that a server has one process of at most. Only their
	// CPU time is a counter: of others, it would fall whenever a process ends.
	singleKinds = []string{"postmaster", "logger", "startup", "checkpointer", "background writer", "walwriter",
		"autovacuum launcher", "logical replication launcher", "archiver", "walreceiver", "walsummarizer",
		"slotsync worker", "stats collector"}
	processKinds = slices.Concat(singleKinds, []string{clientBackend, "dead-end client backend", "standalone backend",
		"autovacuum worker", "io worker", "parallel worker", "walsender", "logical replication worker",
		"logical replication apply worker", "logical replication parallel worker", "logical replication tablesync worker",
		"logical replication sequencesync worker", "other", "unknown"})
)

// clientStates are the states of pg_stat_activity, "stopped" by a signal, and
// two words of ours, as above.
var clientStates = []string{"active", "idle", "idle in transaction", "idle in transaction (aborted)",
	"fastpath function call", "starting", "disabled", "stopped", "other", "unknown"}

// ofKind is what the processes of one kind come to.
type ofKind struct {
	processes, measured int
	memory              int64         // of those measured
	cpu                 time.Duration // of the last; -1 if unknown
}

// sendProcesses sends the processes of a server by kind, and its client
// backends by state. All kinds and states are sent, so that a series does not
// come and go; but while some are unknown, 0 of another would be a claim.
func sendProcesses(ch chan<- prometheus.Metric, c *status.Census, server string) {
	type state struct {
		word string
		ours bool
	}
	kinds, backends := map[string]ofKind{}, map[state]int{}
	for i := range c.Processes {
		p := &c.Processes[i]
		kind := oneOf(processKinds, p.Kind)
		k := kinds[kind]
		k.processes++
		if p.Memory >= 0 {
			k.measured++
			k.memory += p.Memory
		}
		k.cpu = p.CPU
		kinds[kind] = k
		if kind == clientBackend {
			backends[state{oneOf(clientStates, p.State), p.Ours}]++
		}
	}
	allKinds := kinds["unknown"].processes == 0
	for _, kind := range processKinds {
		k, ok := kinds[kind]
		if ok || allKinds {
			send(ch, serverProcesses, prometheus.GaugeValue, float64(k.processes), server, kind)
		}
		if ok {
			send(ch, serverMeasured, prometheus.GaugeValue, float64(k.measured), server, kind)
		}
		if k.measured > 0 {
			send(ch, serverMemory, prometheus.GaugeValue, float64(k.memory), server, kind)
		}
		if k.processes == 1 && k.cpu >= 0 && slices.Contains(singleKinds, kind) {
			send(ch, serverCPU, prometheus.CounterValue, k.cpu.Seconds(), server, kind)
		}
	}
	allStates := allKinds && backends[state{"unknown", true}]+backends[state{"unknown", false}] == 0
	for _, word := range clientStates {
		for _, ours := range []bool{true, false} {
			if n := backends[state{word, ours}]; n > 0 || allStates {
				send(ch, serverBackends, prometheus.GaugeValue, float64(n), server, word, strconv.FormatBool(ours))
			}
		}
	}
}
