package session

import (
	"pgweir/session/follow"
	"pgweir/session/pipeline"
	"pgweir/wire"
)

// A Parse with a name makes a statement that the pool shares, or, where it must be
// the client's own, one on the backend that the client keeps.

// parseNamed prepares a statement under a name of the client's.
func (s *Session) parseNamed(n *named, name, body, before []byte, o *Out) handling {
	text, types, ok := wire.CString(body)
	taken := n != nil && n.st != nil
	switch {
	case !ok && taken:
		return handleNot
	case !ok, s.sqlNames && !taken:
		// PostgreSQL complains; or it must judge itself, because the client has
		// names there from SQL.
		return s.parseOwn(name, before, wire.AppendParseBody(nil, string(name), body), o)
	}
	s.noticeDatabases(text, o)
	hints, shape := s.scan(text, parameterTypes(types))
	if hints&hintsSQLNames != 0 && !taken {
		return s.parseSpliced(name, body, before, hints, o)
	}
	waits := s.owed.OwesClient()
	switch {
	case taken:
		o.ToServer.add(before)
		s.parseTaken(name, body, o)
	case n != nil && n.private:
		o.ToServer.add(before)
		o.ToServer.keep(wire.AppendParseBody(o.ToServer.own(), string(name), body))
		s.pushOp(pipeline.ParseNamed, op{name: string(cutName(name)), full: string(name), prev: n, next: n})
	case !s.parseShared(n, name, body, before, &named{hints: hints, shape: shape, unsure: s.unsure()}, o):
		return handleHold
	}
	s.batch, s.asked = max(s.batch, batchPrepares), false
	s.give(o)
	if !waits {
		o.Asked = true
	}
	return handleDone
}

// parseSpliced prepares a text with names of statements in it, which stand for
// what they do on this backend.
func (s *Session) parseSpliced(name, body, before []byte, hints wire.Hints, o *Out) handling {
	if s.waits(hints) || s.inDoubt() {
		return handleHold
	}
	text, types, _ := wire.CString(body)
	o.ToServer.add(before)
	instead := s.spliceNames(text, true, o)
	if instead != nil {
		body = append(append(instead, 0), types...)
	}
	h := s.parseOwn(name, nil, wire.AppendParseBody(nil, string(name), body), o)
	if instead != nil {
		splices := s.extra.splices
		s.byName[string(cutName(name))].splices = &splices
	}
	return h
}

// parseShared has a name stand for a shared statement, next, which the backend
// is given if it has not got it. It is false if the message has to wait.
func (s *Session) parseShared(n *named, name, body, before []byte, next *named, o *Out) bool {
	now := s.reading()
	st := s.config.Shared.Statements.Get(now, now, body)
	if s.unsettled(st) {
		s.config.Shared.Statements.Put(st)
		return false
	}
	o.ToServer.add(before)
	next.st = st
	changes, common := s.changes(), next.hints == 0 && !next.unsure && s.toldToAll()
	if s.tx == 'I' && s.batch != batchRuns && !s.owed.OwesClientReady() && !next.unsure && s.link.have.Fresh(st, changes) {
		if !common || s.link.have.Last().Common || st.Describes(changes) {
			s.rename(name, n, next, pipeline.ParseGiven)
			return true
		} // else it is prepared anew, so that others can be told what is said to it
	}
	if s.link.have.Use(st) {
		s.evict(st, o)
	}
	s.makeRoom(o)
	o.ServerParses++
	o.ToServer.keep(append(o.ToServer.own(), st.Parse...))
	s.link.have.Add(st, changes)
	held := s.link.have.Last()
	held.Common, held.Apart = common, s.apart()
	if next.unsure {
		held.Taint = s.link.epoch
	}
	s.rename(name, n, next, pipeline.ParseNamed)
	change := &s.link.ops[len(s.link.ops)-1]
	change.added, change.common, change.at = st, common, changes
	return true
}

// scratchName is what a text is parsed under that is to be looked at only.
var scratchName = follow.NamePrefix + "scratch"

// parseTaken answers the Parse of a name that is taken. PostgreSQL says so only
// after it has looked at the text, so that is parsed; but never under the
// statement's own name, which all share.
func (s *Session) parseTaken(name, body []byte, o *Out) {
	b := wire.AppendParseBody(o.ToServer.own(), scratchName, body)
	b = wire.AppendCloseStatement(b, scratchName)
	o.ToServer.keep(wire.AppendBind(b, "", refusedName))
	s.owed.Push(pipeline.Shown)
	s.owed.Push(pipeline.Shown)
	s.pushOp(pipeline.Refused, op{refusal: errTaken(name)})
}

func errTaken(name []byte) *wire.Error {
	return wire.Errorf(wire.CodeDuplicatePreparedStatement, "prepared statement \"%s\" already exists", name)
}

// parsePrivate passes a Parse on that is too long to be kept: the backend has
// the statement under the client's own name.
func (s *Session) parsePrivate(body []byte, left int, before, message []byte, o *Out) handling {
	name, _, _ := wire.CString(body)
	if name == nil {
		name = body
	}
	if len(name) == 0 {
		return handleNot
	}
	n := s.byName[string(cutName(name))]
	switch {
	case n != nil && n.pending && n.unit != s.unit:
		return handleHold
	case n != nil && n.st != nil: // taken, but not on this backend
		o.ToServer.add(before)
		return s.refuse(errTaken(name), message, len(message)+left, o)
	}
	o.Parses++
	h := s.parseOwn(name, before, message, o)
	s.clientLeft = int32(left)
	return h
}

// parseOwn sends a Parse under the client's own name.
func (s *Session) parseOwn(name, before, message []byte, o *Out) handling {
	waits := s.owed.OwesClient()
	o.ToServer.add(before)
	o.ToServer.keep(append(o.ToServer.own(), message...))
	o.ServerParses++
	_, text, _ := wire.CString(message[wire.HeaderLen:])
	text, _, whole := wire.CString(text)
	hints, _ := s.scan(text, nil)
	hints |= wire.HintPrepare | s.lookUp(0, hints, text, nil, false).names
	if !whole {
		hints |= wire.HintDo // it goes on, unseen
		s.passing(text)
	}
	s.rename(name, s.byName[string(cutName(name))], &named{private: true, hints: hints}, pipeline.ParseNamed)
	s.hints |= wire.HintPrepare
	s.batch, s.asked = max(s.batch, batchPrepares), false
	if !waits {
		o.Asked = true
	}
	return handleDone
}
