package throttle

import (
	"container/list"
	"time"
)

// After some wrong passwords for a user from an address, who gives another wrong one
// is told so some time later. A right one is answered at once: who guesses has none,
// and others at his address, whose application has been given an old password, say,
// are not to wait for him.
//
// Who comes on many connections guesses no faster: so many at a time are judged or not
// told yet, and the others wait. A connection that is closed ahead of its answer counts
// on, or who gets no answer at once would know it, and try again.
//
// An address from which many users have failed gets the same treatment as a whole;
// but a user who has got in from there before need not wait there.
//
// Names that there are and names that there are not are treated alike, and nothing is
// known of an address but what came from there.

const (
	// freeFailures of a user, and freeUsers of an address that have failed, go without.
	freeFailures = 5
	freeUsers    = 20
	// forgetEvery is how often one of them is forgotten.
	forgetEvery = 30 * time.Second
	// maxGrowth bounds how often the time doubles.
	maxGrowth = 16
	// maxHeld is how many attempts may wait at a record beyond its free failures.
	maxHeld = 64
	// userAtOnce and addrAtOnce are how many of a record are judged or untold at a time.
	userAtOnce = 16
	addrAtOnce = 64
)

// Penalty is how long it takes until somebody learns that a password was wrong: First,
// and twice as long after each further one, up to Max. A First of 0 is no penalty at all.
type Penalty struct{ First, Max time.Duration }

// after is that for a number of failures beyond those that are free, from 1 on.
func (p Penalty) after(beyond int) time.Duration {
	d := p.First
	for range min(beyond-1, maxGrowth) {
		if d >= p.Max {
			break
		}
		d *= 2
	}
	return min(d, p.Max)
}

// Failures are those that are remembered. Its methods may be called on any goroutine.
type Failures struct {
	mu      mutex // calls are Attempt.Ready
	penalty Penalty
	most    int // records
	now     func() time.Duration
	after   func(time.Duration, func())
	records map[who]*record
	recent  list.List // *record, those first that were touched last
	delayed int       // attempts that wait now, to be judged or to be told
}

// who fails: a user from an address; the user "" is the address itself.
type who struct {
	addr Addr
	user string
}

// record is what is known of one of them.
type record struct {
	who
	elem    *list.Element // in recent
	fails   int
	counted time.Duration   // up to when fails has been brought
	until   []time.Duration // when those are told that were wrong, in order
	untold  int             // attempts that wait for that
	judging int             // attempts that have passed here and have not ended
	line    list.List       // *Attempt, those that may not pass yet, in order
	alarmed bool            // after will call
	proven  bool            // the user has got in from there before
}

// NewFailures makes a memory of so many records at most, and those that attempts
// under way need. now reads the clock that times are of; after calls f after d.
func NewFailures(p Penalty, most int, now func() time.Duration, after func(d time.Duration, f func())) *Failures {
	return &Failures{penalty: p, most: most, now: now, after: after, records: map[who]*record{}}
}

// Set changes the penalty, from the next attempt on.
func (f *Failures) Set(p Penalty) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.penalty = p
	for _, r := range f.records {
		f.pass(r)
	}
}

// record finds or makes a record, and forgets others that have not been of use for
// longest.
func (f *Failures) record(w who) *record {
	if r := f.records[w]; r != nil {
		f.recent.MoveToFront(r.elem)
		return r
	}
	r := &record{who: w}
	r.elem = f.recent.PushFront(r)
	f.records[w] = r
	for e := f.recent.Back(); len(f.records) > f.most && e != nil; {
		old := e.Value.(*record)
		e = e.Prev()
		if old != r && old.judging+old.untold == 0 && old.line.Len() == 0 {
			f.recent.Remove(old.elem)
			delete(f.records, old.who)
		}
	}
	return r
}

// free is how many failures go without a penalty.
func (r *record) free() int {
	if r.user == "" {
		return freeUsers
	}
	return freeFailures
}

// atOnce is how many are judged or untold at a time.
func (r *record) atOnce() int {
	if r.user == "" {
		return addrAtOnce
	}
	return userAtOnce
}

// count adds failures to a record, after those that are to be forgotten are.
func (r *record) count(n int, now time.Duration) {
	forgotten := (now - r.counted) / forgetEvery
	r.counted += forgotten * forgetEvery
	r.fails = max(0, r.fails-int(min(forgotten, 1<<20)))
	if r.fails == 0 {
		r.counted = now
	}
	r.fails = min(r.fails+n, r.free()+maxGrowth)
}

// opensIn is how long it takes until one more attempt may pass; below 0: until
// another has ended.
func (f *Failures) opensIn(r *record, now time.Duration) time.Duration {
	told := 0
	for told < len(r.until) && r.until[told] <= now {
		told++
	}
	r.until = r.until[told:]
	switch {
	case f.penalty.First <= 0 || r.judging+len(r.until) < r.atOnce():
		return 0
	case len(r.until) == 0:
		return -1
	}
	return r.until[0] - now
}

// pass lets those pass who wait at a record, as far as it is open.
func (f *Failures) pass(r *record) {
	for r.line.Len() > 0 {
		in := f.opensIn(r, f.now())
		if in != 0 {
			f.alarm(r, in)
			return
		}
		t := r.line.Remove(r.line.Front()).(*Attempt)
		t.elem = nil
		r.judging++
		t.passed++
		if f.proceed(t) != AttemptHeld {
			f.delayed--
			f.mu.calls = append(f.mu.calls, t.Ready)
		}
	}
}

// alarm has pass called when a record opens.
func (f *Failures) alarm(r *record, in time.Duration) {
	if in < 0 || r.alarmed {
		return
	}
	r.alarmed = true
	f.after(in, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		r.alarmed = false
		f.pass(r)
	})
}

// Suspect is an address from which passwords were wrong.
type Suspect struct {
	Addr    Addr
	Users   int // whose failures are remembered
	Delayed int // passwords that wait to be judged, or answered
}

// Suspects are all such addresses, and those at which passwords wait, in no order.
func (f *Failures) Suspects() []Suspect {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	found := map[Addr]*Suspect{}
	for w, r := range f.records {
		r.count(0, now)
		waits := r.line.Len() + r.untold
		if waits == 0 && (r.fails == 0 || w.user == "") {
			continue
		}
		s := found[w.addr]
		if s == nil {
			s = &Suspect{Addr: w.addr}
			found[w.addr] = s
		}
		s.Delayed += waits
		if w.user != "" && r.fails > 0 {
			s.Users++
		}
	}
	out := make([]Suspect, 0, len(found))
	for _, s := range found {
		out = append(out, *s)
	}
	return out
}

// Delayed is how many passwords wait to be judged, or answered.
func (f *Failures) Delayed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.delayed
}
