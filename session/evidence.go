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
	ask        bool   // something ran that is not proven
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

// transactionEnds: what the transaction has changed of the context is over.
func (e *evidence) transactionEnds() {
	e.context, e.path, e.blind = 0, 0, false
}

// voidHints are of statements after which names may mean something that they do
// not mean to others.
const voidHints = wire.HintDo | wire.HintCall | wire.HintDiscard | wire.HintTemp | wire.HintCatalog | wire.HintExecute

// blindHints are of statements that may change what names mean, in ways that do
// not show.
const blindHints = wire.HintDo | wire.HintCall | wire.HintDiscard

// known looks a statement up: by its shape, and its text for the case that the
// shape is not known. It returns the hints that the names in the statement give.
// bind is the Bind message that runs it, nil for a simple query. runs says that
// it is run now.
func (s *Session) known(shape wire.Shape, h wire.Hints, text, bind []byte, runs bool) wire.Hints {
	c := s.config.Catalog
	if c == nil || s.config.State == StateOff {
		return 0
	}
	e := &s.link.evidence
	generation := c.Generation() // before the knowledge, or that may be of the generation before
	knowledge := c.Knowledge()
	if shape == 0 || knowledge == nil {
		l := s.learned(knowledge.Of(s.readable(text), s.nonconforming()))
		if s.mayMisread(text) {
			for _, nonconforming := range [...]bool{false, true} {
				l |= s.learned(knowledge.Of(text, nonconforming)) | s.learned(knowledge.Of(withoutTrails(text), nonconforming))
			}
		}
		if runs {
			e.ask, e.void = true, true
			if knowledge == nil {
				e.keep(text, shape != 0 && !s.mayMisread(text) && !s.nonconforming())
			}
			s.changesMeaning(h, l, 0)
		}
		return l
	}
	key := proof.Key(shape, s.context())
	exact := uint64(0)
	if h&wire.HintMeaning != 0 {
		exact = s.exactly(text, bind)
		key = wire.MixShape(key, exact)
	}
	if h&wire.HintFetch != 0 {
		key = wire.MixShape(key, e.path)
	}
	shapes := &s.config.Shared.Shapes
	sh := shapes.Get(key)
	if sh == nil {
		sh = shapes.Add(key, text)
	}
	if !sh.Current(generation) {
		sh.Renew(generation, knowledge.Of(s.readable(text), s.nonconforming()))
		e.fresh = true
	}
	l := s.learned(sh.Learned())
	if runs {
		if l&wire.HintDo != 0 && h&wire.HintDo == 0 {
			l |= s.readStrings(s.readable(text), s.nonconforming(), true) // it may execute them
		}
		s.ranShape(sh, generation, h|l)
		if h&wire.HintFetch == 0 {
			e.path = wire.MixShape(e.path, key)
		}
		s.changesMeaning(h, l, exact)
	}
	return l
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
	return s.known(shape, h, text, bind, true)
}

// runsNamed looks a shared statement up, which a Bind of total bytes is about to
// run.
func (s *Session) runsNamed(n *named, bind []byte, total int) wire.Hints {
	shape := n.shape
	if n.hints&wire.HintMeaning != 0 && len(bind) < total {
		shape = 0
	}
	if s.config.Catalog == nil || s.config.State == StateOff {
		return 0
	}
	return s.known(shape, n.hints, n.st.Text(), bind, true)
}

// ranShape counts a run.
func (s *Session) ranShape(sh *proof.Shape, generation uint64, h wire.Hints) {
	e := &s.link.evidence
	if !sh.Run() {
		e.ask = true
	}
	if (h|s.hints)&voidHints != 0 || e.blind {
		e.ask, e.void = true, true
	}
	if sh.RollsBack() || s.pins != 0 {
		e.void = true
	}
	switch n := len(e.ran); {
	case n == 0:
		e.generation = generation
		e.ran = append(e.ran, sh)
	case e.ran[n-1] == sh:
	case n == maxRan:
		e.void = true
	default:
		e.ran = append(e.ran, sh)
	}
}

// context is that of the transaction under way.
func (s *Session) context() uint64 {
	e := &s.link.evidence
	if e.context == 0 {
		h := wire.MixShape(s.settings.NamesHash(), s.link.variant)
		if s.nonconforming() {
			h++
		}
		e.context = max(h, 1)
	}
	return e.context
}

// exactly is a hash of what decides how a statement changes what names mean: its
// text, and the parameters that it gives to such settings.
func (s *Session) exactly(text, bind []byte) uint64 {
	h := wire.HashExactly(text)
	if bind == nil {
		return max(h, 1)
	}
	body := bind[wire.HeaderLen:]
	known := wire.MeaningParameters(s.readable(text), s.nonconforming(), func(number int) {
		value, _ := wire.BindParameter(body, number)
		h = wire.MixShape(h, wire.HashExactly(value))
	})
	if !known {
		h = wire.MixShape(h, wire.HashExactly(body))
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
		e.context = wire.MixShape(s.context(), exact)
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
	return c != nil && (e.ask || s.outdated() || len(e.ran) > 0 && !c.Certain())
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
	switch {
	case found&^explained != 0:
		proof.Convict(e.ran)
		s.config.Shared.Counts.Found.Add(1)
	case found == 0 && all && !e.void && e.generation == s.config.Catalog.Generation():
		proof.Acquit(e.ran, e.generation)
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
