package session

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"pgweir/session/follow"
	"pgweir/session/pipeline"
	"pgweir/session/proof"
	"pgweir/wire"
)

// A transaction may leave state behind in its backend: settings, locks,
// temporary tables, channels. Whether one did is PostgreSQL's to say. The backend
// is asked before it is let go of, unless all that ran is proven to leave nothing
// (evidence.go); the words of the statements hint at what to ask for. If only
// settings are left, they are remembered and set anew wherever the client runs
// next; if it is more, the client keeps the backend (a pin) until that is gone.

// State says what is done about what a transaction leaves behind
// (session_state).
type State uint8

const (
	StateOff   State = iota // nothing; it stays on the backend
	StatePin                // all of it pins
	StateTrack              // settings are carried over, the rest pins
)

// Reason is a set of reasons for which a client keeps its backend.
type Reason = proof.Reason

// The reasons.
const (
	ReasonLock     = proof.ReasonLock
	ReasonTemp     = proof.ReasonTemp
	ReasonCursor   = proof.ReasonCursor
	ReasonPrepared = proof.ReasonPrepared
	ReasonChannels = proof.ReasonChannels
	ReasonSetting  = proof.ReasonSetting
	ReasonLibrary  = proof.ReasonLibrary
	ReasonSequence = proof.ReasonSequence
	ReasonUnknown  = proof.ReasonUnknown

	partSettings = proof.PartSettings
	partsAll     = proof.PartsAll
)

// scan looks for hints in the words of a statement, and makes its shape. types
// are those of its parameters, as a Parse message has them.
func (s *Session) scan(text, types []byte) (wire.Hints, wire.Shape) {
	if s.config.State == StateOff {
		return 0, 0
	}
	if s.unnamedHints == 0 && s.unnamedShape != 0 && s.isUnnamed(text, types) && readsOneWay(text) {
		return 0, s.unnamedShape // drivers send the text of a statement each time
	}
	h, shape := s.scanAs(s.readable(text), types, s.nonconforming())
	if s.mayMisread(text) {
		for _, nonconforming := range [...]bool{false, true} {
			plain, _ := s.scanAs(text, types, nonconforming)
			wide, _ := s.scanAs(withoutTrails(text), types, nonconforming)
			h |= plain | wide
		}
		return h, 0
	}
	return h, shape
}

// isUnnamed tells whether a text, and the types of its parameters, are those of the
// client's unnamed statement.
func (s *Session) isUnnamed(text, types []byte) bool {
	const before = wire.HeaderLen + 1 // the statement's name, which is empty
	if len(s.unnamedParse) < before+len(text)+1 || !bytes.Equal(s.unnamedParse[before:][:len(text)], text) {
		return false
	}
	rest := s.unnamedParse[before+len(text):]
	return rest[0] == 0 && bytes.Equal(parameterTypes(rest[1:]), types)
}

// scanAs is scan for one way in which a text may be read.
func (s *Session) scanAs(text, types []byte, nonconforming bool) (wire.Hints, wire.Shape) {
	h, shape := wire.Read(text, types, nonconforming)
	h &^= wire.HintExplicit
	if h&hintsNames != 0 {
		h = s.readNames(text, nonconforming, h)
	}
	return h, shape
}

// mayMisread tells whether the backend may read a text in another way: what is
// under way may have changed what a backslash or the bytes of a character mean.
func (s *Session) mayMisread(text []byte) bool {
	return s.hints != 0 && s.unsure() && bytes.ContainsFunc(text, func(r rune) bool { return r == '\\' || r >= utf8.RuneSelf })
}

// nonconforming tells whether a backslash escapes in every string.
func (s *Session) nonconforming() bool { return s.vars[wire.VarStandardConformingStrings] == "off" }

func containsFold(text []byte, word string) bool {
	return bytes.Contains(bytes.ToLower(text), []byte(word))
}

// parameterTypes are the types in what follows the text in a Parse message.
func parameterTypes(rest []byte) []byte {
	if len(rest) < 2 {
		return nil
	}
	return rest[2:]
}

// watched is what watch has found.
type watched struct {
	hints wire.Hints
	shape wire.Shape
	lookup
}

