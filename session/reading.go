package session

import (
	"pgweir/session/follow"
	"pgweir/session/pipeline"
	"pgweir/wire"
)

// What a prepared statement means depends on more than its text. PostgreSQL
// reads the constants in it under the settings of its Parse, and folds
// functions of constants under those of the moment at which it plans. Both last
// until the plan is made anew. So clients share a statement only as long as
// these settings are the same for all of them. While a transaction may have
// changed them in a way that pgweir does not know, what the backend has of a
// statement serves that transaction only (a taint), and is made anew afterwards.

// reading is what is in force for the client, unless unsure says otherwise.
func (s *Session) reading() follow.Reading { return follow.Reading{Vars: s.vars, Settings: s.settings} }

// Hints of the session's own about the settings that are in force.
const (
	// hintReading: one of follow.ChangesReading may have another value now, until the
	// transaction ends or the backend has said so.
	hintReading = wire.CallerHints & (1 << 63)
	// hintReadingVar: one of wire.Vars may; the backend reports it before its
	// next ReadyForQuery.
	hintReadingVar = wire.CallerHints & (1 << 62)
)

// readingHint is the hint of a text that gives a setting another value; "" is
// one whose name is not known, and "all" all.
func readingHint(name string) wire.Hints {
	switch i := wire.VarIndex([]byte(name)); {
	case name == "", name == "all":
		return hintReading | hintReadingVar
	case i == wire.VarApplicationName:
		return 0
	case i >= 0:
		return hintReadingVar
	case follow.KindOf(name) == follow.ChangesReading:
		return hintReading
	}
	return 0
}

// unsure tells whether the transaction under way may have changed settings of a
// reading, and the backend has not said to what.
func (s *Session) unsure() bool {
	h := s.hints
	return h&(hintReading|wire.HintDo|wire.HintCall|wire.HintDiscard) != 0 ||
		h&hintReadingVar != 0 && (s.batch == batchRuns || s.owed.OwesClient())
}

// suit has a name stand for the statement that suits the client's settings now:
// PostgreSQL plans under these what it has read under those of the Parse.
func (s *Session) suit(n *named) {
	now := s.reading()
	if n.pending || !n.unsure && n.st.Used.As(now) || s.unsure() {
		return
	}
	made := n.st.Made
	switch {
	case n.unsure:
		made = now // it has seen what is known only now
	case !n.st.Constants:
		made.Vars = now.Vars
	}
	n.unsure = false
	r := &s.config.Shared.Statements
	st := r.Get(made, now, n.st.Body())
	r.Put(n.st)
	n.st = st
}

// usable tells whether the backend has a statement as the client needs it now.
func (s *Session) usable(st *follow.Statement) bool {
	if !s.link.have.Use(st) {
		return false
	}
	h, unsure := s.link.have.Last(), s.unsure()
	if h.Stale || h.Taint != 0 && (h.Taint != s.link.epoch || !unsure && s.tx != 'E') {
		return false
	}
	if unsure {
		h.Taint = s.link.epoch
	}
	return true
}

// make has the backend read a statement under the settings of its own, as far
// as that is possible.
func (s *Session) make(st *follow.Statement, o *Out) {
	var there, back []follow.Change
	unsure := s.unsure()
	if now := s.reading(); !unsure && !st.StandsIn() {
		ascii := follow.IsASCII(st.Parse)
		there, back = follow.ReadAs(now, st.Made, ascii), follow.ReadAs(st.Made, now, ascii)
	}
	// Ahead of all others a query of its own keeps what follows free of the
	// transaction that it runs in.
	outside := s.tx == 'I' && s.batch == batchNone && !s.owed.OwesClient()
	aside := !outside && s.tx != 'E'
	switch {
	case len(there) == 0:
	case outside:
		s.detour(follow.SetConfigs(there, false), o)
	case aside:
		s.aside(follow.SetConfigs(there, true), o)
	}
	o.ServerParses++
	o.ToServer.keep(append(o.ToServer.own(), st.Parse...))
	s.link.have.Add(st, s.changes())
	s.link.have.Last().Apart = s.apart() || !st.StandsIn() && !s.suits(st)
	s.link.have.Last().Common = !unsure && len(there) == 0 && s.toldToAll()
	if unsure || len(there) > 0 && s.tx == 'E' {
		s.link.have.Last().Taint = s.link.epoch
	}
	s.pushOp(pipeline.ParseShared, op{added: st})
	switch {
	case len(back) == 0:
	case outside:
		s.ownSync(o)
		s.detour(follow.SetConfigs(back, false), o)
	case aside:
		s.aside(follow.SetConfigs(back, true), o)
	}
}

// detour has the backend run a query whose effect is taken back by another. The
// query ends the client's portals and its unnamed statement: it may only stand
// where no transaction is under way.
func (s *Session) detour(sql string, o *Out) {
	o.ToServer.keep(wire.AppendQuery(o.ToServer.own(), sql))
	s.unnamedHere, s.unnamedSent = false, false
	s.owed.Push(pipeline.Detour)
}

// aside has the backend run a statement in the midst of a transaction, which
// goes on: the client's portals and its unnamed statement stay.
func (s *Session) aside(sql string, o *Out) {
	b := o.ToServer.own()
	if s.link.scratched {
		s.link.scratched = false
		b = wire.AppendCloseStatement(b, scratchName)
		s.owed.Push(pipeline.Aside)
	}
	b = wire.AppendParseBody(b, scratchName, append([]byte(sql), 0, 0, 0))
	b = wire.AppendBind(b, scratchName, scratchName)
	b = wire.AppendExecute(b, scratchName, 0)
	b = wire.AppendMessage(b, 'C', []byte{'P'}, []byte(scratchName), []byte{0})
	o.ToServer.keep(wire.AppendCloseStatement(b, scratchName))
	for range 5 {
		s.owed.Push(pipeline.Aside)
	}
}

// insert is aside ahead of any message of the client's. A Sync follows where the
// client's own messages do not wait for one; within a block it ends nothing.
func (s *Session) insert(statements []string, o *Out) {
	open := s.batch != batchNone || s.owed.MaySkip()
	for _, sql := range statements {
		s.aside(sql, o)
	}
	if !open && len(statements) > 0 {
		s.ownSync(o)
	}
}
