package uring

import (
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Features are what the kernel can do beyond the least that is needed, which is
// Linux 6.1: SINGLE_ISSUER with DEFER_TASKRUN, rings of provided buffers,
// multishot accept and receive, timeouts of waiting, cancelling by user.
type Features struct {
	Kernel             string // its release, as uname -r has it
	RegisteredRing     bool   // the ring's descriptor can be registered (5.18)
	DirectDescriptors  bool   // a table of descriptors that are the ring's alone (5.19)
	NoSQArray          bool   // a submission queue without indirection (6.6)
	Bundles            bool   // SQE.Bundle (6.10)
	IncrementalBuffers bool   // Buffers.Incremental (6.12)
	MinTimeout         bool   // waits that end early for fewer completions (6.12)
	NoIOWait           bool   // waits that are not accounted as waiting for a disk (6.15)
}

// probeTimeout bounds each wait of Probe. A nop and a byte that is there take a
// moment.
const probeTimeout = 5 * time.Second

// Probe finds out what the kernel allows by trying: a small ring, one nop, one
// connection that receives into provided buffers. If that does not go, the error
// is a *Refusal, whose text is a sentence for the operator.
func Probe() (Features, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r, err := New(8, 16)
	if err != nil {
		return Features{}, err
	}
	defer r.Close()
	if err := r.Enable(); err != nil {
		return Features{}, err
	}
	r.Nop(1)
	c, err := r.await()
	if err != nil {
		return Features{}, err
	}
	if c.User != 1 || c.Res != 0 {
		return Features{}, refused("io_uring_enter", c.failure(), needSetup)
	}
	if err := r.tryReceive(); err != nil {
		return Features{}, err
	}
	f := Features{
		Kernel:            kernelRelease(),
		RegisteredRing:    r.enterFlags != 0,
		DirectDescriptors: r.tryDirect(),
		NoSQArray:         r.noArray,
		Bundles:           r.features&featBundle != 0,
		MinTimeout:        r.features&featMinTimeout != 0,
		NoIOWait:          r.features&featNoIOWait != 0,
	}
	if b, err := r.NewBufferRing(Buffers{Group: 1, Count: 1, Size: 64, Incremental: true}); err == nil {
		f.IncrementalBuffers = true
		b.Close()
	}
	return f, nil
}

// await is the next completion of Probe's ring.
func (r *Ring) await() (CQE, error) {
	for deadline := time.Now().Add(probeTimeout); ; {
		if err := r.Wait(1, probeTimeout); err != nil {
			return CQE{}, refused("io_uring_enter", errnoOf(err), needSetup)
		}
		if c, ok := r.Next(); ok {
			return c, nil
		}
		if time.Now().After(deadline) {
			return CQE{}, refused("io_uring_enter", unix.ETIME, need{})
		}
	}
}

// tryReceive receives a byte as it is meant to be: multishot, into provided
// buffers.
func (r *Ring) tryReceive() error {
	b, err := r.NewBufferRing(Buffers{Group: 0, Count: 2, Size: 64})
	if err != nil {
		return err
	}
	defer b.Close()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return refused("socketpair", errnoOf(err), need{})
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	if _, err := unix.Write(fds[1], []byte{1}); err != nil {
		return refused("write", errnoOf(err), need{})
	}
	r.Recv(fds[0], 2, 0)
	c, err := r.await()
	if err != nil {
		return err
	}
	if c.User != 2 || c.Res != 1 || !c.More() || !c.HasBuffer() {
		return refused("multishot receive", c.failure(), needReceive)
	}
	r.Cancel(2, 3)
	for range 2 { // what was cancelled, and the cancelling itself
		if _, err := r.await(); err != nil {
			return err
		}
	}
	return nil
}

// failure is what an operation has failed with that did something else than it
// should.
func (c CQE) failure() syscall.Errno {
	if c.Res < 0 {
		return syscall.Errno(-c.Res)
	}
	return unix.EINVAL
}

func (r *Ring) tryDirect() bool {
	table := filesRegister{count: 1, flags: filesSparse}
	_, errno := r.register(registerFiles2, unsafe.Pointer(&table), unsafe.Sizeof(table))
	return errno == 0
}
