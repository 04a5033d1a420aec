package census

import (
	"cmp"
	"slices"
	"time"

	"pgweir/status"
)

// rowsOf are the processes of a census, in order: of each what the server says
// (asked; nil if it could not be asked) and what the process table says (t;
// nil if the processes are not this machine's). The table decides what there
// is, where it can be read; the server decides what it is and does. own is our
// own backend, 0 for none.
func rowsOf(asked []row, t *table, ours map[int]status.Backend, own int) []status.Process {
	told := make(map[int]*row, len(asked))
	for i := range asked {
		told[asked[i].pid] = &asked[i]
	}
	var out []status.Process
	if t == nil {
		for i := range asked {
			out = append(out, process(&asked[i], nil, ours, own))
		}
	} else {
		if t.alive {
			out = append(out, process(nil, t.own, nil, 0))
		}
		for pid, e := range t.entries {
			out = append(out, process(told[pid], e, ours, own))
		}
	}
	slices.SortFunc(out, func(a, b status.Process) int {
		ra, rb := rank(a.Kind), rank(b.Kind)
		if ra == rb && ra == unknownRank {
			return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.PID, b.PID))
		}
		return cmp.Or(cmp.Compare(ra, rb), cmp.Compare(a.PID, b.PID))
	})
	return out
}

// process is one row of a census; r or e is nil if there is none.
func process(r *row, e *entry, ours map[int]status.Backend, own int) status.Process {
	p := status.Process{CPU: -1, Memory: -1}
	if r != nil {
		p.PID, p.Kind = r.pid, r.kind
		p.User, p.Database, p.Application = r.user, r.database, r.application
		p.State, p.Wait, p.Query = r.state, waitOf(r), r.query
		if p.Since = r.stateChange; p.Since.IsZero() {
			p.Since = r.begun
		}
	}
	if e != nil {
		p.PID, p.Parent, p.CPU, p.Memory = e.PID, e.Parent, e.CPU, e.bytes
		e.fill(&p, r != nil)
	}
	p.Role = role(p.Kind)
	if b, ok := ours[p.PID]; ok {
		p.Ours, p.Client = true, b.Client
	}
	switch {
	case p.PID == own:
		p.Role = roleCensus
	case p.Kind == "" && e != nil:
		p.Role = roleForked
	case p.Kind == "" && r != nil:
		p.Role = roleHidden
	}
	return p
}

// fill adds what the title says where the server has not, and what only the
// process table knows. asked tells that the server has said something.
func (e *entry) fill(p *status.Process, asked bool) {
	if p.Kind == "" {
		p.Kind = e.kind
		if e.titled {
			p.State, p.Wait = e.title.state, e.title.wait
			if !asked {
				p.User, p.Database = e.title.user, e.title.database
			}
		}
		// A title does not tell since when a backend is in its state.
		if p.Since.IsZero() && p.State == "" {
			p.Since = e.began
		}
	}
	switch e.Process.State {
	case 'T', 't':
		p.State, p.Since = "stopped", e.stopped
	case 'Z':
		p.State, p.Since = "ended", time.Time{}
	}
}

// waitOf is what a process waits for, as "Type: event".
func waitOf(r *row) string {
	if r.waitType == "" {
		return ""
	}
	return r.waitType + ": " + r.waitEvent
}
