package uring

import (
	"bytes"
	"errors"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestTheLayoutsAreTheKernels(t *testing.T) {
	for _, c := range []struct {
		name string
		got  uintptr
		want uintptr
	}{
		{"io_uring_sqe", unsafe.Sizeof(SQE{}), 64},
		{"io_uring_cqe", unsafe.Sizeof(CQE{}), 16},
		{"io_uring_params", unsafe.Sizeof(params{}), 120},
		{"io_uring_getevents_arg", unsafe.Sizeof(geteventsArg{}), 24},
		{"io_uring_rsrc_update", unsafe.Sizeof(ringUpdate{}), 16},
		{"io_uring_rsrc_register", unsafe.Sizeof(filesRegister{}), 32},
		{"io_uring_buf_reg", unsafe.Sizeof(bufferRingRegister{}), 40},
		{"io_uring_buf", unsafe.Sizeof(buffer{}), 16},
		{"io_uring_sync_cancel_reg", unsafe.Sizeof(syncCancel{}), 64},
		{"user_data", unsafe.Offsetof(SQE{}.user), 32},
		{"buf_group", unsafe.Offsetof(SQE{}.bufGroup), 40},
		{"features", unsafe.Offsetof(params{}.features), 20},
		{"sq_off", unsafe.Offsetof(params{}.sqOff), 40},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.name, c.got, c.want)
		}
	}
}

func TestAFullQueueIsSubmittedByItself(t *testing.T) {
	r := newRing(t, 8, 64)
	if r == nil {
		return
	}
	for user := range uint64(50) {
		r.Nop(user)
	}
	for user := range uint64(50) {
		if c := takeOf(t, r, user); c.Res != 0 || c.More() {
			t.Errorf("%+v", c)
		}
	}
	nothing(t, r)
}

func TestCompletionsThatFindNoRoomAreNotLost(t *testing.T) {
	r := newRing(t, 4, 4)
	if r == nil {
		return
	}
	const all = 1000
	for user := range uint64(all) {
		r.Nop(user)
	}
	for user := range uint64(all) {
		takeOf(t, r, user)
	}
	nothing(t, r)
}

// TestALostCompletionIsToldAtOnce: the kernel says so only when an entry has nothing else
// to say.
func TestALostCompletionIsToldAtOnce(t *testing.T) {
	for name, enter := range map[string]func(r *Ring) error{
		"poll": (*Ring).Poll,
		"nap":  func(r *Ring) error { return r.Nap(1, time.Second) },
		"wait": func(r *Ring) error { return r.Wait(1, time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRing(t, 8, 16)
			if r == nil {
				return
			}
			r.Nop(1)
			if err := enter(r); err != nil {
				t.Fatal(err)
			}
			atomic.AddUint32(r.kCQOverflow, 1) // as the kernel counts it
			r.Nop(2)
			if err := enter(r); !errors.Is(err, unix.EBADR) {
				t.Error(err)
			}
			if err := enter(r); !errors.Is(err, unix.EBADR) {
				t.Error("with nothing queued:", err)
			}
		})
	}
}

func TestBytesOfManyConnectionsFindNoRoomAndAreNotLost(t *testing.T) {
	r := newRing(t, 4, 4)
	if r == nil {
		return
	}
	b := buffers(t, r, Buffers{Count: 64, Size: 16})
	const all = 30
	var fds [all]int
	for i := range fds {
		fd, peer := pair(t)
		fds[i] = fd
		r.Recv(fd, uint64(i), 0)
		write(t, peer, []byte{byte(i)})
	}
	seen := map[uint64]bool{}
	for len(seen) < all {
		c := take(t, r)
		if p := collect(b, c); len(p) != 1 || uint64(p[0]) != c.User || seen[c.User] {
			t.Fatalf("%+v: %v", c, p)
		}
		seen[c.User] = true
		if !c.More() { // an overflow may end a multishot
			r.Recv(fds[c.User], c.User, 0)
		}
	}
	nothing(t, r)
}

func TestOperationsThatTheKernelDoesNotTakeAreKept(t *testing.T) {
	if !allowed(t) {
		return
	}
	r, err := New(4, 64)
	if err != nil {
		t.Fatal(err)
	}
	for user := range uint64(30) { // the ring is disabled as yet
		r.Nop(user)
	}
	r.Reserve(3)
	enable(t, r)
	r.Nop(30)
	for user := range uint64(31) {
		takeOf(t, r, user)
	}
	nothing(t, r)
}

func TestAWaitSubmitsAllThatIsQueued(t *testing.T) {
	if !allowed(t) {
		return
	}
	r, err := New(4, 64)
	if err != nil {
		t.Fatal(err)
	}
	fd, _ := pair(t)
	p := make([]byte, 30)
	for i := range p {
		r.RecvInto(fd, uint64(i), p[i:i+1], 0)
	}
	r.Nop(99)
	enable(t, r)
	if err := r.Wait(1, patience); err != nil {
		t.Fatal(err)
	}
	if c, ok := r.Next(); !ok || c.User != 99 {
		t.Errorf("%+v, %t", c, ok)
	}
}

