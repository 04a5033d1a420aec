package throttle

import "container/list"

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
//	attemptNone ─ Begin ─► AttemptHeld ─ Ready ─► AttemptJudged ─ End ─► attemptNone
//	                  │         └────────────────► AttemptRejected ─ End ─────▲
//	                  └─ the three of them, at once
type AttemptState uint8

const (
	attemptNone     AttemptState = iota
	AttemptHeld                  // until Ready
	AttemptJudged                // it may be judged
	AttemptRejected              // too many are held already
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
	defer f.unlock()
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
		if r.line.Len() >= maxHeld {
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

// End says what has come of an attempt. It may be called again; it does nothing then.
func (f *Failures) End(t *Attempt, o Outcome) {
	f.mu.Lock()
	defer f.unlock()
	if t.state == attemptNone {
		return
	}
	if t.state == AttemptHeld {
		f.delayed--
		t.gates[t.passed].line.Remove(t.elem)
		t.elem = nil
	}
	if t.state == AttemptJudged {
		f.judge(t, o)
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
	t.gates = [2]*record{}
}

// judge notes whether it was right.
func (f *Failures) judge(t *Attempt, o Outcome) {
	own, now := t.gates[0], f.now()
	switch o {
	case Right:
		own.fails, own.proven = 0, true
	case Wrong:
		own.count(0, now)
		first := own.fails == 0
		own.count(1, now)
		own.last = now
		whole := f.record(who{own.addr, ""})
		if first {
			whole.count(1, now)
		}
		if t.gates[1] != nil {
			whole.last = now
		}
	}
}
