package uring

import "sync/atomic"

// room is how many operations the submission queue can still take.
func (r *Ring) room() int {
	if len(r.spilled) > 0 {
		return 0
	}
	return len(r.sqes) - int(r.sqTail-atomic.LoadUint32(r.kSQHead))
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

// Reserve submits what is queued if there is no room for n more operations. A
// linked chain needs it, as it is cut off by a submission.
func (r *Ring) Reserve(n int) {
	if r.room() < n {
		r.Submit()
	}
}

// queued publishes what the kernel may see: the operations that are queued, the
// buffers that have been given back, and that completions have been taken. It
// returns how many operations there are for the kernel to take.
func (r *Ring) queued() uint32 {
	r.unspill()
	if r.sqTail != r.sqShown {
		atomic.StoreUint32(r.kSQTail, r.sqTail)
		r.sqShown = r.sqTail
	}
	if r.cqHead != r.cqShown {
		atomic.StoreUint32(r.kCQHead, r.cqHead)
		r.cqShown = r.cqHead
	}
	for _, b := range r.buffers {
		b.publish()
	}
	return r.sqTail - atomic.LoadUint32(r.kSQHead)
}

// unspill moves what found no room into the queue, as far as there is room now.
func (r *Ring) unspill() {
	if len(r.spilled) == 0 {
		return
	}
	n := 0
	for n < len(r.spilled) && r.sqTail-atomic.LoadUint32(r.kSQHead) < uint32(len(r.sqes)) {
		r.sqes[r.sqTail&r.sqMask] = r.spilled[n]
		r.sqTail++
		n++
	}
	r.spilled = append(r.spilled[:0], r.spilled[n:]...)
}
