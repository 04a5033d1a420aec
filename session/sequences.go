package session

import "pgweir/wire"

// What nextval has given to one client stays in the backend's session, and
// currval and lastval say it to whoever asks next there. So a backend on which
// other clients have been forgets its sequences before a text is run that asks:
// one that has these words, calls a function whose body has them, or whose
// effect is not known. Within a block, what the block itself has made must stay;
// outside of one, the client keeps its backend from then on.
//
// A column's default, a view, a trigger, a rule, a policy or a constraint may ask
// unseen. PostgreSQL does not tell whether a session has used a sequence: lastval
// fails if it has not, and its log would have an error for each time that
// somebody wants to know. So where the catalogs of a database have such an
// object, every backend forgets its sequences when it comes to another client,
// in the same write as that client's first message; and so it does for a client
// that has asked within a block. All others pay nothing.
//
// A client that keeps its backend may ask at any time for what it has itself been
// given there, also by the sequence of a temporary table. So the backend forgets
// its sequences before a temporary object is made, and ahead of the first message
// that is sent while the client keeps it.

var sequencesKind = kind{
	reason:  ReasonSequence,
	blind:   wire.HintSequence,
	barrier: wire.HintSequence,
	ready:   hintsCounting, ahead: (*Session).ownSequences,
	completed: func(s *Session, tag []byte, o *Out) {
		if string(tag) == "DISCARD SEQUENCES\x00" {
			s.setPins(s.pins&^ReasonSequence, o)
		}
	},
}

// hintsCounting are those of statements that may ask for what nextval has given.
// Temporary objects have the client keep the backend.
const hintsCounting = wire.HintSequence | wire.HintDo | wire.HintCall | wire.HintTemp

// severalCounted stands for more than one session in Link.counted.
const severalCounted = ^uint64(0)

// counts notes at the start of a lease that what nextval gives is the client's
// from now on.
func (s *Session) counts(o *Out) {
	switch l := s.link; {
	case l.counted == 0:
		l.counted = s.id
	case l.counted == s.id:
	case s.hidesSequences() || s.extra != nil && s.extra.counts:
		s.ownSequences(o)
	default:
		l.counted = severalCounted
	}
}

// hidesSequences tells whether objects of the database may read what nextval has
// given, without a word of it in the text that a client sends.
func (s *Session) hidesSequences() bool {
	c := s.config.Catalog
	if c == nil || s.config.State == StateOff {
		return false
	}
	k := c.Knowledge()
	return k == nil || !c.Certain() || k.HidesSequences
}

// ofOthers is hints without those for which nothing has to be done because the
// backend has no other client's sequences.
func (s *Session) ofOthers(h wire.Hints) wire.Hints {
	if s.link.counted == s.id && s.tx != 'I' {
		return h &^ wire.HintSequence
	}
	return h
}

// lasting is hints without those that mean nothing for the time after a block.
func (s *Session) lasting(h wire.Hints) wire.Hints {
	if s.tx != 'I' {
		return h &^ wire.HintSequence // what the transaction itself has made of them is there
	}
	return h
}

// forgetOthers is for the midst of a transaction. Whoever has used a sequence in
// it has a lock on it until its end, savepoints or not.
const forgetOthers = `DO $pgweir$ BEGIN
 IF NOT EXISTS (SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) l.relation
  WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.locktype OPERATOR(pg_catalog.=) 'relation'
  AND l.mode OPERATOR(pg_catalog.=) 'RowExclusiveLock' AND c.relkind OPERATOR(pg_catalog.=) 'S') THEN DISCARD SEQUENCES; END IF;
 END $pgweir$ LANGUAGE plpgsql`

// ownSequences sees to it that lastval and currval do not say what others have
// left on the backend.
func (s *Session) ownSequences(o *Out) {
	if s.link.counted == s.id || s.tx == 'E' {
		return
	}
	s.link.counted = s.id
	if s.tx == 'I' && s.batch == batchNone && s.long == longNone { // a simple query takes the unnamed statement away
		s.guarded([]byte("DISCARD SEQUENCES;"), o)
		return
	}
	s.more().counts = true
	s.aside(forgetOthers, o)
	if s.batch == batchNone {
		s.ownSync(o) // a simple query may be next
	}
}
