package session

import (
	"bytes"
	"slices"
	"strings"

	"pgweir/wire"
)

// A transaction may leave state behind in its backend: settings, locks,
// temporary tables, channels. Whether one did is PostgreSQL's to say. The
// words of the statements only hint at it; after a hint, the backend is asked
// before it is let go of. If only settings are left, they are remembered and
// set anew wherever the client runs next; if it is more, the client keeps the
// backend (a pin) until that is gone.

// State says what is done about what a transaction leaves behind
// (session_state).
type State uint8

const (
	StateOff   State = iota // nothing; it stays on the backend
	StatePin                // all of it pins
	StateTrack              // settings are carried over, the rest pins
)

// Reason is a set of reasons for which a client keeps its backend.
type Reason uint16

// The reasons.
const (
	ReasonLock     Reason = 1 << iota
	ReasonTemp            // temporary tables and other objects in pg_temp
	ReasonCursor          // cursors WITH HOLD
	ReasonPrepared        // statements prepared under names of the client's own on the backend
	ReasonChannels
	ReasonSetting  // one that cannot be asked for, or any with session_state = pin
	ReasonLibrary  // LOAD, dblink's connections: until the end
	ReasonSequence // lastval and currval
	ReasonUnknown  // the backend could not be asked
	numReasons     = iota
)

// ReasonNames are the reasons in words, in their order.
var ReasonNames = [numReasons]string{
	"advisory lock", "temporary table", "held cursor", "prepared statement", "channels",
	"setting", "library", "sequence", "unknown",
}

