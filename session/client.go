package session

import (
	"pgweir/wire"

	"pgweir/session/pipeline"
)

// Client is given what has come from the client and has not been consumed
// before, and returns how much of it is consumed. Messages are consumed whole
// or, if they are longer than MaxMessage, in parts.
func (s *Session) Client(in []byte, o *Out) int {
	if s.draining {
		return len(in) // said after Terminate
	}
	s.held, s.rested = false, false
	pos := 0  // up to here it is consumed
	sent := 0 // up to here it is sent, or not to be sent
loop:
	for s.phase == Idle || s.phase == Active {
		if s.clientLeft > 0 {
			n := min(int(s.clientLeft), len(in)-pos)
			s.clientLeft -= int32(n)
			pos += n
			if s.gathers {
				s.x.gathered = append(s.x.gathered, in[pos-n:pos]...)
			}
			if s.discarding || s.gathers {
				sent = pos
			} else if s.x != nil && s.x.passes {
				s.readRest(in[pos-n : pos])
			}
			if s.clientLeft > 0 {
				break
			}
			s.discarding = false
			if !s.gathers {
				continue
			}
		}
		if s.gathers && s.phase == Active {
			o.ToServer.add(in[sent:pos])
			sent = pos
			if !s.runGathered(o) {
				s.hold(o)
				break loop
			}
			continue
		}
		rest := in[pos:]
		if len(rest) < wire.HeaderLen {
			break
		}
		if s.phase == Active && (s.owed.First() == pipeline.Question || s.awaits()) || s.hearsLater() {
			// What the answer is about must not change under it; and after it
			// the lease may be over.
			s.held = true
			break
		}
		typ, total := wire.Header(rest)
		if s.alone && s.phase == Active {
			switch {
			case s.owed.Len() == 0:
				s.alone = false
			case s.copyIn: // whatever it is, the backend reads it in the copy
			case typ != 'S' && typ != 'H' && typ != 'd' && typ != 'c' && typ != 'f':
				o.ToServer.add(in[sent:pos])
				sent = pos
				s.hold(o)
				break loop
			}
		}
		if limit := wire.ClientLimit(typ); total == 0 || total > limit {
			o.ToServer.add(in[sent:pos])
			s.fail(badHeader(typ, limit), o)
			return len(in)
		}
		if len(rest) < total && len(rest) < MaxMessage && !(typ == 'd' && s.copyIn) {
			break
		}
		n := min(total, len(rest))
		message := rest[:n]
		if s.phase == Idle {
			if !s.local(typ, message, total, o) {
				break
			}
			s.clientLeft, s.discarding = int32(total-n), true
			pos += n
			sent = pos
			continue
		}
		if typ == 'X' {
			o.ToServer.add(in[sent:pos])
			s.keepSaid(in[:pos])
			s.terminate(o)
			return len(in)
		}
		if s.countsStrays(typ) {
			o.ToServer.add(in[sent:pos])
			sent = pos
			s.countStrays(o)
		}
		if s.x != nil && s.x.counting {
			s.held = true
			break
		}
		if s.ignores(typ) {
			o.ToServer.add(in[sent:pos])
			s.clientLeft, s.discarding = int32(total-n), true
			pos += n
			sent = pos
			continue
		}
		if s.stays && s.givesWay(typ) {
			o.ToServer.add(in[sent:pos])
			sent = pos
			s.hold(o)
			break
		}
		if s.mustHold(pos+n, n == total) {
			o.ToServer.add(in[sent:pos])
			sent = pos
			s.hold(o)
			break
		}
		s.discarding = false
		if s.vars != s.link.Vars && !s.owed.OwesClient() && !s.owed.Has(pipeline.Settings) && !s.owed.Has(pipeline.Aside) && s.tx != 'E' && !s.unsynced {
			o.ToServer.add(in[sent:pos])
			sent = pos
			s.replay(o)
		}
		if s.x != nil && len(s.x.channels) > 0 && s.opensBlock(typ, message) {
			o.ToServer.add(in[sent:pos])
			sent = pos
			if s.owed.Len() > 0 {
				s.hold(o)
				break
			}
			s.showChannels(o)
		}
		if s.idle != 0 && s.showIdle(typ, message, in[sent:pos], o) {
			sent = pos
		}
		if typ == 'P' || typ == 'B' || typ == 'D' || typ == 'E' {
			if n := s.quickClient(rest, o); n > 0 {
				pos += n
				continue
			}
		}
		if n < total && total <= maxGathered && s.sharing() && mustGather(typ, message) {
			s.more().gathered = append(make([]byte, 0, total), message...)
			s.gathers, s.clientLeft = true, int32(total-n)
			o.ToServer.add(in[sent:pos])
			pos += n
			sent = pos
			continue
		}
		// What must stand before or in place of the message is sent here.
		if s.config.Mode != SessionMode && !s.skipping {
			switch s.special(typ, message, total, in[sent:pos], rest[n:], o) {
			case handleDone:
				s.begun = true
				pos += n
				sent = pos
				continue
			case handleAhead:
				sent = pos
			case handleHold:
				o.ToServer.add(in[sent:pos])
				sent = pos
				s.hold(o)
				break loop
			case handleAsked:
				sent = pos
				s.hold(o)
				break loop
			}
		}
		if typ == 'P' || typ == 'B' || typ == 'D' {
			switch s.statement(typ, message, in[sent:pos], o) {
			case sendBehind:
				sent = pos
			case sendInstead:
				sent = pos + n
				s.discarding = true
			}
		}
		s.track(typ, message, o)
		s.begun = true
		s.clientLeft = int32(total - n)
		pos += n
	}
	o.ToServer.add(in[min(sent, pos):pos])
	s.keepSaid(in[:pos])
	if s.phase == Active && s.link.retry.from > 0 {
		s.keepUnit(o)
	}
	if s.phase == Active && s.owed.Len() == 0 {
		s.settle(o) // the rest of a copy that failed has been got rid of
	}
	return pos
}

