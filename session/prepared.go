package session

import (
	"encoding/binary"
	"unicode/utf8"

	"pgweir/session/follow"
	"pgweir/session/pipeline"
	"pgweir/wire"
)

// In transaction mode a client's named statements live in pgweir. The name
// stands for a Statement of the pool's; a backend that has not got that yet is
// given it ahead of the message that needs it, in the same write.

var preparedKind = kind{
	reason: ReasonPrepared,
	makes:  wire.HintPrepare, ends: wire.HintDeallocate | wire.HintDiscard,
	barrier: wire.HintPrepare | wire.HintDeallocate | wire.HintDiscard | wire.HintShowsPrepared,
	asks: func(s *Session, h wire.Hints) Reason {
		if h&wire.HintFunction != 0 && h&(wire.HintDeallocate|wire.HintDiscard) != 0 {
			return ReasonPrepared
		}
		return 0
	},
	ready: wire.HintShowsPrepared, ahead: (*Session).showPrepared,
	completed: func(s *Session, tag []byte, _ *Out) {
		switch string(tag) {
		case tagDiscardAll, tagDeallocateAll:
			s.dropNames()
		case "DEALLOCATE\x00":
			s.deallocated()
		case "PREPARE\x00":
			s.sqlNames = true // also behind a DEALLOCATE ALL in the same text
		}
	},
	answered: func(s *Session, a *asking, _ *Out) {
		if a.Parts&ReasonPrepared != 0 {
			s.countShared(a.Answer.Shared)
		}
	},
	keeps: func(s *Session, a *asking, pins Reason, _ *Out) Reason {
		if s.private > 0 || s.hasLong() {
			pins |= ReasonPrepared
		}
		s.sqlNames = pins&ReasonPrepared != 0 && (a.Found&ReasonPrepared != 0 || s.sqlNames && a.Parts&ReasonPrepared == 0)
		return pins
	},
}

// countShared compares the shared statements that the backend has with those
// that it is believed to have. If all are gone, the client has deallocated them.
func (s *Session) countShared(n int) {
	sound := s.link.have.Sound()
	switch {
	case n == s.link.have.Len():
	case n == 0 && sound > 0:
		s.dropNames()
	case n < sound:
		s.link.have.Doubt()
	}
}

// named is what a name of the client's stands for.
type named struct {
	st *follow.Statement // nil: nothing; the Close is under way
	// private: the backend has it under the client's own name, and the client
	// keeps the backend as long as that is so.
	private bool
	unsure  bool       // the settings of its Parse are not known; see Session.unsure
	hints   wire.Hints // of its text
	shape   wire.Shape
	columns uint64    // what the client was told of its columns last (columnsHash); 0: nothing
	splices *[]splice // in a private one's text, if there are any
	pending bool      // the backend has not answered yet
	unit    uint32    // Session.unit when it was sent
	number  uint32    // in the order of the client's own Parses
}

// names are the named statements of a client.
type names struct {
	byName     map[string]*named
	parses     uint32 // of named statements
	namedBytes uint32 // what they take; see maxNamedBytes
	private    int32  // those that the backend has under the client's own names
}

// noNames are those of all clients that never had one. They are never written to.
var noNames = new(names)

// ownNames is called before the client gets a name.
func (s *Session) ownNames() {
	if s.names == noNames {
		s.names = &names{byName: map[string]*named{}}
	}
}

// maxNamedBytes bounds what one client's named statements may take in memory,
// with namedOverhead for each of them. A text that several clients have counts
// for each.
const (
	maxNamedBytes = 64 << 20
	namedOverhead = 256
)

// bytes is what n takes.
func (n *named) bytes() uint32 {
	switch {
	case n.st != nil:
		return namedOverhead + uint32(len(n.st.Body()))
	case n.private:
		return namedOverhead
	}
	return 0
}

// refuseNamed refuses a Parse with a name where the client has too many.
func (s *Session) refuseNamed(textLen int, m *namedMessage, o *Out) bool {
	if uint64(s.namedBytes)+namedOverhead+uint64(textLen) <= maxNamedBytes {
		return false
	}
	e := wire.Errorf(wire.CodeProgramLimitExceeded, "too many prepared statements: a client may have %d MB of them", maxNamedBytes>>20)
	e.Hint = "Close those that are not needed any more."
	o.ToServer.add(m.before)
	s.refuse(e, m.message, m.total, o)
	return true
}

// nameLen is how many bytes of a statement's name PostgreSQL looks at
// (NAMEDATALEN - 1).
const nameLen = 63

