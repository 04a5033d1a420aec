package session

import (
	"cmp"

	"pgweir/wire"
)

// kind is one kind of state that a client makes of its session. Its row says what
// hints at it, what the backend is asked about it, and what it does as the
// conversation goes on. What runs, succeeds, fails or is answered goes through all
// rows. What a kind does at the beginning of a lease, or ahead of whatever message
// comes next, stands in Lease and sendAhead. What a row has no use for is left out.
type kind struct {
	// reason is why a client keeps its backend that has some of it there, and part
	// what of a question finds it; 0: reason.
	reason, part Reason
	// follows: pgweir carries it to other backends, so that it pins only where that
	// is not possible.
	follows bool
	// makes are the hints of statements that may leave some behind, ends of those
	// that may take it away, blind of those that leave what cannot be asked for.
	makes, ends, blind wire.Hints
	// barrier are the hints of statements that wait until all before them has been
	// answered, and let nothing follow before they are: they change what messages
	// behind them mean.
	barrier wire.Hints
	// asks are further parts of a question that the hints of a transaction lead to.
	asks func(s *Session, h wire.Hints) Reason
	// note is called with each text that has some of noted, when it is about to run.
	noted wire.Hints
	note  func(s *Session, text []byte, h wire.Hints)
	// ahead sends what must be ahead of a statement with some of ready, so that the
	// backend looks as if it were the client's own.
	ready wire.Hints
	ahead func(s *Session, text []byte, o *Out)
	// completed is called with the tag of each command that has succeeded, its zero
	// byte included, and failed when one has not. See Session.readsTags.
	completed func(s *Session, tag []byte, o *Out)
	failed    func(s *Session, o *Out)
	// answered takes what an answer says of it; it may correct Found. keeps is
	// called with what the client will keep the backend for, and returns that.
	answered func(s *Session, a *asking, o *Out)
	keeps    func(s *Session, a *asking, pins Reason, o *Out) Reason
}

// kinds has a row for each kind, in the order in which they are gone through.
var kinds = [...]kind{
	channelsKind,
	settingsKind,
	idleKind,
	preparedKind,
	sequencesKind,
	librariesKind,
	{reason: ReasonLock, makes: wire.HintAdvisoryLock, ends: wire.HintAdvisoryUnlock},
	{reason: ReasonTemp, makes: wire.HintTemp, ends: wire.HintDrop | wire.HintDiscard},
	{reason: ReasonCursor, makes: wire.HintHold, ends: wire.HintClose},
}

// Hints that some kind has a use for.
var (
	hintsBarrier = hintsOf(func(k *kind) wire.Hints { return k.barrier })
	hintsNoted   = hintsOf(func(k *kind) wire.Hints { return k.noted })
	hintsReady   = hintsOf(func(k *kind) wire.Hints { return k.ready })
	hintsBlind   = hintsOf(func(k *kind) wire.Hints { return k.blind })
	hintsPinning = hintsOf(func(k *kind) wire.Hints {
		if k.follows {
			return k.blind
		}
		return k.makes | k.blind
	})
)

func hintsOf(some func(*kind) wire.Hints) (h wire.Hints) {
	for i := range kinds {
		h |= some(&kinds[i])
	}
	return h
}

// parts are the questions that hints lead to.
func (s *Session) parts(h wire.Hints) (p Reason) {
	if h&(wire.HintDo|wire.HintCall) != 0 {
		p = partsAll
	}
	var free Reason
	for i := range kinds {
		k := &kinds[i]
		if h&k.makes != 0 {
			p |= cmp.Or(k.part, k.reason)
		}
		if h&k.ends != 0 {
			free |= k.reason
		}
		if k.asks != nil {
			p |= k.asks(s, h)
		}
	}
	if s.pins&(free|ReasonUnknown) != 0 || s.long == longOver {
		p |= partsAll // if the pin ends, all that has come meanwhile must be known
	}
	return p
}

// blinded are the reasons to keep a backend that nobody can ask about, after
// statements with these hints.
func blinded(h wire.Hints) (r Reason) {
	if h&hintsBlind == 0 {
		return 0
	}
	for i := range kinds {
		if h&kinds[i].blind != 0 {
			r |= kinds[i].reason
		}
	}
	return r
}

// noteText has a text noted that is about to run.
func (s *Session) noteText(text []byte, h wire.Hints) {
	if h&hintsNoted == 0 {
		return
	}
	for i := range kinds {
		if k := &kinds[i]; h&k.noted != 0 {
			k.note(s, text, h)
		}
	}
}

// makeReady has the backend look as if it were the client's own, for a
// statement with these hints. text is nil for a function call.
func (s *Session) makeReady(text []byte, h wire.Hints, o *Out) {
	if h&hintsReady == 0 {
		return
	}
	for i := range kinds {
		if k := &kinds[i]; h&k.ready != 0 {
			k.ahead(s, text, o)
		}
	}
}

// completed reads a command's tag, for those that end what was there before.
// Nothing was sent behind them: see Session.barrier.
func (s *Session) completed(tag []byte, o *Out) {
	if string(tag) == tagDiscardAll {
		s.setPins(s.pins&ReasonLibrary, o)
		s.hints &= wire.HintProcess | wire.HintDblink | wire.HintCatalog | wire.HintDrop
	}
	for i := range kinds {
		if k := &kinds[i]; k.completed != nil {
			k.completed(s, tag, o)
		}
	}
}

// The tags of commands that end several kinds of state, or all of one.
const (
	tagDiscardAll    = "DISCARD ALL\x00"
	tagDeallocateAll = "DEALLOCATE ALL\x00"
)

// commandFailed: an error has come, and ended the transaction or its latest part.
func (s *Session) commandFailed(o *Out) {
	s.link.evidence.void = true
	for i := range kinds {
		if k := &kinds[i]; k.failed != nil {
			k.failed(s, o)
		}
	}
}
