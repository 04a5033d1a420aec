package session

import (
	"pgweir/session/pipeline"
	"pgweir/wire"
)

// A backend in copy-in mode ignores Syncs; but if the copy fails before it has
// read them, they are Syncs again. Which of them it has read by then, only its
// answers tell. So a ReadyForQuery more than is owed is taken for a stray Sync's
// answer, and the backend serves nobody else.

// copyStrays is what is known of such Syncs.
type copyStrays struct {
	stray     int  // how many were sent within a copy
	strays    bool // which has failed
	byQuery   bool // that was a simple query, whose ReadyForQuery has not come
	answering bool // what is owed first has begun to be answered, since that
	counting  bool // which of them the backend answers is being found out
	counted   int  // how many it has
	ignoring  bool // see ignores
}

// swallowSyncs notes Syncs that the backend ignores, if it comes to read them in
// its copy.
func (s *Session) swallowSyncs(n int) {
	if n > 0 {
		s.more().stray += n
	}
}

// copied: a copy has come to its end, and all Syncs within it were ignored.
func (s *Session) copied() {
	if s.extra != nil && !s.copyFailed() {
		s.extra.stray = 0
	}
}

// copyFailed tells whether a copy has failed that had Syncs within.
func (s *Session) copyFailed() bool { return s.extra != nil && s.extra.stray > 0 && s.extra.strays }

// failCopy: an error has come about what is owed first, which may be a copy. synced
// tells that it was one that failed before the backend has read anything of what
// is behind it, so that a Sync there is none of the copy's.
func (s *Session) failCopy(first pipeline.Pending) (synced bool) {
	if s.extra == nil || s.extra.stray == 0 || s.extra.strays {
		return false
	}
	s.extra.byQuery = first == pipeline.Query
	s.extra.strays, s.tainted = true, true
	return !s.copyFed
}

// heardOf notes a message of the server's that is about what is owed first.
func (s *Session) heardOf(typ byte, first pipeline.Pending) {
	switch typ {
	case 'S', 'N', 'A', 'Z':
	case 'E':
		// Else the rest is skipped, up to a Sync.
		s.extra.answering = first != pipeline.Sync && first != pipeline.OwnSync && first.EndsWithReady()
	default:
		s.extra.answering = true
	}
}

// strayReady tells whether a ReadyForQuery answers a stray Sync.
func (s *Session) strayReady(first pipeline.Pending) bool {
	if !s.copyFailed() {
		return false
	}
	answering, byQuery := s.extra.answering, s.extra.byQuery
	s.extra.answering, s.extra.byQuery = false, false
	switch {
	case byQuery: // the copy's own
	case answering:
		s.forgetStrays() // all came before this
	case first == pipeline.Sync: // which of the Syncs it was makes no difference
	default:
		s.extra.stray--
		s.reads, s.batch, s.unnamedSent = readsMessages, batchNone, false
		s.unit++
		return true
	}
	return false
}

func (s *Session) forgetStrays() {
	if s.extra != nil {
		s.extra.copyStrays = copyStrays{}
	}
}

// countsStrays tells whether a message must wait until it is known which stray
// Syncs the backend will answer: it skips the message, or does not. So it is sent
// a Sync of pgweir's own, and a Parse behind that; what is answered ahead of the
// ParseComplete are the stray ones, and that Sync.
func (s *Session) countsStrays(typ byte) bool {
	switch typ {
	case 'Q', 'F', 'P', 'B', 'D', 'E', 'C':
		return s.reads == skipsToSync && s.copyFailed() && s.owed.Len() == 0
	}
	return false
}

// strayProbe are the entries of what countStrays sends.
var strayProbe = [...]pipeline.Pending{pipeline.OwnSync, pipeline.Shown, pipeline.Shown, pipeline.OwnSync}

func (s *Session) countStrays(o *Out) {
	b := wire.AppendParseBody(wire.AppendSync(o.ToServer.own()), scratchName, []byte{0, 0, 0})
	o.ToServer.keep(wire.AppendSync(wire.AppendCloseStatement(b, scratchName)))
	for _, e := range strayProbe {
		s.owed.Push(e)
	}
	s.extra.counting, s.extra.counted = true, 0
}

// strayCounted takes an answer to what countStrays has sent; it is false if the
// message is none.
func (s *Session) strayCounted(typ byte, body []byte, o *Out) bool {
	switch {
	case typ == '1':
		s.owed.Pop()
		s.owed.Pop()
	case typ == '3':
		s.owed.Pop()
	case typ == 'Z' && s.owed.Len() == len(strayProbe):
		s.extra.counted++
	case typ == 'Z' && len(body) == 1:
		s.owed.Pop()
		s.tx = body[0]
		counted := s.extra.counted
		s.forgetStrays()
		s.reads, s.batch, s.unnamedSent = readsMessages, batchNone, false
		s.unit++
		for range counted - 1 {
			o.ToClient.addReady(s.tx)
		}
		s.extra.ignoring = counted == 1
	default:
		return false
	}
	return true
}

// ignores tells whether a message is skipped by pgweir in the backend's place, up
// to the Sync that the backend has had from pgweir already.
func (s *Session) ignores(typ byte) bool {
	if s.extra == nil || !s.extra.ignoring {
		return false
	}
	s.extra.ignoring = typ != 'S'
	return s.extra.ignoring
}
