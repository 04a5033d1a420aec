package session

import (
	"strings"

	"pgweir/wire"
)

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
		s.ownSequences(nil, o)
	default:
		l.counted = severalCounted
	}
	if s.extra != nil {
		s.extra.mixed = false
	}
}

// ownCounts tells whether lastval and currval say nothing that others have left on
// the backend.
func (s *Session) ownCounts() bool {
	return s.link.counted == s.id && (s.tx == 'I' || s.extra == nil || !s.extra.mixed)
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
	if s.tx != 'I' && s.ownCounts() {
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
// it has a lock on it until its end, savepoints or not. If there is none, the backend
// forgets its sequences. If there is, they must stay, unless what is asked for is of
// another: then that is answered as if there were none, with an error. $named is for
// currval of sequences that are named, $last for anything else.
const (
	forgetOthers = `DO $pgweir$ DECLARE own pg_catalog.oid[]; last pg_catalog.int8; one pg_catalog.oid; BEGIN
 own := ARRAY(SELECT l.relation FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) l.relation
  WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.locktype OPERATOR(pg_catalog.=) 'relation'
  AND l.mode OPERATOR(pg_catalog.=) 'RowExclusiveLock' AND c.relkind OPERATOR(pg_catalog.=) 'S');
 IF pg_catalog.cardinality(own) OPERATOR(pg_catalog.=) 0 THEN DISCARD SEQUENCES; RETURN; END IF;
$checks END $pgweir$ LANGUAGE plpgsql`
	checkNamed = ` IF (pg_catalog.to_regclass($name)::pg_catalog.oid OPERATOR(pg_catalog.=) ANY (own)) IS NOT TRUE THEN DISCARD SEQUENCES; RETURN; END IF;
`
	checkLast = ` BEGIN last := pg_catalog.lastval(); EXCEPTION WHEN object_not_in_prerequisite_state THEN RETURN; WHEN OTHERS THEN NULL; END;
 FOREACH one IN ARRAY own LOOP
  BEGIN IF pg_catalog.currval(one::pg_catalog.regclass) OPERATOR(pg_catalog.=) last THEN RETURN; END IF; EXCEPTION WHEN OTHERS THEN NULL; END;
 END LOOP;
 DISCARD SEQUENCES;
`
)

// forgets is forgetOthers ahead of a text; nil for a function call.
func (s *Session) forgets(text []byte) string {
	names, last := sequencesIn(s.readable(text), s.nonconforming())
	checks := ""
	for _, name := range names {
		checks += strings.Replace(checkNamed, "$name", string(wire.AppendLiteral(nil, name)), 1)
	}
	if last || len(names) == 0 {
		checks += checkLast
	}
	return strings.Replace(forgetOthers, "$checks", checks, 1)
}

// sequencesIn are the sequences whose currval a text asks for. last tells whether it
// asks for lastval, or for the currval of others.
func sequencesIn(text []byte, nonconforming bool) (names []string, last bool) {
	const (
		elsewhere = iota
		behindCurrval
		behindName
	)
	at := elsewhere
	wire.Tokens(text, nonconforming, func(kind wire.TokenKind, token []byte) {
		was := at
		at = elsewhere
		switch {
		case was == behindCurrval && kind == wire.TokenString && len(token) > 0 && !strings.Contains(string(token), "$pgweir$"):
			names, at = append(names, string(token)), behindName
		case was == behindCurrval, was == behindName && kind == wire.TokenOperator && token[0] == '|':
			last = true
		case kind == wire.TokenName && string(token) == "currval":
			at = behindCurrval
		case kind == wire.TokenName && string(token) == "lastval":
			last = true
		}
	})
	return names, last || at == behindCurrval
}

// ownSequences sees to it that lastval and currval do not say what others have
// left on the backend, to a text that is about to run; nil for none.
func (s *Session) ownSequences(text []byte, o *Out) {
	if s.ownCounts() || s.tx == 'E' {
		return
	}
	s.link.counted = s.id
	if s.tx == 'I' && s.batch == batchNone && s.long == longNone { // a simple query takes the unnamed statement away
		s.guarded([]byte("DISCARD SEQUENCES;"), o)
		return
	}
	s.more().counts, s.more().mixed = true, true
	s.aside(s.forgets(text), o)
	if s.batch == batchNone {
		s.ownSync(o) // a simple query may be next
	}
}
