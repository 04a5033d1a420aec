package session

import (
	"bytes"

	"pgweir/session/follow"
	"pgweir/session/pipeline"
	"pgweir/wire"
)

// What an ErrorResponse means: for what was asked, and for what stands behind it.

// failed: the backend answers with an error, and skips what belongs to it.
func (s *Session) failed(first pipeline.Pending, body []byte, whole bool, o *Out) (swallow bool) {
	if s.phase == Active && s.over() && s.pins == 0 && s.hints == 0 && s.long == longNone && !s.mayHaveLeft() && !s.isLeaving() && (s.extra == nil || !s.extra.waiting) {
		// Last words behind the last answer: they are not the client's any more.
		s.tellReady(o)
		s.freePlace()
		s.endLease()
		o.do(EffectDrop)
		return true
	}
	s.endCopy()
	if s.ownFailed(first, body, o) {
		return true
	}
	strayed := s.failCopy(first)
	if s.again(first, body, o) {
		return true
	}
	s.lastWords = s.lastWords || bytes.Contains(body, []byte("\x00VFATAL\x00")) || bytes.Contains(body, []byte("\x00VPANIC\x00"))
	refused := s.refusal(first)
	shown := body
	if whole && s.extra != nil {
		if why := s.whyUnmade(body); why != nil {
			shown = why
		} else if len(s.extra.splices) > 0 {
			shown = s.restorePosition(body)
		}
	}
	if whole && bytes.Contains(shown, []byte(follow.NamePrefix)) {
		shown = s.restoreNames(shown)
	}
	o.Errors++
	o.Failed, o.Refused = shown, nil
	s.commandFailed(o)
	if first != pipeline.Query && first != pipeline.Function && first != pipeline.Sync && first != 0 && s.skipsRest(first, body, whole, strayed) {
		return true // what is behind it will say what is missing
	}
	if refused != nil && whole {
		if e := refused; bytes.Contains(body, []byte(refusedName)) {
			o.ToClient.addError(e)
			o.Refused = e
			return true
		}
	}
	if first == pipeline.ParseAgain && !s.owed.Has(pipeline.Parse) {
		s.loseUnnamed()
	}
	if whole && !bytes.Equal(shown, body) {
		o.ToClient.keep(wire.AppendMessage(o.ToClient.own(), 'E', shown))
		return true
	}
	return false
}

// skipsRest: the backend skips all up to a Sync. It is true if the error is about a
// message of pgweir's own that stands alone.
func (s *Session) skipsRest(first pipeline.Pending, body []byte, whole, strayed bool) bool {
	var making *follow.Statement
	if first == pipeline.ParseShared {
		making = s.link.ops[0].added
	}
	aside := first == pipeline.Aside
	s.link.scratched = s.link.scratched || aside
	synced, parse, changes := s.owed.Skip(strayed)
	s.undo(changes)
	if aside {
		s.link.counted = severalCounted
	}
	own := aside || first == pipeline.ParseShared || first == pipeline.Shown || first == pipeline.CloseShared
	if own && s.owed.First() == pipeline.OwnSync && !s.lastWords {
		if (aside || first == pipeline.ParseShared) && whole {
			s.more().unmade = append(s.extra.unmade, unmade{making, bytes.Clone(body)})
		}
		return true
	}
	s.reads = readsMessages
	if !synced {
		s.reads = skipsToSync
	}
	if parse && !s.owed.Has(pipeline.Parse) {
		s.endLong()
		s.loseUnnamed() // the Parse failed or was skipped; what there was before is not known here
	}
	return false
}
