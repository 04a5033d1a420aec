package session

import (
	"pgweir/wire"
)

// special deals with messages that are more than bytes to be passed on: named
// statements, and texts that must be changed, refused, or sent behind a barrier.
func (s *Session) special(typ byte, message []byte, total int, before, behind []byte, o *Out) handling {
	switch typ {
	case 'P', 'B', 'D', 'C':
		if s.sharing() {
			if h := s.named(typ, message, total, before, behind, o); h != handleNot {
				return h
			}
		}
		if typ == 'B' && len(message) == total && s.aimUnnamed(message, before, o) {
			return handleDone
		}
		switch h := s.ofOthers(s.unnamedHints); {
		case typ == 'P' && s.config.State != StateOff:
			return s.parseText(message, total, before, o)
		case typ == 'B' && h&hintsSQLNames != 0 && !s.unnamedSent && s.inDoubt():
			if name, _ := wire.BindStatement(message[wire.HeaderLen:]); len(name) == 0 {
				return handleHold // it is made again
			}
		case typ == 'B' && h&(hintsReady|wire.HintNotify) != 0:
			if name, _ := wire.BindStatement(message[wire.HeaderLen:]); len(name) > 0 {
				break
			}
			if h&wire.HintNotify != 0 && !s.sign(o) {
				return handleHold
			}
			if h&hintsReady != 0 && s.owed.Len() == 0 && len(s.unnamedParse) > wire.HeaderLen {
				o.ToServer.add(before) // it runs again, after its Parse has been answered
				text, _, _ := wire.CString(s.unnamedParse[wire.HeaderLen+1:])
				s.makeReady(text, h, o)
				return handleAhead
			}
		}
	case 'Q':
		if s.config.State != StateOff {
			return s.queryText(message, total, before, o)
		}
	case 'F':
		if s.config.State != StateOff && !s.ownCounts() {
			if s.waits(wire.HintCall) {
				return handleHold
			}
			o.ToServer.add(before)
			s.makeReady(nil, wire.HintCall, o)
			return handleAhead
		}
	}
	return handleNot
}

// waits tells whether a text must wait at a barrier.
func (s *Session) waits(h wire.Hints) bool {
	barred := h&hintsBarrier != 0 || h&hintsCounting != 0 && !s.ownCounts()
	return barred && s.owed.Len() > 0 && s.reads != readsCopy
}

// queryText deals with the text of a Query.
func (s *Session) queryText(message []byte, total int, before []byte, o *Out) handling {
	earlier := s.hints
	w := s.watch(message[wire.HeaderLen:], true)
	h := s.ofOthers(w.hints)
	if h&^hintsCheap == 0 {
		if h&wire.HintNotify != 0 && !s.sign(o) {
			s.hints = earlier
			return handleHold
		}
		s.ran(&w.lookup)
		return handleNot
	}
	if s.waits(h) || h&hintsSQLNames != 0 && len(s.byName) > 0 && s.owed.Len() > 0 && s.reads != readsCopy || h&wire.HintNotify != 0 && !s.sign(o) {
		s.hints = earlier
		return handleHold
	}
	s.ran(&w.lookup)
	o.ToServer.add(before)
	text, _, whole := wire.CString(message[wire.HeaderLen:])
	if !whole {
		text = message[wire.HeaderLen:]
	}
	s.noteText(text, h)
	instead, refusal := s.sqlStatement(text, h, false, o)
	if instead == nil && whole {
		instead = s.aimText(text, h)
	}
	s.sqlNames = s.sqlNames || h&wire.HintPrepare != 0 // until it is known
	s.clientLeft = int32(total - len(message))
	switch {
	case refusal != nil:
		s.more().refusing = refusal
		o.ToServer.keep(wire.AppendQuery(o.ToServer.own(), `EXECUTE "`+refusedName+`"`))
		s.rest = restDropped
	case instead != nil && whole:
		o.ToServer.keep(wire.AppendQuery(o.ToServer.own(), string(instead)))
		s.barrier = true // an error's position is about this text
	default:
		o.ToServer.add(message)
	}
	s.track('Q', message, o)
	s.readsTags = true
	s.barrier = s.barrier || h&hintsBarrier != 0
	return handleDone
}

// parseText deals with the text of the unnamed statement's Parse.
func (s *Session) parseText(message []byte, total int, before []byte, o *Out) handling {
	if len(message) == wire.HeaderLen || message[wire.HeaderLen] != 0 {
		return handleNot
	}
	body := message[wire.HeaderLen+1:]
	earlier := s.hints
	w := s.watch(body, false)
	h := s.ofOthers(w.hints)
	if h&^hintsCheap == 0 {
		s.noteUnnamed(w.hints, w.shape)
		return handleNot
	}
	if s.waits(h) || h&hintsSQLNames != 0 && s.inDoubt() {
		s.hints = earlier
		return handleHold
	}
	text, types, whole := wire.CString(body)
	if !whole {
		text = body
	}
	s.noteUnnamed(w.hints, w.shape)
	o.ToServer.add(before)
	instead, refusal := s.sqlStatement(text, h, true, o)
	if instead == nil && whole {
		instead = s.aimText(text, h)
	}
	s.sqlNames = s.sqlNames || h&wire.HintPrepare != 0
	given := message
	switch {
	case refusal != nil:
		s.forgetUnnamed() // a Parse takes it away, also if it fails
		return s.refuse(refusal, message, total, o)
	case instead != nil && whole:
		b := append(append([]byte(nil), instead...), 0)
		message = wire.AppendParseBody(nil, "", append(b, types...))
		total = len(message)
	}
	s.statement('P', given, nil, o) // keeps it
	o.ToServer.keep(append(o.ToServer.own(), message...))
	s.clientLeft = int32(total - len(message))
	s.track('P', message, o)
	return handleDone
}
