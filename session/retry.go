package session

import (
	"bytes"
	"slices"

	"pgweir/session/follow"
	"pgweir/session/pipeline"
	"pgweir/wire"
)

// After a migration, a prepared statement may give other columns than before;
// PostgreSQL refuses to run it then, and it must be prepared anew. The same
// holds for one that is gone from the backend, because a function, a DO block
// or a client in session mode has deallocated all that there was. pgweir
// prepares it anew and runs the query again, unseen by the client: outside a
// transaction block, if the client has been told nothing of its answer yet. If
// the columns may be others, the client must also ask for them with a Describe,
// so that it hears of the new ones.

// retry is about the one extended query under way that could be run again.
type retry struct {
	n     *named
	from  int  // where its messages begin in what is sent in this step, +1; 0 if none do
	whole bool // its Sync is sent, and all is kept
	told  bool // the client has been told the parameters
}

// maxUnit is how long the messages of a query may be to be run again, in bytes.
const maxUnit = 8 << 10

// begin notes that the messages of a query on n begin at the end of what is
// being sent, if it stands alone.
func (s *Session) begin(n *named, o *Out) {
	if s.link.retry.n == n && s.link.retry.from > 0 && s.batch != batchRuns {
		return // its Describe stands ahead of its Bind
	}
	s.link.retry = retry{}
	if s.tx != 'I' || s.batch == batchRuns || s.owed.OwesClient() {
		return
	}
	s.link.retry = retry{n: n, from: len(o.ToServer.own()) + 1}
	s.link.unit = s.link.unit[:0]
}

// keepUnit keeps what was sent of the query in this step.
func (s *Session) keepUnit(o *Out) {
	b := o.ToServer.Bytes()[s.link.retry.from-1:]
	s.link.retry.from = 0
	if len(s.link.unit)+len(b) > maxUnit {
		s.link.retry = retry{}
		return
	}
	s.link.unit = append(s.link.unit, b...)
	if s.batch != batchNone {
		s.link.retry.from = 1 // it goes on with the next step
	} else {
		s.link.retry.whole = true
	}
}

// changedResult tells whether an error says that a statement gives other
// columns now (RevalidateCachedQuery in PostgreSQL's plancache.c).
func changedResult(body []byte) bool {
	return bytes.Contains(body, []byte("\x00C0A000\x00")) && bytes.Contains(body, []byte("\x00RRevalidateCachedQuery\x00"))
}

// lostStatement tells whether an error says that the backend does not have a
// shared statement.
func (s *Session) lostStatement(body []byte) bool {
	return bytes.Contains(body, []byte("\x00C"+wire.CodeInvalidStatementName+"\x00")) &&
		bytes.Contains(body, []byte(follow.NamePrefix)) && (s.extra == nil || len(s.extra.unmade) == 0)
}

// again runs the query again that has just failed, if it can be. The backend
// will answer its Sync first.
func (s *Session) again(first pipeline.Pending, body []byte, o *Out) bool {
	lost := s.lostStatement(body)
	prepared := first == pipeline.Bind || first == pipeline.Describe || first == pipeline.DescribeNoted
	if !lost && (!prepared || !changedResult(body)) {
		return false
	}
	s.link.have.Doubt()
	r := s.link.retry
	s.link.retry = retry{}
	if !lost && r.n != nil && r.n.st != nil {
		s.config.Shared.Statements.Unlearn(r.n.st)
	}
	unit := slices.Clone(s.owed.All())
	if !prepared || r.n == nil || !r.whole || s.reads == skipsToSync || unit[len(unit)-1] != pipeline.Sync || slices.Index(unit, pipeline.Sync) != len(unit)-1 {
		return false
	}
	describes := 0
	for _, e := range unit {
		switch {
		case e == pipeline.Describe, e == pipeline.DescribeNoted:
			describes++
		case e.Changes():
			return false
		}
	}
	st := r.n.st
	if !s.link.have.Use(st) {
		return false
	}
	same := lost && (r.n.columns <= noColumns || s.link.have.Last().At == s.changes())
	if describes != 1 && !same {
		return false
	}
	s.owed.Clear()
	s.link.ops = s.link.ops[:0]
	s.owed.Push(pipeline.OwnSync)
	s.evict(st, o)
	s.have(st, o)
	for _, e := range unit {
		if e == pipeline.Describe || e == pipeline.DescribeNoted {
			s.pushOp(pipeline.DescribeNoted, op{reader: r.n, of: s.link.have.Of(st), told: r.told})
		} else {
			s.owed.Push(e)
		}
	}
	o.ToServer.keep(append(o.ToServer.own(), s.link.unit...))
	s.unnamedHere = false
	return true
}
