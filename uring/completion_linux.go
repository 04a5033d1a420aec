package uring

import "syscall"

// CQE is a completion: struct io_uring_cqe.
type CQE struct {
	User  uint64 // of the operation
	Res   int32  // what the system call would have returned, or -errno
	Flags uint32 // IORING_CQE_F_*
}

// Err is what the operation failed with; nil if it did not. A cancelled one has
// ECANCELED, and a receive that found no buffer has ENOBUFS.
func (c CQE) Err() error {
	if c.Res < 0 {
		return syscall.Errno(-c.Res)
	}
	return nil
}

// More: a multishot operation goes on, and its next completion will come by
// itself. Without it the operation has ended, and is to be queued again if it is
// wanted.
func (c CQE) More() bool { return c.Flags&cqeMore != 0 }

// NonEmpty: there was more to read in the socket after this receive.
func (c CQE) NonEmpty() bool { return c.Flags&cqeNonEmpty != 0 }

// HasBuffer: the completion has bytes in a buffer of the operation's group
// (BufferRing.Pieces), which must be given back.
func (c CQE) HasBuffer() bool { return c.Flags&cqeBuffer != 0 }

func (c CQE) buffer() uint16 { return uint16(c.Flags >> cqeBufferShift) }

// Next takes the next completion that is there, without a system call.
func (r *Ring) Next() (CQE, bool) {
	if r.cqHead == r.cqSeen {
		if r.ready() == 0 {
			return CQE{}, false
		}
	}
	c := r.cqes[r.cqHead&r.cqMask]
	r.cqHead++
	return c, true
}
