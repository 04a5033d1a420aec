package session

import (
	"unicode/utf8"

	"pgweir/session/follow"
	"pgweir/wire"
)

// A driver that prepares in a round trip of its own would take a backend for it. The
// pool mostly knows the answer (common.go): then the client is told it at once, and
// the backend is taken at the Bind, ahead of which the statement is prepared if it
// is not there (Session.have). What is answered is all up to a Sync or nothing, so
// that no message stands behind one that PostgreSQL might refuse.

// maxRecalled is how many messages are answered at once, without the Sync.
const maxRecalled = 32

// maxTold is how much may have been put together for the client, in bytes, for more to
// be answered without a backend in the same step. Answers are far longer than what
// they are asked with, and the client may not read them.
const maxTold = 64 << 10

// recalled is one message that is answered without a backend.
type recalled struct {
	typ   byte
	name  []byte            // of the statement, cut
	st    *follow.Statement // that the name stands for, or is to stand for
	known *follow.Known     // nil for a Close
}

// recollection is all that is answered at once. Statements that are to have names
// have a use each.
type recollection struct {
	all   [maxRecalled]recalled
	n     int
	at    uint64 // Session.changes
	bytes uint32 // what the new names take
}

// recall answers the messages at the beginning of in up to a Sync without a backend,
// and returns how long they are. It is 0, and nothing has changed, if one of them is
// not known.
func (s *Session) recall(in []byte, o *Out) int {
	end := onlyPrepares(in)
	if end == 0 || !s.mayRecall() {
		return 0
	}
	r := recollection{at: s.changes()}
	if !s.recollect(&r, in[:end]) {
		s.giveBack(&r)
		return 0
	}
	s.tellRecalled(&r, o)
	return end
}

// mayRecall tells whether the client's state is known, and that of the database's
// objects.
func (s *Session) mayRecall() bool {
	return s.recalls() && s.reads == readsMessages && s.hints == 0 && s.pins == 0 && s.private == 0 && !s.sqlNames &&
		(s.extra == nil || len(s.extra.channels)+len(s.extra.notes) == 0) && s.config.Catalog.Settled()
}

// onlyPrepares is how long the messages at the beginning of in are up to a Sync, if all
// of them are there and none is anything but a Parse, Describe or Close of a named
// statement, or a Flush; else 0.
func onlyPrepares(in []byte) int {
	n := 0
	for range maxRecalled + 1 {
		if len(in)-n < wire.HeaderLen {
			return 0
		}
		typ, total := wire.Header(in[n:])
		if total == 0 || total > len(in)-n || total > min(wire.ClientLimit(typ), MaxMessage) {
			return 0
		}
		body := in[n+wire.HeaderLen : n+total]
		n += total
		switch typ {
		case 'P':
			if len(body) == 0 || body[0] == 0 {
				return 0
			}
		case 'D', 'C':
			if len(body) < 2 || body[0] != 'S' || body[1] == 0 {
				return 0
			}
		case 'H', 'S':
			if len(body) > 0 {
				return 0
			}
			if typ == 'S' {
				return n
			}
		default:
			return 0
		}
	}
	return 0
}

// recollect finds the answers to messages; it is false if one is not known.
func (s *Session) recollect(r *recollection, in []byte) bool {
	for {
		typ, total := wire.Header(in)
		switch typ {
		case 'S':
			return true
		case 'P', 'D', 'C':
			m := namedMessage{typ: typ, message: in[:total], total: total}
			if !m.read() || !utf8.Valid(m.name) || !s.recollectOne(r, &m) {
				return false
			}
		}
		in = in[total:]
	}
}

// recollectOne is recollect for one message.
func (s *Session) recollectOne(r *recollection, m *namedMessage) bool {
	one := recalled{typ: m.typ, name: cutName(m.name)}
	st, sure := s.stands(r, one.name)
	switch one.st = st; {
	case !sure, m.typ == 'P' && st != nil, m.typ != 'P' && st == nil:
		return false // an error, or a name that PostgreSQL may know from elsewhere
	case m.typ == 'D':
		one.known = one.st.Known(r.at)
		if one.known == nil || one.known.Described == nil || !s.suits(one.st) {
			return false
		}
	case m.typ == 'P':
		r.bytes += namedOverhead + uint32(len(m.rest))
		if uint64(s.namedBytes)+uint64(r.bytes) > maxNamedBytes {
			return false
		}
		one.st = s.config.Shared.Statements.Find(s.reading(), m.rest)
		if one.st == nil {
			return false
		}
		one.known = one.st.Known(r.at)
	}
	r.all[r.n] = one
	r.n++
	return one.known != nil || m.typ == 'C'
}

// stands is the shared statement that a name stands for behind the messages of r, nil
// for none, and whether that is sure.
func (s *Session) stands(r *recollection, name []byte) (st *follow.Statement, sure bool) {
	for i := r.n - 1; i >= 0; i-- {
		switch one := &r.all[i]; {
		case one.typ == 'D' || string(one.name) != string(name):
		case one.typ == 'C':
			return nil, true
		default:
			return one.st, true
		}
	}
	n := s.byName[string(name)]
	if n == nil {
		return nil, true
	}
	return n.st, n.st != nil && !n.pending && !n.unsure
}

// giveBack gives up the statements that have no names after all.
func (s *Session) giveBack(r *recollection) {
	for i := range r.n {
		if r.all[i].typ == 'P' {
			s.config.Shared.Statements.Put(r.all[i].st)
		}
	}
}

// tellRecalled gives the answers.
func (s *Session) tellRecalled(r *recollection, o *Out) {
	b := o.ToClient.own()
	for i := range r.n {
		switch one := &r.all[i]; one.typ {
		case 'P':
			s.nameRecalled(one)
			o.Parses++
			b = append(b, '1', 0, 0, 0, 4)
		case 'D':
			s.byName[string(one.name)].columns = one.known.Columns
			b = append(b, one.known.Described...)
		case 'C':
			s.giveUp(s.byName[string(one.name)])
			delete(s.byName, string(one.name))
			b = append(b, '3', 0, 0, 0, 4)
		}
	}
	o.ToClient.keep(wire.AppendReadyForQuery(b, 'I'))
	o.Asked, o.Answered = true, true
}

// nameRecalled gives a statement the name that a Parse has.
func (s *Session) nameRecalled(one *recalled) {
	s.ownNames()
	s.parses++
	n := &named{st: one.st, shape: one.known.Shape, unit: s.unit, number: s.parses}
	s.byName[string(one.name)] = n
	s.namedBytes += n.bytes()
}
