package session

import (
	"encoding/binary"

	"pgweir/session/pipeline"
	"pgweir/wire"
)

// maxDecoded is how long a message that is to be decoded may be, in bytes. A
// longer one is passed on unread.
const maxDecoded = 64 << 10

// Server is given what has come from the backend and has not been consumed
// before, and returns how much of it is consumed.
func (s *Session) Server(in []byte, o *Out) int {
	f := feed{in: in}
	for s.isLeased() {
		c := s.stepServer(&f, o)
		if c == courseOver {
			return len(in)
		}
		if c == courseStop {
			break
		}
	}
	f.pass(&o.ToClient)
	if f.pos == len(in) {
		s.settle(o)
	}
	return f.pos
}

// stepServer is Server for one message, the rest of one, or many that need no
// more than to be passed on.
func (s *Session) stepServer(f *feed, o *Out) course {
	if s.serverLeft > 0 {
		return s.readAnswerOn(f, o)
	}
	if e := s.owed.First(); e == pipeline.ParseGiven || e == pipeline.CloseGiven {
		f.pass(&o.ToClient)
		s.give(o)
	}
	if n := s.quickServer(f.left()); n > 0 {
		f.pos += n
		return courseNext
	}
	in := f.left()
	if len(in) < wire.HeaderLen {
		return courseStop
	}
	typ, total := wire.Header(in)
	if total == 0 {
		f.pass(&o.ToClient)
		s.fail(wire.Fatalf(wire.CodeProtocolViolation, "the server sent a message of impossible length"), o)
		return courseOver
	}
	m := incoming{typ: typ, bytes: in[:min(total, len(in))], total: total}
	if typ == 'D' || typ == 'd' {
		return s.takeRow(&m, f, o)
	}
	return s.takeAnswer(&m, f, o)
}

// readAnswerOn reads the rest of a message that has come in part.
func (s *Session) readAnswerOn(f *feed, o *Out) course {
	n := min(int(s.serverLeft), len(f.left()))
	if s.swallowing {
		f.pass(&o.ToClient)
		if s.owed.First() == pipeline.Question && s.extra.asking.InRow() {
			s.extra.asking.Part(f.left()[:n], int(s.serverLeft)-n)
		}
		f.sent = f.pos + n
	}
	s.serverLeft -= int32(n)
	f.pos += n
	if s.serverLeft > 0 {
		return courseStop
	}
	s.swallowing = false
	return courseNext
}

// takeRow deals with a DataRow, or a CopyData.
func (s *Session) takeRow(m *incoming, f *feed, o *Out) course {
	e := s.owed.First()
	if m.typ == 'D' && s.extra != nil && s.extra.signaled && !e.Ours() {
		if m.total == len(falseRows[0]) && !m.whole() {
			return courseStop
		}
		s.extra.signaled = false
		if row := afterSignal(m.bytes); row != nil {
			f.pass(&o.ToClient)
			o.ToClient.keep(append(o.ToClient.own(), row...))
			f.drop(len(m.bytes))
			return courseNext
		}
	}
	swallow := e.Ours() || s.phase == Resetting
	if swallow && e == pipeline.Question {
		s.extra.asking.Part(m.bytes[wire.HeaderLen:], int(m.left()))
	}
	s.taken(m, swallow, f, o)
	return courseNext
}

// takeAnswer deals with any other message.
func (s *Session) takeAnswer(m *incoming, f *feed, o *Out) course {
	if !m.whole() && m.total <= maxDecoded && (decoded(m.typ) ||
		m.typ == 'N' && s.hints&hintsSignal != 0 || (m.typ == 'T' || m.typ == 't') && s.asksColumns()) {
		return courseStop
	}
	f.pass(&o.ToClient)
	swallow := s.answer(m.typ, m.bytes[wire.HeaderLen:], m.whole(), o)
	if !s.isLeased() {
		if !swallow {
			f.pos += len(m.bytes)
			f.pass(&o.ToClient)
		}
		return courseOver
	}
	s.taken(m, swallow, f, o)
	return courseNext
}

// taken consumes a message, which the client gets unless it is swallowed.
func (s *Session) taken(m *incoming, swallow bool, f *feed, o *Out) {
	s.serverLeft = m.left()
	if swallow {
		f.pass(&o.ToClient)
		f.sent = f.pos + len(m.bytes)
	}
	s.swallowing = swallow && s.serverLeft > 0
	f.pos += len(m.bytes)
}

// decoded tells the types whose bodies are looked at.
func decoded(typ byte) bool {
	switch typ {
	case 'Z', 'S', 'E', 'C', 'A':
		return true
	}
	return false
}

// answer settles what one message of the server's answers. It is true if the
// message is not to be passed on to the client. body may be but the start of
// it, if whole is false.
func (s *Session) answer(typ byte, body []byte, whole bool, o *Out) (swallow bool) {
	first := s.owed.First()
	if s.extra != nil && s.extra.stray > 0 {
		if s.extra.counting && s.strayCounted(typ, body, o) {
			return true
		}
		s.heardOf(typ, first)
	}
	own := first.Ours() && first.EndsWithReady()
	switch typ {
	case '1', '2', '3', 't':
		return s.extendedDone(typ, first, body, whole) || own
	case 'T', 'n':
		return s.columnsTold(typ, first, body, whole) || own
	case 'C', 'I', 's':
		return s.commandDone(typ, first, body, whole, o) || own
	case 'G':
		n, ended := s.owed.SwallowSyncs()
		s.endCopy()
		if !ended {
			s.reads = readsCopy
		}
		s.swallowSyncs(n)
		if first == pipeline.Execute && !s.owed.Has(pipeline.Sync) {
			s.batch = batchRuns
		}
	case 'W':
		s.reads = readsCopy
	case 'E':
		return s.failed(first, body, whole, o)
	case 'Z':
		return s.ready(first, body, o)
	case 'S':
		hide := whole && s.reported(body)
		return hide || s.phase == Resetting || first.Ours()
	case 'A':
		return s.notified(first, body, whole, o)
	case 'N':
		return s.phase == Resetting || first.Ours() || whole && s.warned(body, o)
	}
	return own
}

