package uring

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Each of these queues one operation. Its completion has User = user. The SQE
// that is returned is for its methods (Link and the like) and good up to the
// next call of any method of the Ring.

// Link: the next operation that is queued begins when this one has succeeded,
// and is cancelled (ECANCELED) if it fails or is cut short. A chain must be
// submitted at once; Reserve makes room for all of it.
func (s *SQE) Link() *SQE { s.flags |= sqeLink; return s }

// SkipSuccess: the operation has a completion only if it fails. The memory of a
// Send must not rest on it.
func (s *SQE) SkipSuccess() *SQE { s.flags |= sqeSkipSuccess; return s }

// PollFirst: the operation waits for readiness before it tries. It saves a try
// on a socket that is known to be empty, or full.
func (s *SQE) PollFirst() *SQE { s.ioprio |= recvPollFirst; return s }

// Bundle: one completion of Recv may have the bytes of several buffers, all full
// but the last. It needs Features.Bundles.
func (s *SQE) Bundle() *SQE { s.ioprio |= recvBundle; return s }

// Nop completes at once, with 0.
func (r *Ring) Nop(user uint64) *SQE { return r.prepare(opNop, -1, user) }

// Recv receives into buffers of the group (NewBufferRing), again and again:
// multishot. Errors, the end of the stream (Res 0), and ENOBUFS when no buffer was
// left, are the last of its completions. One with bytes, too, is the last if it
// has no More: the completion queue was full, or a bundle has used the last buffer.
func (r *Ring) Recv(fd int, user uint64, group uint16) *SQE {
	s := r.RecvOnce(fd, user, group)
	s.ioprio = recvMultishot
	return s
}

// RecvOnce receives once, into a buffer of the group.
func (r *Ring) RecvOnce(fd int, user uint64, group uint16) *SQE {
	s := r.prepare(opRecv, fd, user)
	s.flags = sqeBufferSelect
	s.bufGroup = group
	return s
}

// RecvInto receives once, into p, which must not be empty and stays the
// kernel's until completion. flags are of recv(2).
func (r *Ring) RecvInto(fd int, user uint64, p []byte, flags uint32) *SQE {
	s := r.prepare(opRecv, fd, user)
	r.memory(s, p)
	s.opFlags = flags
	return s
}

// Send sends p, which must not be empty and stays the kernel's until completion.
// flags are of send(2); MSG_NOSIGNAL is added. With MSG_WAITALL the completion
// comes when all has been sent, or an error cut it short. Two Sends on one socket
// at a time may be mixed up; the next is to be queued at the completion.
func (r *Ring) Send(fd int, user uint64, p []byte, flags uint32) *SQE {
	s := r.prepare(opSend, fd, user)
	r.memory(s, p)
	s.opFlags = flags | unix.MSG_NOSIGNAL
	return s
}

// Sendmsg sends the pieces of a message, like Send. The bytes stay the kernel's
// until completion; msg and its vector until the operation has been submitted.
// The caller has to reference them for so long.
func (r *Ring) Sendmsg(fd int, user uint64, msg *unix.Msghdr, flags uint32) *SQE {
	s := r.prepare(opSendmsg, fd, user)
	r.held = unsafe.Pointer(msg)
	s.addr = uint64(uintptr(unsafe.Pointer(msg)))
	s.len = 1
	s.opFlags = flags | unix.MSG_NOSIGNAL
	return s
}

// Accept accepts connections, again and again: multishot. Res is the descriptor,
// non-blocking and close-on-exec. A completion without More is the last, which may
// have a descriptor as well: the completion queue was full.
func (r *Ring) Accept(fd int, user uint64) *SQE {
	s := r.prepare(opAccept, fd, user)
	s.ioprio = acceptMultishot
	s.opFlags = unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
	return s
}

// Watch tells of readiness, again and again: multishot. events are of poll(2);
// Res has those that are there. It is edge-triggered: a completion comes when
// something happens, not while something is there.
func (r *Ring) Watch(fd int, user uint64, events uint32) *SQE {
	s := r.prepare(opPollAdd, fd, user)
	s.len = pollMultishot
	s.opFlags = pollMask(events)
	return s
}

// WatchOnce tells of readiness once: when it is queued, or when it comes.
func (r *Ring) WatchOnce(fd int, user uint64, events uint32) *SQE {
	s := r.prepare(opPollAdd, fd, user)
	s.opFlags = pollMask(events)
	return s
}

// Read reads once, into p, which must not be empty and stays the kernel's until
// completion. It suits an eventfd: the operation waits for a count, unless the
// descriptor is non-blocking (EAGAIN).
func (r *Ring) Read(fd int, user uint64, p []byte) *SQE {
	s := r.prepare(opRead, fd, user)
	r.memory(s, p)
	s.off = ^uint64(0) // the file's own position
	return s
}

// Cancel ends the operations that have target as their user. Each of them has
// its last completion, with ECANCELED if it did nothing. Res of this one is how
// many were found, or ENOENT for none.
func (r *Ring) Cancel(target, user uint64) *SQE {
	s := r.prepare(opAsyncCancel, -1, user)
	s.addr = target
	s.opFlags = cancelAll
	return s
}

// CancelFd is Cancel for the operations on a descriptor.
func (r *Ring) CancelFd(fd int, user uint64) *SQE {
	s := r.prepare(opAsyncCancel, fd, user)
	s.opFlags = cancelAll | cancelFD
	return s
}

// CancelAll is Cancel for all operations of the ring.
func (r *Ring) CancelAll(user uint64) *SQE {
	s := r.prepare(opAsyncCancel, -1, user)
	s.opFlags = cancelAll | cancelAny
	return s
}

// Shutdown is shutdown(2); how is SHUT_RD, SHUT_WR or SHUT_RDWR.
func (r *Ring) Shutdown(fd int, user uint64, how uint32) *SQE {
	s := r.prepare(opShutdown, fd, user)
	s.len = how
	return s
}

// CloseFd closes a descriptor. Operations that are under way on it hold the file
// open: they are to be cancelled first.
func (r *Ring) CloseFd(fd int, user uint64) *SQE { return r.prepare(opClose, fd, user) }

// memory puts p into s. The Ring holds the address of the last one only to have
// the compiler keep p off the stack, which moves.
func (r *Ring) memory(s *SQE, p []byte) {
	r.held = unsafe.Pointer(unsafe.SliceData(p))
	s.addr = uint64(uintptr(r.held))
	s.len = uint32(len(p))
}

// pollMask is how the kernel has the events: their halves are swapped on
// machines whose most significant byte comes first.
func pollMask(events uint32) uint32 {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return events<<16 | events>>16
	}
	return events
}
