package health

import (
	"time"

	"pgweir/status"
)

// reading is the evidence of one moment, and what is found in it.
type reading struct {
	Evidence
	at       time.Time
	byPID    map[int]*status.Process
	answered bool // the server was asked and has answered
	starting bool // it has said that it does not let anybody in yet, or no more
	unnamed  bool // there is a process whose kind is not known
	// identified: it is known which postmaster this is.
	identified bool

	found   []status.Finding
	unknown map[string]bool // IDs that cannot be judged now
}

func newReading(e Evidence) *reading {
	r := &reading{
		Evidence: e,
		at:       e.Census.At,
		byPID:    make(map[int]*status.Process, len(e.Census.Processes)),
		answered: e.Asked && e.Err == nil,
		unknown:  map[string]bool{},
	}
	for i := range e.Census.Processes {
		p := &e.Census.Processes[i]
		r.byPID[p.PID] = p
		r.unnamed = r.unnamed || p.Kind == ""
	}
	return r
}

// find adds a finding. Each rule calls it once for its ID at most.
func (r *reading) find(id string, severity status.Severity, text, advice string) {
	r.found = append(r.found, status.Finding{ID: id, Severity: severity, Text: text, Advice: advice})
}

// down adds a finding because of which clients cannot be served.
func (r *reading) down(id, text, advice string) {
	r.find(id, status.Critical, text, advice)
	r.found[len(r.found)-1].Down = true
}

// cannotTell keeps the Since of findings that cannot be judged now.
func (r *reading) cannotTell(ids ...string) {
	for _, id := range ids {
		r.unknown[id] = true
	}
}

// ago is how long ago a moment was: never negative, for a server's clock may
// be ahead of ours.
func (r *reading) ago(t time.Time) time.Duration { return max(0, r.at.Sub(t)) }

// kindsKnown tells whether the census names the kinds of all background
// processes, so that one that it does not name is not there.
func (r *reading) kindsKnown() bool {
	return len(r.Census.Processes) > 0 && (r.answered && r.Privileged || r.Census.Server.Local() && !r.unnamed)
}

// kinds are the pids of the server's processes by kind, in the census's order.
func (r *reading) kinds() map[string][]int {
	out := map[string][]int{}
	for i := range r.Census.Processes {
		if p := &r.Census.Processes[i]; p.Kind != "" {
			out[p.Kind] = append(out[p.Kind], p.PID)
		}
	}
	return out
}
