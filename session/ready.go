package session

import (
	"pgweir/session/pipeline"
	"pgweir/wire"
)

// What a ReadyForQuery means: an answer has come whole, and a transaction may be over.

// ready: the backend has answered a message, and may have answered them all.
func (s *Session) ready(first pipeline.Pending, body []byte, o *Out) (swallow bool) {
	stray := s.strayReady(first)
	if stray {
		first = 0
	}
	for first != 0 && !first.EndsWithReady() {
		s.owed.Pop() // not answered, for a reason of the server's own
		if first.Changes() {
			s.undo(1)
		}
		first = s.owed.First()
	}
	if len(body) != 1 || first == 0 && !stray && s.config.Mode != SessionMode {
		s.fail(wire.Fatalf(wire.CodeProtocolViolation, "the server sent a ReadyForQuery that nobody waits for"), o)
		return true
	}
	s.tx = body[0]
	s.endCopy()
	if first != 0 {
		s.owed.Pop()
	}
	if first.Ours() {
		switch first {
		case pipeline.Settings:
			s.replayed()
		case pipeline.Question:
			s.answered(o)
		}
		return true
	}
	return s.readyForClient(o)
}

// readyForClient: what the client has asked for has been done. It is true if the
// client is to be told later.
func (s *Session) readyForClient(o *Out) (withheld bool) {
	if s.resets != 0 && s.owed.Len() == 0 { // else it may be a message behind that turns them back
		s.correctResets(o)
	}
	o.Queries++
	if s.tx == 'I' {
		s.link.evidence.transactionEnds(s.owed.Len() == 0)
		if s.hints != 0 && (s.owed.Len() > 0 || s.long != longNone) {
			s.changesCatalog() // what is behind may take long, or the client keeps the backend and nothing is asked
		}
		o.Transactions++
		s.stays = true
	} else if s.config.Mode == StatementMode {
		s.fail(wire.Fatalf(wire.CodeFeatureNotSupported,
			"transaction blocks are not supported in statement mode"), o)
		return true
	}
	if s.owed.Len() == 0 {
		s.stays, s.copyFed = false, false
	}
	s.link.retry = retry{}
	if s.extra != nil && s.withholds(o) {
		return true
	}
	o.Answered = s.owed.Len() == 0
	return false
}

// withholds is readyForClient for what few sessions need.
func (s *Session) withholds(o *Out) bool {
	x := s.extra
	x.signaled = false
	if s.tx != 'I' {
		s.goesOn(o)
	} else {
		x.committed, x.listened = false, false
	}
	if s.owed.Len() == 0 {
		x.underWay = underWay{}
		if x.showing {
			s.hidePrepared(o)
		}
	}
	if s.tx != 'I' {
		return false
	}
	if !s.owed.OwesClient() {
		switch {
		case s.mayUnlisten(), !s.asksFirst() && s.hints&wire.HintNotify != 0 && len(x.channels) > 0:
			// It hears what was sent before, also by itself, and then of the end.
			x.withheld = true
			s.sync(o)
		case s.asksFirst():
			x.withheld = true
		default:
			s.lags(o)
		}
	}
	if x.withheld {
		o.Queries--
		o.Transactions-- // they count when it is told
		return true
	}
	s.tellNotes(o)
	return false
}

// asksFirst tells whether the client hears of the end of its transaction only
// when the backend has said what is left of it: its channels; or, with
// max_pinned, what it may have to hear of as an error. And when it hears of the
// end of what pinned it, the place is free.
func (s *Session) asksFirst() bool {
	if s.hints&wire.HintListen != 0 && s.config.Listen == ListenShare || s.isShown() && s.mayUnlisten() {
		return true
	}
	return s.config.MaxPinned > 0 && !s.hasLong() && (s.pins != 0 && s.hints != 0 || s.place == placeNone && s.mayPin())
}
