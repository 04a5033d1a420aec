package web

import (
	"time"

	"pgweir/status"
)

// made is a Source of one reading with all that belongs to it.
type made struct {
	s      *status.Snapshot
	h      status.History
	sizing *status.Sizing
}

func (m *made) Snapshot(status.Detail) *status.Snapshot { return m.s }
func (m *made) Censuses() []*status.Census              { return m.s.Censuses }
func (m *made) History() status.History                 { return m.h }
func (m *made) PoolHistory(_, _ string) status.History  { return m.h }
func (m *made) Sizing() *status.Sizing                  { return m.sizing }
func (m *made) Reload() (*status.Reload, error)         { return &status.Reload{}, nil }

// hostile is a name as a client may choose it.
const hostile = `</script><img src=x onerror=alert(1)>"'` + "`${1}"

// world is a pgweir at work in front of a server with so many client backends.
func world(backends int) *made {
	s := fixture()
	at := s.At
	c := &status.Census{
		At:         at.Add(-2 * time.Second),
		Server:     status.CensusServer{Version: "17.6", Host: "127.0.0.1:5432", Where: status.Here},
		Postmaster: status.Postmaster{PID: 4100, Alive: true},
		Findings: []status.Finding{
			{ID: "process_stopped", Severity: status.Critical, Text: "The checkpointer (pid 4102) is stopped by a signal: no checkpoint ends.",
				Advice: "kill -CONT 4102", Since: at.Add(-42 * time.Second)},
			{ID: "idle_in_transaction", Severity: status.Warning, Text: "Backend 4203 of " + hostile + " has been idle in a transaction for 12 min.",
				Advice: "Set idle_in_transaction_session_timeout, or KILL_CLIENT 903.", Since: at.Add(-11 * time.Minute)},
		},
	}
	add := func(p status.Process) {
		p.Parent, p.CPU, p.Memory, p.Since = 4100, time.Duration(p.PID)*time.Millisecond, int64(p.PID)<<8, c.At.Add(-time.Duration(p.PID)*time.Second)
		c.Processes = append(c.Processes, p)
	}
	add(status.Process{PID: 4100, Kind: "postmaster", Role: "Accepts connections, forks a backend for each, and watches over all others."})
	add(status.Process{PID: 4102, Kind: "checkpointer", State: "stopped", Role: "Writes all changed pages to disk at each checkpoint."})
	add(status.Process{PID: 4103, Kind: "background writer", Wait: "Activity: BgWriterMain", Role: "Writes changed pages ahead of need."})
	add(status.Process{PID: 4104, Kind: "walwriter", Wait: "IO: WALSync", Role: "Flushes the write-ahead log."})
	add(status.Process{PID: 4105, Kind: "autovacuum launcher", Wait: "Activity: AutoVacuumMain", Role: "Starts autovacuum workers."})
	add(status.Process{PID: 4106, Kind: "logical replication launcher", Wait: "Activity: LogicalLauncherMain", Role: "Starts logical replication workers."})
	add(status.Process{PID: 4107, Role: "Not known to PostgreSQL."})
	for i := range backends {
		p := status.Process{PID: 4200 + i, Kind: "client backend", Role: "Serves one connection.", User: "alice", Database: "app",
			Application: "web", State: "idle", Wait: "Client: ClientRead", Ours: true}
		switch i % 8 {
		case 0:
			p.State, p.Wait, p.Client = "active", "", &status.Holder{ID: uint64(900 + i), Addr: "10.0.0.7:51034"}
			p.Query = "select * from orders where id = $1"
		case 3:
			p.State, p.Client = "idle in transaction", &status.Holder{ID: uint64(900 + i), Addr: "unix", Pin: "advisory lock, temporary table"}
			p.Application = hostile
		case 5:
			p.Ours, p.User, p.Application, p.Database = false, "postgres", hostile, "postgres"
		case 6:
			p.State, p.Wait, p.Client = "active", "Lock: relation", &status.Holder{ID: uint64(900 + i), Addr: "10.0.0.8:1024"}
		}
		add(p)
	}
	s.Censuses = []*status.Census{c}
	m := &made{s: s, sizing: &status.Sizing{
		Sums:   []status.SizingSum{{Server: "127.0.0.1:5432", Usable: 94, Wanted: 120, Text: "100 max_connections − 3 reserved for superusers − 3 others = 94; the pools may ask for 120"}},
		Advice: []status.SizingAdvice{{Database: "app", User: "alice", Do: "grow", Size: 20, Suggested: 28, Evidence: "all 20 backends were lent for 41 % of the last 5 minutes, while 12 clients waited"}},
	}}
	for i := range status.MaxSeconds {
		m.h.Seconds = append(m.h.Seconds, madeSample(at.Add(time.Duration(i-status.MaxSeconds+1)*time.Second), i))
	}
	for i := range status.MaxMinutes {
		m.h.Minutes = append(m.h.Minutes, madeSample(at.Add(time.Duration(i-status.MaxMinutes)*time.Minute), 3*i))
	}
	return m
}

func madeSample(at time.Time, i int) status.Sample {
	clients := 90 + i%37 + i/5
	return status.Sample{At: at, Clients: clients, Backends: 12 + i%5, Saved: clients - 12 - i%5, Waiting: i % 3}
}

// emptied is a pgweir that has just begun.
func emptied() *made {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := &status.Snapshot{At: at, Started: at, Version: "0.1.0", Ready: true}
	s.Savings.BackendMemory, s.Savings.MemorySaved, s.Savings.MemorySource = -1, -1, "unknown"
	return &made{s: s}
}
