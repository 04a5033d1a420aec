package session

import (
	"bytes"

	"pgweir/wire"
)

// RESET, DISCARD ALL and SET … TO DEFAULT turn settings back to what they were
// when the backend was opened. For those of wire.Vars that may be what another
// client asked for. So where the two clients' values differ, such a statement
// is noticed by its words; what it turned back is taken as turned back to this
// client's own values, the client is told so, and they are set on the backend
// ahead of its next message.

// noticeReset notes which settings a statement may turn back.
func (s *Session) noticeReset(text []byte) {
	if s.link.Login == nil || s.link.Login == s.origin.Value().vars || *s.link.Login == *s.origin.Value().vars {
		return
	}
	if !mayTurnBack(text) {
		return
	}
	text = bytes.ToLower(text)
	has := func(word string) bool { return bytes.Contains(text, []byte(word)) }
	for i, name := range wire.VarNames {
		if has("all") || has(string(bytes.ToLower([]byte(name)))) ||
			i == wire.VarTimeZone && has("zone") || i == wire.VarClientEncoding && has("names") {
			s.resets |= 1 << i
		}
	}
}

// mayTurnBack tells whether a text has one of the words without which no setting
// is turned back. Where two applications share a pool, nearly every statement
// is asked.
func mayTurnBack(text []byte) bool {
	for i := range text {
		rest := text[i:]
		switch rest[0] | 0x20 {
		case 'r':
			if hasPrefixFold(rest, "reset") {
				return true
			}
		case 'd':
			if hasPrefixFold(rest, "discard") || hasPrefixFold(rest, "default") {
				return true
			}
		case 'l':
			if hasPrefixFold(rest, "local") {
				return true
			}
		}
	}
	return false
}

// hasPrefixFold tells whether text begins with a word of small letters, in
// whatever letters.
func hasPrefixFold(text []byte, word string) bool {
	if len(text) < len(word) {
		return false
	}
	for i := range len(word) {
		if text[i]|0x20 != word[i] {
			return false
		}
	}
	return true
}

// turnsBack tells whether a message turns settings back, so that it should run
// on a backend that turns them back to what the client began with.
func (s *Session) turnsBack(typ byte, message []byte) bool {
	text := message[wire.HeaderLen:]
	switch typ {
	case 'P':
		_, text, _ = wire.CString(text)
	case 'Q':
	default:
		return false
	}
	h := wire.Scan(text)
	return h&(wire.HintReset|wire.HintDiscard) != 0 || h&wire.HintSet != 0 && containsFold(text, "default")
}

// turnedBack tells whether a setting has been turned back to what the client
// did not ask for.
func (s *Session) turnedBack(i int) bool {
	l := s.link
	return s.resets&(1<<i) != 0 && l.Vars[i] == l.Login[i] && s.origin.Value().vars[i] != l.Login[i]
}

// correctResets gives the client its own values where others have come of what
// it has just been answered, and tells it of those that it does not expect.
func (s *Session) correctResets(o *Out) {
	for i := range s.vars {
		if !s.turnedBack(i) {
			continue
		}
		if s.vars[i] != s.origin.Value().vars[i] {
			o.ToClient.keep(wire.AppendParameterStatus(o.ToClient.own(), wire.VarNames[i], s.origin.Value().vars[i]))
		}
		// A copy in any case: it has to differ from the backend's, which are
		// set the next time because of that.
		s.vars = s.vars.With(i, s.origin.Value().vars[i])
	}
	s.resets = 0
}
