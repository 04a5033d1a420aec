package web

import (
	"github.com/prometheus/client_golang/prometheus"

	"pgweir/status"
)

// sendPool sends everything of one pool.
func sendPool(ch chan<- prometheus.Metric, s *status.Snapshot, p *status.Pool) {
	database, user := label(p.Database), label(p.User)
	one := func(desc *prometheus.Desc, n int, word string) {
		send(ch, desc, prometheus.GaugeValue, float64(n), database, user, word)
	}
	for _, m := range poolMetrics {
		m.send(ch, p, database, user)
	}
	one(poolClients, p.ClientsActive, "active")
	one(poolClients, p.ClientsWaiting, "waiting")
	one(poolCancels, p.ClientsActiveCancel, "active")
	one(poolCancels, p.ClientsWaitingCancel, "waiting")
	for _, b := range backendStates {
		one(poolBackend, b.count(p), b.state)
	}
	for reason, n := range pinsByReason(p) {
		one(poolPinned, n, reason)
	}
	if e := p.Evidence; e != nil {
		sendEvidence(ch, e, database, user)
	}
	if p.IsConsole() {
		return // its clients need no backend, so there is nothing to wait for or to be saved
	}
	t := &p.Totals
	for reason, n := range map[string]int64{"timeout": t.WaitsTimedOut, "canceled": t.WaitsCanceled, "left": t.WaitsLeft, "refused": t.WaitsRefused} {
		send(ch, poolWaitsFailed, prometheus.CounterValue, float64(n), database, user, reason)
	}
	sendHistogram(ch, poolWait, status.WaitBounds, p.Waits, p.Totals.WaitTime.Seconds(), database, user)
	sendHistogram(ch, poolTransaction, status.DurationBounds, p.TransactionTimes, p.Totals.TransactionTime.Seconds(), database, user)
	sendHistogram(ch, poolQuery, status.DurationBounds, p.QueryTimes, p.Totals.QueryTime.Seconds(), database, user)
	savings := s.PoolSavings(p)
	for _, m := range poolSavings {
		m.send(ch, &savings, database, user)
	}
}

// sendEvidence has every state of status.ShapeStates, so that a series does not
// come and go.
func sendEvidence(ch chan<- prometheus.Metric, e *status.Evidence, database, user string) {
	for _, m := range evidenceMetrics {
		m.send(ch, e, database, user)
	}
	for _, state := range status.ShapeStates {
		send(ch, poolShapes, prometheus.GaugeValue, float64(e.Shapes[state]), database, user, state)
	}
	for cause, n := range map[string]int64{"hinted": e.Hinted, "unproven": e.Unproven, "catalog": e.Catalog, "sampled": e.Sampled} {
		send(ch, poolChecks, prometheus.CounterValue, float64(n), database, user, cause)
	}
}

// backendStates are the parts of status.Pool.Backends.
var backendStates = []struct {
	state string
	count func(*status.Pool) int
}{
	{"active", func(p *status.Pool) int { return p.ServersActive }},
	{"being_canceled", func(p *status.Pool) int { return p.ServersBeingCanceled }},
	{"idle", func(p *status.Pool) int { return p.ServersIdle }},
	{"used", func(p *status.Pool) int { return p.ServersUsed }},
	{"tested", func(p *status.Pool) int { return p.ServersTested }},
	{"login", func(p *status.Pool) int { return p.ServersLogin }},
	{"closing", func(p *status.Pool) int { return p.ServersClosing }},
	{"listening", func(p *status.Pool) int { return p.Listening }},
	{"replication", func(p *status.Pool) int { return p.Replicating }},
}

// pinsByReason has every reason of status.PinReasons, so that a series does not
// come and go, and no other: what is none of them is "unknown".
func pinsByReason(p *status.Pool) map[string]int {
	out := make(map[string]int, len(status.PinReasons))
	for _, reason := range status.PinReasons {
		out[reason] = 0
	}
	for reason, n := range p.PinnedBy {
		if _, ok := out[reason]; !ok {
			reason = "unknown"
		}
		out[reason] += n
	}
	return out
}

// memorySource is how the memory of a backend is known, in one of three words.
func memorySource(v *status.Savings) string {
	switch v.MemorySource {
	case "measured", "estimated":
		return v.MemorySource
	}
	return "unknown"
}
