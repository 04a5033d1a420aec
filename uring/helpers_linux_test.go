package uring

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what has to happen.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	if how := os.Getenv(confined); how != "" {
		probeConfined(how)
		return
	}
	goleak.VerifyTestMain(m)
}

// newRing is an enabled ring of the test's thread, up to the test's end. It is nil
// where the kernel does not allow one: then it is Probe's error that is tested.
func newRing(t testing.TB, entries, cqEntries uint32) *Ring {
	t.Helper()
	if !allowed(t) {
		return nil
	}
	r, err := New(entries, cqEntries)
	if err != nil {
		t.Fatal(err)
	}
	enable(t, r)
	return r
}

func enable(t testing.TB, r *Ring) {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		runtime.UnlockOSThread()
	})
	if err := r.Enable(); err != nil {
		t.Fatal(err)
	}
}

// allowed tells whether the kernel allows rings; if not, it must say why.
func allowed(t testing.TB) bool {
	t.Helper()
	_, err := Probe()
	if err == nil {
		return true
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Reason == "" || refusal.Errno == 0 {
		t.Errorf("no io_uring here, and the error says too little: %#v", err)
	}
	t.Logf("no io_uring here: %v", err)
	return false
}

// can tells whether the kernel has a feature; where it has not, there is nothing
// to be tested.
func can(t testing.TB, feature func(Features) bool) bool {
	t.Helper()
	f, err := Probe()
	if err != nil {
		t.Fatal(err)
	}
	return feature(f)
}

func buffers(t testing.TB, r *Ring, c Buffers) *BufferRing {
	t.Helper()
	b, err := r.NewBufferRing(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// take is the next completion.
func take(t testing.TB, r *Ring) CQE {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		if c, ok := r.Next(); ok {
			return c
		}
		if err := r.Wait(1, time.Second); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatal("no completion comes")
		}
	}
}

// takeOf is the next completion, which must be of an operation.
func takeOf(t testing.TB, r *Ring, user uint64) CQE {
	t.Helper()
	c := take(t, r)
	if c.User != user {
		t.Fatalf("a completion of %d (%d, flags %x), want one of %d", c.User, c.Res, c.Flags, user)
	}
	return c
}

// nothing fails if there is a completion.
func nothing(t testing.TB, r *Ring) {
	t.Helper()
	if err := r.Poll(); err != nil {
		t.Fatal(err)
	}
	if c, ok := r.Next(); ok {
		t.Fatalf("a completion of %d (%d, flags %x), want none", c.User, c.Res, c.Flags)
	}
}

// collect is all bytes of a completion, whose buffers are given back.
func collect(b *BufferRing, c CQE) (all []byte) {
	pieces := b.Pieces(c)
	for p, ok := pieces.Next(); ok; p, ok = pieces.Next() {
		all = append(all, p.Bytes...)
		b.Give(p.ID)
	}
	return all
}

// wires are the kinds of connections: a descriptor for a ring, and a blocking
// connection for the test, which gives up after patience.
var wires = []struct {
	name string
	make func(t testing.TB) (fd int, peer net.Conn)
}{{"socketpair", pair}, {"tcp", tcpPair}}

func pair(t testing.TB) (fd int, peer net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[1]), "peer")
	defer f.Close()
	peer, err = net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	own(t, fds[0], peer)
	return fds[0], peer
}

func tcpPair(t testing.TB) (fd int, peer net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	peer, err = net.DialTimeout("tcp", ln.Addr().String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	fd = descriptor(t, conn.(*net.TCPConn))
	conn.Close()
	own(t, fd, peer)
	return fd, peer
}

// descriptor is a non-blocking copy of a connection's.
func descriptor(t testing.TB, conn interface{ File() (*os.File, error) }) int {
	t.Helper()
	f, err := conn.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	return fd
}

func own(t testing.TB, fd int, peer net.Conn) {
	peer.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() {
		peer.Close()
		unix.Close(fd)
	})
}

// pattern is n bytes that are the same each time.
func pattern(n int) []byte {
	p := make([]byte, n)
	rnd := rand.NewChaCha8([32]byte{1})
	rnd.Read(p)
	return p
}

func write(t testing.TB, peer io.Writer, p []byte) {
	t.Helper()
	if _, err := peer.Write(p); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, peer io.Reader, n int) []byte {
	t.Helper()
	p := make([]byte, n)
	if _, err := io.ReadFull(peer, p); err != nil {
		t.Fatal(err)
	}
	return p
}
