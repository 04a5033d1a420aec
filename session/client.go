package session

import (
	"pgweir/session/pipeline"
	"pgweir/wire"
)

// feed is what has come from one side in a step.
type feed struct {
	in   []byte
	pos  int // up to here it is consumed
	sent int // up to here it is sent to the other side, or not to be sent
}

// left is what has not been consumed.
func (f *feed) left() []byte { return f.in[f.pos:] }

// unsent is what is consumed and has not been sent.
func (f *feed) unsent() []byte { return f.in[min(f.sent, f.pos):f.pos] }

// pass sends that to the other side.
func (f *feed) pass(to *gather) {
	to.add(f.unsent())
	f.sent = f.pos
}

// drop consumes n bytes that are not sent.
func (f *feed) drop(n int) {
	f.pos += n
	f.sent = f.pos
}

// incoming is a message that has come from either side. bytes is all that is there
// of it, header included, and total is how long it is.
type incoming struct {
	typ   byte
	bytes []byte
	total int
}

func (m *incoming) whole() bool { return len(m.bytes) == m.total }

// left is how much of it is still to come.
func (m *incoming) left() int32 { return int32(m.total - len(m.bytes)) }

// remainder is what becomes of the rest of a message that has come in part.
type remainder uint8

const (
	restPasses   remainder = iota // it is sent on
	restDropped                   // it is not
	restGathered                  // it is kept until the message has come whole
)

// course is how Client, or Server, goes on behind a part of a step.
type course uint8

const (
	courseOn   course = iota // with the message
	courseNext               // with what comes behind the message
	courseStop               // not before something has come, from either side
	courseOver               // not at all
)

// Client is given what has come from the client and has not been consumed
// before, and returns how much of it is consumed. Messages are consumed whole
// or, if they are longer than MaxMessage, in parts.
func (s *Session) Client(in []byte, o *Out) int {
	if s.isLeaving() {
		return len(in) // said after Terminate
	}
	s.blocked, s.rested = false, false
	f := feed{in: in}
	for s.phase == Idle || s.phase == Active {
		c := s.step(&f, o)
		if c == courseOver {
			return len(in)
		}
		if c == courseStop {
			break
		}
	}
	f.pass(&o.ToServer)
	s.keepSaid(in[:f.pos])
	if s.phase == Active && s.link.retry.from > 0 {
		s.keepUnit(o)
	}
	if s.phase == Active && s.owed.Len() == 0 {
		s.settle(o) // the rest of a copy that failed has been got rid of
		if s.phase == Idle && f.pos < len(in) {
			return f.pos + s.Client(in[f.pos:], o) // it waited for the end of the lease
		}
	}
	return f.pos
}

// step is Client for one message, or the rest of one.
func (s *Session) step(f *feed, o *Out) course {
	if s.clientLeft > 0 || s.rest == restGathered {
		return s.readOn(f, o)
	}
	m, c := s.nextMessage(f, o)
	if c == courseOn {
		c = s.mayPass(&m, f, o)
	}
	if c == courseOn {
		c = s.sendAhead(&m, f, o)
	}
	if c == courseOn {
		c = s.sendMessage(&m, f, o)
	}
	return c
}

// readOn reads the rest of a message that has come in part.
func (s *Session) readOn(f *feed, o *Out) course {
	n := min(int(s.clientLeft), len(f.left()))
	part := f.left()[:n]
	s.clientLeft -= int32(n)
	switch {
	case s.rest == restGathered:
		s.extra.gathered = append(s.extra.gathered, part...)
		f.drop(n)
	case s.rest == restDropped:
		f.drop(n)
	default:
		f.pos += n
		if s.extra != nil && s.extra.passes {
			s.readRest(part)
		}
	}
	if s.clientLeft > 0 {
		return courseStop
	}
	if s.rest == restGathered && !s.runGathered(o) {
		s.hold(o)
		return courseStop
	}
	s.rest = restPasses
	return courseNext
}

// nextMessage is the message that comes next, if it may be looked at and enough
// of it has come.
func (s *Session) nextMessage(f *feed, o *Out) (m incoming, c course) {
	in := f.left()
	if len(in) < wire.HeaderLen {
		return m, courseStop
	}
	if e := s.owed.First(); s.phase == Active && (e == pipeline.Question || e == pipeline.Reset || s.awaits()) || s.hearsLater() {
		// What the answer is about must not change under it; and after it
		// the lease may be over.
		s.blocked = true
		return m, courseStop
	}
	m.typ, m.total = wire.Header(in)
	if s.barrier && s.phase == Active && s.waitsAtBarrier(m.typ) {
		f.pass(&o.ToServer)
		s.hold(o)
		return m, courseStop
	}
	if limit := wire.ClientLimit(m.typ); m.total == 0 || m.total > limit {
		f.pass(&o.ToServer)
		s.fail(badHeader(m.typ, limit), o)
		return m, courseOver
	}
	m.bytes = in[:min(m.total, len(in))]
	if !m.whole() && len(m.bytes) < MaxMessage && !(m.typ == 'd' && s.reads == readsCopy) {
		return m, courseStop
	}
	return m, courseOn
}

