package session

import (
	"bytes"

	"pgweir/session/pipeline"
	"pgweir/session/proof"
	"pgweir/wire"
)

// A backend goes to another client only after PostgreSQL has vouched for what
// ran on it (package proof). Each statement that runs is looked up by its shape.
// If it is not proven to leave nothing behind, the backend is asked before the
// lease ends.

// evidence is what a lease needs to know of the statements that ran in it.
type evidence struct {
	// context is a hash of what decides what names mean in the transaction under
	// way: the settings, and what the transaction has changed of them. 0: not
	// looked at yet.
	context uint64
	path    uint64 // a hash of the keys of what ran in the transaction
	// generation is that of the catalog when the first of ran was looked up.
	generation uint64
	ran        []*proof.Shape
	course     uint64 // a hash of the keys of ran, in their order
	judged     uint64 // the course for which asks was found out
	asks       bool   // see Session.unprovenRan
	unproven   bool   // something ran that is not proven by itself
	ask        bool   // something ran of which nothing can be proven
	moved      bool   // the context is another than the client's settings make it
	fresh      bool   // something ran for the first time
	void       bool   // the answer proves nothing: something failed, or names meant something else
	blind      bool   // the context is not known
	unread     []byte // what ran before it was known what its names may leave, each text with a 0 behind it
	lost       bool   // unread does not have all of it
}

// maxRan bounds the shapes of a lease that an answer is about.
const maxRan = 64

// maxUnread bounds the texts of a lease that are read later, in bytes.
const maxUnread = 4096

// begin is for the start of a lease.
func (e *evidence) begin() {
	*e = evidence{ran: e.ran[:0]}
}

// transactionEnds: what the transaction has changed of the context is over, unless
// something has been sent behind it, for which more may have changed.
func (e *evidence) transactionEnds(last bool) {
	if last {
		e.context, e.path, e.blind, e.moved = 0, 0, false, false
	} else if e.moved {
		e.blind = true
	}
}

// voidHints are of statements after which names may mean something that they do
// not mean to others.
const voidHints = wire.HintDo | wire.HintCall | wire.HintDiscard | wire.HintTemp | wire.HintCatalog | wire.HintExecute

// blindHints are of statements that may change what names mean, in ways that do
// not show.
const blindHints = wire.HintDo | wire.HintCall | wire.HintDiscard

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
	return l
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
	if len(s.unnamed) > wire.HeaderLen {
		text, _, _ = wire.CString(s.unnamed[wire.HeaderLen+1:])
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

// unprovenRan tells whether the backend is to be asked for the sake of what ran and
// is not proven by itself: the course of the lease is not proven either, and no
// other client is asking about the same.
func (s *Session) unprovenRan() bool {
	e := &s.link.evidence
	if !e.unproven {
		return false
	}
	if e.judged != e.course {
		e.judged, e.asks = e.course, s.claims()
	}
	return e.asks
}

// claims is unprovenRan, asked once.
func (s *Session) claims() bool {
	e := &s.link.evidence
	if e.void {
		return true
	}
	for _, sh := range e.ran {
		if sh.Standing() != proof.Unproven {
			return true
		}
	}
	if len(e.ran) == 1 {
		return e.ran[0].Claim()
	}
	course := s.course()
	return !course.Run() && course.Claim()
}

// course is what is known of all that ran in the lease, in this order. A statement
// may undo what one before it has left, so what is proven by an answer is that
// these, one after the other, leave nothing.
func (s *Session) course() *proof.Shape {
	e := &s.link.evidence
	shapes := &s.config.Shared.Shapes
	key := proof.Key(wire.Shape(e.course), courseContext)
	sh := shapes.Get(key)
	if sh == nil {
		var text []byte
		for i, sh := range e.ran {
			if i > 0 {
				text = append(text, "; "...)
			}
			text = append(text, sh.Text()...)
		}
		sh = shapes.Add(key, text)
	}
	if !sh.Current(e.generation) {
		sh.Renew(e.generation, nil)
	}
	return sh
}

// courseContext tells the keys of courses from those of statements.
const courseContext = 0x636f75727365

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
	h := l.Hints | wire.HintFunction
	for _, name := range l.Names {
		h |= readingHint(name)
	}
	return h
}

// changesCatalog says that the transaction may have changed the database's
// objects.
func (s *Session) changesCatalog() {
	if c := s.config.Catalog; c != nil && s.hints&(wire.HintCatalog|wire.HintDrop) != 0 {
		c.Changed()
	}
}

// doubtful tells whether the backend is to be asked before the lease ends
// though no hint says so.
func (s *Session) doubtful() bool {
	c := s.config.Catalog
	return c != nil && !s.asked && s.pins == 0 && (c.Wants() || s.mayHaveLeft())
}

// mayHaveLeft tells whether something has run that is not proven to leave
// nothing behind, and of which the backend has not been asked yet.
func (s *Session) mayHaveLeft() bool {
	c, e := s.config.Catalog, &s.link.evidence
	return c != nil && (e.ask || s.outdated() || len(e.ran) > 0 && !c.Certain() || s.unprovenRan())
}

