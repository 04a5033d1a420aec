package session

import (
	"encoding/binary"

	"pgweir/session/pipeline"
	"pgweir/wire"
)

// track notes what the backend will owe for a message that is being sent.
func (s *Session) track(typ byte, message []byte, o *Out) {
	if s.reads == skipsToSync && typ != 'S' {
		return // the backend does not look at it
	}
	waits := s.owed.OwesClient()
	s.asked = false
	bound := s.link.bound
	s.link.bound = nil
	switch typ {
	case 'Q', 'F':
		s.trackSimple(typ, message, o)
	case 'S':
		s.trackSync()
	case 'P':
		s.trackParse(message, o)
	case 'B':
		s.trackBind(message, o)
	case 'D':
		s.batch = max(s.batch, batchPrepares)
		if bound != nil && describesPortal(message, s.link.portal) {
			s.describes(bound)
		} else {
			s.owed.Push(pipeline.Describe)
		}
	case 'E':
		s.batch = batchRuns
		s.barrier = s.barrier || s.hints&hintsBarrier != 0 && s.config.Mode != SessionMode
		s.owed.Push(pipeline.Execute)
	case 'C':
		s.batch = max(s.batch, batchPrepares)
		s.owed.Push(pipeline.Close)
		if string(message[wire.HeaderLen:]) == "S\x00" {
			s.loseUnnamed()
			s.endLong()
		}
	case 'd':
		s.copyFed = true
	case 'c', 'f':
		s.copyFed = true
		if s.reads == readsCopy {
			s.reads = readsMessages
		} else if s.owed.Len() > 0 {
			s.owed.Push(pipeline.CopyEnd)
		}
	}
	if !waits && s.owed.OwesClient() {
		o.Asked = true
	}
	if s.isShown() {
		s.extra.shown = channelsShown
	}
	if s.extra != nil && len(s.extra.channels) > 0 && (typ == 'Q' || typ == 'S' || typ == 'F') {
		s.catchUp(o)
	}
}

// firstOwnObject is the first object ID that is not PostgreSQL's own
// (FirstNormalObjectId); its own functions change no objects.
const firstOwnObject = 16384

// trackSimple is track for a Query and a FunctionCall.
func (s *Session) trackSimple(typ byte, message []byte, o *Out) {
	s.tainted = s.tainted || s.batch == batchRuns // PostgreSQL 18 does not end the transaction then
	s.unnamedSent, s.batch = false, batchNone
	s.unit++
	if typ == 'F' {
		s.owed.Push(pipeline.Function)
		if s.config.State != StateOff {
			s.hints |= wire.HintCall // which function it is cannot be told
			if body := message[wire.HeaderLen:]; len(body) < 4 || binary.BigEndian.Uint32(body) >= firstOwnObject {
				s.hints |= wire.HintCatalog
			}
		}
		return
	}
	text := message[wire.HeaderLen:]
	s.noticeReset(text)
	s.noticeDatabases(text, o)
	s.loseUnnamed() // gone with every simple query, whoever's it was
	s.endLong()
	s.barrier = s.barrier || s.unlistens()
	s.owed.Push(pipeline.Query)
}

// trackSync is track for a Sync.
func (s *Session) trackSync() {
	if s.reads == skipsToSync {
		s.reads = readsMessages
	}
	s.unnamedSent = false
	s.unit++
	s.barrier = s.barrier || s.hints&hintsBarrier != 0 && s.config.Mode != SessionMode || s.unlistens()
	if s.reads == readsCopy {
		s.swallowSyncs(1)
		return
	}
	s.batch = batchNone
	s.owed.Push(pipeline.Sync)
}

// trackParse is track for a Parse.
func (s *Session) trackParse(message []byte, o *Out) {
	o.Parses++
	o.ServerParses++
	s.batch = max(s.batch, batchPrepares)
	if s.refuses(message) {
		s.pushOp(pipeline.Refused, op{refusal: s.extra.refusing})
		return
	}
	if s.sharing() && len(message) > wire.HeaderLen && message[wire.HeaderLen] != 0 {
		s.pushOp(pipeline.ParseNamed, op{})
		return
	}
	_, text, _ := wire.CString(message[wire.HeaderLen:])
	s.owed.Push(pipeline.Parse)
	s.noticeReset(text)
	s.noticeDatabases(text, o)
}

// trackBind is track for a Bind.
func (s *Session) trackBind(message []byte, o *Out) {
	o.Binds++
	s.hints |= s.lasting(s.unnamedHints) // it may be the unnamed statement, run again
	name, named := wire.BindStatement(message[wire.HeaderLen:])
	if named && len(name) == 0 {
		s.hints |= s.lasting(s.runsUnnamed(message))
		s.bindLong()
	}
	s.readsTags = s.readsTags || s.hints&^hintsCheap != 0
	if len(name) == 0 && len(s.unnamedParse) > wire.HeaderLen {
		text, _, _ := wire.CString(s.unnamedParse[wire.HeaderLen+1:])
		s.noticeReset(text) // its Parse may have had a Sync of its own
		s.noteText(text, s.unnamedHints)
	}
	s.batch = batchRuns
	s.owed.Push(pipeline.Bind)
}
