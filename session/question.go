package session

import (
	"slices"

	"pgweir/session/follow"
	"pgweir/session/pipeline"
	"pgweir/session/proof"
	"pgweir/wire"
)

// asking is what a session has to find out at the end of a lease, in one or more
// questions:
//
//	            digest as before, settings as expected or listed
//	 backend ──────────────────────────────────────▶ (concluded)
//	    │ ▲
//	    │ │ known              the digest differs: the database's objects are read,
//	    ▼ │                    and looked through
//	objects ──▶ catalog
type asking struct {
	proof.Answer
	proof.Question
	state   askingState
	wanted  Reason // what is to be found out
	hinted  Reason // what hints have led to expect
	tries   int    // how often it was canceled before
	leak    bool   // nothing is expected
	fresh   bool   // something ran for the first time
	blind   bool   // the database's objects cannot be read
	role    bool   // the client had chosen roles
	listing bool   // the rest is known; the settings differ from what was expected, and are listed
	hash    uint64 // of the settings, then
	idle    int32  // the idle_session_timeout among them, in milliseconds, which no backend keeps; or idleNotTold
	differs bool   // the client's settings are others than before
	reading proof.Reading
	known   *proof.Knowledge // what was, when it was asked
	// generation is that of the catalog that is read.
	generation uint64
}

type askingState uint8

const (
	askingBackend askingState = iota
	askingObjects             // the database's objects are read
	askingCatalog             // they have been, and are looked through
)

// awaits tells whether the end of a lease waits for the catalog.
func (s *Session) awaits() bool {
	return s.extra != nil && s.extra.asking != nil && s.extra.asking.state == askingCatalog
}

// maxTries is how often a question is asked again that is canceled.
const maxTries = 5

// ask finds out about some parts; hinted are those that a hint has led to.
func (s *Session) ask(parts, hinted Reason, leak bool, o *Out) {
	s.asked = true
	if parts&ReasonChannels != 0 && s.config.Listen == ListenShare {
		s.barrier = true // what comes of it is not to be mixed with anything
	}
	s.pose(&asking{wanted: parts, hinted: hinted, leak: leak, fresh: s.link.evidence.fresh}, o)
}

// pose asks what is wanted. Which settings of extensions there may be must be
// known before.
func (s *Session) pose(a *asking, o *Out) {
	a.state, a.Parts, a.Answer, a.listing = askingBackend, a.wanted, proof.Answer{}, false
	c := s.config.Catalog
	if c == nil || a.wanted&partsAll != partsAll {
		s.send(a, o)
		return
	}
	k := c.Knowledge()
	r, due := c.TakeDigest()
	switch {
	case k == nil && due:
		a.Parts, a.reading = proof.PartDigest, r
	case k == nil && !a.blind:
		s.await(a, o)
		return
	case due || a.fresh || k != nil && !c.Certain():
		a.Parts, a.reading = a.Parts|proof.PartDigest, r
	}
	if k != nil && k.Dblink != "" {
		a.Parts, a.Dblink = a.Parts|proof.PartDblink, k.Dblink
	}
	if k != nil && !s.more().unknown && a.hinted&partSettings == 0 {
		a.Parts = a.Parts&^partSettings | proof.PartHash
		a.Names = k.With(s.settings.Customs())
	}
	if s.link.unsure {
		a.Parts |= proof.PartSlots
	}
	s.send(a, o)
}

// send sends a question.
func (s *Session) send(a *asking, o *Out) {
	x := s.more()
	x.asking = a
	if s.config.Catalog != nil {
		a.known = s.config.Catalog.Knowledge()
	}
	if a.Guarded && a.Parts&proof.PartHash != 0 { // the hash would be that of other timeouts
		a.Parts = a.Parts&^proof.PartHash | partSettings
	}
	a.Prefix, a.User = follow.NamePrefix, s.loggedIn()
	a.role = x.role
	if a.Parts&partSettings != 0 {
		// What was turned back must be told from what was set to the same.
		a.Reset = s.origin.Value().settings != nil
		a.Customs = s.customs()
	}
	o.ToServer.keep(wire.AppendQuery(o.ToServer.own(), string(a.Question.Append(nil))))
	s.unnamedHere = false // gone, as with every simple query
	s.owed.Push(pipeline.Question)
	o.Questions++
}

// loggedIn is whom the backend has logged in as.
func (s *Session) loggedIn() string {
	if s.link.User != "" {
		return s.link.User
	}
	return s.config.User
}

// await goes on when the catalog is known: see CatalogKnown.
func (s *Session) await(a *asking, o *Out) {
	a.state = askingCatalog
	s.more().asking = a
	o.do(EffectAwait)
}

// CatalogKnown says that the catalog's objects are known, or cannot be.
func (s *Session) CatalogKnown(o *Out) {
	if s.phase != Active || !s.awaits() {
		return
	}
	a := s.extra.asking
	a.blind = s.config.Catalog.Knowledge() == nil && !s.config.Catalog.Reads()
	s.pose(a, o)
}

