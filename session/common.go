package session

import (
	"pgweir/session/follow"
	"pgweir/wire"
)

// What PostgreSQL says to the Parse or the Describe of a statement it would say to any
// client of the pool with the same settings, until the database's objects change.
// So it is kept with the statement (follow.Known), for recall.go to say again.
// It must not depend on what the client itself has done: an object that its
// transaction has made or a temporary one is there for no other.

// changes counts what may have changed the database's objects. A statement that was
// prepared before is prepared anew when a client asks for it.
func (s *Session) changes() uint64 {
	n := s.config.Shared.changes.Load()
	if c := s.config.Catalog; c != nil {
		n += c.Edition()
	}
	return n
}

// toldToAll tells whether what the backend says to a Parse or Describe that is sent
// now it would say to others: nothing has run in this lease.
func (s *Session) toldToAll() bool {
	e := &s.link.evidence
	return s.recalls() && s.tx == 'I' && s.hints == 0 && s.pins == 0 && s.batch != batchRuns && !s.owed.OwesClientReady() &&
		len(e.ran) == 0 && !e.ask && s.link.variant == 0 && !s.link.lags()
}

// apart tells whether names may mean something to the client alone: the transaction
// under way may have made objects, or changed what names mean, or the client has
// temporary objects.
func (s *Session) apart() bool {
	return s.pins != 0 || s.hints&(wire.HintTemp|wire.HintCatalog|wire.HintDrop|wire.HintMeaning|blindHints) != 0
}

// recalls tells whether the pool knows statements, for this client too.
func (s *Session) recalls() bool {
	c := s.config
	return c.Recalls && c.Catalog != nil && c.State != StateOff && !s.origin.Value().apart && s.sharing()
}

// lags tells whether the backend's server may be behind others that bear its name.
func (l *Link) lags() bool {
	for i := range l.Params {
		if p := &l.Params[i]; p.Name == "in_hot_standby" {
			return p.Value == "on"
		}
	}
	return false
}

// parseCompleted: a named Parse has been answered.
func (s *Session) parseCompleted() {
	o := &s.link.ops[0]
	if !o.common || o.next == nil || o.next.st == nil {
		return
	}
	s.config.Shared.Statements.Learn(o.next.st, &follow.Known{At: o.at, Shape: o.next.shape})
}

// notesDescribe has the answer to a Describe of a statement noted for others, if they
// would be told the same.
func (s *Session) notesDescribe(n *named, h *follow.Held) bool {
	return h != nil && h.Common && h.At == s.changes() && n.hints == 0 && !n.unsure && s.suits(n.st) && s.toldToAll() && !n.st.Describes(h.At)
}

// suits tells whether a statement is what a Parse of its text would make now.
func (s *Session) suits(st *follow.Statement) bool {
	now := s.reading()
	return st.Made.Same(now) && st.Used.Same(now)
}

// paramsTold: a ParameterDescription has come.
func (s *Session) paramsTold(body []byte, whole bool) {
	o := &s.link.ops[0]
	if !o.common {
		return
	}
	if o.common = whole && len(body) <= follow.MaxDescribed; o.common {
		o.params = wire.AppendMessage(nil, 't', body)
	}
}

// compareKnown forgets what is known of a statement that the backend says to have other
// columns: the database's objects have changed unseen.
func (s *Session) compareKnown(o *op, columns uint64) {
	st := o.asks
	if o.reader != nil {
		st = o.reader.st
	}
	if st == nil {
		return
	}
	if k := st.Known(s.changes()); k != nil && k.Described != nil && k.Columns != columns {
		s.config.Shared.Statements.Unlearn(st)
	}
}

// columnsToldToAll: a RowDescription or NoData has come behind it.
func (s *Session) columnsToldToAll(o *op, typ byte, body []byte, whole bool, columns uint64) {
	if !o.common || !whole || len(o.params)+len(body) > follow.MaxDescribed {
		return
	}
	s.config.Shared.Statements.Learn(o.reader.st, &follow.Known{
		At: o.at, Shape: o.reader.shape, Columns: columns, Described: wire.AppendMessage(o.params, typ, body),
	})
}
