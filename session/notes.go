package session

import "pgweir/wire"

// MaxNotes bounds the notifications that wait for a client, in bytes of memory:
// for the end of its transaction, or for it to read what it was sent before.
const MaxNotes = 8 << 20

// noteOverhead is what a notification that waits takes besides its bytes: its
// place in the list, and what the allocator rounds up.
const noteOverhead = 64

func noteSize(message []byte) int { return len(message) + noteOverhead }

// ErrNotReading is what ends a client that does not read its notifications.
var ErrNotReading = wire.Fatalf(wire.CodeConnectionFailure,
	"the client does not read: more than %d MB of notifications wait for it", MaxNotes>>20)

// warnMissed is what a client is told whose transaction was too long for what
// was notified meanwhile.
var warnMissed = func() []byte {
	e := wire.Errorf("01000", "more than %d MB of notifications came during the transaction; those behind them were dropped", MaxNotes>>20)
	e.Severity = "WARNING"
	notice := e.Append(nil)
	notice[0] = 'N'
	return notice
}()

// Notify passes a notification on, a whole message of the protocol, as soon as
// PostgreSQL would: not within a transaction. It is kept and not changed, and
// may be shared with other sessions. congested tells that the client has not
// read all that it was sent; then the notification waits for NotesDrained.
//
// Notify is false if the client is to be ended with ErrNotReading: what waits
// for it to read is more than MaxNotes.
func (s *Session) Notify(message []byte, congested bool, o *Out) bool {
	if s.phase == Ended || s.phase == Resetting {
		return true
	}
	x := s.more()
	if !s.hears(message) {
		return true // it has stopped meanwhile
	}
	restful := s.restful()
	if restful && !congested {
		s.tellNotes(o)
		o.ToClient.add(message)
		return true
	}
	if x.missed || x.noteBytes+noteSize(message) > MaxNotes {
		x.missed = true
		return !restful
	}
	x.notes = append(x.notes, message)
	x.noteBytes += noteSize(message)
	return true
}

// restful tells whether the client waits for nothing and is in no transaction.
func (s *Session) restful() bool {
	switch s.phase {
	case Idle, Waiting:
		return s.clientLeft == 0
	case Active:
		return s.tx == 'I' && !s.owed.OwesClient() && s.serverLeft == 0 && s.batch == batchNone && s.reads == readsMessages &&
			(s.extra == nil || !s.extra.withheld || !s.extra.catching && !s.mayUnlisten()) // an UNLISTEN decides what it is to hear of these
	}
	return false
}

// tellNotes passes on all that has waited.
func (s *Session) tellNotes(o *Out) {
	if s.extra == nil || len(s.extra.notes) == 0 {
		return
	}
	for _, m := range s.extra.notes {
		o.ToClient.keep(append(o.ToClient.own(), m...))
	}
	s.toldNotes(o)
}

// toldNotes: none waits any more.
func (s *Session) toldNotes(o *Out) {
	if s.extra.missed {
		o.ToClient.keep(append(o.ToClient.own(), warnMissed...))
	}
	s.extra.notes, s.extra.noteBytes, s.extra.missed = nil, 0, false
}

// notesAtOnce is about how much NotesDrained passes on in one step, in bytes.
const notesAtOnce = 64 << 10

// NotesDrained says that the client has taken all that it was sent. It passes
// on some of the notifications that have waited for that, and tells whether
// there are more.
func (s *Session) NotesDrained(o *Out) (more bool) {
	if s.extra == nil || len(s.extra.notes) == 0 || !s.restful() {
		return false
	}
	x, sent := s.extra, 0
	for sent < notesAtOnce && len(x.notes) > 0 {
		m := x.notes[0]
		o.ToClient.keep(append(o.ToClient.own(), m...))
		x.notes[0], x.notes = nil, x.notes[1:]
		x.noteBytes -= noteSize(m)
		sent += len(m)
	}
	if len(x.notes) == 0 {
		s.toldNotes(o)
		return false
	}
	return true
}
