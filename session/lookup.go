package session

import (
	"pgweir/session/proof"
	"pgweir/wire"
)

// A statement is looked up before it runs, for what its names may leave behind, and
// counted as run when it is sent: one that has to wait has not run.

// lookup is what is known of a statement that is about to run.
type lookup struct {
	sh            *proof.Shape // nil: it has none, or the database's objects are not known
	known         bool         // false: nobody keeps evidence
	exact         uint64       // see Session.exactly
	generation    uint64       // of the catalog, when it was looked up
	words, names  wire.Hints   // of its words, and of the names in them
	text          []byte
	later, tokens bool // text is to be read later; and its tokens are sure
}

// lookUp looks a statement up: by its shape, and its text for the case that the
// shape is not known. bind is the Bind message that runs it, nil for a simple
// query. runs says that it is about to run, which ran notes when it is sent.
func (s *Session) lookUp(shape wire.Shape, h wire.Hints, text, bind []byte, runs bool) (l lookup) {
	if runs && h&wire.HintSequence != 0 && containsFold(text, nameSeed) {
		s.link.seeded = true
	}
	c := s.config.Catalog
	if c == nil || s.config.State == StateOff {
		return l
	}
	// The generation is read before the knowledge, or that may be of the generation before.
	l = lookup{known: true, words: h, text: text, generation: c.Generation()}
	knowledge := c.Knowledge()
	if shape == 0 || knowledge == nil {
		l.names = s.learned(knowledge.Of(s.readable(text), s.nonconforming()))
		misread := s.mayMisread(text)
		if misread {
			for _, nonconforming := range [...]bool{false, true} {
				l.names |= s.learned(knowledge.Of(text, nonconforming)) | s.learned(knowledge.Of(withoutTrails(text), nonconforming))
			}
		}
		l.later, l.tokens = knowledge == nil, shape != 0 && !misread && !s.nonconforming()
		return l
	}
	key := proof.Key(shape, s.context())
	if h&wire.HintMeaning != 0 {
		l.exact = s.exactly(text, bind)
		key = wire.MixShape(key, l.exact)
	}
	if h&wire.HintFetch != 0 {
		key = wire.MixShape(key, s.link.evidence.path)
	}
	shapes := &s.config.Shared.Shapes
	if l.sh = shapes.Get(key); l.sh == nil {
		l.sh = shapes.Add(key, text)
	}
	if !l.sh.Current(l.generation) {
		l.sh.Renew(l.generation, knowledge.Of(s.readable(text), s.nonconforming()))
		s.noteFresh(shape, &l)
	}
	l.names = s.learned(l.sh.Learned())
	if runs && l.names&wire.HintDo != 0 && h&wire.HintDo == 0 {
		l.names |= s.readStrings(s.readable(text), s.nonconforming(), true) // it may execute them
	}
	if runs && (l.names|h)&wire.HintDo != 0 {
		s.readParameters(bind)
	}
	return l
}

// readParameters notes the settings of extensions that the parameters of a Bind set,
// nil for none, since a function may execute them.
func (s *Session) readParameters(bind []byte) {
	if bind == nil {
		return
	}
	_, rest, _ := wire.CString(bind[wire.HeaderLen:])
	_, rest, _ = wire.CString(rest)
	wire.BindParameters(rest, func(start, end int, isBinary bool) {
		if !containsFold(rest[start:end], "set") {
			return
		}
		l := proof.Body(string(rest[start:end]))
		for _, name := range l.Settings {
			s.noteCustom(name)
		}
	})
}

// noteFresh notes that a statement runs for the first time, if it does whatever the
// client has set.
func (s *Session) noteFresh(shape wire.Shape, l *lookup) {
	if s.settings != nil {
		shapes, key := &s.config.Shared.Shapes, proof.Key(shape, s.namesContext())
		sh := shapes.Get(key)
		if sh == nil {
			sh = shapes.Add(key, l.text)
		}
		if sh.Current(l.generation) {
			return
		}
		sh.Renew(l.generation, l.sh.Learned())
	}
	s.link.evidence.fresh = true
}

// ran notes that a statement which was looked up is sent to be run.
func (s *Session) ran(l *lookup) {
	if !l.known {
		return
	}
	e := &s.link.evidence
	if l.words&wire.HintMeaning != 0 && l.exact == 0 {
		e.ask, e.void = true, true // what decides it is not known, for what is behind it in the same text either
	}
	if e.moved && s.owed.OwesClientReady() {
		e.blind = true // the transaction that has changed the context may be over by then
	}
	if l.sh == nil {
		e.ask, e.void = true, true
		if l.later {
			e.keep(l.text, l.tokens)
		}
	} else {
		s.ranShape(l.sh, l.generation, l.words|l.names)
		if l.words&wire.HintFetch == 0 {
			e.path = wire.MixShape(e.path, l.sh.Key())
		}
	}
	s.changesMeaning(l.words, l.names, l.exact)
}

