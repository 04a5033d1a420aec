package authquery

import (
	"slices"
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
	began   time.Time // set anew while the source is held
	line    *line
	waiters []*Wait
	wanted  bool // also without them
	put     bool // the server is being asked
}

// reply is what a source has said.
type reply struct {
	secret string          // "" for none
	roles  map[string]bool // likewise
	there  bool            // of the question for a database
	err    error           // there is no reply
}

// fly has a question wait in the flight that is about the same, or in a new one. A nil
// w does not wait for it, but wants it. sure is of the place, see Wait. Under mu.
func (a *Asker) fly(k key, w *Wait, sure bool) error {
	f := a.flights[k]
	if f == nil {
		var err error
		if f, err = a.depart(k, sure); err != nil {
			return err
		}
	}
	if w == nil {
		f.wanted = true
	} else {
		f.waiters = append(f.waiters, w)
		w.flight = f
		f.line.madeUp = f.line.madeUp && w.Home != nil
	}
	return nil
}

// depart begins a flight. Under mu.
func (a *Asker) depart(k key, sure bool) (*flight, error) {
	if a.ctx.Err() != nil {
		return nil, errClosed
	}
	sv := a.server(k.source.Server)
	if sv.pending >= maxPerServer || len(a.flights) >= maxQuestions && sv.pending >= fairShare {
		return nil, errBusy
	}
	l := a.line(k.source, sure)
	if l == nil || l.pending >= maxPerSource {
		return nil, errBusy
	}
	f := &flight{key: k, began: a.now(), line: l}
	a.flights[k] = f
	if k.kind != ofDatabase {
		a.count(k.source, question)
	}
	l.add(f)
	return f, nil
}

// leave takes out one who waits. Under mu.
func (f *flight) leave(w *Wait) {
	f.waiters = slices.DeleteFunc(f.waiters, func(o *Wait) bool { return o == w })
	if len(f.waiters) > 0 || f.wanted || f.put {
		return
	}
	delete(f.line.asker.flights, f.key)
	f.line.drop(f)
}

// forNone tells whether the question is put only because clients have made up names of
// databases. Under mu.
func (f *flight) forNone() bool {
	wants := func(w *Wait) bool { return w.database != missing }
	return f.kind == ofDatabase || len(f.waiters) > 0 && !slices.ContainsFunc(f.waiters, wants)
}

// land ends a flight, and tells those who wait for it.
func (a *Asker) land(f *flight, r reply) {
	type told struct {
		then   func(Answer, error)
		answer Answer
		err    error
	}
	var all []told
	a.mu.Lock()
	now := a.now()
	delete(a.flights, f.key)
	e := a.learn(f, r, now)
	for _, w := range f.waiters {
		w.flight = nil
		t, known := told{then: w.then}, true
		switch {
		case f.kind == ofDatabase:
			w.database = r.presence()
			t.answer, known, t.err = a.ask(w)
		case w.Home != nil && w.database != missing && isNoDatabase(r.err):
			w.database = missing
			t.answer, known, t.err = a.ask(w)
		case r.err != nil:
			t.answer, t.err = a.makeDo(w, e, now, r.err)
		default:
			t.answer = w.reads(e.answer)
		}
		if known {
			all = append(all, t)
		}
	}
	a.mu.Unlock()
	for _, t := range all {
		t.then(t.answer, t.err)
	}
}

func (r *reply) presence() presence {
	switch {
	case r.err != nil:
		return untold
	case r.there:
		return present
	}
	return missing
}

// learn keeps what a flight has brought. The entry is the user's; nil for a question
// about a database. Under mu.
func (a *Asker) learn(f *flight, r reply, now time.Time) *entry {
	if f.kind == ofDatabase {
		return nil // that there is one is known from the connection to it
	}
	e := a.cache.get(f.key)
	if e == nil {
		e = &entry{key: f.key}
	}
	switch {
	case r.err == nil:
		before := e.answer
		*e = entry{key: f.key, answered: true, at: f.began, forced: e.forced, answer: f.line.read(f, r, before)}
		a.serial++
		e.answer.Serial = a.serial
	case f.line.madeUp && isNoDatabase(r.err):
		return e // names that are none take no room
	default:
		e.failed, e.err = now, r.err
		a.count(f.source, failure)
	}
	a.cache.put(e)
	return e
}

// read makes an answer of a reply. A malformed secret opens nothing. The user of the
// answer before stays if the secret is the same: what was derived from it serves on.
func (l *line) read(f *flight, r reply, before Answer) Answer {
	out := Answer{Models: l.models, Source: l.source}
	if f.kind == ofRoles {
		out.Roles = r.roles
		return out
	}
	user, err := l.models.NewUser(f.name, r.secret)
	if err != nil || user.Secret().Kind() == auth.NoSecret {
		return out
	}
	if before.User != nil && before.Models == l.models && before.User.Secret().Equal(user.Secret()) {
		user = before.User
	}
	out.User = user
	l.models.Add(user)
	return out
}
