package session

import (
	"bytes"
	"slices"

	"pgweir/wire"
)

// The channels of a client are a kind of state: what the backend of the moment must
// hear of them, and what it says is left of them.

var channelsKind = kind{
	reason: ReasonChannels, follows: true,
	makes: wire.HintListen, ends: wire.HintUnlisten,
	barrier: wire.HintListen | wire.HintUnlisten | wire.HintShowsChannels,
	asks: func(s *Session, h wire.Hints) Reason {
		if h&wire.HintUnlisten != 0 && s.isShown() {
			return ReasonChannels
		}
		return 0
	},
	noted: wire.HintUnlisten | wire.HintDo, note: (*Session).unlisten,
	ready: wire.HintShowsChannels, ahead: (*Session).showChannels,
	completed: (*Session).channelsCompleted,
	failed: func(s *Session, o *Out) {
		s.goesOn(o)
		if s.extra != nil {
			s.extra.unheard = nil
		}
	},
	answered: func(s *Session, a *asking, o *Out) {
		if a.Parts&ReasonChannels == 0 || !s.isShown() {
			return
		}
		a.Found = a.Found&^ReasonChannels | s.pins&ReasonChannels
		if !s.isLeaving() {
			s.tellLeft(a.Channels, o)
		}
	},
	keeps: func(s *Session, a *asking, pins Reason, o *Out) Reason {
		if a.Found&^s.pins&ReasonChannels == 0 || s.config.Listen != ListenShare || s.isLeaving() {
			return pins
		}
		s.listen(a.Channels, o)
		return pins &^ ReasonChannels
	},
}

// channelsCompleted is for the commands that take channels away.
func (s *Session) channelsCompleted(tag []byte, o *Out) {
	s.chains(tag, o)
	x := s.extra
	if x == nil {
		return
	}
	switch string(tag) {
	case tagDiscardAll:
		x.committed, x.listened = false, false
		x.discarded = len(x.channels) > 0
	case "ROLLBACK\x00":
		x.listened = false
		x.unheard = nil // to a savepoint, perhaps: then they may hold, and are lost
	}
}

// showChannels makes the backend listen to what the client hears, until the end
// of the transaction: for a statement that asks for that, and ahead of a block,
// in which it could not be done any more. What a block with savepoints leaves of
// the channels, the backend says then.
func (s *Session) showChannels(_ []byte, o *Out) {
	if s.extra == nil || len(s.extra.channels) == 0 || s.isShown() || s.tx != 'I' || s.batch != batchNone || s.owed.Len() > 0 {
		return
	}
	s.guarded(s.eachChannel("LISTEN "), o)
	s.extra.shown = channelsAhead
}

// eachChannel is a statement for each channel that the client hears.
func (s *Session) eachChannel(verb string) (sql []byte) {
	for _, c := range s.extra.channels {
		sql = append(wire.QuoteIdent(append(sql, verb...), c), ';')
	}
	return sql
}

// opensBlock tells whether a message opens a block ahead of which the client's
// channels are to be shown.
func (s *Session) opensBlock(typ byte, message []byte) bool {
	c := s.config
	if s.isShown() || s.tx != 'I' || s.batch != batchNone || s.reads != readsMessages || c.State == StateOff || c.Mode != TransactionMode || c.Listen != ListenShare {
		return false
	}
	text := message[wire.HeaderLen:]
	switch typ {
	case 'Q':
	case 'P':
		if len(text) == 0 || text[0] != 0 {
			return false
		}
		text = text[1:]
	case 'B':
		name, _ := wire.BindStatement(text)
		n := s.byName[string(cutName(name))]
		switch {
		case len(name) > 0 && n != nil && n.st != nil:
			text = n.st.Text()
		case len(name) == 0 && len(s.unnamedParse) > wire.HeaderLen:
			text = s.unnamedParse[wire.HeaderLen+1:]
		default:
			return false
		}
	default:
		return false
	}
	text, _, _ = bytes.Cut(text, []byte{0})
	return wire.Scan(text)&wire.HintExplicit != 0
}

// tellLeft takes the channels that the backend listens to at the end of a
// transaction in which it was made to listen to all of the client's.
func (s *Session) tellLeft(channels []string, o *Out) {
	x := s.extra
	slices.Sort(channels)
	added := slices.ContainsFunc(channels, func(c string) bool { return !slices.Contains(x.channels, c) })
	switch {
	case s.pins&ReasonChannels != 0:
		// Those that are new are heard there, and nowhere else.
		channels = slices.DeleteFunc(slices.Clone(x.channels), func(c string) bool { return !slices.Contains(channels, c) })
	case added:
		x.wanted, x.waiting = channels, true
		o.do(EffectListen)
		return
	default:
		defer s.unlistenThere(o)
	}
	if len(channels) != len(x.channels) {
		o.once(EffectUnlisten)
	}
	s.hear(channels)
}
