package session

import (
	"pgweir/session/pipeline"
	"pgweir/wire"
)

// A lease begins with Lease and ends with settle, or with leave if the client
// goes. Whatever happens meanwhile, settle is asked after each step whether
// anything speaks against its end.

// Lease gives the backend that was asked for. The client's messages are fed
// next, with Client, and go out in the same write as what is put before them
// here.
func (s *Session) Lease(l *Link, o *Out) {
	l.begin(s.id)
	s.phase, s.lease, s.tx = Active, &l.lease, 'I'
	s.blocked, s.rested = false, false
	s.forgetStrays()
	if s.extra != nil {
		s.extra.shown, s.extra.listened, s.extra.committed = channelsHidden, false, false
	}
	discard := s.ownPlans()
	if s.vars != l.Vars || s.settings != l.settings || discard {
		s.replay(discard, o)
	}
	s.counts(o)
}

// Refuse answers what the client asked for with an error instead of a backend:
// everything up to and including the first message that ends with
// ReadyForQuery. in is what Client was given and did not consume, and the
// bytes consumed are returned. The client stays.
func (s *Session) Refuse(e *wire.Error, in []byte, o *Out) int {
	s.phase = Idle
	refusal := *e
	refusal.Severity, refusal.Localized = "ERROR", ""
	o.ToClient.addError(&refusal)
	o.refuse(e)
	o.Answered = true
	typ, total := wire.Header(in)
	n := min(total, len(in))
	s.clientLeft, s.rest = int32(total-n), restDropped
	switch typ {
	case 'Q', 'F':
		o.ToClient.addReady('I')
	default:
		s.reads = skipsToSync // up to the Sync, and that is ours to answer
	}
	return n
}

// Lost says that the backend has gone of itself. The client has seen the
// server's last words, if there were any; it can only go too, as it would
// have to without a pooler.
func (s *Session) Lost(o *Out) {
	unconcerned := s.unconcerned()
	s.changesCatalog()
	s.abandon()
	if unconcerned {
		s.owed.Clear()
		s.serverLeft, s.swallowing = 0, false
		s.endLease()
		o.do(EffectDrop)
		return
	}
	if s.phase == Active && !s.lastWords && !s.isLeaving() && !s.MidAnswer() {
		o.ToClient.addError(wire.Fatalf(wire.CodeConnectionFailure,
			"server closed the connection unexpectedly"))
	}
	s.end()
	o.do(EffectDrop)
	o.do(EffectEndClient)
}

// unconcerned tells whether nothing of the client's is known to be on the
// backend, which was only asked something for the sake of others, or is being
// cleaned for them.
func (s *Session) unconcerned() bool {
	if s.phase != Active || s.config.Mode == SessionMode || s.tx != 'I' || s.pins != 0 || s.hints != 0 || s.clientLeft > 0 ||
		s.rest == restGathered || s.batch != batchNone || s.long != longNone || s.isLeaving() || s.extra != nil && s.extra.withheld {
		return false
	}
	switch e := s.owed.First(); {
	case e == pipeline.Question && s.owed.Len() == 1, s.awaits() && s.owed.Len() == 0:
		return s.extra.asking.hinted == 0 && !s.link.evidence.ask && !s.unprovenRan() && !s.outdated()
	case e == pipeline.Reset && s.owed.Len() == 1:
		return !s.mayHaveLeft() && (s.extra == nil || !s.extra.waiting)
	}
	return false
}

// fail ends the conversation because one side broke the protocol.
func (s *Session) fail(e *wire.Error, o *Out) {
	if s.phase != Resetting && !s.MidAnswer() {
		o.ToClient.addError(e)
	}
	o.refuse(e)
	s.changesCatalog()
	s.abandon()
	if s.phase == Active || s.phase == Resetting {
		o.drop(s.owed.Len() > 0)
	}
	s.end()
	o.do(EffectEndClient)
}

// settle ends the lease if nothing speaks against it. Each step in which something
// has been answered, sent or told ends with it.
func (s *Session) settle(o *Out) {
	if s.phase == Resetting && s.owed.Len() == 0 && s.serverLeft == 0 {
		clean := s.tx == 'I' && !s.tainted
		s.end()
		o.release(clean)
	}
	if s.phase != Active {
		return
	}
	if s.isLeaving() && s.serverLeft == 0 && (s.reads == readsCopy || !s.owed.OwesReady()) {
		s.leave(o)
		o.do(EffectEndClient)
		return
	}
	if !s.over() {
		return
	}
	if s.extra != nil && s.extra.waiting && !s.extra.yielded || s.awaits() {
		return
	}
	if s.blocked && s.extra != nil && s.extra.shown == channelsAhead {
		return // the message that needs them comes next
	}
	if s.extra != nil && s.extra.showing {
		s.hidePrepared(o)
		return
	}
	if kept := s.keepLong(o); s.config.State != StateOff {
		deferred := kept && (s.extra == nil || !s.extra.withheld)
		if !deferred && (s.hints != 0 || s.pins&ReasonUnknown != 0 && !s.asked || s.doubtful() || s.config.LeakCheck > 0) && !s.clean(o) {
			return
		}
		if s.isShown() && s.pins&ReasonChannels == 0 {
			s.unlistenThere(o)
			return
		}
		if s.crowded() {
			s.overPinned(o)
			return
		}
		s.readsTags = false
		s.keepPlace()
		s.tellReady(o)
	}
	if s.pins != 0 {
		return
	}
	if (s.link.unsure || s.link.seeded) && !s.tainted {
		s.wash(o)
		return
	}
	if s.extra != nil && len(s.extra.notes) > 0 {
		s.tellNotes(o)
	}
	s.freePlace()
	clean := !s.tainted
	s.endLease()
	o.release(clean)
}

// endLease is for the end of a lease after which there may be another.
func (s *Session) endLease() {
	s.abandon()
	s.notePlans(s.hints)
	s.phase, s.lease = Idle, atRest
}

// end is for the end of a lease after which there is none.
func (s *Session) end() {
	s.abandon()
	s.dropOps()
	s.phase, s.lease = Ended, atRest
}

// over tells that nothing is under way any more that the lease was for.
func (s *Session) over() bool {
	if s.owed.Len() > 0 || s.serverLeft > 0 || s.clientLeft > 0 || s.reads != readsMessages || s.batch != batchNone || s.rest == restGathered || !s.begun {
		return false
	}
	if s.extra != nil && s.extra.ignoring {
		return false
	}
	return s.tx == 'I' && s.config.Mode != SessionMode
}
