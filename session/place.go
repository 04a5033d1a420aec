package session

// With max_pinned, a client takes a place before a statement is sent that pins,
// and gives it back if the statement has pinned nothing in the end: whoever is
// told that it has succeeded has the backend. Where that cannot be foreseen, the
// backend is asked before the client is told; see asksFirst.

// place is a client's, of those that max_pinned allows.
type place uint8

const (
	placeNone  place = iota
	placeTaken       // before a statement that pins, or by a pin that its client has been told of
	placeNew         // by the pin that has begun with the transaction that has just ended
)

// takePlace takes a place; it is false if there is none.
func (s *Session) takePlace() bool {
	if s.place != placeNone || s.leaving == leavingForgotten {
		return true
	}
	places := &s.config.Shared.places
	for n := places.Load(); int(n) < s.config.MaxPinned; n = places.Load() {
		if places.CompareAndSwap(n, n+1) {
			s.place = placeTaken
			return true
		}
	}
	return false
}

// freePlace gives it back.
func (s *Session) freePlace() {
	if s.place != placeNone {
		s.place = placeNone
		s.config.Shared.places.Add(-1)
	}
}

// keepPlace: a new place is one as any other from now on.
func (s *Session) keepPlace() {
	if s.place == placeNew {
		s.place = placeTaken
	}
}

// crowded tells whether the pin that has just begun is one too many: the client
// has it without a place.
func (s *Session) crowded() bool {
	return s.pins != 0 && s.place == placeNew && s.config.MaxPinned > 0 && int(s.config.Shared.places.Load()) > s.config.MaxPinned
}

// mayPin tells whether what the transaction has done may pin.
func (s *Session) mayPin() bool {
	return s.hints&^hintsCheap != 0 && (s.config.State == StatePin || s.hints&hintsBlind != 0 ||
		s.extra != nil && s.extra.unknown || s.parts(s.hints)&^partSettings != 0)
}
