package session

import "pgweir/wire"

// unnamed is the unnamed statement of a client.
type unnamed struct {
	// unnamedParse is the Parse message that made it, so that it can be made again on another
	// backend; nil if there is none.
	unnamedParse []byte
	unnamedHints wire.Hints
	unnamedShape wire.Shape
}

// noUnnamed is that of all clients that never had one. It is never written to.
var noUnnamed = new(unnamed)

// ownUnnamed is where the client's is noted.
func (s *Session) ownUnnamed() *unnamed {
	if s.unnamed == noUnnamed {
		s.unnamed = new(unnamed)
	}
	return s.unnamed
}

// noteUnnamed notes what the client's last Parse of it was.
func (s *Session) noteUnnamed(h wire.Hints, shape wire.Shape) {
	u := s.ownUnnamed()
	u.unnamedHints, u.unnamedShape = h, shape
}

// loseUnnamed: there is none any more, or it is not known which.
func (s *Session) loseUnnamed() {
	if s.unnamed != noUnnamed {
		s.unnamedParse = nil
	}
}
