package loop

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what has to happen.
const patience = 20 * time.Second

// engineName is the engine that the tests run with.
var engineName = flag.String("engine", "", "epoll or io_uring; by default both, one after the other")

// testedEngine is the Engine of that name.
var testedEngine Engine

func TestMain(m *testing.M) {
	flag.Parse()
	// A loop keeps its processor while it naps, and tests have several loops in one
	// process.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), 8))
	if *engineName == "io_uring" {
		testedEngine = IOUring
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if code == 0 && *engineName == "" && IOUring.Usable() == nil {
			code = runWith("io_uring")
		}
		os.Exit(code)
	}))
}

// runWith runs the tests again, with another engine.
func runWith(engine string) (code int) {
	fmt.Println("with", engine)
	again := exec.Command(os.Args[0], append(os.Args[1:], "-engine="+engine)...)
	again.Stdout, again.Stderr = os.Stdout, os.Stderr
	again.Run()
	return again.ProcessState.ExitCode()
}

// handler makes a Handler of functions; those that are nil consume all, do
// nothing, and close.
type handler struct {
	received func(c *Conn, p []byte) int
	drained  func(c *Conn)
	ended    func(c *Conn, err error)
}

func (h *handler) Received(c *Conn, p []byte) int {
	if h.received == nil {
		return len(p)
	}
	return h.received(c, p)
}

func (h *handler) Drained(c *Conn) {
	if h.drained != nil {
		h.drained(c)
	}
}

func (h *handler) Ended(c *Conn, err error) {
	if h.ended == nil {
		c.Close()
		return
	}
	h.ended(c, err)
}

// echo sends back what comes.
func echo() *handler {
	return &handler{received: func(c *Conn, p []byte) int {
		c.Send(p)
		return len(p)
	}}
}

// start runs a loop until the test's end.
func start(t testing.TB, opts Options) *Loop {
	t.Helper()
	return startWith(t, testedEngine, opts)
}

// startWith is start with an engine.
func startWith(t testing.TB, e Engine, opts Options) *Loop {
	t.Helper()
	opts.Engine = e
	l, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	go l.Run()
	t.Cleanup(func() {
		l.Stop()
		wait(t, l.Done(), "the loop did not stop")
	})
	return l
}

// on runs f on the loop's thread and waits for it.
func on(t testing.TB, l *Loop, f func()) {
	t.Helper()
	done := make(chan struct{})
	l.Post(func() { defer close(done); f() })
	wait(t, done, "the loop does not answer")
}

func wait[T any](t testing.TB, ch <-chan T, otherwise string) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		buf := make([]byte, 64<<10)
		t.Fatalf("%s\n%s", otherwise, buf[:runtime.Stack(buf, true)])
	}
	return v
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !cond(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// eventuallyOn is eventually with a condition of the loop's thread.
func eventuallyOn(t testing.TB, l *Loop, what string, cond func() bool) {
	t.Helper()
	eventually(t, what, func() (ok bool) {
		on(t, l, func() { ok = cond() })
		return ok
	})
}

// pair makes two ends of a connection: a descriptor for a loop, and a blocking
// connection for the test, which gives up after patience.
func pair(t testing.TB) (fd int, peer net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
	}
	peer, err = NetConn(fds[1])
	if err != nil {
		t.Fatal(err)
	}
	own(t, peer)
	return fds[0], peer
}

// tcpPair is pair over TCP.
func tcpPair(t testing.TB) (fd int, peer net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	peer, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	own(t, peer)
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	fd, err = TakeFD(conn)
	if err != nil {
		t.Fatal(err)
	}
	return fd, peer
}

func own(t testing.TB, peer net.Conn) {
	peer.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { peer.Close() })
}

var pairs = []struct {
	name string
	make func(testing.TB) (int, net.Conn)
}{{"unix", pair}, {"tcp", tcpPair}}

// attach puts a descriptor on a loop, and closes it at the test's end on
// whichever loop it is then.
func attach(t testing.TB, l *Loop, fd int, h Handler) *Conn {
	t.Helper()
	c := new(Conn)
	c.Init(fd, h)
	add(t, l, c)
	return c
}

func add(t testing.TB, l *Loop, c *Conn) {
	t.Helper()
	on(t, l, func() {
		if err := l.Add(c); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		if at := c.Loop(); at != nil {
			on(t, at, func() {
				if c.Claim(at) {
					c.Close()
				}
			})
		}
	})
}

// claim has a loop claim a connection, at once or when the loop that has it has let go
// of it.
func claim(t testing.TB, l *Loop, c *Conn) {
	t.Helper()
	eventuallyOn(t, l, "it is claimed", func() bool { return c.Claim(l) })
}

// allocations is how many f makes each time, rounded down. testing.AllocsPerRun leaves
// one processor, which a loop keeps for a while: others need one besides.
func allocations(times int, f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		f()
	}
	runtime.ReadMemStats(&after)
	return (after.Mallocs - before.Mallocs) / uint64(times)
}

// refusesAll waits until nobody listens at an address any more.
func refusesAll(t testing.TB, at net.Addr) {
	t.Helper()
	eventually(t, "nobody listens any more", func() bool {
		conn, err := net.Dial(at.Network(), at.String())
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
}

// pattern is n bytes that differ from place to place.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i>>16 ^ i>>8 ^ i*7)
	}
	return p
}

func read(t testing.TB, conn io.Reader, n int) []byte {
	t.Helper()
	p := make([]byte, n)
	if got, err := io.ReadFull(conn, p); err != nil {
		t.Fatalf("%v after %d of %d bytes", err, got, n)
	}
	return p
}

func write(t testing.TB, conn io.Writer, p []byte) {
	t.Helper()
	if _, err := conn.Write(p); err != nil {
		t.Fatal(err)
	}
}

// writeAll is write in the background.
func writeAll(conn io.Writer, p []byte) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := conn.Write(p)
		done <- err
	}()
	return done
}

func same(t testing.TB, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		t.Fatalf("%d bytes instead of %d, unlike from %d on", len(got), len(want), at)
	}
}

// atRest waits until the loop has slept for some time: it does not spin.
func atRest(t testing.TB, l *Loop) {
	t.Helper()
	before := l.Slept()
	eventually(t, "the loop sleeps", func() bool { return l.Slept()-before > 300*time.Millisecond })
}

// collector keeps what comes, and tells when enough has.
type collector struct {
	got  []byte
	n    atomic.Int64
	over chan error
}

func collect() *collector { return &collector{over: make(chan error, 1)} }

func (k *collector) Received(_ *Conn, p []byte) int {
	k.got = append(k.got, p...)
	k.n.Store(int64(len(k.got)))
	return len(p)
}
func (k *collector) Drained(*Conn) {}
func (k *collector) Ended(c *Conn, err error) {
	k.over <- err
	c.Close()
}

// reset has the next close of a TCP connection send a RST.
func reset(t testing.TB, conn net.Conn) {
	t.Helper()
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func isReset(err error) bool {
	return err == syscall.ECONNRESET || err == syscall.EPIPE
}