// runsUnnamed looks the unnamed statement up, which a Bind is about to run.
func (s *Session) runsUnnamed(bind []byte) wire.Hints {
	if s.config.Catalog == nil || s.config.State == StateOff {
		return 0
	}
	shape := s.unnamedShape
	var text []byte
	if len(s.unnamedParse) > wire.HeaderLen {
		text, _, _ = wire.CString(s.unnamedParse[wire.HeaderLen+1:])
	} else {
		shape = 0
	}
	h := s.unnamedHints
	if h&wire.HintMeaning != 0 {
		_, total := wire.Header(bind)
		if total != len(bind) {
			shape = 0
		}
	}
	l := s.lookUp(shape, h, text, bind, true)
	s.ran(&l)
	return l.names
}

// lookUpNamed looks a shared statement up, which a Bind of total bytes is about to
// run.
func (s *Session) lookUpNamed(n *named, bind []byte, total int) lookup {
	shape := n.shape
	if n.hints&wire.HintMeaning != 0 && len(bind) < total {
		shape = 0
	}
	return s.lookUp(shape, n.hints, n.st.Text(), bind, true)
}

// ranShape counts a run.
func (s *Session) ranShape(sh *proof.Shape, generation uint64, h wire.Hints) {
	e := &s.link.evidence
	proven := sh.Run()
	if sh.Transparent() {
		return
	}
	e.unproven = e.unproven || !proven
	if (h|s.hints)&voidHints != 0 || e.blind {
		e.ask, e.void = true, true
	}
	if sh.RollsBack() || s.pins != 0 {
		e.void = true
	}
	n := len(e.ran)
	if n > 0 && e.ran[n-1] == sh {
		return
	}
	e.course = wire.MixShape(e.course, sh.Key())
	switch n {
	case 0:
		e.generation = generation
		e.ran = append(e.ran, sh)
	case maxRan:
		e.void = true
	default:
		e.ran = append(e.ran, sh)
	}
}

// context is that of the transaction under way. All that the client has set is in
// it: what sets the same again does not show.
func (s *Session) context() uint64 {
	e := &s.link.evidence
	if e.context == 0 {
		e.context = s.contextOf(s.settings.Hash())
	}
	return e.context
}

// namesContext is what of it says what names mean.
func (s *Session) namesContext() uint64 { return s.contextOf(s.settings.NamesHash()) }

func (s *Session) contextOf(settings uint64) uint64 {
	h := wire.MixShape(settings, s.link.variant)
	if s.nonconforming() {
		h++
	}
	return max(h, 1)
}

// exactly is a hash of what decides how a statement changes what names mean: its
// text, and the parameters that it gives to such settings. It is 0 if something else
// decides, a table for instance.
func (s *Session) exactly(text, bind []byte) uint64 {
	h := wire.HashExactly(text)
	known := wire.MeaningParameters(s.readable(text), s.nonconforming(), func(number int) {
		if bind != nil {
			value, _ := wire.BindParameter(bind[wire.HeaderLen:], number)
			h = wire.MixShape(h, wire.HashExactly(value))
		}
	})
	if !known {
		return 0
	}
	return max(h, 1)
}

// changesMeaning notes that a statement with these hints of its words and its
// names may change what names mean in the transaction.
func (s *Session) changesMeaning(words, names wire.Hints, exact uint64) {
	switch e := &s.link.evidence; {
	case words&blindHints != 0, names&(wire.HintMeaning|wire.HintDo|wire.HintDiscard) != 0:
		e.blind = true
	case words&wire.HintMeaning != 0 && exact == 0:
		e.blind = true
	case words&wire.HintMeaning != 0:
		e.context, e.moved = wire.MixShape(s.context(), exact), true
	}
}

// learned notes what the names in a statement may leave behind, and returns it
// as hints.
func (s *Session) learned(l *proof.Learned) wire.Hints {
	if l == nil {
		return 0
	}
	for _, name := range l.Settings {
		s.noteCustom(name)
	}
	if l.Unknown {
		s.more().unknown = true
	}
	if l.Foreign {
		s.more().foreign = true
	}
	s.link.seeded = s.link.seeded || l.Seeds
	h := l.Hints | wire.HintFunction
	for _, name := range l.Names {
		h |= readingHint(name)
	}
	return h
}
