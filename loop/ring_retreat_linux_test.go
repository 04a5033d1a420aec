package loop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pgweir/uring"
)

func TestAConnectionIsClaimedFromALoopWithAnotherEngine(t *testing.T) {
	a, b := ringLoop(t, Options{}), startWith(t, Readiness, Options{})
	if a == nil {
		return
	}
	fd, peer := pair(t)
	c := attach(t, a, fd, echo())
	for i, to := range []*Loop{b, a, b, a} {
		on(t, c.Loop(), c.Park)
		claim(t, to, c)
		write(t, peer, []byte{byte(i)})
		same(t, read(t, peer, 1), []byte{byte(i)})
	}
}

func TestWhatIsUntoldWhenTheRingFailsIsTold(t *testing.T) {
	l := ringLoop(t, Options{})
	if l == nil {
		return
	}
	fd, peer := pair(t)
	k := collect()
	c := attach(t, l, fd, k)
	eventuallyOn(t, l, "the kernel receives for it", func() bool { return c.is(reading) })
	on(t, l, func() {
		r := l.engine.(*ring)
		write(t, peer, []byte("before"))
		if r.submit(); r.next == len(r.done) {
			t.Error("nothing has come")
		}
		r.fails(syscall.EFAULT)
		r.retreat()
	})
	write(t, peer, []byte(" and after"))
	eventually(t, "all has come", func() bool { return k.n.Load() == 16 })
	on(t, l, func() { same(t, k.got, []byte("before and after")) })
}

// TestWhoIsParkedIsToldThatTheRingHasFailed: somebody may have failed to claim it.
func TestWhoIsParkedIsToldThatTheRingHasFailed(t *testing.T) {
	for _, why := range []error{syscall.EFAULT, syscall.EBADR} {
		l := ringLoop(t, Options{})
		if l == nil {
			return
		}
		told := make(chan error, 1)
		fd, _ := pair(t)
		c := attach(t, l, fd, &handler{
			received: func(c *Conn, p []byte) int {
				c.Park()
				told <- nil
				return len(p)
			},
			ended: func(c *Conn, err error) { c.Close(); told <- err },
		})
		on(t, l, c.Park)
		breakRing(t, l, why)
		err := wait(t, told, "nobody is told")
		if lost := errors.Is(err, errLost); lost != (why == syscall.EBADR) || !lost && err != nil {
			t.Errorf("%v: %v", why, err)
		}
	}
}

func TestPostsAndClaimsGoOnWhileTheRingFails(t *testing.T) {
	a, b := ringLoop(t, Options{}), startWith(t, Readiness, Options{})
	if a == nil {
		return
	}
	fd, peer := pair(t)
	var claimed atomic.Bool
	c := attach(t, a, fd, &handler{received: func(c *Conn, p []byte) int {
		if c.Loop() == b {
			c.Send(p)
		} else {
			c.Park()
		}
		return len(p)
	}})
	on(t, a, c.Park)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !claimed.Load() {
			ran := make(chan struct{})
			a.Post(func() { close(ran) })
			<-ran
		}
	}()
	var try func()
	try = func() {
		if !c.Claim(b) {
			b.Post(try)
			return
		}
		claimed.Store(true)
	}
	on(t, a, func() {
		b.Post(try)
		a.engine.(*ring).fails(syscall.EFAULT)
	})
	wait(t, done, "it cannot be claimed")
	write(t, peer, []byte("ping"))
	same(t, read(t, peer, 4), []byte("ping"))
}

func TestALoopWhoseRingCannotBeEnabledRunsWithEpoll(t *testing.T) {
	if err := IOUring.Usable(); err != nil {
		t.Log("io_uring cannot be used here:", err)
		return
	}
	before := rings(t)
	reasons := make(chan error, 1)
	l, err := New(Options{Engine: IOUring, Retreated: func(err error) { reasons <- err }})
	if err != nil {
		t.Fatal(err)
	}
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(null)
	for fd := range rings(t) {
		if !before[fd] {
			unix.Dup3(null, fd, unix.O_CLOEXEC) // is no ring any more
		}
	}
	go l.Run()
	defer func() {
		l.Stop()
		wait(t, l.Done(), "the loop did not stop")
	}()
	if err := wait(t, reasons, "nobody is told"); err == nil {
		t.Error("no reason")
	}
	fd, peer := pair(t)
	attach(t, l, fd, echo())
	write(t, peer, []byte("ping"))
	same(t, read(t, peer, 4), []byte("ping"))
	peer.Close()
	eventually(t, "it is closed", func() bool { return l.Len() == 0 })
}

// rings are the descriptors of rings that the process has.
func rings(t *testing.T) map[int]bool {
	t.Helper()
	all := map[int]bool{}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if at, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && at == "anon_inode:[io_uring]" {
			var fd int
			fmt.Sscan(e.Name(), &fd)
			all[fd] = true
		}
	}
	return all
}

