package session

import (
	"pgweir/session/follow"
	"pgweir/session/pipeline"
	"pgweir/wire"
)

// What the client asks for takes effect here when it is sent, before the
// backend has said that it has succeeded: the next message of a pipeline may
// be about it. So each such change (op) belongs to an entry of the queue, and
// is taken back if the backend answers with an error, or skips it.

// op is a change that the backend has not confirmed.
type op struct {
	name       string
	full       string            // the name as the client gave it, if it is taken
	unit       uint32            // Session.unit when it was sent
	prev, next *named            // the name stood for prev, and is to stand for next; nil for nothing
	added      *follow.Statement // the backend is to have this one
	removed    *follow.Held      // and this one no more
	refusal    *wire.Error       // what the client is to read
	of         *follow.Held      // whose columns are answered; nil if it is gone
	asks       *follow.Statement // see askColumns
	reader     *named            // the statement, by the client's name, whose columns it asked for; nil if it did not
	told       bool              // the client has been told the parameters before the query was run again
	common     bool              // what is answered holds for other clients as well,
	at         uint64            // when the database's objects have changed so often
	params     []byte            // the ParameterDescription that has been answered, if common
}

// keepOps is how many changes a backend's list without any keeps room for.
const keepOps = 64

// maxUnsettled is how many changes may not have been confirmed yet for a message
// behind another Sync to be sent.
const maxUnsettled = 256

// unsettled tells whether it is not certain yet that the backend has a
// statement, or has it no more: messages behind the next Sync must not count on
// what may come to nothing.
func (s *Session) unsettled(st *follow.Statement) bool {
	if len(s.link.ops) > maxUnsettled && s.inDoubt() {
		return true // no message looks through more of them
	}
	for i := range s.link.ops {
		if o := &s.link.ops[i]; (o.added == st || o.removed != nil && o.removed.Statement == st) && o.unit != s.unit {
			return true
		}
	}
	return false
}

// inDoubt is unsettled for any statement that a text may name.
func (s *Session) inDoubt() bool { return len(s.link.ops) > 0 && s.link.ops[0].unit != s.unit }

// rename has a name stand for next from now on.
func (s *Session) rename(name []byte, prev, next *named, e pipeline.Pending) {
	o := op{name: string(cutName(name)), prev: prev, next: next}
	if next == nil {
		o.next = &named{}
	}
	s.ownNames()
	s.parses++
	o.next.pending, o.next.unit, o.next.number = true, s.unit, s.parses
	s.byName[o.name] = o.next
	s.namedBytes += o.next.bytes()
	s.pushOp(e, o)
}

// giveUp: none of the client's names stands for n any more.
func (s *Session) giveUp(n *named) {
	s.namedBytes -= n.bytes()
	if n.st != nil {
		s.config.Shared.Statements.Put(n.st)
	}
}

func (s *Session) pushOp(e pipeline.Pending, o op) {
	o.unit = s.unit
	s.owed.Push(e)
	s.link.ops = append(s.link.ops, o)
}

// give sends the answers that are pgweir's own to give and are due now.
func (s *Session) give(o *Out) {
	for !s.MidAnswer() {
		switch s.owed.First() {
		case pipeline.ParseGiven:
			o.ToClient.keep(append(o.ToClient.own(), '1', 0, 0, 0, 4))
		case pipeline.CloseGiven:
			o.ToClient.keep(append(o.ToClient.own(), '3', 0, 0, 0, 4))
		default:
			return
		}
		s.done()
	}
}

// done: what was owed first has been answered; the change that it stood for holds.
func (s *Session) done() {
	s.owed.Pop()
	o := s.link.ops[0]
	if len(s.link.ops) == 1 {
		s.link.ops = s.link.ops[:0]
	} else {
		s.link.ops = s.link.ops[1:]
	}
	if o.next == nil || o.next == o.prev {
		return
	}
	o.next.pending = false
	if o.next.st == nil && !o.next.private && s.byName[o.name] == o.next {
		delete(s.byName, o.name)
	}
	if o.prev != nil {
		s.giveUp(o.prev)
	}
	switch {
	case o.next.private:
		s.private++
	case o.prev != nil && o.prev.private:
		s.private--
	}
}

// undo takes back what the first n ops did.
func (s *Session) undo(n int) {
	for i := n - 1; i >= 0; i-- {
		o := &s.link.ops[i]
		if o.added != nil {
			s.link.have.Remove(o.added)
			for k := n; k < len(s.link.ops); k++ {
				if r := s.link.ops[k].removed; r != nil && r.Statement == o.added {
					s.link.ops[k].removed = nil // there was nothing to remove
				}
			}
		}
		if o.removed != nil {
			s.link.have.PutBack(o.removed)
		}
		if o.next == nil || o.next == o.prev {
			continue
		}
		if s.byName[o.name] == o.next {
			if p := o.prev; p == nil || p.st == nil && !p.private && !p.pending {
				delete(s.byName, o.name)
			} else {
				s.byName[o.name] = o.prev
			}
		}
		s.giveUp(o.next)
	}
	s.link.ops = s.link.ops[:copy(s.link.ops, s.link.ops[n:])]
}

// dropOps gives up what the names stood for before changes that the backend will
// not confirm any more.
func (s *Session) dropOps() {
	if s.link == nil {
		return
	}
	for i := range s.link.ops {
		if o := &s.link.ops[i]; o.prev != nil && o.prev != o.next {
			s.giveUp(o.prev)
		}
	}
	s.link.ops = nil
}

// forgetNames gives all of the client's named statements up.
func (s *Session) forgetNames() {
	for name, n := range s.byName {
		s.giveUp(n)
		delete(s.byName, name)
	}
	if s.private != 0 {
		s.private = 0
	}
}
