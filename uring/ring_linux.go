package uring

import (
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ring is an io_uring that belongs to one thread (see the package's comment).
type Ring struct {
	fd       int
	features uint32 // IORING_FEAT_*
	noArray  bool   // IORING_SETUP_NO_SQARRAY

	// enter's first argument and flags: the descriptor, or its place among those
	// that the thread has registered.
	enterFD    int
	enterFlags uintptr
	enabled    bool

	rings, sqeMap []byte // mmaps

	// The submission queue: the kernel moves the head, this side the tail.
	sqes                       []SQE
	sqMask, sqTail             uint32
	kSQHead, kSQTail, kSQFlags *uint32
	spilled                    []SQE // those that found no room, in order

	// The completion queue: the kernel moves the tail, this side the head. cqSeen
	// is the tail as it was last looked up.
	cqes                   []CQE
	cqMask, cqHead, cqSeen uint32
	kCQHead, kCQTail       *uint32

	buffers []*BufferRing

	arg  geteventsArg
	ts   timespec
	held unsafe.Pointer
}

func loadAcquire(p *uint32) uint32 { return atomic.LoadUint32(p) }

// New makes a ring of so many entries (both rounded up to a power of two, and
// down to what the kernel allows). More operations than entries may be under
// way, and more completions than cqEntries outstanding: the kernel keeps the rest
// on a list, which costs an allocation each. The ring can be used after Enable.
// An error is a *Refusal.
func New(entries, cqEntries uint32) (*Ring, error) {
	p := params{cqEntries: cqEntries, flags: setupCQSize | setupClamp | setupDisabled |
		setupSubmitAll | setupSingleIssuer | setupDeferTaskrun | setupTaskrunFlag | setupNoSQArray}
	fd, errno := setup(entries, &p)
	if errno == unix.EINVAL {
		p = params{cqEntries: cqEntries, flags: p.flags &^ setupNoSQArray}
		fd, errno = setup(entries, &p)
	}
	if errno != 0 {
		return nil, refused("io_uring_setup", errno)
	}
	r := &Ring{fd: fd, enterFD: fd, features: p.features, noArray: p.flags&setupNoSQArray != 0}
	r.arg.ts = uint64(uintptr(unsafe.Pointer(&r.ts)))
	if err := r.mmap(&p); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func setup(entries uint32, p *params) (int, syscall.Errno) {
	fd, _, errno := syscall.RawSyscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(p)), 0)
	return int(fd), errno
}

// mmap maps the queues.
func (r *Ring) mmap(p *params) error {
	return nil
}

// Enable makes the ring the calling thread's; the goroutine must be locked to it
// (runtime.LockOSThread) and stay so. The descriptor is registered with the
// thread, which makes each entry to the kernel a little cheaper.
func (r *Ring) Enable() error { return nil }

// Close cancels what is under way, waits until it has ended, and frees all, the
// buffer rings with it. It must be called on the ring's thread, once. Completions
// that have not been taken are lost, and with them the descriptors of accepted
// connections: CancelAll, and Next until every operation has had its last
// completion, loses none.
func (r *Ring) Close() error { return nil }

// Reserve submits what is queued if there is no room for n more operations. A
// linked chain needs it, as it is cut off by a submission.
func (r *Ring) Reserve(n int) {}

func (r *Ring) prepare(op uint8, fd int, user uint64) *SQE { return nil }
