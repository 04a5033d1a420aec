package session

// A backend in copy-in mode ignores Syncs; but if the copy fails before it has
// read them, they are Syncs again. Which of them it has read by then, only its
// answers tell. So a ReadyForQuery more than is owed is taken for a stray Sync's
// answer, and the backend serves nobody else.

// swallowSyncs notes Syncs that the backend ignores, if it comes to read them in
// its copy.
func (s *Session) swallowSyncs(n int) {
	if n > 0 {
		s.more().stray += n
	}
}

// copied: a copy has come to its end, and all Syncs within it were ignored.
func (s *Session) copied() {
	if s.x != nil && !s.copyFailed() {
		s.x.stray = 0
	}
}

// copyFailed tells whether a copy has failed that had Syncs within.
func (s *Session) copyFailed() bool { return s.x != nil && s.x.stray > 0 && s.x.strays }

// failCopy: an error has come about the first entry, which may be a copy. synced
// tells that it was one that failed before the backend has read anything of what
// is behind it, so that a Sync there is none of the copy's.
func (s *Session) failCopy(first entry) (synced bool) {
	if s.x == nil || s.x.stray == 0 || s.x.strays {
		return false
	}
	s.x.byQuery = first == entQuery
	s.x.strays, s.spoilt = true, true
	return !s.copyFed
}

// heardOf notes a message of the server's that is about the first entry.
func (s *Session) heardOf(typ byte, first entry) {
	switch typ {
	case 'S', 'N', 'A', 'Z':
	case 'E':
		// Else the rest is skipped, up to a Sync.
		s.x.answering = first != entSync && first != entOwnSync && first.endsWithReady()
	default:
		s.x.answering = true
	}
}

// strayReady tells whether a ReadyForQuery answers a stray Sync.
func (s *Session) strayReady(first entry) bool {
	if !s.copyFailed() {
		return false
	}
	answering, byQuery := s.x.answering, s.x.byQuery
	s.x.answering, s.x.byQuery = false, false
	switch {
	case byQuery: // the copy's own
	case answering:
		s.forgetStrays() // all came before this
	case first == entSync: // which of the Syncs it was makes no difference
	default:
		s.x.stray--
		s.skipping, s.unsynced, s.executed, s.unnamedSent = false, false, false, false
		s.unit++
		return true
	}
	return false
}

func (s *Session) forgetStrays() {
	if s.x != nil {
		s.x.stray, s.x.strays, s.x.answering, s.x.byQuery = 0, false, false, false
	}
}