// Names are the words for the reasons in r.
func (r Reason) Names() (names []string) {
	for i, name := range ReasonNames {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

func (r Reason) String() string { return strings.Join(r.Names(), ", ") }

// partSettings asks for settings; the other parts of the question have the
// names of the reasons that they may find.
const (
	partSettings  Reason = 1 << (numReasons + iota)
	partFunctions        // those whose bodies may leave something behind; see learn
	partsAll      = partSettings | ReasonLock | ReasonTemp | ReasonCursor | ReasonPrepared | ReasonChannels
)

// parts are the questions that hints lead to.
func (s *Session) parts(h wire.Hints) (p Reason) {
	on := func(hints wire.Hints, parts Reason) {
		if h&hints != 0 {
			p |= parts
		}
	}
	on(wire.HintDo|wire.HintCall, partsAll)
	on(wire.HintSet|wire.HintSetConfig, partSettings)
	on(wire.HintAdvisoryLock, ReasonLock)
	on(wire.HintTemp, ReasonTemp)
	on(wire.HintHold, ReasonCursor)
	on(wire.HintPrepare, ReasonPrepared)
	on(wire.HintListen, ReasonChannels)
	if s.settings != nil {
		on(wire.HintReset|wire.HintDiscard, partSettings)
	}
	// What may end a pin asks for what there is.
	var free Reason
	for _, f := range [...]struct {
		hint   wire.Hints
		reason Reason
	}{
		{wire.HintReset, ReasonSetting}, {wire.HintAdvisoryUnlock, ReasonLock}, {wire.HintDrop, ReasonTemp},
		{wire.HintClose, ReasonCursor}, {wire.HintDeallocate, ReasonPrepared}, {wire.HintUnlisten, ReasonChannels},
		{wire.HintDiscard, ReasonTemp | ReasonSetting | ReasonPrepared},
	} {
		if h&f.hint != 0 {
			free |= f.reason
		}
	}
	if s.pins&(free|ReasonUnknown) != 0 {
		p |= partsAll // if the pin ends, all that has come meanwhile must be known
	}
	return p
}

// scan looks for hints in a statement's text.
func (s *Session) scan(text []byte) wire.Hints {
	if s.config.State == StateOff {
		return 0
	}
	nonconforming := s.vars[wire.VarStandardConformingStrings] == "off"
	var h wire.Hints
	if nonconforming {
		h = wire.ScanNonconforming(text)
	} else {
		h = wire.Scan(text)
	}
	h &^= wire.HintExplicit
	functions := s.config.Shared.functions.Load()
	if c := functions.Calls(text, nonconforming); c != 0 {
		h |= c
		functions.Visit(text, nonconforming, s.learnedCall)
	}
	if h&hintsNames != 0 {
		h = s.readNames(text, nonconforming, h)
	}
	return h
}

func containsFold(text []byte, word string) bool {
	return bytes.Contains(bytes.ToLower(text), []byte(word))
}

// learnedCall notes the settings that a function may set.
func (s *Session) learnedCall(f *wire.Function) {
	for _, name := range f.Settings {
		s.noteCustom(name)
	}
	if f.Unknown {
		s.more().unknown = true
	}
}

// watch looks for hints in the text of a Query or of a Parse behind its name.
func (s *Session) watch(text []byte) wire.Hints {
	end := bytes.IndexByte(text, 0)
	if end >= 0 {
		text = text[:end]
	}
	h := s.scan(text)
	if end < 0 && s.config.State != StateOff {
		h |= wire.HintDo // it goes on, unseen
	}
	if h&wire.HintPrepare != 0 {
		// What a prepared statement does comes when it is executed.
		s.more().preparedHints |= h &^ (wire.HintPrepare | hintsAlone)
	} else if h&(wire.HintExecute|wire.HintDeallocate|wire.HintDiscard) != 0 && s.x != nil {
		h |= s.x.preparedHints
	}
	if s.tx != 'I' {
		h &^= wire.HintSequence // what the transaction itself has made of them is there
	}
	s.hints |= h
	if h&^hintsCheap != 0 || s.config.LeakCheck > 0 {
		s.more().keepStatement(text)
	}
	if h&wire.HintDDL != 0 && (containsFold(text, "function") || containsFold(text, "procedure") || containsFold(text, "extension")) {
		s.more().functions = true
		s.config.Shared.made(text)
	}
	return h
}

const (
	// hintsNames are those of texts whose names have to be read.
	hintsNames = wire.HintSet | wire.HintSetConfig | wire.HintDo
	// hintsCheap say nothing about state.
	hintsCheap = wire.HintDDL | wire.HintDrop | wire.HintClose | wire.HintNotify |
		hintsSignal
)

// readNames reads the names in a text that has some of hintsNames: those of
// settings that no view shows are asked for by name. It may take hints back.
func (s *Session) readNames(text []byte, nonconforming bool, h wire.Hints) wire.Hints {
	set, followed := h&wire.HintSet != 0, true
	visit := func(n wire.Name) {
		switch n.Kind {
		case wire.NameSet:
			if wire.VarIndex([]byte(n.Text)) < 0 {
				followed = false
			}
			s.noteCustom(n.Text)
			s.more().role = s.x.role || n.Text == nameRole
		case wire.NameSetConfig:
			s.noteCustom(n.Text)
		case wire.NameSetConfigUnknown:
			s.more().unknown = true
		}
	}
	wire.Names(text, nonconforming, visit)
	if h&wire.HintDo != 0 {
		body := dollarBody(text)
		wire.BodyNames(body, visit)
		h |= wire.BodyHints(body) & wire.HintNotify
	}
	if set && followed && h&wire.HintDo == 0 {
		h &^= wire.HintSet // ParameterStatus tells all that there is to know
	}
	return h
}

// dollarBody is what stands in the first dollar quotes of a text.
func dollarBody(text []byte) []byte {
	i := bytes.IndexByte(text, '$')
	if i < 0 {
		return text
	}
	n := bytes.IndexByte(text[i+1:], '$')
	if n < 0 {
		return nil
	}
	tag := text[i : i+n+2]
	body := text[i+len(tag):]
	if end := bytes.Index(body, tag); end >= 0 {
		return body[:end]
	}
	return body
}

// maxCustoms bounds how many settings of extensions' a client may have; one
// with more keeps its backend.
const maxCustoms = 64

// noteCustom remembers that the client may have set a setting that
// pg_settings does not show.
func (s *Session) noteCustom(name string) {
	if !strings.Contains(name, ".") {
		return
	}
	name = strings.ToLower(name)
	x := s.more()
	switch {
	case slices.Contains(x.customs, name):
	case len(x.customs) == maxCustoms:
		x.unknown = true
	default:
		x.customs = append(x.customs, name)
	}
}

// clean decides what the hints of the transaction mean for the lease. It is
// false if the backend had to be asked, and the answer is on its way.
func (s *Session) clean(o *Out) bool {
	h := s.hints
	s.hints = 0
	if h&(wire.HintDDL|wire.HintDrop) != 0 {
		s.config.Shared.changed(s.x != nil && s.x.functions)
		if s.x != nil {
			s.x.functions = false
		}
	}
	blind := Reason(0)
	if h&(wire.HintLoad|wire.HintDblink) != 0 {
		s.spoilt = true // nothing undoes these
		blind |= ReasonLibrary
	}
	if s.x != nil {
		s.x.turned = h&(wire.HintReset|wire.HintDiscard) != 0 || h&wire.HintSet != 0 && containsFold([]byte(s.x.statement), "default")
	}
	if h&wire.HintSequence != 0 {
		blind |= ReasonSequence
	}
	if s.x != nil && s.x.unknown {
		s.x.unknown = false
		blind |= ReasonSetting
		s.x.blind = true
	}
	s.setPins(s.pins|blind, o)
	if p := s.parts(h); p != 0 {
		s.ask(p, false, o)
		return false
	}
	return true
}

// sample tells whether a transaction without hints is to be checked all the
// same (leak_check).
func (s *Session) sample() bool {
	if s.config.LeakCheck <= 0 || s.pins != 0 {
		return false
	}
	s.share += s.config.LeakCheck
	if s.share < 1 {
		return false
	}
	s.share--
	return true
}

// answered: the backend has said what is left.
func (s *Session) answered(o *Out) {
	a := s.x.asking
	s.x.asking = nil
	if a.canceled && a.parts != 0 && a.tries < maxTries {
		s.ask(a.parts, a.leak, o)
		s.x.asking.tries = a.tries + 1
		return
	}
	if a.parts&partFunctions != 0 {
		s.config.Shared.known.Store(true)
		if !a.failed {
			s.config.Shared.learn(a.learned)
		} else if a.canceled {
			s.config.Shared.stale.Store(true) // another client may be let wait for it
		}
	}
	if len(a.suspects) > 0 {
		s.config.Shared.suspect(a.suspects)
		o.Learned = a.suspects
	}
	if a.parts&^partFunctions == 0 {
		return
	}
	if a.failed {
		s.setPins(s.pins|ReasonUnknown, o)
		return
	}
	pins := s.pins&^(a.parts|ReasonUnknown) | a.found
	if s.private > 0 {
		pins |= ReasonPrepared
	}
	s.sqlNames = pins&ReasonPrepared != 0 && (a.found&ReasonPrepared != 0 || s.sqlNames && a.parts&ReasonPrepared == 0)
	found := a.found
	if a.parts&partSettings != 0 {
		next := s.readSettings(a)
		if !next.equal(s.settings) {
			if !next.without(emptyCustom).equal(s.settings.without(emptyCustom)) {
				found |= ReasonSetting
			}
		} else {
			next = s.settings
		}
		s.link.settings = next
		if s.base != nil {
			s.link.settings = s.thereIs(a)
		}
		s.settings = next
		pins &^= ReasonSetting
		if s.x.blind || next != nil && s.config.State == StatePin {
			pins |= ReasonSetting
		}
	}
	if a.leak && found != 0 {
		// The client keeps what it has; but a backend on which something was
		// left unseen is nobody else's any more.
		s.spoilt = true
		o.Leak = found
		s.suspect(o)
	}
	if a.found&ReasonChannels != 0 && s.config.Listen == ListenShare && !s.draining {
		pins &^= ReasonChannels
		s.listen(a.channels, o)
	}
	s.setPins(pins, o)
	if s.pins == 0 {
		s.freePlace()
	}
}

// readSettings makes a set of what the backend has said.
func (s *Session) readSettings(a *asking) *Settings {
	back := s.x != nil && s.x.turned
	list := slices.DeleteFunc(slices.Clone(a.settings), func(v wire.Param) bool {
		if _, begun := s.base.get(v.Name); begun && back && v.Value == "" {
			return true // as RESET leaves a setting of an extension's
		}
		return v.Name == nameRole && (v.Value == "none" || s.link.ownRole) && !a.role ||
			v.Name == nameAuthorization && v.Value == s.config.User ||
			wire.VarIndex([]byte(v.Name)) >= 0
	})
	for _, v := range s.base.all() {
		// What is not set any more is back at the client's startup parameters.
		if !slices.ContainsFunc(list, func(w wire.Param) bool { return w.Name == v.Name }) {
			list = append(list, v)
		}
	}
	return NewSettings(list)
}

// thereIs is what the backend has, where the client has more.
func (s *Session) thereIs(a *asking) *Settings {
	base := s.base
	s.base = s.link.base
	there := s.readSettings(a)
	s.base = base
	if there.equal(s.settings) {
		return s.settings
	}
	return there
}

// overPinned takes away what the client would keep a backend for, since too
// many do: without a word, the next one to wait would not know why.
func (s *Session) overPinned(o *Out) {
	s.newPin, s.x.blind = false, false
	s.setPins(s.pins&ReasonLibrary, o)
	s.link.settings = s.link.base
	s.dropNames()
	e := errMaxPinned(s.config.MaxPinned)
	if !s.x.withheld {
		e.Severity = "FATAL"
		s.fail(e, o)
		return
	}
	o.ToClient.addError(e)
	o.Errors++
	o.ToServer.keep(wire.AppendQuery(o.ToServer.own(), "DISCARD ALL"))
	s.unnamedHere = false
	s.owed.push(entReset)
}

// setPins sets the reasons for which the client keeps its backend.
func (s *Session) setPins(pins Reason, o *Out) {
	if pins == s.pins || s.forgotten {
		s.pins = pins // of a client that has gone it is not counted
		return
	}
	switch {
	case s.pins == 0:
		s.config.Shared.Pinned.Add(1)
		if s.newPin = !s.place; s.newPin {
			s.place = true
			s.config.Shared.places.Add(1)
		}
		s.more().pinStatement = s.x.statement
	case pins == 0:
		s.config.Shared.Pinned.Add(-1)
		s.freePlace()
	}
	s.pins = pins
	o.PinsChanged = true
}

// completed reads a command's tag, for those that end what was there before.
// Nothing was sent behind them: see Session.alone.
func (s *Session) completed(tag []byte, o *Out) {
	switch string(tag) {
	case "DISCARD ALL\x00":
		s.setPins(s.pins&ReasonLibrary, o)
		s.hints &= wire.HintLoad | wire.HintDblink
		s.settings, s.link.settings = s.base, s.link.base
		if s.x != nil {
			s.x.blind, s.x.unknown, s.x.role = false, false, false
			s.x.discarded = len(s.x.channels) > 0
			if len(s.x.customs) > 0 {
				s.hints |= wire.HintSet // they are empty now, but there
			}
		}
		s.dropNames()
	case "DEALLOCATE ALL\x00":
		s.dropNames()
	case "DISCARD SEQUENCES\x00":
		s.setPins(s.pins&^ReasonSequence, o)
	case "ROLLBACK\x00":
		if s.x != nil {
			s.x.unheard = nil // to a savepoint, perhaps: then they may hold, and are lost
		}
	case "DEALLOCATE\x00":
		s.deallocated()
	case "PREPARE\x00":
		s.sqlNames = true // also behind a DEALLOCATE ALL in the same text
	}
}

// dropNames: the backend has no prepared statements any more, and the client
// none either.
func (s *Session) dropNames() {
	s.forgetNames()
	s.link.have.clear()
	s.sqlNames = false
	if s.x != nil {
		s.x.preparedHints = 0
	}
}