func TestAChainIsCutOffByAFailure(t *testing.T) {
	r := newRing(t, 8, 16)
	if r == nil {
		return
	}
	fd, peer := pair(t)
	hello := []byte("hello")
	for range 6 {
		r.Nop(99)
	}
	r.Reserve(3)
	r.Send(fd, 1, hello, 0).Link()
	r.Shutdown(fd, 2, unix.SHUT_WR).Link()
	r.Send(fd, 3, hello, 0).Link()
	r.Nop(4)
	want := map[uint64]int32{1: 5, 2: 0, 3: -int32(unix.EPIPE), 4: -int32(unix.ECANCELED), 99: 0}
	for range 10 {
		if c := take(t, r); c.Res != want[c.User] {
			t.Errorf("%d: %d, want %d", c.User, c.Res, want[c.User])
		}
	}
	if p := read(t, peer, 5); string(p) != "hello" {
		t.Errorf("%q", p)
	}
	runtime.KeepAlive(hello)
}

func TestASuccessCanBeSkipped(t *testing.T) {
	r := newRing(t, 8, 16)
	if r == nil {
		return
	}
	r.Nop(1).SkipSuccess()
	r.Shutdown(-1, 2, unix.SHUT_WR).SkipSuccess()
	if c := takeOf(t, r, 2); c.Err() != unix.EBADF {
		t.Errorf("%+v", c)
	}
	nothing(t, r)
}

func TestAWaitIsEndedByItsTimeOrItsCompletion(t *testing.T) {
	r := newRing(t, 8, 16)
	if r == nil {
		return
	}
	for name, wait := range map[string]func(uint32, time.Duration) error{"Wait": r.Wait, "Nap": r.Nap} {
		fd, peer := pair(t)
		p := make([]byte, 3)
		r.RecvInto(fd, 1, p, 0)
		for _, d := range []time.Duration{0, 1, time.Microsecond, 1001 * time.Microsecond, 20 * time.Millisecond} {
			// A signal may end it early, so it may take several.
			for end := time.Now().Add(d); time.Now().Before(end); {
				if err := wait(1, d); err != nil {
					t.Fatal(name, err)
				}
			}
			if c, ok := r.Next(); ok {
				t.Fatalf("%s: %+v", name, c)
			}
		}
		write(t, peer, []byte("xyz"))
		for begun := time.Now(); r.ready() == 0 && time.Since(begun) < patience; {
			if err := wait(1, time.Hour); err != nil {
				t.Fatal(name, err)
			}
		}
		if c := takeOf(t, r, 1); c.Res != 3 || string(p) != "xyz" {
			t.Errorf("%s: %+v: %q", name, c, p)
		}
		nothing(t, r)
	}
}

func TestAWaitIsForSoManyCompletions(t *testing.T) {
	r := newRing(t, 8, 16)
	if r == nil {
		return
	}
	for user := range uint64(3) {
		r.Nop(user)
	}
	if err := r.Wait(3, -1); err != nil {
		t.Fatal(err)
	}
	if n := r.ready(); n != 3 {
		t.Errorf("%d completions", n)
	}
	if err := r.Wait(3, -1); err != nil { // they are there still
		t.Fatal(err)
	}
	for user := range uint64(3) {
		takeOf(t, r, user)
	}
}

func TestAnEventfdEndsAWait(t *testing.T) {
	r := newRing(t, 8, 16)
	if r == nil {
		return
	}
	efd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(efd)
	const rounds = 1000
	next := make(chan bool, 1)
	done := make(chan bool)
	go func() {
		defer close(done)
		for range next {
			unix.Write(efd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		}
	}()
	count := make([]byte, 8)
	for range rounds {
		r.Read(efd, 1, count)
		next <- true
		for r.ready() == 0 {
			if err := r.Wait(1, -1); err != nil {
				t.Fatal(err)
			}
		}
		if c := takeOf(t, r, 1); c.Res != 8 {
			t.Fatalf("%+v", c)
		}
	}
	close(next)
	<-done
}

func TestAnotherThreadIsRefused(t *testing.T) {
	r := newRing(t, 8, 16)
	if r == nil {
		return
	}
	r.Nop(1)
	refusal := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		refusal <- r.Poll()
	}()
	if err := <-refusal; err == nil {
		t.Error("another thread may use the ring")
	}
	takeOf(t, r, 1)
}

