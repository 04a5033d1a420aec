package proxy

import "pgweir/pool"

// waiters are places in waiting lines that nobody has. An idle client needs none: its
// worker lends it one when it asks for a backend, and has it back when the wait is over.
type waiters struct{ free []*pool.Waiter }

// keepWaiters is how many a worker keeps for the next ones to wait; the others are the
// garbage collector's.
const keepWaiters = 1024

func (w *waiters) lend() *pool.Waiter {
	last := len(w.free) - 1
	if last < 0 {
		return new(pool.Waiter)
	}
	p := w.free[last]
	w.free = w.free[:last]
	return p
}

// back takes a place back that no pool knows of any more. The next one who has it must
// find nothing of this wait, as that its client has been told of it.
func (w *waiters) back(p *pool.Waiter) {
	if len(w.free) < keepWaiters {
		*p = pool.Waiter{}
		w.free = append(w.free, p)
	}
}
