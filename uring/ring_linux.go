package uring

import (
	"os"
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

	rings, sqeMap []byte // mappings

	// The submission queue: the kernel moves the head, this side the tail. sqShown
	// is the tail as the kernel has been told.
	sqes                       []SQE
	sqMask, sqTail, sqShown    uint32
	kSQHead, kSQTail, kSQFlags *uint32
	spilled                    []SQE // those that found no room, in order

	// The completion queue: the kernel moves the tail, this side the head. cqSeen
	// is the tail as it was last looked up, cqShown the head as the kernel has been
	// told.
	cqes                            []CQE
	cqMask, cqHead, cqSeen, cqShown uint32
	kCQHead, kCQTail, kCQOverflow   *uint32

	buffers []*BufferRing

	arg  geteventsArg
	ts   timespec
	held unsafe.Pointer
}

// New makes a ring of so many entries (both rounded up to a power of two, and
// down to what the kernel allows). More operations than entries may be under
// way, and more completions than cqEntries outstanding: the kernel keeps the rest
// on a list, which costs an allocation each. The ring can be used after Enable.
// Some kernels count its memory, and that of BufferRings but for the buffers, as
// locked (RLIMIT_MEMLOCK), and give it back some time after Close. An error is a
// *Refusal.
func New(entries, cqEntries uint32) (*Ring, error) {
	p := params{cqEntries: cqEntries, flags: setupCQSize | setupClamp | setupDisabled |
		setupSubmitAll | setupSingleIssuer | setupDeferTaskrun | setupTaskrunFlag | setupNoSQArray}
	fd, errno := setup(entries, &p)
	if errno == unix.EINVAL {
		p = params{cqEntries: cqEntries, flags: p.flags &^ setupNoSQArray}
		fd, errno = setup(entries, &p)
	}
	if errno != 0 {
		return nil, refused("io_uring_setup", errno, needSetup)
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

// mmap maps the queues: one mapping of both rings, and one of the operations.
func (r *Ring) mmap(p *params) (err error) {
	if p.features&featSingleMmap == 0 {
		return refused("io_uring_setup", unix.EINVAL, needSetup)
	}
	size := int(p.cqOff.cqes) + int(p.cqEntries)*int(unsafe.Sizeof(CQE{}))
	if !r.noArray {
		size = max(size, int(p.sqOff.array)+int(p.sqEntries)*4)
	}
	if r.rings, err = r.mapAt(offSQRing, size); err != nil {
		return err
	}
	if r.sqeMap, err = r.mapAt(offSQEs, int(p.sqEntries)*int(unsafe.Sizeof(SQE{}))); err != nil {
		return err
	}
	at := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.rings[offset])) }
	r.sqes = unsafe.Slice((*SQE)(unsafe.Pointer(&r.sqeMap[0])), p.sqEntries)
	r.kSQHead, r.kSQTail, r.kSQFlags = at(p.sqOff.head), at(p.sqOff.tail), at(p.sqOff.flags)
	r.sqMask = p.sqEntries - 1
	r.cqes = unsafe.Slice((*CQE)(unsafe.Pointer(&r.rings[p.cqOff.cqes])), p.cqEntries)
	r.kCQHead, r.kCQTail, r.kCQOverflow = at(p.cqOff.head), at(p.cqOff.tail), at(p.cqOff.overflow)
	r.cqMask = p.cqEntries - 1
	if !r.noArray { // the array is an indirection that nobody here has use for
		array := unsafe.Slice(at(p.sqOff.array), p.sqEntries)
		for i := range array {
			array[i] = uint32(i)
		}
	}
	return nil
}

func (r *Ring) mapAt(offset int64, size int) ([]byte, error) {
	mem, err := unix.Mmap(r.fd, offset, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, refused("mmap", errnoOf(err), need{})
	}
	return mem, nil
}

// register is io_uring_register(2); arg lives on while it runs.
func (r *Ring) register(op uintptr, arg unsafe.Pointer, n uintptr) (int, syscall.Errno) {
	v, _, errno := syscall.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), op, uintptr(arg), n, 0, 0)
	return int(v), errno
}

// Enable makes the ring the calling thread's; the goroutine must be locked to it
// (runtime.LockOSThread) and stay so. The descriptor is registered with the
// thread, which makes each entry to the kernel a little cheaper. An error is a
// *Refusal.
func (r *Ring) Enable() error {
	if _, errno := r.register(registerEnableRings, nil, 0); errno != 0 {
		return refused("io_uring_register", errno, needSetup)
	}
	r.enabled = true
	// The thread has 16 places; without one the ring works as well.
	update := ringUpdate{offset: ^uint32(0), data: uint64(r.fd)}
	if n, _ := r.register(registerRingFDs, unsafe.Pointer(&update), 1); n == 1 {
		r.enterFD, r.enterFlags = int(update.offset), enterRegisteredRing
	}
	return nil
}

// closeTimeout bounds how long Close waits for operations to end. None needs
// more than a moment: sockets and eventfds are waited for, never blocked in.
const closeTimeout = 5 // seconds

// Close cancels what is under way, waits until it has ended, and frees all, the
// buffer rings with it. It must be called on the ring's thread, once. Completions
// that have not been taken are lost, and with them the descriptors of accepted
// connections: CancelAll, and Next until every operation has had its last
// completion, loses none. A CloseFd that the kernel has not taken is done all the
// same; of other operations that are queued nothing comes.
func (r *Ring) Close() error {
	r.closeQueued()
	if r.enabled {
		everything := syncCancel{fd: -1, flags: cancelAll | cancelAny, timeout: timespec{sec: closeTimeout}}
		r.register(registerSyncCancel, unsafe.Pointer(&everything), 1)
		r.enter(0) // has the cancelled ones let go of their files
	}
	for len(r.buffers) > 0 {
		r.buffers[0].Close()
	}
	if r.enterFlags != 0 {
		place := ringUpdate{offset: uint32(r.enterFD)}
		r.register(unregisterRingFDs, unsafe.Pointer(&place), 1)
	}
	for _, mem := range [][]byte{r.rings, r.sqeMap} {
		if mem != nil {
			unix.Munmap(mem)
		}
	}
	return os.NewSyscallError("close", unix.Close(r.fd))
}