// runGathered has a message run that has come whole at last, unless it has to
// wait.
func (s *Session) runGathered(o *Out) bool {
	message := s.x.gathered
	if !s.skipping {
		switch s.special(message[0], message, len(message), nil, nil, o) {
		case handleHold, handleAsked:
			return false
		case handleNot:
			o.ToServer.add(message)
			s.track(message[0], message, o)
		}
	}
	s.gathers, s.x.gathered, s.begun = false, nil, true
	return true
}

func badHeader(typ byte, limit int) *wire.Error {
	if limit == 0 {
		return wire.Fatalf(wire.CodeProtocolViolation, "invalid frontend message type %d", typ)
	}
	return wire.Fatalf(wire.CodeProtocolViolation, "invalid message length")
}

// local handles a message that needs no backend; it is false, and a backend
// has been asked for, if this one does.
func (s *Session) local(typ byte, message []byte, total int, o *Out) bool {
	switch {
	case typ == 'X':
		s.phase = Ended
		o.EndClient = true
	case typ == 'S' && (total == wire.HeaderLen || s.skipping):
		// The end of a pipeline that was refused, or of nothing at all. One that
		// has a body is for PostgreSQL to complain about.
		s.skipping = false
		o.ToClient.addReady('I')
	case s.skipping:
	case typ == 'H', typ == 'c', typ == 'f', typ == 'd':
		// Flush has nothing to flush, and PostgreSQL ignores the rest of a
		// copy that has failed.
	default:
		s.phase = Waiting
		o.NeedBackend, o.Asked = true, true
		o.Strict = s.base != nil && s.turnsBack(typ, message)
		return false
	}
	return true
}

// terminate: the client has said good-bye. What it asked for before is still
// carried out, as PostgreSQL would. A COPY that waits for its data cannot be.
func (s *Session) terminate(o *Out) {
	if s.owed.OwesReady() && !s.copyIn {
		s.draining = true
		return
	}
	s.Gone(o)
}

