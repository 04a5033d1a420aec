package session

import "pgweir/wire"

// Client is given what has come from the client and has not been consumed
// before, and returns how much of it is consumed. Messages are consumed whole
// or, if they are longer than MaxMessage, in parts.
func (s *Session) Client(in []byte, o *Out) int {
	if s.draining {
		return len(in) // said after Terminate
	}
	pos := 0  // up to here it is consumed
	sent := 0 // up to here it is sent, or not to be sent
	for s.phase == Idle || s.phase == Active {
		if s.clientLeft > 0 {
			n := min(int(s.clientLeft), len(in)-pos)
			s.clientLeft -= int32(n)
			pos += n
			if s.discarding {
				sent = pos
			}
			if s.clientLeft > 0 {
				break
			}
			s.discarding = false
			continue
		}
		rest := in[pos:]
		if len(rest) < wire.HeaderLen {
			break
		}
		typ, total := wire.Header(rest)
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
			if !s.local(typ, total, o) {
				break
			}
			s.clientLeft, s.discarding = int32(total-n), true
			pos += n
			sent = pos
			continue
		}
		if typ == 'X' {
			o.ToServer.add(in[sent:pos])
			s.terminate(o)
			return len(in)
		}
		s.discarding = false
		if s.vars != s.link.Vars && s.owed.len() == 0 && s.tx != 'E' && !s.unsynced {
			o.ToServer.add(in[sent:pos])
			sent = pos
			s.setVars(o)
		}
		if n == total && s.quickClient(typ, message, o) {
			pos += n
			continue
		}
		// What must stand before or in place of the message is sent here.
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
		s.clientLeft = int32(total - n)
		pos += n
	}
	o.ToServer.add(in[min(sent, pos):pos])
	if s.phase == Active && s.owed.len() == 0 {
		s.settle(o) // the rest of a copy that failed has been got rid of
	}
	return pos
}

func badHeader(typ byte, limit int) *wire.Error {
	if limit == 0 {
		return wire.Fatalf(wire.CodeProtocolViolation, "invalid frontend message type %d", typ)
	}
	return wire.Fatalf(wire.CodeProtocolViolation, "invalid message length")
}

// local handles a message that needs no backend; it is false, and a backend
// has been asked for, if this one does.
func (s *Session) local(typ byte, total int, o *Out) bool {
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
		return false
	}
	return true
}

// terminate: the client has said good-bye. What it asked for before is still
// carried out, as PostgreSQL would. A COPY that waits for its data cannot be.
func (s *Session) terminate(o *Out) {
	if s.owed.owesReady() && !s.copyIn {
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
	waits := s.owed.owesClient()
	switch typ {
	case 'Q':
		s.spoilt = s.spoilt || s.unsynced
		s.noticeReset(message[wire.HeaderLen:])
		s.unnamed = nil // gone with every simple query, whoever's it was
		s.unnamedSent, s.unsynced = false, false
		s.owed.push(entQuery)
		if s.config.Watch {
			s.watch(message[wire.HeaderLen:])
		}
	case 'S':
		s.skipping = false
		s.unnamedSent = false
		if !s.copyIn {
			s.unsynced = false
			s.owed.push(entSync)
		}
	case 'P':
		o.Parses++
		s.unsynced = true
		_, text, _ := wire.CString(message[wire.HeaderLen:])
		if s.refuses(message) {
			s.owed.push(entRefused)
			break
		}
		s.owed.push(entParse)
		s.noticeReset(text)
		if s.config.Watch {
			s.unnamedHints = s.watch(text)
		}
	case 'B':
		o.Binds++
		s.hints |= s.unnamedHints // it may be the unnamed statement, run again
		s.unsynced = true
		s.owed.push(entBind)
	case 'D':
		s.unsynced = true
		s.owed.push(entDescribe)
	case 'E':
		s.unsynced = true
		s.owed.push(entExecute)
	case 'C':
		s.unsynced = true
		s.owed.push(entClose)
		if string(message[wire.HeaderLen:]) == "S\x00" {
			s.unnamed = nil
		}
	case 'F':
		s.spoilt = s.spoilt || s.unsynced
		s.unnamedSent, s.unsynced = false, false
		s.owed.push(entFunction)
		if s.config.Watch {
			s.hints |= wire.HintCall // which function it is cannot be told
		}
	case 'c', 'f':
		if s.copyIn {
			s.copyIn = false
		} else if s.owed.len() > 0 {
			s.owed.push(entCopyEnd)
		}
	}
	if !waits && s.owed.owesClient() {
		o.Asked = true
	}
}
