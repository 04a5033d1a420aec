package session

import (
	"pgweir/session/pipeline"
	"pgweir/wire"
)

// Gone says that the client has closed its connection, or is to be closed.
func (s *Session) Gone(o *Out) {
	switch s.phase {
	case Active:
		if s.isLeaving() && s.owed.OwesReady() {
			return // it said so before, and what it asked for is carried out
		}
		if s.ownOnly() {
			s.leaving, s.blocked = max(s.leaving, leavingDrains), false // the answer leads to leave
		} else {
			s.leave(o)
		}
	case Resetting, Ended:
		return
	default:
		s.phase = Ended
	}
	o.do(EffectEndClient)
}

// ownOnly tells whether the backend is at work on nothing of the client's, but
// on what pgweir itself has asked of it, which does not take long.
func (s *Session) ownOnly() bool {
	return s.owed.OwesReady() && !s.owed.OwesClient() && s.clientLeft == 0 && s.reads == readsMessages && s.batch == batchNone
}

// Rest is called now and then, and gives a backend back that the client keeps
// for nothing. A client may keep one because the question was canceled again and
// again, as a short statement_timeout does on a busy machine: it is asked anew. Or it
// has prepared statements, and neither run anything nor sent a
// Sync, as drivers do that prepare for later. If it has not said anything since
// the last time, pgweir sends the Sync; what comes next is a new lease's.
func (s *Session) Rest(o *Out) {
	if s.phase == Active && s.extra != nil && s.extra.outOfTime && s.over() && !s.isLeaving() && !s.hearsLater() && !s.awaits() {
		s.extra.outOfTime, s.asked = false, false
		s.settle(o)
		return
	}
	if s.phase != Active || s.batch != batchPrepares || s.tx != 'I' || s.config.Mode == SessionMode {
		return
	}
	if s.owed.Len() > 0 || s.clientLeft > 0 || s.serverLeft > 0 || s.reads != readsMessages || s.rest == restGathered || s.isLeaving() || s.hearsLater() {
		return
	}
	switch {
	case s.pins != 0, s.private > 0: // it keeps the backend in any case
	case s.config.MaxPinned > 0 && s.hints&^hintsCheap != 0: // it may have to be told of an error, behind its own Sync
	case s.unnamedHere && len(s.unnamedParse) == 0: // its unnamed statement cannot be made on another
	case !s.rested:
		s.rested = true
	default:
		s.rested, s.batch, s.unnamedSent = false, batchNone, false
		s.link.retry, s.resets = retry{}, 0
		if s.extra != nil {
			s.extra.underWay = underWay{}
		}
		s.unit++
		s.ownSync(o)
	}
}

// leave gives the backend up after the client has gone: cleaned, if that can
// be done without waiting for the client's own work, else to be closed.
func (s *Session) leave(o *Out) {
	s.changesCatalog()
	// In session mode the next client is told the backend's process ID. One that
	// left a broken connection for a new one (as pools do that find it in a
	// transaction) would take it for the old.
	inBlock := s.config.Mode == SessionMode && s.tx != 'I'
	if s.owed.Len() > 0 || s.clientLeft > 0 || s.serverLeft > 0 || s.reads != readsMessages || s.batch != batchNone || s.tainted || inBlock {
		o.drop(s.owed.Len() > 0)
		s.noteChanges(s.hints) // they may have been committed
		s.end()
		return
	}
	reset := ""
	switch {
	case s.config.Mode == SessionMode:
		reset = s.config.ResetQuery
		if containsFold([]byte(reset), "discard all") || containsFold([]byte(reset), "reset all") {
			s.link.settings = s.link.base // what a login event trigger has set is gone
		}
		s.link.have.Doubt() // from before a reload of the pool's mode
		s.link.plans = plans{by: severalCounted, mixed: true}
	case s.pins != 0 || s.hints&^hintsCheap != 0 || s.extra != nil && (s.extra.waiting && !s.extra.catching || s.extra.unknown || s.extra.showing || s.isShown()), s.mayHaveLeft(), s.awaits(), s.link.unsure:
		reset, s.link.unsure = "DISCARD ALL", false
		s.link.settings = s.link.base
		s.link.have.Clear()
		s.link.counted, s.link.plans = 0, plans{}
	default:
		s.notePlans(s.hints)
	}
	b := o.ToServer.own()
	if s.tx != 'I' {
		// Not in one message with the other: DISCARD ALL may not stand in a block.
		b = wire.AppendQuery(b, "ROLLBACK")
		s.owed.Push(pipeline.Reset)
	}
	if reset != "" {
		b = wire.AppendQuery(b, reset)
		s.owed.Push(pipeline.Reset)
	}
	if seed := s.link.sow(); seed != "" {
		b = wire.AppendQuery(b, seed)
		s.owed.Push(pipeline.Reset)
	}
	o.ToServer.keep(b)
	if s.owed.Len() == 0 {
		s.end()
		o.do(EffectRelease)
		return
	}
	s.phase = Resetting
}
