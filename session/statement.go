package session

import (
	"pgweir/session/pipeline"
	"pgweir/wire"
)

// maxUnnamed is how long a Parse of the unnamed statement may be, in bytes, to
// be kept for another backend: a longer one may come in parts.
const maxUnnamed = MaxMessage - 1

// refusedName is the statement that a message is replaced by a Bind or EXECUTE
// of that is not to be run. The backend does not have it, so it answers with an
// error where the message stood, fails the transaction and skips to the Sync, all as it would have
// done for an error in the Parse; only the error's text is changed on its way.
const refusedName = "pgweir: refused"

// sending is how a message goes to the backend.
type sending uint8

const (
	sendAlong   sending = iota // with what comes before it
	sendBehind                 // what comes before it is sent already, and something behind that
	sendInstead                // not at all: something else has been sent in its place
)

// statement looks at the statement's name in a Parse, Bind or Describe when
// the backend is not the client's own. before is what comes before the
// message and has not been added to o.ToServer yet.
func (s *Session) statement(typ byte, message, before []byte, o *Out) sending {
	if s.config.Mode == SessionMode || s.reads == skipsToSync {
		return sendAlong
	}
	body := message[wire.HeaderLen:]
	switch typ {
	case 'P':
		if s.refuses(message) {
			e := wire.Errorf(wire.CodeFeatureNotSupported,
				"named prepared statements are not supported in %s mode", s.config.Mode)
			e.Hint = "Set max_prepared_statements, or pool_mode = \"session\" for this database or user."
			s.more().refusing = e
			o.ToServer.add(before)
			o.ToServer.keep(wire.AppendBind(o.ToServer.own(), "", refusedName))
			return sendInstead
		}
		if len(message) > wire.HeaderLen && message[wire.HeaderLen] != 0 {
			return sendAlong
		}
		s.unnamedSent = true
		u := s.ownUnnamed()
		u.unnamedParse = u.unnamedParse[:0]
		s.parseLong(len(message) > maxUnnamed)
		if len(message) <= maxUnnamed {
			u.unnamedParse = append(u.unnamedParse, message...)
		}
		return sendAlong
	case 'B':
		if name, _ := wire.BindStatement(body); len(name) > 0 {
			return sendAlong
		}
	case 'D':
		if len(body) < 2 || body[0] != 'S' || body[1] != 0 {
			return sendAlong
		}
	}
	if s.unnamedSent {
		return sendAlong
	}
	if s.unnamedHints&hintsSQLNames != 0 && s.sharing() && len(s.unnamedParse) > 0 {
		s.unnamedSent = true
		o.ToServer.add(before)
		s.respliceUnnamed(o)
		return sendBehind
	}
	if s.unnamedHere {
		return sendAlong
	}
	// The backend's unnamed statement is somebody else's.
	s.unnamedSent = true
	o.ToServer.add(before)
	if len(s.unnamedParse) > 0 {
		o.ToServer.keep(append(o.ToServer.own(), s.unnamedParse...))
		s.owed.Push(pipeline.ParseAgain)
	} else {
		o.ToServer.keep(wire.AppendCloseStatement(o.ToServer.own(), ""))
		s.owed.Push(pipeline.CloseUnnamed)
	}
	return sendBehind
}

// forgetUnnamed: the client has no unnamed statement any more, though the backend
// may have one.
func (s *Session) forgetUnnamed() {
	s.unnamed = noUnnamed
	s.unnamedHere, s.unnamedSent = false, false
	s.endLong()
}

// refuses tells whether a Parse, or what has come of it, is refused for the
// name of its statement.
func (s *Session) refuses(message []byte) bool {
	if s.config.Mode == SessionMode || s.config.MaxPrepared > 0 {
		return false
	}
	name, ok := wire.ParseName(message[wire.HeaderLen:])
	if !ok {
		// The name goes on behind what has come; or the message ends within
		// it, and PostgreSQL says so.
		_, total := wire.Header(message)
		return len(message) < total
	}
	return len(name) > 0
}

// refusal is what the client is to read in place of the backend's error about
// refusedName, if that is what is answered now.
func (s *Session) refusal(first pipeline.Pending) *wire.Error {
	switch {
	case first == pipeline.Refused:
		return s.link.ops[0].refusal
	case s.extra != nil && first == pipeline.Query:
		return s.extra.refusing
	}
	return nil
}
