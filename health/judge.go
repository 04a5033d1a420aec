package health

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"pgweir/status"
)

// The IDs of findings.
const (
	postmasterGone    = "postmaster_gone"
	serverUnreachable = "server_unreachable"
	serverStarting    = "server_starting"
	serverCrashed     = "server_crashed"
	serverRestarted   = "server_restarted"
	processStopped    = "process_stopped"
	processStuck      = "process_stuck"
	processMissing    = "process_missing"
	processRestarting = "process_restarting"
	archiverFailing   = "archiver_failing"
	nearMax           = "near_max_connections"
	idleInTransaction = "idle_in_transaction"
	vacuumHeld        = "vacuum_held"
	lockQueue         = "lock_queue"
	censusLogin       = "census_login"
	censusRights      = "census_rights"
	censusBlind       = "census_blind"
)

// IDs are all the IDs that a finding may have.
var IDs = []string{
	postmasterGone, serverUnreachable, serverStarting, serverCrashed, serverRestarted,
	processStopped, processStuck, processMissing, processRestarting, archiverFailing,
	nearMax, idleInTransaction, vacuumHeld, lockQueue, censusLogin, censusRights, censusBlind,
}

// Limits are from when on something is a finding.
type Limits struct {
	Idle        time.Duration // idle in transaction
	Running     time.Duration // a transaction at work that keeps dead rows from vacuum
	LockWait    time.Duration // a wait for a lock, if it was not there at the last reading
	LockGrave   time.Duration // a wait for a lock is critical
	Stuck       time.Duration // a background process waits for one thing without using CPU
	StuckLong   time.Duration // the same where it may take its time: see stuck.go
	ArchiverBad time.Duration // a failing archiver is critical
	Restarts    int           // starts of a background process within RestartsIn
	RestartsIn  time.Duration
	Afterwards  time.Duration // how long a crash or a restart is shown
	NearMax     int           // percent of the usable slots
	AtMax       int           // percent at which it is critical
}

// DefaultLimits are those that New takes.
func DefaultLimits() Limits {
	return Limits{
		Idle:        time.Minute,
		Running:     30 * time.Minute,
		LockWait:    2 * time.Second,
		LockGrave:   time.Minute,
		Stuck:       10 * time.Second,
		StuckLong:   time.Minute,
		ArchiverBad: 10 * time.Minute,
		Restarts:    3,
		RestartsIn:  10 * time.Minute,
		Afterwards:  time.Minute,
		NearMax:     85,
		AtMax:       97,
	}
}

// Judge remembers of one server what it takes to tell what lasts from what
// was there for a moment. What it remembers is bounded by what there is at one
// reading. It is for one goroutine at a time.
type Judge struct {
	limits Limits
	// since is when what is found now was first found, by ID.
	since map[string]time.Time

	server   server
	silent   int                       // readings in a row without a sign of life
	refused  int                       // readings in a row that failed for another reason
	watched  map[int]watch             // by pid, of the last reading
	expected expected                  // the background processes that there ought to be
	starts   map[string]*starts        // by kind
	blocked  map[int]lockWait          // by pid, of the last reading
	events   map[string]status.Finding // crashes and restarts, which are shown for a while
	until    map[string]time.Time      // how long, by ID
}

// New makes a Judge of one server that knows nothing yet.
func New() *Judge { return NewWith(DefaultLimits()) }

// NewWith makes a Judge with other limits.
func NewWith(limits Limits) *Judge {
	return &Judge{
		limits: limits,
		since:  map[string]time.Time{},
		starts: map[string]*starts{},
		events: map[string]status.Finding{},
		until:  map[string]time.Time{},
	}
}

// Judge takes the next reading and says what is wrong, the gravest first, at
// most one finding for each ID. A finding keeps its Since as long as it lasts.
// While the server cannot be asked, what only it could tell is not found, and
// has its old Since when it is found again after.
func (j *Judge) Judge(e Evidence) []status.Finding {
	if e.Census == nil {
		e.Census = new(status.Census)
	}
	r := newReading(e)
	j.identify(r)
	j.reach(r)
	j.crashes(r)
	j.states(r)
	j.missing(r)
	j.restarting(r)
	j.archiver(r)
	j.connections(r)
	j.transactions(r)
	j.locks(r)
	j.rights(r)
	for _, id := range slices.Sorted(maps.Keys(j.events)) {
		if r.at.Before(j.until[id]) {
			r.found = append(r.found, j.events[id])
		} else {
			delete(j.events, id)
			delete(j.until, id)
		}
	}
	return j.settle(r)
}

// settle dates and sorts the findings of a reading.
func (j *Judge) settle(r *reading) []status.Finding {
	since := map[string]time.Time{}
	for i := range r.found {
		f := &r.found[i]
		f.Since = r.at
		if first, ok := j.since[f.ID]; ok {
			f.Since = first
		}
		since[f.ID] = f.Since
		f.Text, f.Advice = printable(f.Text), printable(f.Advice)
	}
	for id := range r.unknown {
		if first, ok := j.since[id]; ok {
			since[id] = first
		}
	}
	j.since = since
	slices.SortFunc(r.found, func(a, b status.Finding) int {
		return cmp.Or(cmp.Compare(gravity(b.Severity), gravity(a.Severity)), strings.Compare(a.ID, b.ID))
	})
	return r.found
}

func gravity(s status.Severity) int {
	return slices.Index([]status.Severity{status.Info, status.Warning, status.Critical}, s)
}

// happened notes what is over at once but shown for a while. If it happens
// again meanwhile, it is the same finding.
func (j *Judge) happened(r *reading, id string, severity status.Severity, text, advice string) {
	j.events[id] = status.Finding{ID: id, Severity: severity, Text: text, Advice: advice}
	j.until[id] = r.at.Add(j.limits.Afterwards)
}
