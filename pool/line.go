package pool

import (
	"sync/atomic"
	"time"
)

// line is the waiting line, first in first out.
type line struct {
	head, tail *Waiter
	last       int64        // Waiter.place of who came last
	front      int64        // of who was last put in front
	n          atomic.Int32 // may be read without the pool's lock
	logins     int          // of these, with Waiter.Login
	expecting  int          // of these, with Waiter.opening
}

// expect has w, who is in the line, count on an opening on which nobody does.
func (l *line) expect(w *Waiter, o *opening) {
	w.opening, o.w = o, w
	o.variant.spare--
	l.expecting++
}

// cut has w count on its opening no longer.
func (l *line) cut(w *Waiter) {
	if o := w.opening; o != nil {
		w.opening, o.w = nil, nil
		o.variant.spare++
		l.expecting--
	}
}

// count counts w, or w no longer.
func (l *line) count(w *Waiter, n int) {
	l.n.Add(int32(n))
	w.Variant.waiting += n
	if w.Login {
		l.logins += n
	}
}

func (l *line) push(w *Waiter, now time.Duration) {
	l.last++
	w.inLine, w.since, w.place = true, now, l.last
	if w.fresh == nil {
		w.Variant.queue(w.Worker).append(w)
		w.Variant.queued++
	}
	w.next, w.prev = nil, l.tail
	if l.tail == nil {
		l.head = w
	} else {
		l.tail.next = w
	}
	l.tail = w
	l.count(w, 1)
}

func (l *line) pushFront(w *Waiter, now time.Duration) {
	l.front--
	w.inLine, w.since, w.place = true, now, l.front
	if w.fresh == nil {
		w.Variant.queue(w.Worker).prepend(w)
		w.Variant.queued++
	}
	w.prev, w.next = nil, l.head
	if l.head == nil {
		l.tail = w
	} else {
		l.head.prev = w
	}
	l.head = w
	l.count(w, 1)
}

func (l *line) remove(w *Waiter) {
	if w.fresh == nil {
		w.Variant.queue(w.Worker).remove(w)
		w.Variant.queued--
	}
	if w.prev == nil {
		l.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.next, w.prev, w.inLine = nil, nil, false
	w.fresh = nil
	l.cut(w)
	l.count(w, -1)
}

// queue is those of one variant and worker who wait for a backend that is there.
type queue struct {
	first, last *Waiter
}

func (q *queue) append(w *Waiter) {
	w.kinNext, w.kinPrev = nil, q.last
	if q.last == nil {
		q.first = w
	} else {
		q.last.kinNext = w
	}
	q.last = w
}

func (q *queue) prepend(w *Waiter) {
	w.kinPrev, w.kinNext = nil, q.first
	if q.first == nil {
		q.last = w
	} else {
		q.first.kinPrev = w
	}
	q.first = w
}

func (q *queue) remove(w *Waiter) {
	if w.kinPrev == nil {
		q.first = w.kinNext
	} else {
		w.kinPrev.kinNext = w.kinNext
	}
	if w.kinNext == nil {
		q.last = w.kinPrev
	} else {
		w.kinNext.kinPrev = w.kinPrev
	}
	w.kinNext, w.kinPrev = nil, nil
}

// queue is a worker's.
func (v *Variant) queue(worker int32) *queue {
	for len(v.queues) <= int(worker) {
		v.queues = append(v.queues, new(queue))
	}
	return v.queues[worker]
}

// first is who in the line is first of those who wait for a backend that is there.
func (v *Variant) first() (w *Waiter) {
	if v.queued == 0 {
		return nil
	}
	for _, q := range v.queues {
		if q.first != nil && (w == nil || q.first.place < w.place) {
			w = q.first
		}
	}
	return w
}

// Who overtakes another worker's client may have come later than that one by a part of
// how long that one has waited, and in any case by a little: workers have their turns on
// a processor one after the other, and in each return many backends.
const (
	near       = 8
	nearEnough = 10 * time.Millisecond
)

// next is who gets a backend that has come back at a worker. For a backend to change
// hands costs as much as a query. So if the first in the line is another worker's, it is
// overtaken by one of this worker that has waited for almost as long. The other worker
// does the same, so that neither gains by it.
func (v *Variant) next(worker int32, now time.Duration) *Waiter {
	first := v.first()
	if first == nil || first.Worker == worker || first.place < 0 {
		return first
	}
	own := v.queue(worker).first
	if own == nil || own.since-first.since > max(nearEnough, (now-first.since)/near) {
		return first
	}
	return own
}

// requeue makes the queues anew, for others of the line wait for a backend that is there.
func (v *Variant) requeue(l *line) {
	for _, q := range v.queues {
		*q = queue{}
	}
	v.queued = 0
	for w := l.head; w != nil; w = w.next {
		if w.Variant == v && w.fresh == nil {
			v.queue(w.Worker).append(w)
			v.queued++
		}
	}
}
