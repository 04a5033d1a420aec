package uring

import "time"

// Submit, Poll, Nap and Wait are the ways into the kernel. An error of theirs is
// the end of the ring (EBADR: a completion has been lost for want of memory). A
// shortage that passes is none: what has not been submitted remains queued, and
// is submitted the next time.

// Submit gives the kernel what is queued, and neither waits nor lets it work on
// what has become possible. It does not tell Go's scheduler.
func (r *Ring) Submit() error { return nil }

// Poll gives the kernel what is queued and has it post the completions that are
// possible now; it does not wait. It does not tell Go's scheduler, and makes no
// system call if there is nothing to do.
func (r *Ring) Poll() error { return nil }

// Nap is Poll that waits up to d, to the nanosecond (the thread's timer slack,
// PR_SET_TIMERSLACK, comes on top), for min completions. Go's scheduler is not
// told: the processor stays taken, so naps are for short waits that are likely to
// be ended by a completion. A signal (the garbage collector sends some) ends it
// early.
func (r *Ring) Nap(min uint32, d time.Duration) error { return nil }

// Wait is Nap for longer waits: Go's scheduler may give the processor away. d < 0
// is forever; 0 is Poll. It too may return early.
func (r *Ring) Wait(min uint32, d time.Duration) error { return nil }
