package session

import "slices"

// entry is one message on its way to the backend for which an answer is owed.
type entry byte

// The client's own messages have the protocol's letters. What pgweir puts in
// between has small ones: its answers are not the client's, and what an error
// means says entry.onError.
const (
	entQuery    entry = 'Q' // RowDescription … CommandComplete …, ReadyForQuery
	entSync     entry = 'S' // ReadyForQuery
	entFunction entry = 'F' // FunctionCallResponse, ReadyForQuery
	entParse    entry = 'P' // ParseComplete
	entBind     entry = 'B' // BindComplete
	entDescribe entry = 'D' // [ParameterDescription], RowDescription or NoData
	entExecute  entry = 'E' // DataRow …, CommandComplete, EmptyQueryResponse or PortalSuspended
	entClose    entry = 'C' // CloseComplete
	entRefused  entry = 'R' // an error, in place of a named Parse's ParseComplete
	entNamed    entry = 'N' // ParseComplete of a named Parse
	entMade     entry = 'M' // the same, given by pgweir, for the backend has the statement
	entShut     entry = 'K' // CloseComplete of a named statement, given by pgweir
	entTold     entry = 'T' // as entDescribe, of a named statement or its portal, and to be noted
	entCopyEnd  entry = 'c' // CopyDone or CopyFail: nothing; marks the place

	entOurs      entry = 'a' // from here on, in the order of the alphabet
	entSetVars   entry = 'v' // a Query that sets Vars
	entQuestion  entry = 'q' // a Query that asks what state is left
	entReset     entry = 'r' // a Query that cleans up
	entGuarded   entry = 'g' // a Query without which the client's message behind would be answered wrongly
	entPrepare   entry = 'p' // a Parse of the unnamed statement, made again
	entMake      entry = 'm' // a Parse of a shared statement that the backend has not got yet
	entColumns   entry = 't' // a Describe of a shared statement; see askColumns
	entEvict     entry = 'e' // a Close of a shared statement
	entShow      entry = 'w' // a Parse or Close under the client's own name; see showPrepared
	entDetour    entry = 'x' // a Query that sets settings for a moment, outside of a transaction
	entAside     entry = 'd' // one of the messages of a statement in the midst of a transaction; see aside
	entOwnSync   entry = 'y' // a Sync behind a Parse that stands ahead of a simple query, or of Rest
	entUnprepare entry = 'u' // a Close of an unnamed statement that is not the client's
)

// endsWithReady tells which answers end with ReadyForQuery.
func (e entry) endsWithReady() bool {
	switch e {
	case entQuery, entSync, entFunction, entSetVars, entQuestion, entReset, entOwnSync, entDetour, entGuarded:
		return true
	}
	return false
}

// hasOp tells which entries stand for a change of what is prepared where; see
// Session.ops.
func (e entry) hasOp() bool {
	switch e {
	case entNamed, entMade, entShut, entMake, entEvict, entRefused, entTold, entColumns:
		return true
	}
	return false
}

// queue holds what the backend owes, in the order in which it was asked. It
// needs no memory of its own as long as it stays short.
type queue struct {
	buf   []entry
	head  int
	small [8]entry
}

func (q *queue) len() int { return len(q.buf) - q.head }

// owesClient tells whether an answer of the client's own is owed.
func (q *queue) owesClient() bool {
	for _, e := range q.buf[q.head:] {
		if e < entOurs {
			return true
		}
	}
	return false
}

// first is the entry whose answer is due now, 0 if nothing is owed.
func (q *queue) first() entry {
	if q.head == len(q.buf) {
		return 0
	}
	return q.buf[q.head]
}

// last is the entry whose answer is due last, 0 if nothing is owed.
func (q *queue) last() entry {
	if q.head == len(q.buf) {
		return 0
	}
	return q.buf[len(q.buf)-1]
}

// keepQueue is how long an empty queue's memory may be to be kept, in bytes.
const keepQueue = 1 << 10

