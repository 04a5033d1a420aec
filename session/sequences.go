package session

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

// ownSequences sees to it that lastval and currval do not say what others have
// left on the backend.
func (s *Session) ownSequences(o *Out) {
	if !s.stranger || s.tx != 'I' {
		return
	}
	s.stranger = false
	if s.unsynced {
		s.aside("DISCARD SEQUENCES", o) // a simple query would end what is under way
		return
	}
	s.guarded([]byte("DISCARD SEQUENCES;"), o)
}