func cutName(name []byte) []byte { return name[:min(len(name), nameLen)] }

// handling says what has been done about a message.
type handling uint8

const (
	handleNot   handling = iota // nothing: it is none of these
	handleDone                  // everything; it is sent, or something in its place
	handleAhead                 // something is sent ahead of it, and before that what comes before
	handleHold                  // it must wait until the backend has answered all
	handleAsked                 // the same, and something is sent ahead of it, and before that what comes before
)

// sharing tells whether named statements are pgweir's own business.
func (s *Session) sharing() bool {
	return s.config.Mode != SessionMode && s.config.MaxPrepared > 0
}

// namedMessage is a Parse, Bind, Describe or Close that may name a statement.
type namedMessage struct {
	typ     byte
	message []byte // it, or the start of it
	total   int    // how long it is
	before  []byte // as in statement
	behind  []byte // what has come behind it

	portal, name, rest []byte // rest is what follows the name
}

// read reads the name. It is false if there is none to be read: the message ends
// or is cut within it, or is one that PostgreSQL complains about.
func (m *namedMessage) read() (ok bool) {
	body := m.message[wire.HeaderLen:]
	switch m.typ {
	case 'P':
		m.name, m.rest, ok = wire.CString(body)
	case 'B':
		if m.portal, m.rest, ok = wire.CString(body); ok {
			m.name, m.rest, ok = wire.CString(m.rest)
		}
	case 'D', 'C':
		if len(body) == 0 || body[0] != 'S' {
			return false
		}
		m.name, m.rest, ok = wire.CString(body[1:])
		ok = ok && len(m.rest) == 0
	}
	return ok
}

// cut tells whether more of the message is to come.
func (m *namedMessage) cut() bool { return len(m.message) < m.total }

// named deals with a Parse, Bind, Describe or Close of a named statement. The
// message may be but the start of one of total bytes; before is as in
// statement, and behind what has come behind it.
func (s *Session) named(typ byte, message []byte, total int, before, behind []byte, o *Out) handling {
	m := &namedMessage{typ: typ, message: message, total: total, before: before, behind: behind}
	ok := m.read()
	switch {
	case typ == 'P' && m.cut() && (!ok || len(m.name) > 0):
		if s.refuseNamed(0, m, o) {
			return handleDone
		}
		return s.parsePrivate(message[wire.HeaderLen:], total-len(message), before, message, o)
	case !ok, len(m.name) == 0:
		return handleNot
	case !utf8.Valid(m.name) && s.vars[wire.VarClientEncoding] == "UTF8":
		return handleNot // PostgreSQL complains
	}
	n := s.byName[string(cutName(m.name))]
	switch {
	case n != nil && n.pending && n.unit != s.unit:
		return handleHold
	case typ == 'P':
		if s.refuseNamed(len(m.rest), m, o) {
			return handleDone
		}
		o.Parses++
		return s.parseNamed(n, m.name, m.rest, before, o)
	case typ == 'B' && n != nil && n.private:
		return s.bindPrivate(n, m, o)
	case n != nil && n.st != nil:
		return s.namedShared(n, m, o)
	case typ == 'C':
		return s.closePrivate(n, m.name, before, message, o)
	}
	return handleNot // PostgreSQL says that there is none, or knows it from SQL
}

// bindPrivate deals with a Bind of a statement that the backend has under the
// client's own name.
func (s *Session) bindPrivate(n *named, m *namedMessage, o *Out) handling {
	if n.splices != nil && s.inDoubt() {
		return handleHold
	}
	s.hints |= n.hints
	s.readsTags = true
	s.link.evidence.ask, s.link.evidence.void = true, true // it has no shape
	if n.splices == nil {
		return handleNot
	}
	o.ToServer.add(m.before)
	s.haveSpliced(*n.splices, o)
	return handleAhead
}

