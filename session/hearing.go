package session

import (
	"encoding/binary"
	"slices"

	"pgweir/session/pipeline"
	"pgweir/wire"
)

// ListenMode is what is done about LISTEN when a backend is not the client's
// own (listen).
type ListenMode uint8

const (
	ListenShare  ListenMode = iota // one backend of the pool listens for all
	ListenPin                      // the client keeps its backend
	ListenReject                   // it is an error
)

// LISTEN is run by the client's backend as any other statement, so that
// PostgreSQL says whether it is right, and when it holds. When the transaction
// is over, the channels that it has left are asked for; the owner sees to it
// that the pool's listening backend hears them, and only then is the client
// told ReadyForQuery, and the backend stops listening. What was notified in
// between, the client cannot know to have missed: it was not told yet that its
// transaction had ended.
//
// Nor is a client told that its UNLISTEN has succeeded before it has heard what
// was notified until then: that comes by another connection. The owner is asked
// for it (EffectSyncNotes), and only then the set is made smaller.
//
// And what was notified before a query of its is there with the query's answer,
// as directly. The listening backend is asked for it (EffectCatchUp) when the query is
// sent, which is mostly answered before the query is.
//
// A notification bears the process ID of a backend. Whose client it is from is
// known as long as nothing is on its way that another client may have notified
// there: Link.Notifier.

// hearing is what a session knows of its channels.
type hearing struct {
	channels  []string    // that the client listens to, in order
	wanted    []string    // that it will, once Listened says so
	unheard   []string    // of UNLISTEN statements in the transaction under way; "*" is all
	notes     [][]byte    // notifications that must wait; others may have the same slices
	noteBytes int         // how much memory they take
	missed    bool        // there were more than may wait
	discarded bool        // DISCARD ALL has unlistened all
	waiting   bool        // for Listened
	yielded   bool        // the backend is given back meanwhile; see yield
	syncing   bool        // and that only for notifications that are on their way
	withheld  bool        // ReadyForQuery, until then
	catching  bool        // waiting is for the listening backend to have caught up
	shown     channelShow // of the client's channels to its own backend
	listened  bool        // the transaction has a LISTEN
	committed bool        // and its COMMIT was the last command that has been answered

	// Catch-ups are numbered: the last one that was begun, the last one that is
	// over, and the one that what is under way needs.
	begun, caught, needs uint64
}

// channelShow is whether the backend has been made to listen to what its client hears;
// see showChannels.
type channelShow uint8

const (
	channelsHidden channelShow = iota
	channelsAhead              // for a message that has not been sent yet
	channelsShown              // for what is under way
)

// hearsLater tells whether the client is still to be told that it hears its
// channels.
func (s *Session) hearsLater() bool { return s.extra != nil && (s.extra.waiting || s.extra.withheld) }

// Withholds tells whether the client's query is over, but for its being told so: that hangs
// on what the backend is asked then, or on the listening backend. The lease may end before.
func (s *Session) Withholds() bool { return s.extra != nil && s.extra.withheld }

// chains takes a command tag, and notices a transaction that goes on, as a new one,
// behind a COMMIT that has made a LISTEN hold: with AND CHAIN, or in the same
// text. The client has been told of that LISTEN, and may not miss what is notified
// until the listening backend hears it, nor hear it twice. So it keeps its own.
func (s *Session) chains(tag []byte, o *Out) {
	if s.hints&wire.HintListen == 0 || s.config.Listen != ListenShare {
		return
	}
	x := s.more()
	s.goesOn(o)
	switch string(tag) {
	case "LISTEN\x00":
		x.listened = true
	case "COMMIT\x00":
		x.committed, x.listened = x.listened, false
	}
}

// goesOn: something follows what has been answered.
func (s *Session) goesOn(o *Out) {
	if s.extra != nil && s.extra.committed {
		s.extra.committed = false
		s.setPins(s.pins|ReasonChannels, o)
	}
}

// listen has the owner listen to channels besides those there are.
func (s *Session) listen(channels []string, o *Out) {
	x := s.more()
	all := append(slices.Clone(channels), s.left()...)
	slices.Sort(all)
	x.wanted = slices.Compact(all)
	x.waiting = true
	o.do(EffectListen)
}

// unlisten notes the channels of the UNLISTENs in a text that is to be run; they
// hold when the transaction commits.
func (s *Session) unlisten(text []byte, h wire.Hints) {
	if s.extra == nil || len(s.extra.channels) == 0 {
		return
	}
	note := func(n wire.Name) {
		switch n.Kind {
		case wire.NameUnlisten:
			s.extra.unheard = append(s.extra.unheard, n.Text)
		case wire.NameUnlistenAll:
			s.extra.unheard = append(s.extra.unheard, "*")
		}
	}
	wire.Names(text, s.vars[wire.VarStandardConformingStrings] == "off", note)
	if h&wire.HintDo != 0 {
		wire.Tokens(text, s.nonconforming(), func(kind wire.TokenKind, text []byte) {
			if kind == wire.TokenString {
				wire.BodyNames(text, note)
			}
		})
	}
}