// watch looks for hints in the text of a Query, or of a Parse behind its name;
// runs says that it is to run as well, which ran notes when it is sent.
func (s *Session) watch(text []byte, runs bool) (w watched) {
	end := bytes.IndexByte(text, 0)
	whole := end >= 0
	var types []byte
	if whole {
		types = parameterTypes(text[end+1:])
		text = text[:end]
	}
	h, shape := s.scan(text, types)
	if !whole {
		shape = 0
		if s.config.State != StateOff {
			h |= wire.HintDo // it goes on, unseen
			s.passing(text)
		}
	}
	w.shape, w.lookup = shape, s.lookUp(shape, h, text, nil, runs)
	h |= w.names
	if h&wire.HintPrepare != 0 {
		// What a prepared statement does comes when it is executed.
		s.more().preparedHints |= h &^ (wire.HintPrepare | hintsBarrier)
	} else if h&(wire.HintExecute|wire.HintDeallocate|wire.HintDiscard) != 0 && s.extra != nil {
		h |= s.extra.preparedHints
	}
	s.hints |= s.lasting(h)
	if h&^hintsCheap != 0 || s.config.LeakCheck > 0 {
		s.keepStatement(text, h)
	}
	w.hints = h
	return w
}

// passing begins to look for settings of extensions in a text that is passed on as
// it comes, of which this is the start.
func (s *Session) passing(start []byte) {
	x := s.more()
	x.rest, x.passes = wire.Passing{}, true
	x.rest.Read(start) // whose names are read in another way
}

// readRest reads on in such a text.
func (s *Session) readRest(part []byte) {
	x := s.extra
	if x.rest.Read(part) {
		x.unknown = true
	}
	x.passes = s.clientLeft > 0
}

const (
	// hintsNames are those of texts whose names have to be read.
	hintsNames = wire.HintSet | wire.HintSetConfig | wire.HintDo | wire.HintDDL | wire.HintLocal | wire.HintReset
	// hintsCheap say nothing about state.
	hintsCheap = wire.HintDDL | wire.HintDrop | wire.HintClose | wire.HintNotify |
		wire.HintLocal | wire.HintMeaning | wire.HintCatalog | wire.HintFetch | wire.HintBackendPID |
		hintReading | hintReadingVar
)

// readNames reads the names in a text that has some of hintsNames: those of
// settings that no view shows are asked for by name. It may take hints back.
func (s *Session) readNames(text []byte, nonconforming bool, h wire.Hints) wire.Hints {
	set, followed := h&wire.HintSet != 0, true
	visit := func(n wire.Name) {
		switch n.Kind {
		case wire.NameSet, wire.NameSetConfig, wire.NameSetConfigUnknown, wire.NameLocal, wire.NameReset:
			h |= readingHint(n.Text)
		}
		switch n.Kind {
		case wire.NameSet:
			if wire.VarIndex([]byte(n.Text)) < 0 {
				followed = false
			}
			h |= seedHint(n.Text)
			s.noteCustom(n.Text)
			s.more().role = s.extra.role || n.Text == follow.NameRole
		case wire.NameSetConfig:
			h |= seedHint(n.Text)
			s.noteCustom(n.Text)
		case wire.NameLocal:
			h |= seedHint(n.Text) // it is not taken back
		case wire.NameSetConfigUnknown:
			s.more().unknown = true
		}
	}
	wire.Names(text, nonconforming, visit)
	if h&(wire.HintDo|wire.HintDDL) != 0 {
		h |= s.readStrings(text, nonconforming, h&wire.HintDo != 0)
	}
	if set && followed && h&wire.HintDo == 0 {
		h &^= wire.HintSet // ParameterStatus tells all that there is to know
	}
	return h
}

// nameSeed is the setting that chooses what random gives, as setseed does.
const nameSeed = "seed"

// seedHint is the hint of a setting that is set.
func seedHint(name string) wire.Hints {
	if name == nameSeed {
		return wire.HintSequence
	}
	return 0
}