// namedShared deals with a Bind, Describe or Close of a shared statement.
func (s *Session) namedShared(n *named, m *namedMessage, o *Out) handling {
	if m.typ != 'C' {
		s.suit(n)
	}
	hints := n.hints
	var found lookup
	if m.typ == 'B' {
		found = s.lookUpNamed(n, m.message, m.total)
		hints |= found.names
	}
	hints = s.ofOthers(hints)
	if m.typ == 'B' && hints&^hintsCheap != 0 && s.waits(hints) || s.unsettled(n.st) {
		return handleHold
	}
	if m.typ == 'B' && hints&wire.HintNotify != 0 && !s.sign(o) {
		return handleHold
	}
	differs := m.typ == 'B' && s.mayDiffer(n, m.portal, m.behind)
	if differs && s.owed.Has(pipeline.DescribeShared) {
		return handleHold
	}
	if differs && s.link.asked != n.st {
		o.ToServer.add(m.before)
		s.askColumns(n.st, o)
		return handleAsked
	}
	o.ToServer.add(m.before)
	waits := s.owed.OwesClient()
	switch m.typ {
	case 'C':
		s.rename(m.name, n, nil, pipeline.CloseGiven)
	case 'B':
		s.ran(&found)
		if e := s.bindShared(n, m, hints, differs, o); e != nil {
			return s.refuse(e, m.message, m.total, o)
		}
	case 'D':
		s.have(n.st, o)
		s.begin(n, o)
		o.ToServer.keep(wire.AppendDescribeStatement(o.ToServer.own(), n.st.Name))
		s.describesStatement(n)
	}
	s.batch, s.asked = max(s.batch, batchPrepares), false
	s.clientLeft = int32(m.total - len(m.message))
	s.give(o)
	if !waits {
		o.Asked = true
	}
	return handleDone
}

// bindShared sends a Bind of a shared statement, or says why not.
func (s *Session) bindShared(n *named, m *namedMessage, hints wire.Hints, differs bool, o *Out) *wire.Error {
	o.Binds++
	s.link.asked = nil
	if differs {
		return errChangedResult
	}
	s.noticeReset(n.st.Text())
	if h := hints; h != 0 {
		s.hints |= s.lasting(h)
		if e := s.forbidden(n.st.Text(), h); e != nil {
			return e
		}
		s.noteText(n.st.Text(), h)
		s.makeReady(n.st.Text(), h, o)
	}
	if hints != 0 || s.config.LeakCheck > 0 {
		s.keepStatement(n.st.Text(), hints)
	}
	s.readsTags = s.readsTags || s.hints&^hintsCheap != 0
	s.have(n.st, o)
	s.begin(n, o)
	s.binds(n, m.portal)
	total, rest := m.total, m.rest
	if hints&hintsSignal != 0 && !m.cut() {
		rest = s.aimBind(rest, hints)
		total += len(rest) - len(m.rest)
	}
	b := append(o.ToServer.own(), 'B')
	b = binary.BigEndian.AppendUint32(b, uint32(total-1-len(m.name)+len(n.st.Name)))
	b = append(append(b, m.portal...), 0)
	b = append(append(b, n.st.Name...), 0)
	o.ToServer.keep(append(b, rest...))
	s.owed.Push(pipeline.Bind)
	s.batch = batchRuns
	return nil
}

// refuse puts an error in place of a Bind or Parse.
func (s *Session) refuse(e *wire.Error, message []byte, total int, o *Out) handling {
	o.ToServer.keep(wire.AppendBind(o.ToServer.own(), "", refusedName))
	s.pushOp(pipeline.Refused, op{refusal: e})
	s.clientLeft, s.rest = int32(total-len(message)), restDropped
	s.batch = max(s.batch, batchPrepares)
	o.Asked = true
	return handleDone
}

// closePrivate passes a Close on of a name that the backend may know.
func (s *Session) closePrivate(n *named, name, before, message []byte, o *Out) handling {
	if s.pins != 0 {
		s.hints |= wire.HintDeallocate
	}
	if n == nil || !n.private {
		return handleNot
	}
	waits := s.owed.OwesClient()
	o.ToServer.add(before)
	o.ToServer.keep(append(o.ToServer.own(), message...))
	s.rename(name, n, nil, pipeline.ParseNamed)
	s.batch, s.asked = max(s.batch, batchPrepares), false
	if !waits {
		o.Asked = true
	}
	return handleDone
}

// have puts a statement on the backend, if it is not there.
func (s *Session) have(st *follow.Statement, o *Out) {
	if s.usable(st) {
		return
	}
	if s.link.have.Use(st) {
		s.evict(st, o)
	}
	s.makeRoom(o)
	s.make(st, o)
}

// makeRoom keeps to max_prepared_statements, for as long as one text does not
// need more.
func (s *Session) makeRoom(o *Out) {
	most := s.config.MaxPrepared
	if s.extra != nil {
		most = max(most, s.extra.keeping+1)
	}
	for s.link.have.Len() >= most {
		s.evict(s.link.have.Oldest(), o)
	}
}

func (s *Session) evict(st *follow.Statement, o *Out) {
	o.ToServer.keep(wire.AppendCloseStatement(o.ToServer.own(), st.Name))
	s.pushOp(pipeline.CloseShared, op{removed: s.link.have.Remove(st)})
}
