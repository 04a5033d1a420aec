package session

// What timeouts and clocks ask of a conversation, and what a timeout does with it.

// IdleInBlock tells whether the client has left a transaction open and asks for
// nothing in it. It asks for something as long as a COPY waits for its data, or an
// extended query for its Sync.
func (s *Session) IdleInBlock() bool {
	return s.phase == Active && s.tx != 'I' && s.owed.Len() == 0 && s.batch == batchNone && s.reads == readsMessages &&
		s.clientLeft == 0 && !s.isLeaving()
}

// Prepares tells whether the backend is at work on what pgweir has put ahead of the
// client's message, or behind it.
func (s *Session) Prepares() bool { return s.owed.First().Ours() }

// Unconcerned tells whether the client has no backend, waits for nothing and hears no
// channels: whatever comes next comes of what it says.
func (s *Session) Unconcerned() bool {
	return s.phase == Idle && s.reads == readsMessages && s.clientLeft == 0 && !s.hearsLater() && !s.awaits() && len(s.Wanted()) == 0
}

// SaidGoodBye tells whether the client has gone, and what it had asked for before is
// still carried out.
func (s *Session) SaidGoodBye() bool { return s.phase == Active && s.isLeaving() }

// Abandon has that not be carried out after all.
func (s *Session) Abandon(o *Out) {
	s.changesCatalog()
	o.drop(s.owed.Len() > 0)
	s.noteChanges(s.hints) // they may have been committed
	s.end()
	o.do(EffectEndClient)
}
