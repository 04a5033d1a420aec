package session

import "pgweir/wire"

// What nextval has given to one client stays in the backend's session, and
// currval and lastval say it to whoever asks next there. A text that has these
// words is foreseen, as is a call of a function whose body has them: they see
// only what is the client's own, and make it keep its backend. But a column's
// default, a view, a trigger, a rule, a policy or a constraint may ask unseen.
// PostgreSQL does not tell whether a session has used a sequence: lastval fails
// if it has not, and its log would have an error for each time that somebody
// wants to know. So where the catalogs of a database have such an object, every
// backend forgets its sequences when it comes to another client, in the same
// write as that client's first message. Databases without one pay nothing.

// sequencesQuestion asks whether an object of the database reads currval (its
// oid is 1575) or lastval (2559). Those below 16384 are PostgreSQL's own.
const sequencesQuestion = `SELECT 'q', '', '' WHERE EXISTS (SELECT FROM (
 SELECT adbin::pg_catalog.text AS tree FROM pg_catalog.pg_attrdef
 UNION ALL SELECT ev_action::pg_catalog.text OPERATOR(pg_catalog.||) COALESCE(ev_qual::pg_catalog.text, '') FROM pg_catalog.pg_rewrite
 WHERE ev_class OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid
 UNION ALL SELECT tgqual::pg_catalog.text FROM pg_catalog.pg_trigger
 UNION ALL SELECT conbin::pg_catalog.text FROM pg_catalog.pg_constraint
 UNION ALL SELECT polqual::pg_catalog.text FROM pg_catalog.pg_policy
 UNION ALL SELECT polwithcheck::pg_catalog.text FROM pg_catalog.pg_policy
 UNION ALL SELECT typdefaultbin::pg_catalog.text FROM pg_catalog.pg_type
 UNION ALL SELECT proargdefaults::pg_catalog.text FROM pg_catalog.pg_proc WHERE oid OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid) t
 WHERE pg_catalog.strpos(tree, ':funcid 1575 ') OPERATOR(pg_catalog.>) 0 OR pg_catalog.strpos(tree, ':funcid 2559 ') OPERATOR(pg_catalog.>) 0)`

// hidesSequences tells whether objects of the database may read what nextval has
// given, without a word of it in the text that a client sends.
func (h *Shared) hidesSequences() bool { return h.sequenceReaders.Load() || h.sequencesUnknown.Load() }

// readsSequences notes that objects of the database may ask for what nextval
// has given. It holds for as long as the pool is there: what makes such an
// object may be seen long before others can use it.
func (h *Shared) readsSequences() { h.sequenceReaders.Store(true) }

// noticeReader looks at the hints of a text that may make such an object.
func (h *Shared) noticeReader(hints wire.Hints) {
	if hints&wire.HintDDL != 0 && hints&wire.HintSequence != 0 {
		h.readsSequences()
	}
}

// noticeSequences does so if one of the functions may be such an object's.
func (h *Shared) noticeSequences(list []wire.Function) {
	for i := range list {
		if list[i].Hints&wire.HintSequence != 0 {
			h.readsSequences()
			return
		}
	}
}

// ownSequences sees to it that lastval and currval do not say what others have
// left on the backend.
func (s *Session) ownSequences(o *Out) {
	if !s.stranger || s.tx != 'I' {
		return
	}
	s.stranger = false
	o.ToServer.keep(wire.AppendQuery(o.ToServer.own(), "DISCARD SEQUENCES"))
	s.unnamedHere, s.unnamedSent = false, false
	s.owed.push(entReset)
}
