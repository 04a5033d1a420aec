package health

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pgweir/status"
)

// watch is what a process was doing at the last reading, and since when.
type watch struct {
	kind string
	cpu  time.Duration
	wait string
	// since is when it was first seen to wait for this, and waits how many
	// readings in a row have seen it, without CPU used in between.
	since time.Time
	waits int
	// The same for the state in the process table.
	state      byte
	stateSince time.Time
	states     int
}

// importance is what it means that a background process stands still, and how
// grave that is.
var importance = map[string]struct {
	severity status.Severity
	means    string
}{
	"postmaster":        {status.Critical, "nobody can log in, and no process that ends is replaced"},
	"checkpointer":      {status.Critical, "there are no checkpoints, and WAL piles up until the disk is full"},
	"walwriter":         {status.Critical, "transactions with synchronous_commit off are not safe on disk, and backends write WAL themselves"},
	"startup":           {status.Critical, "WAL is not replayed, and the server falls behind or does not come up"},
	"background writer": {status.Warning, "backends have to write dirty pages themselves"},
	"archiver":          {status.Warning, "WAL is not archived and piles up until the disk is full"},
	"walreceiver":       {status.Warning, "no WAL comes from the primary"},
	"client backend":    {status.Warning, "its client waits, and so does who needs its locks"},
}

func severityOf(kind string) status.Severity {
	if known, ok := importance[kind]; ok {
		return known.severity
	}
	return status.Warning
}

// consequences are one more sentence, without its full stop, of what it means
// that processes of these kinds stand still; "" if that is nothing.
func consequences(kinds []string) string {
	var out []string
	for _, kind := range kinds {
		if known, ok := importance[kind]; ok && !slices.Contains(out, known.means) {
			out = append(out, known.means)
		}
	}
	if len(out) == 0 {
		return ""
	}
	return ". Meanwhile " + strings.Join(out[:min(most, len(out))], "; ")
}

// states judges each process by itself: stopped, stuck, or dead and not buried.
func (j *Judge) states(r *reading) {
	next := make(map[int]watch, len(r.byPID))
	for pid, p := range r.byPID {
		next[pid] = watch{kind: p.Kind, cpu: p.CPU, wait: p.Wait}
	}
	for pid, state := range r.OSStates {
		w, ok := next[pid]
		if !ok {
			w.cpu = -1
		}
		w.state = state
		next[pid] = w
	}
	if m := r.Census.Postmaster.PID; m != 0 {
		if w, ok := next[m]; ok {
			w.kind = "postmaster"
			next[m] = w
		}
	}
	for pid, w := range next {
		next[pid] = w.follow(j.watched[pid], r.at)
	}
	j.watched = next
	pids := slices.Sorted(maps.Keys(next))
	j.stopped(r, pids)
	j.stuck(r, pids)
}

// follow continues what was seen of the process before, if it is the same.
func (w watch) follow(before watch, at time.Time) watch {
	if w.kind == "" { // a zombie has lost its title
		w.kind = before.kind
	}
	w.since, w.waits = at, 1
	w.stateSince, w.states = at, 1
	if before.waits == 0 || w.kind != before.kind || w.cpu != before.cpu {
		return w
	}
	if w.wait == before.wait {
		w.since, w.waits = before.since, before.waits+1
	}
	if w.state == before.state {
		w.stateSince, w.states = before.stateSince, before.states+1
	}
	return w
}

// stopped finds processes that a signal or a debugger has stopped. A tracer
// stops what it follows for a moment at each step, which is no finding yet.
func (j *Judge) stopped(r *reading, pids []int) {
	var items, kinds []string
	severity := status.Warning
	var first int
	for _, pid := range pids {
		w := j.watched[pid]
		if w.state != 'T' && (w.state != 't' || w.states < 2) {
			continue
		}
		if first == 0 {
			first = pid
		}
		items = append(items, named(r, pid, w))
		kinds = append(kinds, w.kind)
		if severityOf(w.kind) == status.Critical {
			severity = status.Critical
		}
	}
	switch {
	case len(items) == 1:
		r.find(processStopped, severity,
			fmt.Sprintf("%s is stopped by a signal or a debugger%s.", upper(items[0]), consequences(kinds)),
			fmt.Sprintf("Let it go on: kill -CONT %d, or detach the debugger.", first))
	case len(items) > 1:
		r.find(processStopped, severity,
			fmt.Sprintf("%d processes are stopped by a signal or a debugger, %s%s.", len(items), list(items), consequences(kinds)),
			fmt.Sprintf("Let them go on: kill -CONT %d and so on, or detach the debugger.", first))
	case r.OSStates == nil:
		r.cannotTell(processStopped)
	}
}

// named is what a process was when its title could last be read.
func named(r *reading, pid int, w watch) string {
	if r.byPID[pid] != nil && r.byPID[pid].Kind != "" || w.kind == "" {
		return r.who(pid)
	}
	return fmt.Sprintf("%s (pid %d)", w.kind, pid)
}

// upper begins a sentence with a name.
func upper(name string) string {
	switch {
	case strings.HasPrefix(name, "a "), strings.HasPrefix(name, "client "):
		return strings.ToUpper(name[:1]) + name[1:]
	default:
		return "The " + name
	}
}
