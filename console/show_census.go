package console

import (
	"time"

	"pgweir/status"
)

// The tables of the servers' processes, which PgBouncer does not have.

// A process is a row of SHOW PROCESSES.
type process struct {
	*status.Process
	server string
	at     time.Time // of the census
}

func (p *process) holder() status.Holder {
	if p.Client == nil {
		return status.Holder{}
	}
	return *p.Client
}

var processesTable = view[process]{
	rows: func(s *status.Snapshot) []process {
		var rows []process
		for _, c := range s.Censuses {
			for i := range c.Processes {
				rows = append(rows, process{&c.Processes[i], c.Server.Host, c.At})
			}
		}
		return rows
	},
	columns: []column[process]{
		text("server", func(p *process) string { return p.server }),
		int4("pid", func(p *process) int { return p.PID }),
		int4OrNull("parent", func(p *process) int { return p.Parent }),
		textOrNull("kind", func(p *process) string { return readable(p.Kind) }),
		textOrNull("state", func(p *process) string { return p.State }),
		textOrNull("wait", func(p *process) string { return p.Wait }),
		textOrNull("since", func(p *process) string { return clockOrNone(p.Since) }),
		float8OrNull("cpu_seconds", func(p *process) float64 { return secondsOrUnknown(p.CPU) }),
		int8OrNull("memory_bytes", func(p *process) int64 { return p.Memory }),
		textOrNull("user", func(p *process) string { return readable(p.User) }),
		textOrNull("database", func(p *process) string { return readable(p.Database) }),
		textOrNull("application_name", func(p *process) string { return readable(p.Application) }),
		text("ours", func(p *process) string { return yesOrNo(p.Ours) }),
		int8OrNull("client_id", func(p *process) int64 {
			if p.Client == nil {
				return -1
			}
			return int64(p.Client.ID)
		}),
		textOrNull("client_addr", func(p *process) string { return p.holder().Addr }),
		textOrNull("pin", func(p *process) string { return p.holder().Pin }),
		text("role", func(p *process) string { return p.Role }),
		textOrNull("query", func(p *process) string { return readable(p.Query) }),
	},
}

// A finding is a row of SHOW FINDINGS.
type finding struct {
	*status.Finding
	server string
	at     time.Time
}

var findingsTable = view[finding]{
	rows: func(s *status.Snapshot) []finding {
		var rows []finding
		for i := range s.Findings {
			rows = append(rows, finding{&s.Findings[i], status.Itself, s.At})
		}
		for _, c := range s.Censuses {
			for i := range c.Findings {
				rows = append(rows, finding{&c.Findings[i], c.Server.Host, c.At})
			}
		}
		return rows
	},
	columns: []column[finding]{
		text("server", func(f *finding) string { return f.server }),
		text("id", func(f *finding) string { return f.ID }),
		text("severity", func(f *finding) string { return string(f.Severity) }),
		text("since", func(f *finding) string { return clock(f.Since) }),
		int4("seconds", func(f *finding) int { return wholeSeconds(max(0, f.at.Sub(f.Since))) }),
		text("text", func(f *finding) string { return readable(f.Text) }),
		text("advice", func(f *finding) string { return readable(f.Advice) }),
	},
}
