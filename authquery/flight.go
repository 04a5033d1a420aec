package authquery

import (
	"time"

	"pgweir/auth"
)

// questionTimeout is how long a question may wait for its answer, the wait for those
// before it included.
const questionTimeout = 10 * time.Second

// flight is a question under way. It is guarded by Asker.mu, but for what does not
// change.
type flight struct {
	key
	began   time.Time
	waiters []waiter
}

// waiter is somebody who wants the answer.
type waiter struct {
	limits Limits
	then   func(Answer, error) // nil: it does not wait for it
}

// reply is what a source has said.
type reply struct {
	secret string // "" for none
	err    error  // there is no reply
}

// fly joins the flight of an entry, or begins it. Under mu.
func (a *Asker) fly(e *entry, now time.Time, w waiter) error {
	if f := a.flights[e.key]; f != nil {
		f.waiters = append(f.waiters, w)
		return nil
	}
	if a.ctx.Err() != nil {
		return errClosed
	}
	if len(a.flights) >= maxQuestions {
		return errBusy
	}
	l := a.line(e.source)
	if l == nil {
		return errBusy
	}
	if e.doubted {
		e.forced = now
	}
	f := &flight{key: e.key, began: now, waiters: []waiter{w}}
	a.flights[e.key] = f
	a.count(e.source, question)
	l.put(f)
	return nil
}

// land ends a flight, and tells those who wait for it.
func (a *Asker) land(l *line, f *flight, r reply) {
	a.mu.Lock()
	now := a.now()
	delete(a.flights, f.key)
	e := a.cache.get(f.key)
	if e == nil {
		e = &entry{key: f.key}
	}
	if r.err == nil {
		a.serial++
		*e = entry{key: f.key, answered: true, at: f.began, forced: e.forced, answer: l.read(f.name, r.secret)}
		e.answer.Serial = a.serial
	} else {
		e.failed, e.err = now, r.err
		a.count(f.source, failure)
	}
	a.cache.put(e)
	type told struct {
		then   func(Answer, error)
		answer Answer
		err    error
	}
	var all []told
	for _, w := range f.waiters {
		if w.then == nil {
			continue // has made do already
		}
		t := told{then: w.then, answer: e.answer}
		if r.err != nil {
			t.answer, t.err = a.makeDo(e, now, w.limits, r.err)
		}
		all = append(all, t)
	}
	a.mu.Unlock()
	for _, t := range all {
		t.then(t.answer, t.err)
	}
}

// read makes an answer of a secret. A malformed one opens nothing.
func (l *line) read(name, secret string) Answer {
	out := Answer{Models: l.models}
	user, err := auth.NewUser(name, secret)
	if err == nil && user.Secret().Kind() != auth.NoSecret {
		out.User = user
		l.models.Add(user)
	}
	return out
}