func TestAcceptsManyConnections(t *testing.T) {
	r := newRing(t, 8, 16)
	if r == nil {
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	fd := descriptor(t, ln.(*net.TCPListener))
	defer unix.Close(fd)
	const all = 200
	failed := make(chan error, 1)
	go func() {
		for range all {
			conn, err := net.DialTimeout("tcp", ln.Addr().String(), patience)
			if err != nil {
				failed <- err
				return
			}
			conn.Close()
		}
		failed <- nil
	}()
	r.Accept(fd, 1)
	for n := range all {
		c := takeOf(t, r, 1)
		if c.Err() != nil {
			t.Fatalf("connection %d: %v", n, c.Err())
		}
		if !c.More() { // the completion queue was full
			r.Accept(fd, 1)
		}
		flags, _ := unix.FcntlInt(uintptr(c.Res), unix.F_GETFL, 0)
		closed, _ := unix.FcntlInt(uintptr(c.Res), unix.F_GETFD, 0)
		if flags&unix.O_NONBLOCK == 0 || closed&unix.FD_CLOEXEC == 0 {
			t.Fatalf("connection %d is blocking, or outlives exec", n)
		}
		r.CloseFd(int(c.Res), 2).SkipSuccess()
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	r.CancelFd(fd, 3)
	ended(t, r, 1, 3)
}

// ended takes the completions of a cancelled operation and of the cancelling.
func ended(t *testing.T, r *Ring, user, canceller uint64) {
	t.Helper()
	for range 2 {
		switch c := take(t, r); {
		case c.User == user && (c.Err() != unix.ECANCELED || c.More()):
			t.Errorf("what was cancelled: %+v", c)
		case c.User == canceller && c.Res != 1:
			t.Errorf("the cancelling: %+v", c)
		case c.User != user && c.User != canceller:
			t.Errorf("%+v", c)
		}
	}
	nothing(t, r)
}

func TestAnOperationIsCancelled(t *testing.T) {
	r := newRing(t, 8, 16)
	if r == nil {
		return
	}
	fd, peer := pair(t)
	b := buffers(t, r, Buffers{Count: 2, Size: 16})
	for name, cancel := range map[string]func(){
		"by its user":       func() { r.Cancel(userRecv, userCancel) },
		"by its descriptor": func() { r.CancelFd(fd, userCancel) },
		"with all":          func() { r.CancelAll(userCancel) },
	} {
		t.Log(name)
		r.Recv(fd, userRecv, 0)
		nothing(t, r)
		cancel()
		ended(t, r, userRecv, userCancel)
	}
	r.Cancel(userRecv, userCancel)
	if c := takeOf(t, r, userCancel); c.Err() != unix.ENOENT && c.Res != 0 {
		t.Errorf("of nothing: %+v", c)
	}
	write(t, peer, []byte("later"))
	r.RecvOnce(fd, userRecv, 0)
	if c := takeOf(t, r, userRecv); string(collect(b, c)) != "later" {
		t.Errorf("%+v", c)
	}
}

func TestAWatchTellsOfEachEvent(t *testing.T) {
	r := newRing(t, 8, 16)
	if r == nil {
		return
	}
	fd, peer := pair(t)
	r.Watch(fd, 1, unix.POLLIN|unix.POLLRDHUP)
	nothing(t, r)
	for range 2 {
		write(t, peer, []byte("x"))
		if c := takeOf(t, r, 1); !c.More() || c.Res != unix.POLLIN {
			t.Errorf("%+v", c)
		}
	}
	peer.(*net.UnixConn).CloseWrite()
	if c := takeOf(t, r, 1); c.Res != unix.POLLIN|unix.POLLRDHUP {
		t.Errorf("%+v", c)
	}
	r.Cancel(1, 3)
	ended(t, r, 1, 3)
}

func TestADescriptorIsClosed(t *testing.T) {
	r := newRing(t, 8, 16)
	if r == nil {
		return
	}
	fd, peer := pair(t)
	other, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []error{nil, unix.EBADF} {
		r.CloseFd(other, 1)
		if c := takeOf(t, r, 1); !errors.Is(c.Err(), want) {
			t.Errorf("%v, want %v", c.Err(), want)
		}
	}
	write(t, peer, []byte("x"))
}

func TestAMessageOfPiecesIsSent(t *testing.T) {
	r := newRing(t, 8, 16)
	if r == nil {
		return
	}
	fd, peer := pair(t)
	a, b := bytes.Repeat([]byte("a"), 10), bytes.Repeat([]byte("b"), 20)
	vector := []unix.Iovec{{Base: &a[0]}, {Base: &b[0]}}
	vector[0].SetLen(len(a))
	vector[1].SetLen(len(b))
	msg := &unix.Msghdr{Iov: &vector[0]}
	msg.SetIovlen(len(vector))
	r.Sendmsg(fd, 1, msg, unix.MSG_WAITALL)
	if c := takeOf(t, r, 1); c.Res != 30 {
		t.Errorf("%+v", c)
	}
	if got := read(t, peer, 30); !bytes.Equal(got, append(a, b...)) {
		t.Errorf("%q", got)
	}
	runtime.KeepAlive(msg)
}
