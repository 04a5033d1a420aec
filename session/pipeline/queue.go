package pipeline

import "slices"

// Queue holds what the backend owes, in the order in which it was asked. It
// needs no memory of its own as long as it stays short.
type Queue struct {
	buf   []Pending
	head  int
	small [8]Pending
}

// Nothing is the queue of all who have no backend. It is never written to.
var Nothing = new(Queue)

// Len is how many answers are owed, marks included.
func (q *Queue) Len() int { return len(q.buf) - q.head }

// OwesClient tells whether an answer of the client's own is owed.
func (q *Queue) OwesClient() bool {
	for _, e := range q.buf[q.head:] {
		if !e.Ours() {
			return true
		}
	}
	return false
}

// First is the Pending whose answer is due now, 0 if nothing is owed.
func (q *Queue) First() Pending {
	if q.head == len(q.buf) {
		return 0
	}
	return q.buf[q.head]
}

// Last is the Pending whose answer is due last, 0 if nothing is owed.
func (q *Queue) Last() Pending {
	if q.head == len(q.buf) {
		return 0
	}
	return q.buf[len(q.buf)-1]
}

// keepQueue is how long an empty queue's memory may be to be kept, in bytes.
const keepQueue = 1 << 10

// Rewind begins an empty queue anew.
func (q *Queue) Rewind() {
	q.head = 0
	if cap(q.buf) > keepQueue || q.buf == nil {
		q.buf = q.small[:0]
	} else {
		q.buf = q.buf[:0]
	}
}

// Push: a message is sent.
func (q *Queue) Push(e Pending) {
	if q == Nothing {
		panic("bug: an answer is owed without a backend")
	}
	if q.head == len(q.buf) {
		q.Rewind()
	} else if len(q.buf) == cap(q.buf) && q.head > len(q.buf)/2 {
		q.buf = q.buf[:copy(q.buf, q.buf[q.head:])]
		q.head = 0
	}
	q.buf = append(q.buf, e)
}

// Pop removes the first, and the marks that are first then.
func (q *Queue) Pop() {
	if q.head == len(q.buf) {
		return // the conversation has ended in this step
	}
	q.head++
	if q.head < len(q.buf) && q.buf[q.head] == CopyEnd {
		q.dropMarks()
	}
}

func (q *Queue) dropMarks() {
	for q.First() == CopyEnd {
		q.head++
	}
}

// Skip drops what a backend skips after an error in the extended protocol, up to
// a Sync. stray tells that the backend has a Sync ahead of what follows a copy,
// so that it ends at a simple query as well. synced is false if the Sync has not
// been sent yet; parse tells that a Parse of the unnamed statement was among what
// was dropped, and changes how many of the others stand for a change.
func (q *Queue) Skip(stray bool) (synced, parse bool, changes int) {
	for q.Len() > 0 {
		switch e := q.First(); {
		case e == Sync, e == OwnSync, stray && (e == Query || e == Function):
			return true, parse, changes
		case e == Parse:
			parse = true
		case e.Changes():
			changes++
		}
		q.head++
	}
	return false, parse, changes
}

// OwesClientReady tells whether a ReadyForQuery will come that is the client's.
func (q *Queue) OwesClientReady() bool {
	for _, e := range q.buf[q.head:] {
		if !e.Ours() && e.EndsWithReady() {
			return true
		}
	}
	return false
}

// OwesReadyBefore tells whether a ReadyForQuery of the client's is owed before the
// last answer.
func (q *Queue) OwesReadyBefore() bool {
	for _, e := range q.buf[q.head:max(q.head, len(q.buf)-1)] {
		if !e.Ours() && e.EndsWithReady() {
			return true
		}
	}
	return false
}

// Has tells whether an answer of this kind is owed.
func (q *Queue) Has(e Pending) bool {
	return slices.Contains(q.buf[q.head:], e)
}

// SwallowSyncs removes the Syncs that a backend in copy-in mode ignores: those
// after the first, up to the end of the copy. It tells how many they are,
// and whether that end has been sent.
func (q *Queue) SwallowSyncs() (n int, ended bool) {
	if q.Len() == 0 {
		return 0, false
	}
	kept := q.head + 1
	for i := q.head + 1; i < len(q.buf); i++ {
		switch e := q.buf[i]; {
		case ended:
			q.buf[kept] = e
			kept++
		case e == CopyEnd:
			ended = true
		case e == Sync:
			n++
		default:
			q.buf[kept] = e
			kept++
		}
	}
	q.buf = q.buf[:kept]
	return n, ended
}

// OwesReady tells whether a ReadyForQuery will come.
func (q *Queue) OwesReady() bool {
	for _, e := range q.buf[q.head:] {
		if e.EndsWithReady() {
			return true
		}
	}
	return false
}

// MaySkip tells whether the backend may come to skip all up to a Sync that has
// not been sent.
func (q *Queue) MaySkip() bool {
	for i := len(q.buf) - 1; i >= q.head; i-- {
		switch e := q.buf[i]; {
		case e == Sync, e == OwnSync:
			return false
		case !e.EndsWithReady() && e != CopyEnd:
			return true
		}
	}
	return false
}

// All are the answers owed. They are the queue's own.
func (q *Queue) All() []Pending { return q.buf[q.head:] }

// Clear forgets all that is owed.
func (q *Queue) Clear() { q.buf, q.head = q.small[:0], 0 }
