package loadtest

import (
	"encoding/json"
	"time"
)

// Result is what a load test has measured. A phase that was not run is nil.
type Result struct {
	Direct, Pooled *Phase
	Began          time.Time
	Workload       string
	Prepared       bool
	Clients        int // asked for
	Duration       time.Duration
	Ramp, Think    time.Duration
	Seed           uint64
	// Interrupted: it was ended before its time.
	Interrupted bool
}

// Phase is what was measured at one of the addresses. Times, transactions and
// errors are those of whole transactions; a client's pauses are no part of them.
type Phase struct {
	Name   string // "direct" or "pooled"
	Target string // user, address and database, without a password
	Server string // which PostgreSQL, as server_version; "" if unknown

	// Clients is how many were connected at the same time, at most.
	Clients int
	// Refused is why there are fewer than were asked for; nil if the server
	// and the pooler have let all of them in.
	Refused *Refusal
	// Late is how many had not got in when measuring began, for another reason.
	Late int

	// BackendsBefore is how many client backends the database had before the
	// first client came, BackendsMax how many at most since then, the former
	// included; -1 if unknown. The observer's is not counted, unless it is a
	// pooler's that clients share with it.
	BackendsBefore, BackendsMax int
	// ProcessesMax is how many processes the server had at most, of all kinds;
	// -1 if unknown.
	ProcessesMax int
	// MemoryMax is the most that the backends have held for themselves at the
	// same time, in bytes; -1 if unknown. MemorySampled: some of them were
	// measured, and the others taken to hold as much on average.
	MemoryMax     int64
	MemorySampled bool

	Connect, Latency Quantiles
	Transactions     int64
	// Elapsed is how long transactions were counted.
	Elapsed time.Duration
	Errors  []ErrorCount
	// BrokenOff is how many transactions were still under way a while after
	// the end, and were cancelled.
	BrokenOff int
	// Measuring is when the counting of transactions began, from the start of
	// the phase on.
	Measuring time.Duration
	Samples   []Sample
}

// Sample is a phase at one moment.
type Sample struct {
	At           time.Duration // since the phase began
	Clients      int           // connected
	Backends     int           // -1 if unknown
	Memory       int64         // of the backends, in bytes; -1 if unknown
	Transactions int64         // that ended since the sample before
	P50, P99     time.Duration // of these; 0 if there were none
}

// allIn tells whether every client that was asked for has come in.
func (p *Phase) allIn() bool { return p.Measuring > 0 && p.Late == 0 && p.Refused == nil }

// Rate is how many transactions there were in a second.
func (p *Phase) Rate() float64 {
	if p.Elapsed <= 0 {
		return 0
	}
	return float64(p.Transactions) / p.Elapsed.Seconds()
}

// ErrorTotal is how many errors there were of all kinds.
func (p *Phase) ErrorTotal() (n int64) {
	for _, e := range p.Errors {
		n += e.Count
	}
	return n
}

// MarshalJSON writes the figures of both phases, null for what was not run or
// is not known. Times are in milliseconds.
func (r *Result) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Direct *phaseJSON `json:"direct"`
		Pooled *phaseJSON `json:"pooled"`
	}{jsonOf(r.Direct), jsonOf(r.Pooled)})
}

type phaseJSON struct {
	Clients      int       `json:"clients"`
	BackendsMax  *int64    `json:"backends_max"`
	MemoryMax    *int64    `json:"memory_max_bytes"`
	Connect      timesJSON `json:"connect_ms"`
	Latency      timesJSON `json:"latency_ms"`
	Transactions int64     `json:"transactions"`
	Errors       int64     `json:"errors"`
}

type timesJSON struct {
	P50 *float64 `json:"p50"`
	P99 *float64 `json:"p99"`
}

func jsonOf(p *Phase) *phaseJSON {
	if p == nil {
		return nil
	}
	return &phaseJSON{
		Clients:      p.Clients,
		BackendsMax:  known(int64(p.BackendsMax)),
		MemoryMax:    known(p.MemoryMax),
		Connect:      timesOf(p.Connect),
		Latency:      timesOf(p.Latency),
		Transactions: p.Transactions,
		Errors:       p.ErrorTotal(),
	}
}

// known is nil for a number that is unknown.
func known(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

func timesOf(q Quantiles) timesJSON {
	if q.Count == 0 {
		return timesJSON{}
	}
	p50, p99 := milliseconds(q.P50), milliseconds(q.P99)
	return timesJSON{&p50, &p99}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