// readStrings reads the strings in a text, which are bodies of functions or what
// a statement runs as one: for the settings of extensions that they set, and for
// NOTIFY. run says that they are run at once.
func (s *Session) readStrings(text []byte, nonconforming, run bool) (h wire.Hints) {
	wire.Tokens(text, nonconforming, func(kind wire.TokenKind, text []byte) {
		if kind != wire.TokenString {
			return
		}
		l := proof.Body(string(text))
		for _, name := range l.Settings {
			s.noteCustom(name)
		}
		if run && l.Unknown {
			s.more().unknown = true
		}
		if run && l.Foreign {
			s.more().foreign = true
		}
		if run && l.Seeds {
			h |= wire.HintSequence
		}
		if run {
			h |= l.Hints & (wire.HintNotify | wire.HintDblink | wire.HintProcess | wire.HintDrop | wire.HintCatalog)
			for _, name := range l.Names {
				h |= readingHint(name)
			}
		}
	})
	return h
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
	s.notePlans(h)
	s.link.epoch++
	if h&wire.HintBackendPID != 0 {
		s.link.pidReader = s.PID
	}
	s.noteChanges(h)
	blind := blinded(h)
	s.tainted = s.tainted || blind&ReasonLibrary != 0 // nothing undoes it
	if s.extra != nil {
		s.extra.turned, s.extra.turnedIdle = s.extra.turns || h&(wire.HintReset|wire.HintDiscard) != 0, s.extra.turnsIdle
		s.extra.turns, s.extra.turnsIdle = false, false
	}
	if s.extra != nil && s.extra.foreign {
		s.extra.foreign, s.link.unsure, s.link.seeded = false, true, true
	}
	if s.extra != nil && s.extra.unknown {
		s.extra.unknown = false
		blind |= ReasonSetting
		s.extra.blind = true
	}
	s.setPins(s.pins|blind, o)
	hinted := s.parts(h)
	parts := hinted
	switch {
	case s.doubtful():
		parts |= partsAll
	case hinted == 0 && s.sample():
		s.config.Shared.Counts.Sampled.Add(1)
		s.ask(partsAll, 0, true, o)
		return false
	}
	if parts == 0 {
		return true
	}
	if s.pins != 0 && s.mayHaveLeft() {
		parts = partsAll // the pin may end with the answer
	}
	switch counts := &s.config.Shared.Counts; {
	case hinted != 0:
		counts.Hinted.Add(1)
	case s.link.evidence.ask, s.unprovenRan():
		counts.Unproven.Add(1)
	default:
		counts.Catalog.Add(1)
	}
	s.ask(parts, hinted, false, o)
	return false
}

// noteChanges notes that a transaction with these hints may have changed the
// database's objects.
func (s *Session) noteChanges(h wire.Hints) {
	if h&(wire.HintDDL|wire.HintDrop) != 0 {
		s.config.Shared.changes.Add(1)
	}
	if c := s.config.Catalog; c != nil && h&(wire.HintCatalog|wire.HintDrop) != 0 {
		c.Changed()
	}
}

// sample tells whether a transaction without hints is to be checked all the
// same (leak_check).
func (s *Session) sample() bool {
	if s.config.LeakCheck <= 0 || s.pins != 0 || s.asked || s.tainted {
		return false
	}
	s.link.share += s.config.LeakCheck
	if s.link.share < 1 {
		return false
	}
	s.link.share--
	return true
}

// overPinned takes away what the client would keep a backend for, since too
// many do: without a word, the next one to wait would not know why.
func (s *Session) overPinned(o *Out) {
	s.keepPlace()
	s.extra.blind = false
	s.setPins(s.pins&ReasonLibrary, o)
	s.link.settings = s.link.base
	s.dropNames()
	e := errMaxPinned(s.config.MaxPinned)
	if !s.extra.withheld {
		e.Severity = "FATAL"
		s.fail(e, o)
		return
	}
	o.ToClient.addError(e)
	o.refuse(e)
	o.ToServer.keep(wire.AppendQuery(o.ToServer.own(), "DISCARD ALL"))
	s.unnamedHere = false
	s.owed.Push(pipeline.Reset)
}

// setPins sets the reasons for which the client keeps its backend.
func (s *Session) setPins(pins Reason, o *Out) {
	if pins == s.pins || s.leaving == leavingForgotten {
		s.pins = pins // of a client that has gone it is not counted
		return
	}
	switch {
	case s.pins == 0:
		s.config.Shared.Pinned.Add(1)
		if s.place == placeNone {
			s.place = placeNew
			s.config.Shared.places.Add(1)
		}
		s.more().pinStatement = s.extra.statement
	case pins == 0:
		s.config.Shared.Pinned.Add(-1)
		s.freePlace()
	}
	s.pins = pins
	o.once(EffectPins)
}

// deallocatesAll tells the command tags after which a backend has no prepared
// statements any more.
func deallocatesAll(tag []byte) bool {
	return len(tag) > 0 && tag[0] == 'D' && (string(tag) == tagDiscardAll || string(tag) == tagDeallocateAll)
}

// commitsObjects tells whether a command has committed what may have changed the
// database's objects.
func (s *Session) commitsObjects(tag []byte) bool {
	return s.hints&(wire.HintCatalog|wire.HintDrop) != 0 && string(tag) == "COMMIT\x00"
}

// lostAll: the backend has lost its prepared statements by a text whose words
// have not been looked at. Messages that stand behind it may have been sent.
func (s *Session) lostAll() {
	s.link.have.Doubt()
	if s.owed.Len() <= 1 && len(s.link.ops) == 0 {
		s.forgetNames()
	}
}

// dropNames: the backend has no prepared statements any more, and the client
// none either.
func (s *Session) dropNames() {
	s.forgetNames()
	s.link.have.Clear()
	s.sqlNames = false
	if s.extra != nil {
		s.extra.preparedHints = 0
	}
}
