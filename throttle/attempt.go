package throttle

import (
	"container/list"
	"slices"
	"time"
)

// Attempt is one password, or what stands for it, on its way to be judged.
// Its fields are those of Failures from Begin to End.
type Attempt struct {
	// Ready is called when it is held no longer, on any goroutine.
	Ready func()

	state  AttemptState
	gates  [2]*record // its user's, and its address'; nil if that does not count
	passed int        // how many of gates
	elem   *list.Element
}

// AttemptState is how far an attempt is:
//
//	attemptNone ─ Begin ─► AttemptHeld ─ Ready ─► AttemptJudged ─ End ─► attemptUntold ─ End ─► attemptNone
//	                  │         └────────────────► AttemptRejected ─ End ───────────────────────────▲
//	                  └─ the three of them, at once
type AttemptState uint8

const (
	attemptNone     AttemptState = iota
	AttemptHeld                  // until Ready
	AttemptJudged                // it may be judged
	AttemptRejected              // too many are held already
	attemptUntold                // it was wrong, and its client is told so later
)

// Outcome is what has come of an attempt.
type Outcome uint8

const (
	Abandoned Outcome = iota // nobody has learned whether it was right
	Wrong
	Right
)

// Begin asks whether an attempt for a user from an address may be judged. What has
// begun must End. It may be called again behind Ready, and says what has come of it.
func (f *Failures) Begin(t *Attempt, a Addr, user string) AttemptState {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t.state != attemptNone {
		return t.state
	}
	if f.penalty.First <= 0 {
		return AttemptJudged
	}
	own := f.record(who{a, user})
	t.gates, t.passed = [2]*record{own}, 0
	if !own.proven {
		t.gates[1] = f.record(who{a, ""})
	}
	if f.proceed(t) == AttemptHeld {
		f.delayed++
	}
	return t.state
}

// proceed has an attempt pass its gates.
func (f *Failures) proceed(t *Attempt) AttemptState {
	t.state = AttemptJudged
	for ; t.passed < len(t.gates); t.passed++ {
		r := t.gates[t.passed]
		if r == nil {
			continue
		}
		in := f.opensIn(r, f.now())
		if in == 0 && r.line.Len() == 0 {
			r.judging++
			continue
		}
		if r.fails >= r.free() && r.line.Len() >= maxHeld {
			t.state = AttemptRejected
			return t.state
		}
		t.state = AttemptHeld
		t.elem = r.line.PushBack(t)
		f.alarm(r, in)
		return t.state
	}
	return t.state
}

// End says what has come of an attempt, and is told for how long its client may not
// learn that: if that is more than 0, it has to be called again then, or when the
// client has gone. It may be called once more; it does nothing then.
func (f *Failures) End(t *Attempt, o Outcome) (untold time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch t.state {
	case attemptNone:
		return 0
	case attemptUntold:
		f.delayed--
		t.gates[0].untold--
		t.state, t.gates = attemptNone, [2]*record{}
		return 0
	}
	if t.state == AttemptHeld {
		f.delayed--
		t.gates[t.passed].line.Remove(t.elem)
		t.elem = nil
	}
	if t.state == AttemptJudged {
		untold = f.judge(t, o)
	}
	t.state = attemptNone
	for _, r := range t.gates[:t.passed] {
		if r != nil {
			r.judging--
		}
	}
	for _, r := range t.gates {
		if r != nil {
			f.pass(r)
		}
	}
	if untold == 0 {
		t.gates = [2]*record{}
		return 0
	}
	f.delayed++
	t.state = attemptUntold
	t.gates[0].untold++
	return untold
}

// judge notes whether it was right; if not, it says when its client may learn that.
func (f *Failures) judge(t *Attempt, o Outcome) time.Duration {
	own, now := t.gates[0], f.now()
	switch o {
	case Right:
		own.fails, own.proven, own.until = 0, true, nil
	case Wrong:
		own.count(0, now)
		first := own.fails == 0
		own.count(1, now)
		whole := f.record(who{own.addr, ""})
		if first {
			whole.count(1, now)
		}
		return max(f.sentence(own, now), f.sentence(whole, now))
	}
	return 0
}

// sentence is for how long a record has its clients not told that they were wrong. For
// that time each counts as one that is being judged, also if it has gone.
func (f *Failures) sentence(r *record, now time.Duration) time.Duration {
	r.count(0, now)
	beyond := r.fails - r.free()
	if beyond <= 0 || f.penalty.First <= 0 {
		return 0
	}
	d := f.penalty.after(beyond)
	i, _ := slices.BinarySearch(r.until, now+d)
	r.until = slices.Insert(r.until, i, now+d)
	return d
}