// unlistens tells whether the transaction takes channels from the client.
func (s *Session) unlistens() bool {
	return s.extra != nil && (len(s.extra.unheard) > 0 || s.extra.discarded)
}

// isShown tells whether the backend can be asked which of the client's channels
// are left.
func (s *Session) isShown() bool { return s.extra != nil && s.extra.shown != channelsHidden }

// mayUnlisten is unlistens, where an UNLISTEN that a savepoint has taken back may
// not have been the only one.
func (s *Session) mayUnlisten() bool {
	return s.unlistens() || s.isShown() && s.hints&wire.HintUnlisten != 0
}

// left are the channels that the transaction leaves it of those that it hears.
func (s *Session) left() []string {
	if s.extra.discarded {
		return nil
	}
	left := slices.Clone(s.extra.channels)
	for _, name := range s.extra.unheard {
		left = slices.DeleteFunc(left, func(c string) bool { return name == "*" || c == name })
	}
	return left
}

// applyUnlisten: the transaction has committed, and what was notified before has
// come. Nobody has to wait for a smaller set.
func (s *Session) applyUnlisten(o *Out) {
	if !s.unlistens() {
		return
	}
	left := s.left()
	if len(left) != len(s.extra.channels) {
		o.once(EffectUnlisten)
	}
	s.hear(left)
}

// hear makes channels all that the client hears. What others have notified
// meanwhile on one that it has given up is told all the same: it cannot know
// which came first. But of its own NOTIFY behind its UNLISTEN it does.
func (s *Session) hear(channels []string) {
	x := s.extra
	x.channels, x.wanted, x.unheard, x.discarded = channels, channels, nil, false
	x.notes = slices.DeleteFunc(x.notes, func(m []byte) bool {
		unheard := s.isOwn(m) && !s.hears(m)
		if unheard {
			x.noteBytes -= noteSize(m)
		}
		return unheard
	})
}

// isOwn tells whether a message is a notification that the client has sent.
func (s *Session) isOwn(message []byte) bool {
	return s.PID != 0 && message[0] == 'A' && len(message) >= wire.HeaderLen+4 &&
		binary.BigEndian.Uint32(message[wire.HeaderLen:]) == s.PID
}

// hears tells whether a message is a notification of one of the client's
// channels, or something else.
func (s *Session) hears(message []byte) bool {
	if message[0] != 'A' || len(message) < wire.HeaderLen+4 {
		return true
	}
	channel, _, _ := wire.CString(message[wire.HeaderLen+4:])
	return slices.Contains(s.extra.channels, string(channel))
}

// hearsElsewhere tells whether the body of a notification that the client's own
// backend has heard comes by the listening backend as well.
func (s *Session) hearsElsewhere(body []byte) bool {
	if s.extra == nil || len(s.extra.channels) == 0 || len(body) < 4 {
		return false
	}
	channel, _, _ := wire.CString(body[4:])
	return slices.Contains(s.extra.channels, string(channel))
}

// sync has the owner tell what has been notified up to now.
func (s *Session) sync(o *Out) {
	x := s.more()
	x.waiting, x.syncing = true, true
	o.do(EffectSyncNotes)
}

// catchUp is called when a message is sent that ends with ReadyForQuery. In a
// block, or behind another message, the catch-up waits for the answer: most are
// not the last.
func (s *Session) catchUp(o *Out) {
	x := s.extra
	x.needs = x.begun + 1
	if s.tx == 'I' && !s.owed.OwesReadyBefore() {
		s.beginCatchUp(o)
	}
}

// beginCatchUp has the listening backend asked.
func (s *Session) beginCatchUp(o *Out) {
	s.extra.begun++
	o.CatchUp = s.extra.begun
	o.once(EffectCatchUp)
}

// lags has the end of a transaction wait until the listening backend has caught up, if
// it has not.
func (s *Session) lags(o *Out) {
	x := s.extra
	if len(x.channels) == 0 || x.caught >= x.needs {
		return
	}
	if x.begun < x.needs {
		s.beginCatchUp(o)
	}
	x.waiting, x.withheld, x.catching = true, true, true
}

// CaughtUp says that a catch-up is over, or is not to be waited for any longer:
// all has been told that was notified before it was begun.
func (s *Session) CaughtUp(number uint64, o *Out) {
	x := s.extra
	x.caught = max(x.caught, number)
	if !x.catching || x.caught < x.needs {
		return
	}
	x.waiting, x.catching = false, false
	if s.phase != Active {
		return
	}
	s.tellReady(o)
	s.settle(o)
}