// waitsAtBarrier tells whether a message has to wait until the backend has answered
// what must be alone there.
func (s *Session) waitsAtBarrier(typ byte) bool {
	if s.owed.Len() == 0 {
		s.barrier = false
		return false
	}
	if s.reads == readsCopy {
		return false // whatever it is, the backend reads it in the copy
	}
	switch typ {
	case 'S', 'H', 'd', 'c', 'f':
		return false
	}
	return true
}

// mayPass deals with a message that is not for the backend, or not yet.
func (s *Session) mayPass(m *incoming, f *feed, o *Out) course {
	if s.phase == Idle {
		if m.typ == 'P' || m.typ == 'D' || m.typ == 'C' {
			if len(o.ToClient.Bytes()) >= maxTold {
				o.More = true
				return courseStop
			}
			if n := s.recall(f.left(), o); n > 0 {
				f.drop(n)
				return courseNext
			}
		}
		if !s.local(m.typ, m.bytes, m.total, o) {
			return courseStop
		}
		s.dropMessage(m, f)
		return courseNext
	}
	if m.typ == 'X' {
		f.pass(&o.ToServer)
		s.keepSaid(f.in[:f.pos])
		s.terminate(o)
		return courseOver
	}
	if s.countsStrays(m.typ) {
		f.pass(&o.ToServer)
		s.countStrays(o)
	}
	if s.extra != nil && s.extra.counting {
		s.blocked = true
		return courseStop
	}
	if s.ignores(m.typ) {
		f.pass(&o.ToServer)
		s.dropMessage(m, f)
		return courseNext
	}
	if s.stays && s.givesWay(m.typ) || s.mustHold(f.pos+len(m.bytes), m.whole()) {
		f.pass(&o.ToServer)
		s.hold(o)
		return courseStop
	}
	return courseOn
}

// dropMessage consumes a message that is not sent.
func (s *Session) dropMessage(m *incoming, f *feed) {
	s.clientLeft, s.rest = m.left(), restDropped
	f.drop(len(m.bytes))
}

// sendAhead sends what the client's state needs ahead of a message, whatever the
// message is.
func (s *Session) sendAhead(m *incoming, f *feed, o *Out) course {
	s.rest = restPasses
	if s.reads == skipsToSync {
		return courseOn // it would skip that, too
	}
	differs := s.vars != s.link.Vars || s.settings != s.link.settings && s.tx == 'I'
	if differs && !s.owed.OwesClient() && !s.owed.Has(pipeline.Settings) && !s.owed.Has(pipeline.Aside) && s.tx != 'E' && s.batch == batchNone {
		f.pass(&o.ToServer)
		s.replay(false, o)
	}
	if s.link.plans.by == severalCounted && s.replans() {
		f.pass(&o.ToServer)
		s.replan(o)
	}
	if s.pins != 0 && s.link.counted != s.id && s.long == longNone && s.tx == 'I' && s.batch == batchNone && s.owed.Len() == 0 {
		f.pass(&o.ToServer)
		s.ownSequences(nil, o) // what it takes from sequences from now on is its own
	}
	if s.extra != nil && len(s.extra.channels) > 0 && s.opensBlock(m.typ, m.bytes) {
		f.pass(&o.ToServer)
		if s.owed.Len() > 0 {
			s.hold(o)
			return courseStop
		}
		s.showChannels(nil, o)
	}
	if s.idle != 0 && s.showIdle(m.typ, m.bytes, f.unsent(), o) {
		f.sent = f.pos
	}
	return courseOn
}

