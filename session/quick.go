package session

import "pgweir/wire"

// A pipeline is full of messages that are all of a few kinds, about the
// unnamed statement, and each says nothing new. These are dealt with here, in
// few steps; the general way (Session.track, Session.statement, Session.answer)
// would come to the same.

// quickClient is track and statement for a whole message of the extended
// protocol behind another one; it is false if the general way has to be taken.
func (s *Session) quickClient(typ byte, message []byte, o *Out) bool {
	if first := s.owed.first(); first == 0 || first >= entOurs || s.skipping {
		return false
	}
	body := message[wire.HeaderLen:]
	switch typ {
	case 'B':
		if len(body) < 2 || body[0] != 0 || body[1] != 0 || !s.unnamedSent {
			return false
		}
		if s.unnamedHints != 0 {
			return false
		}
		o.Binds++
		s.hints |= s.unnamedHints
		s.executed = true
		s.owed.push(entBind)
	case 'D':
		if len(body) < 2 || body[0] != 'P' {
			return false
		}
		s.retry.described = true
		s.owed.push(entDescribe)
	case 'E':
		if s.hints&hintsAlone != 0 {
			return false
		}
		s.owed.push(entExecute)
	case 'P':
		if len(body) < 2 || body[0] != 0 || len(message) > maxUnnamed || s.config.Mode == SessionMode {
			return false
		}
		if s.config.State != StateOff {
			earlier := s.hints
			if s.unnamedHints = s.watch(body[1:]); s.unnamedHints&^hintsCheap != 0 {
				s.hints = earlier // it is looked at once more
				return false
			}
		}
		o.Parses++
		o.ServerParses++
		s.unnamedSent = true
		s.unnamed = append(s.unnamed[:0], message...)
		s.owed.push(entParse)
		s.noticeReset(body[1:])
	default:
		return false
	}
	s.unsynced = true
	return true
}

// quickServer is answer for a whole message that is passed on to the client
// and that is what is expected next; it is false if the general way has to be
// taken.
func (s *Session) quickServer(typ byte, total int) bool {
	switch first := s.owed.first(); typ {
	case 'D':
		return first == entQuery || first == entExecute
	case 'C':
		if s.careful || first != entExecute {
			return first == entQuery && !s.careful
		}
	case '1':
		if first != entParse {
			return false
		}
		s.unnamedHere = true
	case '2':
		if first != entBind {
			return false
		}
	case 'T', 'n':
		if first != entDescribe {
			return first == entQuery
		}
	default:
		return false
	}
	s.owed.pop()
	return true
}