// CatchesUp is the number of the catch-up that the client waits for, 0 if it
// waits for none.
func (s *Session) CatchesUp() uint64 {
	if s.extra == nil || !s.extra.catching {
		return 0
	}
	return s.extra.needs
}

// sign has the notifications of a NOTIFY that is about to be sent bear the
// client's process ID. It is false if the message must wait: those of clients
// that were on the backend before may be on their way, by a trigger's doing, say.
func (s *Session) sign(o *Out) bool {
	switch {
	case s.extra != nil && s.extra.waiting:
		return false
	case s.link.others && s.PID != 0:
		s.sync(o)
		return false
	}
	s.link.Notifier.Store(s.PID)
	s.link.signed = true
	return true
}

// Signing tells whether a NOTIFY waits for that.
func (s *Session) Signing() bool { return s.extra != nil && s.extra.syncing && !s.extra.withheld }

// Wanted are the channels that the client is to hear.
func (s *Session) Wanted() []string {
	if s.extra == nil {
		return nil
	}
	return s.extra.wanted
}

// Channels are those that it hears.
func (s *Session) Channels() []string {
	if s.extra == nil {
		return nil
	}
	return s.extra.channels
}

// Listened says that the channels that were Wanted are heard now, or why not:
// then the client keeps its own backend for them.
func (s *Session) Listened(e *wire.Error, o *Out) {
	if s.extra == nil || !s.extra.waiting {
		return
	}
	synced := s.extra.syncing
	s.extra.waiting, s.extra.syncing = false, false
	if s.extra.yielded {
		s.extra.yielded = false
		if e == nil {
			s.hear(s.extra.wanted)
		} else {
			s.extra.wanted = s.extra.channels
			failed := *e
			failed.Severity, failed.Localized = "ERROR", ""
			o.ToClient.addError(&failed)
			o.refuse(&failed)
		}
		s.tellReady(o)
		return
	}
	if s.phase != Active {
		return
	}
	switch {
	case synced:
		s.link.others = false
		if !s.extra.withheld {
			return // a NOTIFY has waited for this, and is fed again
		}
		s.link.Notifier.Store(0)
		if s.asksFirst() {
			s.settle(o)
			return
		}
	case e != nil:
		s.extra.wanted = s.extra.channels
		s.setPins(s.pins|ReasonChannels, o)
	default:
		s.hear(s.extra.wanted)
		s.unlistenThere(o)
	}
	s.tellReady(o)
	s.settle(o)
}

// CancelHearing has a statement fail with e whose answer waits for the listening
// backend: the client hears what it heard before. It is false if none does.
func (s *Session) CancelHearing(e *wire.Error, o *Out) bool {
	x := s.extra
	if x == nil || !x.waiting || !x.withheld || x.catching {
		return false
	}
	synced, listens := x.syncing, s.phase == Active && !x.syncing && !x.yielded
	x.waiting, x.syncing, x.yielded = false, false, false
	x.wanted, x.unheard, x.discarded = x.channels, nil, false
	o.ToClient.addError(e)
	o.refuse(e)
	switch {
	case synced && s.asksFirst(): // there may be a LISTEN besides
	case listens:
		s.unlistenThere(o)
		s.tellReady(o)
	default:
		s.tellReady(o)
	}
	s.settle(o)
	return true
}

// unlistenThere has the backend listen to nothing any more. Where a client keeps
// it, something that nobody has asked about may have had it listen to more.
func (s *Session) unlistenThere(o *Out) {
	s.extra.shown = channelsHidden
	sql := []byte("UNLISTEN *")
	if s.pins != 0 {
		sql = s.eachChannel("UNLISTEN ")
	}
	o.ToServer.keep(wire.AppendQuery(o.ToServer.own(), string(sql)))
	s.unnamedHere = false
	s.owed.Push(pipeline.Reset)
}

// yield gives the backend back before Listened, if the pool has no listening
// backend yet: it may have no room for one as long as its clients keep theirs.
func (s *Session) yield(o *Out) {
	if !s.extra.waiting || s.extra.syncing || s.pins != 0 || s.owed.Len() > 0 || s.config.Listening == nil || s.config.Listening() {
		return
	}
	s.extra.yielded = true
	s.unlistenThere(o)
}

// tellReady tells the client ReadyForQuery, if that has been withheld: now its query and
// its transaction are over.
func (s *Session) tellReady(o *Out) {
	if s.extra != nil && s.extra.withheld && !s.extra.waiting && !s.MidAnswer() {
		s.extra.withheld = false
		s.applyUnlisten(o)
		s.tellNotes(o)
		o.ToClient.addReady('I')
		o.Queries++
		o.Transactions++
		o.Answered = true
	}
}
