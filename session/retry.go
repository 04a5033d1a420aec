package session

import (
	"bytes"
	"slices"
)

// After a migration, a prepared statement may give other columns than before;
// PostgreSQL refuses to run it then, and it must be prepared anew. Where
// nothing speaks against it, pgweir does that and runs it again, unseen by the
// client: outside a transaction block, if the client has been told nothing of
// its answer yet, and if it asks for the columns with a Describe, so that it
// will hear of the new ones.

// retry is about the one extended query under way that could be run again.
type retry struct {
	n         *named
	from      int  // where its messages begin in what is sent in this step, +1; 0 if none do
	whole     bool // its Sync is sent, and all is kept
	described bool // it has a Describe
}

// maxUnit is how long the messages of a query may be to be run again, in bytes.
const maxUnit = 8 << 10

// begin notes that the messages of a query on n begin at the end of what is
// being sent, if it stands alone.
func (s *Session) begin(n *named, o *Out) {
	s.retry = retry{}
	if s.tx != 'I' || s.executed || s.owed.owesClient() {
		return
	}
	s.retry = retry{n: n, from: len(o.ToServer.own()) + 1}
	s.link.unit = s.link.unit[:0]
}

// keepUnit keeps what was sent of the query in this step.
func (s *Session) keepUnit(o *Out) {
	b := o.ToServer.Bytes()[s.retry.from-1:]
	s.retry.from = 0
	if len(s.link.unit)+len(b) > maxUnit {
		s.retry = retry{}
		return
	}
	s.link.unit = append(s.link.unit, b...)
	if s.unsynced {
		s.retry.from = 1 // it goes on with the next step
	} else {
		s.retry.whole = true
	}
}

// changedResult tells whether an error says that a statement gives other
// columns now (RevalidateCachedQuery in PostgreSQL's plancache.c).
func changedResult(body []byte) bool {
	return bytes.Contains(body, []byte("\x00C0A000\x00")) && bytes.Contains(body, []byte("\x00RRevalidateCachedQuery\x00"))
}

// again runs the query again that has just failed, if it can be. The backend
// will answer its Sync first.
func (s *Session) again(first entry, body []byte, o *Out) bool {
	if first != entBind && first != entDescribe && first != entTold || !changedResult(body) {
		return false
	}
	r := s.retry
	s.retry = retry{}
	for st := range s.link.have.all {
		s.link.have.all[st].stale = true // prepared anew when it is next used
	}
	unit := slices.Clone(s.owed.buf[s.owed.head:])
	if r.n == nil || !r.whole || !r.described || s.skipping || unit[len(unit)-1] != entSync || slices.Index(unit, entSync) != len(unit)-1 {
		return false
	}
	describes := 0
	for _, e := range unit {
		switch {
		case e == entDescribe, e == entTold:
			describes++
		case e.hasOp():
			return false
		}
	}
	st := r.n.st
	if describes != 1 || !s.link.have.use(st) {
		return false
	}
	s.owed.clear()
	s.ops = s.ops[:0]
	s.owed.push(entOwnSync)
	s.evict(st, o)
	s.have(st, o)
	for _, e := range unit {
		if e == entDescribe || e == entTold {
			s.pushOp(entTold, op{told: r.n, of: s.link.have.all[st]})
		} else {
			s.owed.push(e)
		}
	}
	o.ToServer.keep(append(o.ToServer.own(), s.link.unit...))
	s.unnamedHere = false
	return true
}
