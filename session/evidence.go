package session

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

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
		s.tainted = true // nothing undoes these
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
// names which nobody knows: SQL was executed that comes from elsewhere; or what ran
// was looked up before the database's objects were read, or under an older generation
// of them, and what is read now may be other objects. RESET ALL takes back what no view of PostgreSQL's shows as
// well. What random gives next is to be known to nobody.
func (s *Session) wash(o *Out) {
	l := s.link
	var sql []string
	if l.unsure {
		l.unsure = false
		l.settings = l.settings.AfterReset(l.base)
		sql = append(sql, "RESET ALL")
		if c := s.config.Catalog; c != nil {
			sql = append(sql, c.Knowledge().Disconnect())
		}
	}
	sql = slices.DeleteFunc(append(sql, l.sow()), func(one string) bool { return one == "" })
	o.ToServer.keep(wire.AppendQuery(o.ToServer.own(), strings.Join(sql, ";")))
	s.unnamedHere = false
	s.owed.Push(pipeline.Reset)
}

// sow is the statement that has random give what nobody knows, if a client may have
// chosen it.
func (l *Link) sow() string {
	if !l.seeded {
		return ""
	}
	l.seeded = false
	var raw [8]byte
	rand.Read(raw[:]) // never fails: crypto/rand ends the program if it must
	return "SET seed = " + strconv.FormatFloat(float64(binary.BigEndian.Uint64(raw[:])>>11)/(1<<53), 'f', -1, 64)
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