// abandon: what was asked is not answered any more.
func (s *Session) abandon() {
	if s.extra == nil || s.extra.asking == nil {
		return
	}
	if a := s.extra.asking; a.state == askingObjects {
		s.config.Catalog.GiveUp(a.generation)
	}
	s.extra.asking = nil
}

// customs are the settings of extensions that are asked for by name: the
// client's own, and those that occur in the database.
func (s *Session) customs() []string {
	all := s.extra.customs
	if c := s.config.Catalog; c != nil {
		if k := c.Knowledge(); k != nil && len(k.Customs) > 0 {
			all = slices.Concat(all, k.Customs)
			slices.Sort(all)
			all = slices.Compact(all)
		}
	}
	return all
}

// answered: the backend has said what is left.
func (s *Session) answered(o *Out) {
	a := s.extra.asking
	s.extra.asking = nil
	switch {
	case a.Canceled && a.tries < maxTries:
		s.askAgain(a, a.Parts, o)
		return
	case a.state == askingObjects:
		o.Learn = &Objects{Catalog: s.config.Catalog, Generation: a.generation}
		if !a.Failed {
			o.Learn.Rows = a.Learned
		}
		o.do(EffectLearn)
		s.await(a, o)
		return
	case s.config.Catalog != nil && a.wanted&partsAll == partsAll && a.Parts&(partSettings|proof.PartHash) != 0 && a.known != s.config.Catalog.Knowledge():
		s.pose(a, o) // there may be settings of extensions that it has not asked for
		return
	case a.Failed && a.Parts&proof.PartHash != 0:
		// The client's role may not read some setting.
		s.askAgain(a, a.Parts&^proof.PartHash|partSettings, o)
		return
	}
	if a.Parts&proof.PartDigest != 0 && !s.digested(a, o) {
		return
	}
	switch {
	case a.Failed:
		s.extra.outOfTime = a.Canceled
		s.setPins(s.pins|ReasonUnknown, o)
	case a.Parts&proof.PartHash != 0 && !s.config.Shared.Expected.Is(s.expectation(), a.Hash):
		s.list(a, o)
	default:
		s.conclude(a, o)
	}
}

// digested takes the digest of an answer. It is false if the database's objects
// have to be read before the answer is of use.
func (s *Session) digested(a *asking, o *Out) bool {
	c := s.config.Catalog
	switch c.Digested(a.reading, a.Digest) {
	case proof.Read:
		a.state, a.generation = askingObjects, c.Generation()
		a.Parts, a.Answer = proof.PartLearn, proof.Answer{}
		s.send(a, o)
		return false
	case proof.Wait:
		s.await(a, o)
		return false
	}
	if a.Parts == proof.PartDigest {
		a.blind = c.Knowledge() == nil && !c.Reads()
		s.pose(a, o)
		return false
	}
	return true
}

// askAgain asks what has failed.
func (s *Session) askAgain(a *asking, parts Reason, o *Out) {
	a.Answer, a.Parts = proof.Answer{}, parts
	a.tries++
	a.Guarded = true
	s.send(a, o)
}

// list asks for the settings one by one.
func (s *Session) list(a *asking, o *Out) {
	a.hash, a.listing = a.Hash, true
	found, channels, shared, parts := a.Found, a.Channels, a.Answer.Shared, a.Parts
	a.Parts = partSettings
	a.Answer = proof.Answer{Found: found, Channels: channels, Shared: shared}
	s.send(a, o)
	a.Parts = parts&^(proof.PartHash|proof.PartDigest) | partSettings
}

// expectation names what the hash of all settings depends on.
func (s *Session) expectation() uint64 {
	l := s.link
	h := wire.MixShape(s.settings.Hash(), l.base.Hash())
	return wire.MixShape(wire.MixShape(h, l.variant), s.config.Catalog.Generation())
}

// conclude makes the client's state of an answer.
func (s *Session) conclude(a *asking, o *Out) {
	before := s.pins
	s.extra.outOfTime = false
	for i := range kinds {
		if k := &kinds[i]; k.answered != nil {
			k.answered(s, a, o)
		}
	}
	pins := before&^(a.Parts|ReasonUnknown) | a.Found
	for i := range kinds {
		if k := &kinds[i]; k.keeps != nil {
			pins = k.keeps(s, a, pins, o)
		}
	}
	if s.long == longOver {
		s.long = longNone
	}
	if a.listing && a.Found&ReasonSetting == 0 && a.idle <= 0 {
		s.config.Shared.Expected.Set(s.expectation(), a.hash)
	}
	found := a.Found
	if a.differs {
		found |= ReasonSetting
	}
	if a.leak && found != 0 {
		// The client keeps what it has; but a backend on which something was
		// left unseen is nobody else's any more.
		s.tainted = true
		o.Leak = found
		o.do(EffectLeak)
	}
	s.judge(found&^before, a, o)
	s.setPins(pins, o)
	if s.pins == 0 {
		s.freePlace()
	}
	s.yield(o)
}
