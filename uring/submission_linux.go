package uring

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// vacant is how many places of the submission queue are free.
func (r *Ring) vacant() int {
	return len(r.sqes) - int(r.sqTail-atomic.LoadUint32(r.kSQHead))
}

// room is how many operations can be queued now, behind those that are.
func (r *Ring) room() int {
	if len(r.spilled) > 0 {
		return 0
	}
	return r.vacant()
}

// prepare queues an operation that is to be filled in.
func (r *Ring) prepare(op uint8, fd int, user uint64) *SQE {
	if r.room() == 0 {
		r.Submit()
	}
	s := r.slot()
	*s = SQE{opcode: op, fd: int32(fd), user: user}
	return s
}

// slot is the next place in the queue. If the kernel has refused to take what is
// there (it is short of memory), the operation is kept on this side.
func (r *Ring) slot() *SQE {
	if r.room() == 0 {
		r.spilled = append(r.spilled, SQE{})
		return &r.spilled[len(r.spilled)-1]
	}
	s := &r.sqes[r.sqTail&r.sqMask]
	r.sqTail++
	return s
}

// Unsubmitted is how many operations are queued that the kernel has not taken yet.
func (r *Ring) Unsubmitted() int {
	return int(r.sqTail-atomic.LoadUint32(r.kSQHead)) + len(r.spilled)
}

// Reserve submits what is queued if there is no room for n more operations, which
// may be as many as the ring has entries. A linked chain needs it, as it is cut
// off by a submission.
func (r *Ring) Reserve(n int) {
	if r.room() < n {
		r.Submit()
	}
}

// queued publishes what the kernel may see: the operations that are queued, the
// buffers that have been given back, and that completions have been taken. It
// returns how many operations there are for the kernel to take.
func (r *Ring) queued() uint32 {
	if len(r.spilled) > 0 {
		r.unspill()
	}
	if r.cqHead != r.cqShown {
		atomic.StoreUint32(r.kCQHead, r.cqHead)
		r.cqShown = r.cqHead
	}
	for _, b := range r.buffers {
		b.publish()
	}
	return r.unsubmitted()
}

// unsubmitted publishes the operations that are queued, and returns how many the
// kernel has not taken.
func (r *Ring) unsubmitted() uint32 {
	if r.sqTail != r.sqShown {
		atomic.StoreUint32(r.kSQTail, r.sqTail)
		r.sqShown = r.sqTail
	}
	return r.sqTail - atomic.LoadUint32(r.kSQHead)
}

// closeQueued does what is queued by CloseFd.
func (r *Ring) closeQueued() {
	if r.kSQHead == nil { // New has failed
		return
	}
	for at := r.sqTail - uint32(len(r.sqes)-r.vacant()); at != r.sqTail; at++ {
		r.sqes[at&r.sqMask].closeNow()
	}
	for i := range r.spilled {
		r.spilled[i].closeNow()
	}
}

func (s *SQE) closeNow() {
	if s.opcode == opClose {
		unix.Close(int(s.fd))
	}
}

// unspill moves what found no room into the queue, and submits it but for the last
// queueful, as long as the kernel takes any.
func (r *Ring) unspill() {
	for len(r.spilled) > 0 {
		if r.vacant() == 0 {
			r.submit(r.unsubmitted())
		}
		n := min(len(r.spilled), r.vacant())
		if n == 0 {
			return
		}
		for i := range n {
			r.sqes[r.sqTail&r.sqMask] = r.spilled[i]
			r.sqTail++
		}
		r.spilled = append(r.spilled[:0], r.spilled[n:]...)
	}
}