// sendMessage sends a message, what this one needs ahead of it, or something else
// in its place.
func (s *Session) sendMessage(m *incoming, f *feed, o *Out) course {
	statement := m.typ == 'P' || m.typ == 'B' || m.typ == 'D'
	if statement || m.typ == 'E' {
		if n := s.quickClient(f.left(), o); n > 0 {
			f.pos += n
			return courseNext
		}
	}
	if !m.whole() && m.total <= maxGathered && s.sharing() && mustGather(m.typ, m.bytes) {
		s.more().gathered = append(make([]byte, 0, m.total), m.bytes...)
		f.pass(&o.ToServer)
		f.drop(len(m.bytes))
		s.clientLeft, s.rest = m.left(), restGathered
		return courseNext
	}
	if s.config.Mode != SessionMode && s.reads != skipsToSync {
		switch s.special(m.typ, m.bytes, m.total, f.unsent(), f.left()[len(m.bytes):], o) {
		case handleDone:
			s.begun = true
			f.drop(len(m.bytes))
			return courseNext
		case handleAhead:
			f.sent = f.pos
		case handleHold:
			f.pass(&o.ToServer)
			s.hold(o)
			return courseStop
		case handleAsked:
			f.sent = f.pos
			s.hold(o)
			return courseStop
		}
	}
	if statement {
		switch s.statement(m.typ, m.bytes, f.unsent(), o) {
		case sendBehind:
			f.sent = f.pos
		case sendInstead:
			f.sent = f.pos + len(m.bytes)
			s.rest = restDropped
		}
	}
	s.track(m.typ, m.bytes, o)
	s.begun = true
	s.clientLeft = m.left()
	f.pos += len(m.bytes)
	return courseNext
}

// runGathered has a message run that has come whole at last, unless it has to
// wait.
func (s *Session) runGathered(o *Out) bool {
	message := s.extra.gathered
	if s.reads != skipsToSync {
		switch s.special(message[0], message, len(message), nil, nil, o) {
		case handleHold, handleAsked:
			return false
		case handleNot, handleAhead:
			o.ToServer.add(message)
			s.track(message[0], message, o)
		}
	}
	s.extra.gathered, s.begun = nil, true
	return true
}

func badHeader(typ byte, limit int) *wire.Error {
	if limit == 0 {
		return wire.Fatalf(wire.CodeProtocolViolation, "invalid frontend message type %d", typ)
	}
	return wire.Fatalf(wire.CodeProtocolViolation, "invalid message length")
}

// local handles a message that needs no backend; it is false, and a backend
// has been asked for, if this one does.
func (s *Session) local(typ byte, message []byte, total int, o *Out) bool {
	switch {
	case typ == 'X':
		s.phase = Ended
		o.do(EffectEndClient)
	case typ == 'S' && (total == wire.HeaderLen || s.reads == skipsToSync):
		// The end of a pipeline that was refused, or of nothing at all. One that
		// has a body is for PostgreSQL to complain about.
		s.reads = readsMessages
		o.ToClient.addReady('I')
	case s.reads == skipsToSync:
	case typ == 'H', typ == 'c', typ == 'f', typ == 'd':
		// Flush has nothing to flush, and PostgreSQL ignores the rest of a
		// copy that has failed.
	default:
		s.phase = Waiting
		o.Asked = true
		if s.origin.Value().settings != nil && s.turnsBack(typ, message) {
			o.do(EffectNeedOwnBackend)
		} else {
			o.do(EffectNeedBackend)
		}
		return false
	}
	return true
}

// terminate: the client has said good-bye. What it asked for before is still
// carried out, as PostgreSQL would. A COPY that waits for its data cannot be.
func (s *Session) terminate(o *Out) {
	if s.owed.OwesReady() && s.reads != readsCopy {
		s.leaving = leavingDrains
		return
	}
	s.Gone(o)
}

// hold: a message must wait until all before it has been answered. The backend
// would answer some of that only after a Sync.
func (s *Session) hold(o *Out) {
	if s.batch != batchNone && !s.blocked {
		o.ToServer.keep(wire.AppendFlush(o.ToServer.own()))
	}
	s.blocked = true
}

// givesWay tells whether the client's next message is to wait until all before it
// has been answered, so that the lease can end for the sake of who waits for a
// backend: a client whose pipeline never runs dry would keep it for ever.
func (s *Session) givesWay(typ byte) bool {
	switch typ {
	case 'Q', 'F', 'P', 'B', 'D', 'E', 'C':
	default:
		return false // it may belong to what is under way
	}
	return s.phase == Active && s.config.Mode != SessionMode && s.pins == 0 && s.batch == batchNone &&
		s.owed.Last().EndsWithReady() && s.config.Waiting != nil && s.config.Waiting()
}

// mustGather tells whether a message that has come in part has to be there
// whole: a statement's name or text cannot be dealt with otherwise.
func mustGather(typ byte, message []byte) bool {
	body := message[wire.HeaderLen:]
	switch typ {
	case 'P':
		return body[0] != 0
	case 'B':
		_, ok := wire.BindStatement(body)
		return !ok
	case 'D', 'C':
		return body[0] == 'S'
	}
	return false
}
