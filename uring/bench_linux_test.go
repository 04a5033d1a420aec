package uring

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ping-pong: both ends of some connections are served by one thread. The peers'
// ends are written and read by plain system calls; the other ends, which send back
// what they receive, by a ring or by epoll.

const ball = 100 // bytes

type court struct {
	fds, peers []int
}

func newCourt(t testing.TB, n int, make func(testing.TB) (int, net.Conn)) *court {
	t.Helper()
	c := &court{}
	for range n {
		fd, conn := make(t)
		peer := descriptor(t, conn.(interface{ File() (*os.File, error) }))
		t.Cleanup(func() { unix.Close(peer) })
		conn.Close() // Go's own poller must not look on
		c.fds, c.peers = append(c.fds, fd), append(c.peers, peer)
	}
	return c
}

func rawRead(fd int, p []byte) int {
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

func rawWrite(fd int, p []byte) int {
	n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// round sends a ball to every end, has serve send all of them back, and takes
// them.
func (c *court) round(t testing.TB, serve func(n int)) {
	var p [ball]byte
	for _, fd := range c.peers {
		if rawWrite(fd, p[:]) != ball {
			t.Fatal("a ball is not sent")
		}
	}
	if serve == nil { // recv and send alone, without being told of readiness
		for _, fd := range c.fds {
			catch(t, fd, p[:])
			rawWrite(fd, p[:])
		}
	} else {
		serve(len(c.fds))
	}
	for _, fd := range c.peers {
		catch(t, fd, p[:])
	}
}

// catch takes a ball, which over TCP may be still on its way.
func catch(t testing.TB, fd int, p []byte) {
	for tries := 0; rawRead(fd, p) != ball; tries++ {
		if tries > 1e8 {
			t.Fatal("a ball does not come")
		}
	}
}

// ringServer sends back by a ring, out of the buffers that were received into.
type ringServer struct {
	t    testing.TB
	r    *Ring
	b    *BufferRing
	fds  []int
	wait func(*Ring) error
}

const userBack = 1 << 32 // with the buffer of the send

func serveByRing(t testing.TB, c *court, wait func(*Ring) error) *ringServer {
	r := newRing(t, 128, 512)
	if r == nil {
		return nil
	}
	s := &ringServer{t: t, r: r, fds: c.fds, wait: wait, b: buffers(t, r, Buffers{Count: 256, Size: 4096})}
	for i, fd := range c.fds {
		r.Recv(fd, uint64(i), 0)
	}
	nothing(t, r)
	return s
}

func (s *ringServer) serve(n int) {
	for left := n * ball; left > 0; {
		if err := s.wait(s.r); err != nil {
			s.t.Fatal(err)
		}
		for c, ok := s.r.Next(); ok; c, ok = s.r.Next() {
			if c.Err() != nil {
				s.t.Fatal(c.Err())
			}
			if c.User >= userBack {
				s.b.Give(uint16(c.User - userBack))
				left -= int(c.Res)
				continue
			}
			pieces := s.b.Pieces(c)
			for p, ok := pieces.Next(); ok; p, ok = pieces.Next() {
				s.r.Send(s.fds[c.User], userBack+uint64(p.ID), p.Bytes, unix.MSG_WAITALL)
			}
		}
	}
}

// serveByEpoll sends back by epoll, recv and send.
func serveByEpoll(t testing.TB, c *court) func(n int) {
	t.Helper()
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(ep) })
	for _, fd := range c.fds {
		if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
			t.Fatal(err)
		}
	}
	evs := make([]unix.EpollEvent, 256)
	buf := make([]byte, 64<<10)
	return func(n int) {
		for n > 0 {
			k, _, _ := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(&evs[0])), uintptr(len(evs)), 0, 0, 0)
			for _, e := range evs[:k] {
				got := rawRead(int(e.Fd), buf)
				rawWrite(int(e.Fd), buf[:got])
				n--
			}
		}
	}
}

// waits are the ways into the kernel.
var waits = map[string]func(*Ring) error{
	"Poll": (*Ring).Poll,
	"Nap":  func(r *Ring) error { return r.Nap(1, 1_000_000) },
	"Wait": func(r *Ring) error { return r.Wait(1, -1) },
}

func TestNothingIsAllocatedInPassing(t *testing.T) {
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			c := newCourt(t, 8, pair)
			s := serveByRing(t, c, wait)
			if s == nil {
				return
			}
			if n := testing.AllocsPerRun(200, func() { c.round(t, s.serve) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

func BenchmarkPingPong(b *testing.B) {
	for _, wire := range wires {
		for _, n := range []int{1, 8, 64} {
			name := fmt.Sprintf("%s/connections=%d/", wire.name, n)
			b.Run(name+"calls", func(b *testing.B) {
				play(b, newCourt(b, n, wire.make), nil)
			})
			b.Run(name+"epoll", func(b *testing.B) {
				c := newCourt(b, n, wire.make)
				play(b, c, serveByEpoll(b, c))
			})
			b.Run(name+"ring", func(b *testing.B) {
				c := newCourt(b, n, wire.make)
				if s := serveByRing(b, c, waits["Poll"]); s != nil {
					play(b, c, s.serve)
				}
			})
		}
	}
}

// play reports the thread's time on a processor per ball, the peers' part too.
func play(b *testing.B, c *court, serve func(n int)) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ReportAllocs()
	before := processorTime()
	for b.Loop() {
		c.round(b, serve)
	}
	spent := processorTime() - before
	b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N*len(c.fds)), "cpu-ns/ball")
}

func processorTime() time.Duration {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	return time.Duration(ts.Nano())
}