// rewind begins an empty queue anew.
func (q *queue) rewind() {
	q.head = 0
	if cap(q.buf) > keepQueue || q.buf == nil {
		q.buf = q.small[:0]
	} else {
		q.buf = q.buf[:0]
	}
}

func (q *queue) push(e entry) {
	if q == &nothingOwed {
		panic("bug: an answer is owed without a backend")
	}
	if q.head == len(q.buf) {
		q.rewind()
	} else if len(q.buf) == cap(q.buf) && q.head > len(q.buf)/2 {
		q.buf = q.buf[:copy(q.buf, q.buf[q.head:])]
		q.head = 0
	}
	q.buf = append(q.buf, e)
}

// pop removes the first entry, and the marks that are first then.
func (q *queue) pop() {
	if q.head == len(q.buf) {
		return // the conversation has ended in this step
	}
	q.head++
	if q.head < len(q.buf) && q.buf[q.head] == entCopyEnd {
		q.dropMarks()
	}
}

func (q *queue) dropMarks() {
	for q.first() == entCopyEnd {
		q.head++
	}
}

// skipToSync drops what a backend skips after an error in the extended
// protocol. synced is false if the Sync has not been sent yet; parse tells
// that a Parse of the unnamed statement was among what was dropped, and ops
// how many entries that have one.
func (q *queue) skipToSync() (synced, parse bool, ops int) { return q.skip(false) }

// skip is skipToSync; stray tells that the backend has a Sync ahead of what
// follows a copy, so that it ends at a simple query as well.
func (q *queue) skip(stray bool) (synced, parse bool, ops int) {
	for q.len() > 0 {
		switch e := q.first(); {
		case e == entSync, e == entOwnSync, stray && (e == entQuery || e == entFunction):
			return true, parse, ops
		case e == entParse:
			parse = true
		case e.hasOp():
			ops++
		}
		q.head++
	}
	return false, parse, ops
}

// owesClientReady tells whether a ReadyForQuery will come that is the client's.
func (q *queue) owesClientReady() bool {
	for _, e := range q.buf[q.head:] {
		if e < entOurs && e.endsWithReady() {
			return true
		}
	}
	return false
}

// owesReadyBefore tells whether a ReadyForQuery of the client's is owed before the
// last answer.
func (q *queue) owesReadyBefore() bool {
	for _, e := range q.buf[q.head:max(q.head, len(q.buf)-1)] {
		if e < entOurs && e.endsWithReady() {
			return true
		}
	}
	return false
}

// has tells whether an answer of this kind is owed.
func (q *queue) has(e entry) bool {
	return slices.Contains(q.buf[q.head:], e)
}

// swallowSyncs removes the Syncs that a backend in copy-in mode ignores: those
// after the first entry, up to the end of the copy. It tells how many they are,
// and whether that end has been sent.
func (q *queue) swallowSyncs() (n int, ended bool) {
	if q.len() == 0 {
		return 0, false
	}
	kept := q.head + 1
	for i := q.head + 1; i < len(q.buf); i++ {
		switch e := q.buf[i]; {
		case ended:
			q.buf[kept] = e
			kept++
		case e == entCopyEnd:
			ended = true
		case e == entSync:
			n++
		default:
			q.buf[kept] = e
			kept++
		}
	}
	q.buf = q.buf[:kept]
	return n, ended
}

// owesReady tells whether a ReadyForQuery will come.
func (q *queue) owesReady() bool {
	for _, e := range q.buf[q.head:] {
		if e.endsWithReady() {
			return true
		}
	}
	return false
}

// maySkip tells whether the backend may come to skip all up to a Sync that has
// not been sent.
func (q *queue) maySkip() bool {
	for i := len(q.buf) - 1; i >= q.head; i-- {
		switch e := q.buf[i]; {
		case e == entSync, e == entOwnSync:
			return false
		case !e.endsWithReady() && e != entCopyEnd:
			return true
		}
	}
	return false
}

func (q *queue) clear() { q.buf, q.head = q.small[:0], 0 }