// track notes what the backend will owe for a message that is being sent.
func (s *Session) track(typ byte, message []byte, o *Out) {
	if s.skipping && typ != 'S' {
		return // the backend does not look at it
	}
	waits := s.owed.OwesClient()
	s.asked = false
	bound := s.link.bound
	s.link.bound = nil
	switch typ {
	case 'Q':
		s.spoilt = s.spoilt || s.unsynced && s.executed // PostgreSQL 18 does not end the transaction then
		s.noticeReset(message[wire.HeaderLen:])
		s.noticeDatabases(message[wire.HeaderLen:], o)
		s.unnamed = nil // gone with every simple query, whoever's it was
		s.endLong()
		s.unnamedSent, s.unsynced, s.executed = false, false, false
		s.unit++
		s.alone = s.alone || s.unlistens()
		s.owed.Push(pipeline.Query)
	case 'S':
		s.skipping = false
		s.unnamedSent = false
		s.unit++
		s.alone = s.alone || s.hints&hintsAlone != 0 && s.config.Mode != SessionMode || s.unlistens()
		if s.copyIn {
			s.swallowSyncs(1)
		} else {
			s.unsynced, s.executed = false, false
			s.owed.Push(pipeline.Sync)
		}
	case 'P':
		o.Parses++
		o.ServerParses++
		s.unsynced = true
		_, text, _ := wire.CString(message[wire.HeaderLen:])
		if s.refuses(message) {
			s.pushOp(pipeline.Refused, op{refusal: s.x.refusing})
			break
		}
		if s.sharing() && len(message) > wire.HeaderLen && message[wire.HeaderLen] != 0 {
			s.pushOp(pipeline.ParseNamed, op{})
			break
		}
		s.owed.Push(pipeline.Parse)
		s.noticeReset(text)
		s.noticeDatabases(text, o)
	case 'B':
		o.Binds++
		s.hints |= s.lasting(s.unnamedHints) // it may be the unnamed statement, run again
		if name, ok := wire.BindStatement(message[wire.HeaderLen:]); ok && len(name) == 0 {
			s.hints |= s.lasting(s.runsUnnamed(message))
			s.bindLong()
		}
		s.careful = s.careful || s.hints&^hintsCheap != 0
		if name, _ := wire.BindStatement(message[wire.HeaderLen:]); len(name) == 0 && len(s.unnamed) > wire.HeaderLen {
			text, _, _ := wire.CString(s.unnamed[wire.HeaderLen+1:])
			s.unlisten(text, s.unnamedHints)
			s.loads(text, s.unnamedHints)
		}
		s.unsynced, s.executed = true, true
		s.owed.Push(pipeline.Bind)
	case 'D':
		s.unsynced = true
		if bound != nil && describesPortal(message, s.link.portal) {
			s.describes(bound)
		} else {
			s.owed.Push(pipeline.Describe)
		}
	case 'E':
		s.unsynced, s.executed = true, true
		s.alone = s.alone || s.hints&hintsAlone != 0 && s.config.Mode != SessionMode
		s.owed.Push(pipeline.Execute)
	case 'C':
		s.unsynced = true
		s.owed.Push(pipeline.Close)
		if string(message[wire.HeaderLen:]) == "S\x00" {
			s.unnamed = nil
			s.endLong()
		}
	case 'F':
		s.spoilt = s.spoilt || s.unsynced && s.executed
		s.unnamedSent, s.unsynced, s.executed = false, false, false
		s.unit++
		s.owed.Push(pipeline.Function)
		if s.config.State != StateOff {
			s.hints |= wire.HintCall // which function it is cannot be told
		}
	case 'd':
		s.copyFed = true
	case 'c', 'f':
		s.copyFed = true
		if s.copyIn {
			s.copyIn = false
		} else if s.owed.Len() > 0 {
			s.owed.Push(pipeline.CopyEnd)
		}
	}
	if !waits && s.owed.OwesClient() {
		o.Asked = true
	}
	if s.x != nil && len(s.x.channels) > 0 && (typ == 'Q' || typ == 'S' || typ == 'F') {
		s.catchUp(o)
	}
}

// special deals with messages that are more than bytes to be passed on: named
// statements, and texts that must be changed, refused, or sent alone.
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
			if h&hintsReady != 0 && s.owed.Len() == 0 {
				o.ToServer.add(before) // it runs again, after its Parse has been answered
				s.makeReady(h, o)
				return handleAhead
			}
		}
	case 'Q':
		if s.config.State != StateOff {
			return s.queryText(message, total, before, o)
		}
	case 'F':
		if s.config.State != StateOff && s.link.counted != s.id {
			if s.waits(wire.HintCall) {
				return handleHold
			}
			o.ToServer.add(before)
			s.makeReady(wire.HintCall, o)
			return handleAhead
		}
	}
	return handleNot
}

