package session

import "pgweir/wire"

// TextOf is the text of the statement that a message of the client's brings or runs,
// as far as it is there; nil if that is not known. The message may have come in part,
// its header whole.
func (s *Session) TextOf(message []byte) []byte {
	body := message[wire.HeaderLen:]
	switch message[0] {
	case 'Q':
		return untilNUL(body)
	case 'P':
		_, rest, _ := wire.CString(body)
		return untilNUL(rest)
	case 'B':
		name, ok := wire.BindStatement(body)
		switch {
		case !ok:
		case len(name) == 0 && len(s.unnamedParse) > wire.HeaderLen:
			return untilNUL(s.unnamedParse[wire.HeaderLen+1:])
		case len(name) > 0:
			if n := s.byName[string(cutName(name))]; n != nil && n.st != nil {
				return n.st.Text()
			}
		}
	}
	return nil
}

// Begins is what of in, which comes next from the client, begins with a message: all behind
// the rest of one that has come in part. It is empty as long as a message is gathered, which
// stays the one that is to be run.
func (s *Session) Begins(in []byte) []byte {
	if s.rest == restGathered {
		return nil
	}
	return in[min(int(s.clientLeft), len(in)):]
}

func untilNUL(b []byte) []byte {
	if text, _, ok := wire.CString(b); ok {
		return text
	}
	return b
}
