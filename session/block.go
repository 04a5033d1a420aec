package session

// IdleInBlock tells whether the client has left a transaction open and asks for
// nothing in it. It asks for something as long as a COPY waits for its data, or an
// extended query for its Sync.
func (s *Session) IdleInBlock() bool {
	return s.phase == Active && s.tx != 'I' && s.owed.Len() == 0 && s.batch == batchNone && s.reads == readsMessages &&
		s.clientLeft == 0 && !s.isLeaving()
}