// outdated tells whether what ran was looked up under another generation than
// the present one: what ran may have been what is there now.
func (s *Session) outdated() bool {
	e := &s.link.evidence
	return len(e.ran) > 0 && e.generation != s.config.Catalog.Generation()
}

// keep has a text read later. whole tells whether its tokens are sure.
func (e *evidence) keep(text []byte, whole bool) {
	if !whole || len(e.unread)+len(text) >= maxUnread {
		e.lost = true
		return
	}
	e.unread = append(append(e.unread, text...), 0)
}

// unread notes what may have been left behind by what ran before its names were
// known, or under an older generation. It tells whether that is settings whose
// names are not known.
func (s *Session) unread() (unknown bool) {
	c := s.config.Catalog
	e := &s.link.evidence
	outdated := c != nil && s.outdated()
	if c == nil || len(e.unread) == 0 && !e.lost && !outdated {
		return false
	}
	s.link.unsure = true // what ran may have been something else than what is read now
	k := c.Knowledge()
	if k == nil {
		return false
	}
	l, ok := e.later(k, outdated)
	if !ok {
		l = *k.Any()
		// What ran under an older generation was looked up then. A setting of which
		// nothing was known is taken back by wash, and is no reason for a pin.
		l.Unknown = l.Unknown && (e.lost || len(e.unread) > 0)
	}
	if l.Hints&(wire.HintProcess|wire.HintDblink) != 0 {
		s.spoilt = true // nothing undoes these
	}
	return l.Unknown
}

// later is what those that ran unread, and with outdated all that ran, may have
// left by what is known now. It is false if a text is not there, or may have
// executed another.
func (e *evidence) later(k *proof.Knowledge, outdated bool) (all proof.Learned, ok bool) {
	if e.lost || outdated && len(e.ran) == maxRan {
		return all, false
	}
	ok = true
	read := func(text []byte) {
		ok = ok && wire.Scan(text)&(wire.HintDo|wire.HintCall|wire.HintExecute) == 0
		if l := k.Of(text, false); l != nil {
			ok = ok && l.Hints&wire.HintDo == 0
			all.Hints |= l.Hints
			all.Unknown = all.Unknown || l.Unknown
		}
	}
	for text := range bytes.SplitSeq(e.unread, []byte{0}) {
		read(text)
	}
	if outdated {
		for _, sh := range e.ran {
			text, whole := sh.Text(), sh.Whole()
			ok = ok && whole
			read([]byte(text))
		}
	}
	return all, ok
}

// wash has the backend forget settings of extensions that may have been set under
// names which nobody knows: what ran was looked up before the database's objects
// were read, or under an older generation of them, and what is read now may be
// other objects. RESET ALL takes back what no view of PostgreSQL's shows as well.
func (s *Session) wash(o *Out) {
	l := s.link
	l.unsure = false
	l.settings = l.settings.AfterReset(l.base)
	o.ToServer.keep(wire.AppendQuery(o.ToServer.own(), "RESET ALL"))
	s.unnamedHere = false
	s.owed.Push(pipeline.Reset)
}

// judge has an answer speak for or against what ran in the lease. found is what
// the client had not before.
func (s *Session) judge(found Reason, a *asking, o *Out) {
	if s.config.Catalog == nil {
		return
	}
	e := &s.link.evidence
	explained := a.hinted
	if a.hinted&partSettings != 0 {
		explained |= ReasonSetting
	}
	all := a.Parts&proof.PartsOthers == proof.PartsOthers && a.Parts&(partSettings|proof.PartHash) != 0
	var course *proof.Shape
	if e.unproven && len(e.ran) > 1 {
		course = s.course()
	}
	switch {
	case found&^explained != 0:
		proof.Convict(e.ran, course)
		s.config.Shared.Counts.Found.Add(1)
	case found == 0 && all && !e.void && e.generation == s.config.Catalog.Generation():
		proof.Acquit(e.ran, course, e.generation)
	}
	e.begin()
}

// readable is a text in which every byte below 128 is ASCII. In the encodings
// that only clients have, such a byte may be the second half of a character.
func (s *Session) readable(text []byte) []byte {
	if !twoByteEncoding(s.vars[wire.VarClientEncoding]) {
		return text
	}
	return withoutTrails(text)
}

// withoutTrails is a text of which the second byte of each character of two bytes
// is none of ASCII's.
func withoutTrails(text []byte) []byte {
	i := bytes.IndexFunc(text, func(r rune) bool { return r >= 0x80 })
	if i < 0 {
		return text
	}
	text = bytes.Clone(text)
	for ; i < len(text); i++ {
		if text[i] >= 0x80 && i+1 < len(text) {
			if i++; text[i] < 0x80 {
				text[i] = 0x80
			}
		}
	}
	return text
}

// twoByteEncoding tells the encodings whose characters may end with a byte below
// 128 (PostgreSQL's documentation, section "Supported Character Sets").
func twoByteEncoding(name string) bool {
	switch name {
	case "SJIS", "SHIFT_JIS_2004", "BIG5", "GBK", "UHC", "GB18030", "JOHAB":
		return true
	}
	return false
}
