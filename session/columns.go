package session

import (
	"encoding/binary"
	"hash/maphash"

	"pgweir/session/follow"
	"pgweir/session/pipeline"
	"pgweir/wire"
)

// A driver describes a named statement once, keeps its columns, and from then
// on only binds and runs it: it reads what comes as those columns. PostgreSQL
// sees to it that they are so; a statement that would give others since a
// migration fails until it is prepared anew. But a backend that is given the
// statement only now gives the new ones. So what the client was told last is
// compared with what the backend has; where that is not known to be the same,
// the statement is prepared there, with a Describe, and the Bind waits for the
// answer. A Bind with a Describe of its portal behind it needs none of this.

// noColumns is in place of a hash of columns: there are none, or too many to be
// read. A client that was told so has nothing to be compared; a statement
// without rows seldom comes to have some, and drivers take none for it then.
const noColumns = 1

var columnsSeed = maphash.MakeSeed()

// columnsHash is that of a RowDescription, or noColumns. It is of what
// PostgreSQL compares (equalRowTypes): names, types and type modifiers.
func columnsHash(typ byte, body []byte, whole bool) uint64 {
	if typ != 'T' || !whole {
		return noColumns
	}
	var h maphash.Hash
	h.SetSeed(columnsSeed)
	err := wire.DecodeRowDescription(body, func(name []byte, oid uint32, modifier int32) {
		var b [9]byte // the first byte ends the name
		binary.BigEndian.PutUint32(b[1:], oid)
		binary.BigEndian.PutUint32(b[5:], uint32(modifier))
		h.Write(name)
		h.Write(b[:])
	})
	if err != nil {
		return noColumns
	}
	return max(h.Sum64(), noColumns+1)
}

// errChangedResult has the fields by which drivers know it from other errors of
// its code.
var errChangedResult = func() *wire.Error {
	e := wire.Errorf(wire.CodeFeatureNotSupported, "cached plan must not change result type")
	e.Extra = []wire.ErrorField{{Type: 'F', Value: "plancache.c"}, {Type: 'R', Value: "RevalidateCachedQuery"}}
	return e
}()

// mayDiffer tells whether a Bind may give other columns than the client was
// told. behind is what has come behind it.
func (s *Session) mayDiffer(n *named, portal, behind []byte) bool {
	if n.columns <= noColumns {
		return false
	}
	if h := s.link.have.Of(n.st); h != nil && h.Columns == n.columns && !h.Stale && (h.Taint == 0 || h.Taint == s.link.epoch) {
		return false
	}
	// In a block that has failed it fails anyway; and what makeReady does wants
	// nothing to have been sent before.
	return s.owed.Has(pipeline.DescribeShared) || s.tx != 'E' && s.reads != readsCopy && n.hints&hintsReady == 0 && !describesPortal(behind, portal)
}

// describesPortal tells whether the first of some messages is the Describe of a
// portal.
func describesPortal(messages, portal []byte) bool {
	if len(messages) < wire.HeaderLen {
		return false
	}
	typ, total := wire.Header(messages)
	if typ != 'D' || total != wire.HeaderLen+1+len(portal)+1 || len(messages) < total {
		return false
	}
	body := messages[wire.HeaderLen:total]
	return body[0] == 'P' && string(body[1:1+len(portal)]) == string(portal)
}

// askColumns has the backend prepare a statement, which it may have from before
// a migration, and say what columns that has.
func (s *Session) askColumns(st *follow.Statement, o *Out) {
	if s.link.have.Use(st) {
		s.evict(st, o)
	}
	s.have(st, o)
	o.ToServer.keep(wire.AppendDescribeStatement(o.ToServer.own(), st.Name))
	s.pushOp(pipeline.DescribeShared, op{of: s.link.have.Of(st), asks: st})
	s.link.retry = retry{}
	s.batch = max(s.batch, batchPrepares)
}

// binds notes that a portal of a statement is made, if a Describe of it would say
// something new.
func (s *Session) binds(n *named, portal []byte) {
	l := s.link
	l.bound = nil
	if h := l.have.Last(); n.columns == 0 || n.columns != h.Columns {
		l.bound, l.portal = n, append(l.portal[:0], portal...)
	}
}

// describes: a Describe of a statement, or of a portal of it, is being sent.
func (s *Session) describes(n *named) {
	h := s.link.have.Of(n.st)
	if h != nil && n.columns != 0 && n.columns == h.Columns {
		s.owed.Push(pipeline.Describe) // its answer says nothing new
		return
	}
	s.pushOp(pipeline.DescribeNoted, op{reader: n, of: h})
}

// describesStatement is describes for a Describe of the statement itself.
func (s *Session) describesStatement(n *named) {
	if h := s.link.have.Of(n.st); s.notesDescribe(n, h) {
		s.pushOp(pipeline.DescribeNoted, op{reader: n, of: h, common: true, at: h.At})
		return
	}
	s.describes(n)
}

// asksColumns tells whether the answer that is due says what columns a
// statement has, and is to be read.
func (s *Session) asksColumns() bool {
	e := s.owed.First()
	return e == pipeline.DescribeNoted || e == pipeline.DescribeShared
}

// described: it has come.
func (s *Session) described(typ byte, body []byte, whole bool) {
	o := s.link.ops[0]
	columns := columnsHash(typ, body, whole)
	s.compareKnown(&o, columns)
	if o.reader != nil {
		s.columnsToldToAll(&o, typ, body, whole, columns)
	}
	if o.of != nil {
		o.of.Columns = columns
	}
	if o.reader != nil {
		o.reader.columns = columns
	} else {
		s.link.asked = o.asks
	}
	s.done()
}
