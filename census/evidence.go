package census

import (
	"context"
	"errors"
	"strings"
	"time"

	"pgweir/asking"
	"pgweir/health"
	"pgweir/status"
)

// census puts a reading together. What the server said before holds on while
// it cannot be asked: its version does not change without its processes.
func (r *Reader) census(now time.Time, a *answer, ours map[int]status.Backend, reaches bool) *status.Census {
	c := &status.Census{
		At: now,
		Server: status.CensusServer{
			Version: r.facts.version, Host: r.target.Host, Where: r.whereabouts(), Standby: r.facts.standby,
		},
		Postmaster: status.Postmaster{Alive: reaches},
	}
	var rows []row
	own := 0
	if a != nil {
		rows, own = a.rows, r.facts.pid
	}
	if r.table != nil {
		c.Postmaster = status.Postmaster{PID: r.table.postmaster.PID, Alive: r.table.alive}
	}
	c.Processes = rowsOf(rows, r.table, ours, own)
	// Without rows nothing is known of others, and 0 would be a lie.
	if r.facts.max > 0 && (a != nil || r.table != nil) {
		c.Limits = &status.ServerLimits{
			MaxConnections: r.facts.max, SuperuserReserved: r.facts.superuser, Reserved: r.facts.reserve,
			Others: others(c.Processes), Roles: r.facts.roles, Databases: r.facts.databases,
		}
	}
	return c
}

// others are the client backends that are not ours. Where the server hides
// what a process is, one with a user and a database counts as such.
func others(processes []status.Process) int {
	n := 0
	for i := range processes {
		p := &processes[i]
		if !p.Ours && (p.Kind == clientBackend || p.Kind == "" && p.User != "" && p.Database != "") {
			n++
		}
	}
	return n
}

// explain fills in what only a judge needs.
func (r *Reader) explain(e *health.Evidence, a *answer) {
	f := &r.facts
	e.Role, e.Started, e.Autovacuum, e.Archiver = f.role, f.started, f.autovacuum, f.archiver
	if e.Role == "" {
		e.Role = r.line.user // it has not been let in yet
	}
	if e.Started.IsZero() && r.table != nil {
		e.Started = r.table.own.began
	}
	if a == nil {
		e.Archiver = nil // not known now
		return
	}
	e.Privileged = f.privileged
	since := map[int]time.Time{}
	for i := range a.rows {
		p := &a.rows[i]
		since[p.pid] = p.stateChange
		if p.kind != clientBackend || p.xact.IsZero() || p.pid == f.pid {
			continue
		}
		idle := strings.HasPrefix(p.state, "idle in transaction")
		if p.age > 0 || idle {
			e.Holding = append(e.Holding, health.Holding{PID: p.pid, Age: p.age, Begun: p.xact, Idle: idle})
		}
	}
	for _, b := range a.blocked {
		if b.Since.IsZero() {
			b.Since = since[b.PID] // the server notes it a moment later
		}
		e.Blocked = append(e.Blocked, b)
	}
}

// isTimeout tells an answer that took too long from a connection that died.
func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || asking.SQLState(err) == "57014"
}
