package uring

import (
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Submit, Poll, Nap and Wait are the ways into the kernel. An error of theirs is
// the end of the ring: EBADR says that a completion has been lost for want of
// memory, before those that are to be taken next or among them; EEXIST, or EINVAL, that another thread than the ring's has called. A
// shortage that passes is none: what has not been submitted remains queued, and is
// submitted the next time.

// Submit gives the kernel what is queued, and neither waits nor lets it work on
// what has become possible. It does not tell Go's scheduler.
func (r *Ring) Submit() error {
	if n := r.queued(); n > 0 {
		return fatal(r.submit(n))
	}
	return nil
}

func (r *Ring) submit(n uint32) syscall.Errno {
	_, _, errno := syscall.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.enterFD), uintptr(n), 0, r.enterFlags, 0, 0)
	return errno
}

// Poll gives the kernel what is queued and has it post the completions that are
// possible now; it does not wait. It does not tell Go's scheduler, and makes no
// system call if there is nothing to do.
func (r *Ring) Poll() error {
	n := r.queued()
	if n == 0 && atomic.LoadUint32(r.kSQFlags)&(sqTaskrun|sqCQOverflow) == 0 {
		return r.checkLost()
	}
	return r.finish(r.enter(n))
}

// Nap is Poll that waits up to d, to the nanosecond (the thread's timer slack,
// PR_SET_TIMERSLACK, comes on top), until there are min completions to take. Go's
// scheduler is not told: the processor stays taken, so naps are for short waits
// that a completion is likely to end. A signal (the garbage collector sends some)
// ends it early.
func (r *Ring) Nap(min uint32, d time.Duration) error {
	if d <= 0 {
		return r.Poll()
	}
	n := r.queued()
	if n == 0 && r.ready() >= min {
		return r.Poll()
	}
	r.ts = timespec{sec: int64(d / time.Second), nsec: int64(d % time.Second)}
	_, _, errno := syscall.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.enterFD), uintptr(n), uintptr(min),
		r.enterFlags|enterGetEvents|enterExtArg, uintptr(unsafe.Pointer(&r.arg)), unsafe.Sizeof(r.arg))
	return r.finish(errno)
}

// Wait is Nap for longer waits: Go's scheduler may give the processor away. d < 0
// is forever; 0 is Poll. It too may return early.
func (r *Ring) Wait(min uint32, d time.Duration) error {
	if d == 0 {
		return r.Poll()
	}
	n := r.queued()
	if n == 0 && r.ready() >= min {
		return r.Poll()
	}
	flags := r.enterFlags | enterGetEvents
	if r.features&featNoIOWait != 0 {
		flags |= enterNoIOWait // a wait for clients is none for a disk
	}
	if d < 0 {
		_, _, errno := syscall.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.enterFD), uintptr(n), uintptr(min), flags, 0, 0)
		return r.finish(errno)
	}
	r.ts = timespec{sec: int64(d / time.Second), nsec: int64(d % time.Second)}
	_, _, errno := syscall.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.enterFD), uintptr(n), uintptr(min),
		flags|enterExtArg, uintptr(unsafe.Pointer(&r.arg)), unsafe.Sizeof(r.arg))
	return r.finish(errno)
}

// enter submits n operations and has the kernel post completions, without a wait.
func (r *Ring) enter(n uint32) syscall.Errno {
	_, _, errno := syscall.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.enterFD), uintptr(n), 0, r.enterFlags|enterGetEvents, 0, 0)
	return errno
}

// finish ends an entry. One that has not taken all that is queued has not posted
// anything either, and what it lacks may be held by completions.
func (r *Ring) finish(errno syscall.Errno) error {
	if atomic.LoadUint32(r.kSQHead) != r.sqTail && fatal(errno) == nil {
		errno = r.enter(0)
	}
	if err := fatal(errno); err != nil {
		return err
	}
	return r.checkLost()
}

// checkLost is EBADR if a completion has been lost. The kernel itself says so later: an
// entry that has submitted something, or brought completions enough, returns none.
func (r *Ring) checkLost() error {
	if atomic.LoadUint32(r.kCQOverflow) != 0 {
		return fatal(unix.EBADR)
	}
	return nil
}

// ready is how many completions there are to take.
func (r *Ring) ready() uint32 {
	r.cqSeen = atomic.LoadUint32(r.kCQTail)
	return r.cqSeen - r.cqHead
}

// fatal is the error that ends the ring, nil for an interruption, the end of the
// time, and a shortage.
func fatal(errno syscall.Errno) error {
	switch errno {
	case 0, unix.EINTR, unix.ETIME, unix.EAGAIN, unix.EBUSY, unix.ENOMEM:
		return nil
	}
	return os.NewSyscallError("io_uring_enter", errno)
}
