package session

// A Parse of the unnamed statement that is too long to be kept cannot be made
// again on another backend. Drivers that ask for the parameters of a statement
// first bind it behind the Sync of its Parse. So a client that has parsed such a
// statement, and has not bound it in the same write, keeps its backend until it
// parses or closes another. What it leaves in the backend is not asked for until
// then: the question would end the unnamed statement.

// longUnnamed is how it stands with such a statement.
type longUnnamed uint8

const (
	longNone   longUnnamed = iota // there is none
	longParsed                    // its Parse was sent, and no Bind ahead of the next Sync
	longBound                     // it was bound ahead of that, and is not kept
	longKept                      // the client keeps its backend for it
	longOver                      // the client has kept it, and has another now, or none
)

// parseLong notes the Parse of an unnamed statement.
func (s *Session) parseLong(long bool) {
	s.endLong()
	switch {
	case !long:
	case s.long == longOver:
		s.long, s.longUnit = longKept, s.unit
	default:
		s.long, s.longUnit = longParsed, s.unit
	}
}

// endLong: the unnamed statement is another, or none.
func (s *Session) endLong() {
	if s.long == longKept {
		s.long = longOver
	} else if s.long != longOver {
		s.long = longNone
	}
}

// bindLong notes a Bind of the unnamed statement.
func (s *Session) bindLong() {
	if s.long == longParsed && s.longUnit == s.unit {
		s.long = longBound
	}
}

// hasLong tells whether the client has such a statement, as far as is known, that
// it may still bind.
func (s *Session) hasLong() bool {
	return (s.long == longParsed || s.long == longKept) && s.unnamedHere
}

// keepLong is called at the end of a transaction, and has the client keep its
// backend for such a statement or no more. It tells whether it does.
func (s *Session) keepLong(o *Out) bool {
	switch {
	case s.long == longKept && s.unnamedHere:
		return true
	case s.long == longParsed && s.unnamedHere && (s.config.MaxPinned == 0 || s.pins != 0 || s.takePlace()):
		s.long = longKept
		s.setPins(s.pins|ReasonPrepared, o)
		return true
	case s.long == longKept, s.long == longOver:
		if s.config.State != StateOff && s.hints != 0 {
			s.long = longOver // the answer decides what else it keeps the backend for
			return false
		}
		if s.private == 0 && !s.sqlNames {
			s.setPins(s.pins&^ReasonPrepared, o)
		}
	}
	s.long = longNone
	return false
}
