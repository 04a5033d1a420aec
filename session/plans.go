package session

import (
	"pgweir/session/follow"
	"pgweir/wire"
)

// PL/pgSQL, and from PostgreSQL 18 on SQL, keeps the plans of the statements in a
// function for as long as the backend lives. The constants in them have been read,
// and functions of constants folded, under the settings of the client that ran the
// function first. So a backend knows under which settings that may have been. When
// it comes to a client with others, it makes its plans anew: DISCARD PLANS goes
// ahead of the client's first message, in the same write. So it does where a client
// that keeps its backend changes such settings, and others have been there.
//
// What a client itself has planned there under other settings of its own stays, as
// it would directly. So do, within a transaction that changes settings, the plans
// that were there before: they are as if the client had run the functions before, and
// its prepared statements keep theirs. A database without such functions pays
// nothing.

// plans are those that functions may have left on a backend.
type plans struct {
	by    uint64         // the only session that may have made them, or severalCounted; 0: none has
	under follow.Reading // the settings in force then
	mixed bool           // others may have been in force as well
}

// ownPlans sees to it that functions are planned under the client's own settings.
// It tells whether the backend is to make its plans anew.
func (s *Session) ownPlans() (discard bool) {
	p := &s.link.plans
	now := s.reading()
	if s.config.State == StateOff { // of session mode, too
		*p = plans{by: severalCounted, under: now, mixed: true}
		return false
	}
	switch {
	case p.by == s.id:
		return false
	case p.by != 0 && !p.mixed && p.under.As(now):
		p.by, p.under = severalCounted, now
		return false
	}
	discard = p.by != 0 && s.plansStay()
	*p = plans{by: s.id, under: now}
	return discard
}

// plansStay tells whether the database may have functions whose plans stay.
func (s *Session) plansStay() bool {
	c := s.config.Catalog
	if c == nil {
		return false
	}
	k := c.Knowledge()
	return k == nil || !c.Certain() || k.KeepsPlans
}

// replans tells whether the client has changed settings since the lease began, and
// functions may have plans that others have made.
func (s *Session) replans() bool {
	if s.config.State == StateOff || s.link.plans.under.As(s.reading()) {
		return false
	}
	return s.tx == 'I' && s.batch == batchNone && s.long == longNone && s.owed.Len() == 0 && s.plansStay()
}

// replan has the backend forget them.
func (s *Session) replan(o *Out) {
	s.insert([]string{discardPlans}, o)
	s.link.have.Replan()
	s.link.plans = plans{by: s.id, under: s.reading(), mixed: true}
}

const discardPlans = "DISCARD PLANS"

// notePlans notes that functions may have been planned under other settings than at
// the start of the lease, in a transaction with these hints.
func (s *Session) notePlans(h wire.Hints) {
	if s.config.State == StateOff {
		return
	}
	p := &s.link.plans
	if c := s.config.Catalog; c != nil && (!c.Certain() || s.outdated()) {
		p.mixed = true // what ran may have been something that sets them
	}
	if h&(hintReading|hintReadingVar) != 0 || s.extra != nil && s.extra.unknown || !p.under.As(s.reading()) {
		p.mixed = true
	}
}