// extendedDone: ParseComplete, BindComplete, CloseComplete, ParameterDescription.
func (s *Session) extendedDone(typ byte, first pipeline.Pending, body []byte, whole bool) (swallow bool) {
	switch {
	case typ == '1' && first == pipeline.Parse:
		s.owed.Pop()
		s.unnamedHere = true
	case typ == '2' && first == pipeline.Bind, typ == '3' && first == pipeline.Close:
		s.owed.Pop()
	case typ == '1' && first == pipeline.ParseAgain, typ == '3' && first == pipeline.CloseUnnamed:
		s.owed.Pop()
		s.unnamedHere = true
		return true
	case first == pipeline.Shown, first == pipeline.Aside:
		s.owed.Pop()
		return true
	case first == pipeline.ParseNamed:
		if typ == '1' {
			s.parseCompleted()
		}
		s.done()
	case typ == 't' && first == pipeline.DescribeNoted:
		if s.link.ops[0].told {
			return true
		}
		s.link.retry.told = true
		s.paramsTold(body, whole)
	case typ == 't' && first == pipeline.Describe:
		s.link.retry.told = true
	case typ == '1' && first == pipeline.ParseShared, typ == '3' && first == pipeline.CloseShared:
		s.done()
		return true
	case typ == 't' && first == pipeline.DescribeShared:
		return true
	}
	return false
}

// columnsTold: RowDescription, NoData.
func (s *Session) columnsTold(typ byte, first pipeline.Pending, body []byte, whole bool) (swallow bool) {
	switch first {
	case pipeline.Describe:
		s.owed.Pop()
	case pipeline.DescribeNoted:
		s.described(typ, body, whole)
	case pipeline.DescribeShared:
		s.described(typ, body, whole)
		return true
	}
	return false
}

// commandDone: CommandComplete, EmptyQueryResponse, PortalSuspended.
func (s *Session) commandDone(typ byte, first pipeline.Pending, body []byte, whole bool, o *Out) (swallow bool) {
	s.copied()
	switch first {
	case pipeline.Execute:
		s.owed.Pop()
	case pipeline.Aside:
		s.owed.Pop()
		return true
	}
	if typ == 'C' && whole && (first == pipeline.Query || first == pipeline.Execute) {
		if s.commitsObjects(body) {
			s.changesCatalog() // AND CHAIN perhaps: then the client keeps the backend
		}
		if s.readsTags {
			s.completed(body, o)
		} else if deallocatesAll(body) {
			s.lostAll()
		}
	}
	return false
}

// notified: a NotificationResponse.
func (s *Session) notified(first pipeline.Pending, body []byte, whole bool, o *Out) (swallow bool) {
	// While a backend is asked whose channels are about to be heard by the
	// pool's listening one, what it hears itself is too much; and so is what the
	// listening one hears already.
	handing := first.Ours() && s.config.Listen == ListenShare && s.pins&ReasonChannels == 0
	if s.phase == Resetting || handing || whole && s.hearsElsewhere(body) {
		return true
	}
	if s.PID != 0 && whole && len(body) > 4 && binary.BigEndian.Uint32(body) == s.link.PID {
		o.ToClient.keep(wire.AppendMessage(o.ToClient.own(), 'A', binary.BigEndian.AppendUint32(nil, s.PID), body[4:]))
		return true
	}
	return false
}

// reported: the backend says that a setting has another value now. It is true
// if that is not for the client to know.
func (s *Session) reported(body []byte) (hide bool) {
	name, value, err := wire.DecodeParameterStatus(body)
	if err != nil {
		return false
	}
	same := s.vars == s.link.Vars
	s.link.Report(name, value)
	i := wire.VarIndex(name)
	switch {
	case i < 0, s.phase != Active, s.owed.First().Ours():
	case s.turnedBack(i):
		return true
	case s.vars[i] == string(value):
		// A block has been undone in which it was turned aside (follow.ReadAs).
		if *s.vars == *s.link.Vars {
			s.vars = s.link.Vars
		}
		return true
	case same:
		s.vars = s.link.Vars
	default:
		s.vars = s.vars.With(i, string(value))
	}
	return false
}

// Report notes a ParameterStatus of the backend's.
func (l *Link) Report(name, value []byte) {
	if i := wire.VarIndex(name); i >= 0 && l.Vars[i] != string(value) {
		l.Vars = l.Vars.With(i, string(value))
	}
	for i := range l.Params {
		q := &l.Params[i]
		if q.Name != string(name) {
			continue
		}
		if q.Value != string(value) {
			q.Value = string(value)
			l.Reported = l.Reported || q.Name == "in_hot_standby" || q.Name == "default_transaction_read_only"
		}
		return
	}
	l.Params = append(l.Params, wire.Param{Name: string(name), Value: string(value)})
}
