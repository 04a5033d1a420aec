package health

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pgweir/status"
)

// expected are the background processes that there ought to be, and how often
// in a row they were not there.
type expected struct {
	view   view
	seen   map[string]bool // of those in optional
	absent map[string]int  // readings in a row
}

// view is what makes two readings comparable: how they see, and what the
// server does.
type view struct{ local, standby bool }

// optional are processes that run or do not run by configuration which only a
// restart changes: if one was there, it ought to be.
var optional = []string{"logical replication launcher", "archiver", "stats collector", "io worker", "logger"}

// unlisted are those that only the process table shows.
var unlisted = []string{"stats collector", "logger"}

const launcher = "autovacuum launcher"

// missing finds background processes that ought to be there and are not. The
// postmaster replaces what ends, so twice in a row is not by chance.
func (j *Judge) missing(r *reading) {
	kinds := r.kinds()
	startup := len(kinds["startup"]) > 0
	if !r.kindsKnown() || r.starting || !r.answered && startup || slices.ContainsFunc(r.found, func(f status.Finding) bool { return f.Down }) {
		j.expected.absent = nil
		r.cannotTell(processMissing)
		return
	}
	for pid, w := range j.watched {
		if w.state == 'Z' && w.kind != "" { // it has a finding of its own
			kinds[w.kind] = append(kinds[w.kind], pid)
		}
	}
	x := &j.expected
	// pg_is_in_recovery only comes with an answer.
	now := view{local: r.Census.Server.Local(), standby: r.Census.Server.Standby || startup}
	if x.seen == nil || x.view != now {
		*x = expected{view: now, seen: map[string]bool{}}
	}
	required := []string{"checkpointer", "background writer"}
	if now.standby {
		required = append(required, "startup")
	} else {
		required = append(required, "walwriter")
		// A reload may turn it off; where the setting is not known, the past
		// must do.
		if r.Autovacuum == "on" || r.Autovacuum == "" && x.seen[launcher] {
			required = append(required, launcher)
		}
		x.seen[launcher] = len(kinds[launcher]) > 0 || r.Autovacuum == "" && x.seen[launcher]
	}
	for _, kind := range optional {
		if slices.Contains(unlisted, kind) && (!now.local || r.unnamed) {
			continue
		}
		if len(kinds[kind]) > 0 {
			x.seen[kind] = true
		}
		if x.seen[kind] {
			required = append(required, kind)
		}
	}
	absent := map[string]int{}
	var gone []string
	severity := status.Warning
	for _, kind := range required {
		if len(kinds[kind]) > 0 {
			continue
		}
		absent[kind] = x.absent[kind] + 1
		if absent[kind] < 2 {
			continue
		}
		gone = append(gone, kind)
		if severityOf(kind) == status.Critical {
			severity = status.Critical
		}
	}
	x.absent = absent
	if len(gone) == 0 {
		return
	}
	what := "A background process that has to run is missing"
	if len(gone) > 1 {
		what = "Background processes that have to run are missing"
	}
	r.find(processMissing, severity, fmt.Sprintf("%s (%s)%s.", what, strings.Join(gone, ", "), consequences(gone)),
		"The postmaster starts what is missing within a minute; if it does not, the server's log says why.")
}

// starts are the readings at which processes of one kind had taken the place
// of others.
type starts struct {
	pids []int
	seen time.Time
	at   []time.Time // the oldest first, at most maxStarts
}

const (
	maxStarts = 100
	maxKinds  = 200
)

// comeAndGo are the kinds of which each process ends when its work is done.
var comeAndGo = []string{
	"", "postmaster", "client backend", "standalone backend", "autovacuum worker", "parallel worker", "walsender",
	"logical replication worker", "logical replication apply worker", "logical replication parallel worker",
	"logical replication tablesync worker", "logical replication sequencesync worker",
}

// builtIn are PostgreSQL's own kinds that stay; all others are extensions'.
var builtIn = []string{
	"checkpointer", "background writer", "walwriter", launcher, "logical replication launcher", "archiver", "startup",
	"walreceiver", "walsummarizer", "slotsync worker", "io worker", "stats collector", "logger",
}

// restarting finds background processes that do not live long.
func (j *Judge) restarting(r *reading) {
	kinds := r.kinds()
	for kind, pids := range kinds {
		if slices.Contains(comeAndGo, kind) {
			continue
		}
		s := j.starts[kind]
		if s == nil {
			if len(j.starts) >= maxKinds {
				continue
			}
			s = &starts{pids: pids}
			j.starts[kind] = s
		}
		// A crash replaces all of a kind at once, which is one start.
		if replaced(s.pids, pids) {
			s.at = append(s.at, r.at)
		}
		s.at = s.at[max(0, len(s.at)-maxStarts):]
		s.pids, s.seen = pids, r.at
	}
	var often []string
	severity := status.Info
	for _, kind := range slices.Sorted(maps.Keys(j.starts)) {
		s := j.starts[kind]
		s.at = slices.DeleteFunc(s.at, func(t time.Time) bool { return r.ago(t) >= j.limits.RestartsIn })
		if len(s.at) == 0 && r.ago(s.seen) >= j.limits.RestartsIn {
			delete(j.starts, kind)
			continue
		}
		if len(s.at) < j.limits.Restarts {
			continue
		}
		often = append(often, fmt.Sprintf("%s (%d times, pid %d now)", kind, len(s.at), s.pids[0]))
		if slices.Contains(builtIn, kind) {
			severity = status.Warning
		}
	}
	if len(often) == 0 {
		return
	}
	advice := "It ends soon after each start; the server's log says why."
	if severity == status.Info {
		advice = "The server's log says why, unless the extension that it belongs to works like this."
	}
	r.find(processRestarting, severity, fmt.Sprintf("In the last %s, the postmaster has started anew: %s.",
		lasting(j.limits.RestartsIn), list(often)), advice)
}

// replaced tells whether one of the processes has ended and has a successor.
func replaced(before, now []int) bool {
	differs := func(a, b []int) bool {
		return slices.ContainsFunc(a, func(pid int) bool { return !slices.Contains(b, pid) })
	}
	return differs(before, now) && differs(now, before)
}