// TestWhatAFailedRingWasToSendEndsTheConnection: it cannot be told whether it has been
// sent.
func TestWhatAFailedRingWasToSendEndsTheConnection(t *testing.T) {
	for name, act := range map[string]func(c *Conn){
		"more is sent": func(c *Conn) { c.Send(pattern(maxGathered + 1)) },
		"it leaves":    (*Conn).Remove,
		"it is closed": (*Conn).Close,
		"more is sent by the other engine": func(c *Conn) {
			c.Loop().engine.(*ring).retreat()
			c.Send([]byte("behind a gap"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := ringLoop(t, Options{})
			if l == nil {
				return
			}
			fd, peer := pair(t)
			c := attach(t, l, fd, &handler{})
			on(t, l, func() {
				r := l.engine.(*ring)
				c.Send([]byte("perhaps"))
				r.queue()
				if c.given == 0 {
					t.Error("it is not queued")
				}
				r.fails(syscall.EFAULT)
				if act(c); c.given != 0 || len(c.out) != 0 {
					t.Errorf("%d bytes are the kernel's, %d are kept", c.given, len(c.out))
				}
			})
			if n, err := peer.Read(make([]byte, 100)); n != 0 || err != io.EOF {
				t.Errorf("%d bytes, %v", n, err)
			}
			on(t, l, c.Close)
		})
	}
}

func TestAConnectionThatLeavesAFailedRingIsHeardElsewhere(t *testing.T) {
	a, b := ringLoop(t, Options{}), ringLoop(t, Options{})
	if a == nil {
		return
	}
	fd, peer := pair(t)
	c := attach(t, a, fd, echo())
	eventuallyOn(t, a, "the kernel receives for it", func() bool { return c.is(reading) })
	on(t, a, func() {
		a.engine.(*ring).fails(syscall.EFAULT)
		c.Remove()
		write(t, peer, []byte("ping"))
		on(t, b, func() {
			if err := b.Add(c); err != nil {
				t.Error(err)
			}
		})
	})
	same(t, read(t, peer, 4), []byte("ping"))
}

// TestStreamsGoOnThroughAFailureOfTheRing: each byte comes once, in its place, whichever
// buffers the kernel can use.
func TestStreamsGoOnThroughAFailureOfTheRing(t *testing.T) {
	all := ringBuffers
	defer func() { ringBuffers = all }()
	for name, some := range map[string][]uring.Buffers{"shared buffers": all, "own buffers": all[1:]} {
		t.Run(name, func(t *testing.T) {
			ringBuffers = some
			streamThroughAFailure(t)
		})
	}
}

func streamThroughAFailure(t *testing.T) {
	const peers, size = 12, 1 << 20
	seed := rand.Uint64()
	t.Log("seed", seed)
	failures := make(chan error, 2)
	loops := []*Loop{
		ringLoop(t, Options{Retreated: func(err error) { failures <- err }}),
		ringLoop(t, Options{Retreated: func(err error) { failures <- err }}),
	}
	if loops[0] == nil {
		return
	}
	var conns []net.Conn
	for i := range peers {
		fd, peer := tcpPair(t)
		s := &restless{rng: rand.New(rand.NewPCG(seed, uint64(i)))}
		s.conn.Init(fd, s)
		if i%2 == 0 {
			var secured *TLS
			secured, peer = secure(t, fd, peer)
			s.conn.AttachTLS(secured)
		}
		peer.SetDeadline(time.Now().Add(3 * patience))
		add(t, loops[i/2%2], &s.conn)
		conns = append(conns, peer)
	}
	p := pattern(size)
	var wrote []<-chan error
	results := make(chan error, peers)
	var came atomic.Int64
	for _, conn := range conns {
		wrote = append(wrote, writeAll(conn, p))
		go func() {
			got := make([]byte, 0, size)
			buf := make([]byte, 32<<10)
			for len(got) < size {
				n, err := conn.Read(buf)
				if got = append(got, buf[:n]...); err != nil {
					results <- fmt.Errorf("%w after %d bytes", err, len(got))
					return
				}
				came.Add(int64(n))
			}
			if !bytes.Equal(got, p) {
				results <- errors.New("other bytes have come")
				return
			}
			results <- nil
		}()
	}
	for i, l := range loops {
		eventually(t, "some has come", func() bool { return came.Load() > int64(i+1)*peers*size/4 })
		on(t, l, func() { l.engine.(*ring).fails(syscall.EFAULT) })
		wait(t, failures, "the ring goes on")
	}
	for range conns {
		if err := wait(t, results, "a stream stands still"); err != nil {
			t.Error(err)
		}
	}
	for _, done := range wrote {
		if err := wait(t, done, "not all is written"); err != nil {
			t.Error(err)
		}
	}
}

// restless echoes, and pauses, resumes and leaves some bytes over as chance has it.
type restless struct {
	conn Conn
	rng  *rand.Rand
}

func (s *restless) Received(c *Conn, p []byte) int {
	if c.Congested() {
		c.Pause()
		return 0
	}
	n := len(p)
	switch s.rng.IntN(8) {
	case 0:
		n = s.rng.IntN(n + 1)
		c.Again()
	case 1:
		c.Pause()
		c.Loop().Post(c.Resume)
	case 2:
		c.Streaming()
	case 3:
		c.Pause()
		c.Resume()
	case 4:
		c.Flush()
	}
	c.Send(p[:n])
	return n
}

func (s *restless) Drained(c *Conn)          { c.Resume() }
func (s *restless) Ended(c *Conn, err error) { c.Close() }