// hold: a message must wait until all before it has been answered. The backend
// would answer some of that only after a Sync.
func (s *Session) hold(o *Out) {
	if s.unsynced && !s.held {
		o.ToServer.keep(wire.AppendFlush(o.ToServer.own()))
	}
	s.held = true
}

// givesWay tells whether the client's next message is to wait until all before it
// has been answered, so that the lease can end for the sake of who waits for a
// backend: a client whose pipeline never runs dry would keep it for ever.
func (s *Session) givesWay(typ byte) bool {
	switch typ {
	case 'Q', 'F', 'P', 'B', 'D', 'E', 'C':
	default:
		return false // it may belong to what is under way
	}
	return s.phase == Active && s.config.Mode != SessionMode && s.pins == 0 && !s.unsynced &&
		s.owed.Last().EndsWithReady() && s.config.Waiting != nil && s.config.Waiting()
}

// mustGather tells whether a message that has come in part has to be there
// whole: a statement's name or text cannot be dealt with otherwise.
func mustGather(typ byte, message []byte) bool {
	body := message[wire.HeaderLen:]
	switch typ {
	case 'P':
		return body[0] != 0
	case 'B':
		_, ok := wire.BindStatement(body)
		return !ok
	case 'D', 'C':
		return body[0] == 'S'
	}
	return false
}

// waits tells whether a text is one that must be sent alone, and cannot yet.
func (s *Session) waits(h wire.Hints) bool {
	alone := h&hintsAlone != 0 || h&hintsCounting != 0 && s.link.counted != s.id
	return alone && s.owed.Len() > 0 && !s.copyIn
}

// queryText deals with the text of a Query.
func (s *Session) queryText(message []byte, total int, before []byte, o *Out) handling {
	earlier := s.hints
	h := s.ofOthers(s.watch(message[wire.HeaderLen:], true))
	if h&^hintsCheap == 0 {
		if h&wire.HintNotify != 0 && !s.sign(o) {
			s.hints = earlier
			return handleHold
		}
		return handleNot
	}
	if s.waits(h) || h&hintsSQLNames != 0 && len(s.names) > 0 && s.owed.Len() > 0 && !s.copyIn || h&wire.HintNotify != 0 && !s.sign(o) {
		s.hints = earlier
		return handleHold
	}
	o.ToServer.add(before)
	text, _, whole := wire.CString(message[wire.HeaderLen:])
	if !whole {
		text = message[wire.HeaderLen:]
	}
	s.unlisten(text, h)
	s.loads(text, h)
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
		s.discarding = true
	case instead != nil && whole:
		o.ToServer.keep(wire.AppendQuery(o.ToServer.own(), string(instead)))
		s.alone = true // an error's position is about this text
	default:
		o.ToServer.add(message)
	}
	s.track('Q', message, o)
	s.careful = true
	s.alone = s.alone || h&hintsAlone != 0
	return handleDone
}

// parseText deals with the text of the unnamed statement's Parse.
func (s *Session) parseText(message []byte, total int, before []byte, o *Out) handling {
	if len(message) == wire.HeaderLen || message[wire.HeaderLen] != 0 {
		return handleNot
	}
	body := message[wire.HeaderLen+1:]
	earlier := s.hints
	s.unnamedHints = s.watch(body, false)
	h := s.ofOthers(s.unnamedHints)
	if h&^hintsCheap == 0 {
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
	o.ToServer.add(before)
	instead, refusal := s.sqlStatement(text, h, true, o)
	if instead == nil && whole {
		instead = s.aimText(text, h)
	}
	s.sqlNames = s.sqlNames || h&wire.HintPrepare != 0
	given := message
	switch {
	case refusal != nil:
		o.ToServer.keep(wire.AppendBind(o.ToServer.own(), "", refusedName))
		s.clientLeft, s.discarding = int32(total-len(message)), true
		s.unsynced = true
		s.pushOp(pipeline.Refused, op{refusal: refusal})
		o.Asked = true
		return handleDone
	case instead != nil && whole:
		b := append(append([]byte(nil), instead...), 0)
		message = appendNamed(nil, "", append(b, types...))
		total = len(message)
	}
	s.statement('P', given, nil, o) // keeps it
	o.ToServer.keep(append(o.ToServer.own(), message...))
	s.clientLeft = int32(total - len(message))
	s.track('P', message, o)
	return handleDone
}
