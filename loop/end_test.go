package loop

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

func TestThePeersEndIsToldOnce(t *testing.T) {
	for _, kind := range pairs {
		t.Run(kind.name, func(t *testing.T) {
			l := start(t, Options{})
			fd, peer := kind.make(t)
			k := collect()
			c := attach(t, l, fd, k)
			write(t, peer, []byte("last words"))
			peer.Close()
			if err := wait(t, k.over, "no end"); err != io.EOF {
				t.Fatal(err)
			}
			on(t, l, func() {
				if string(k.got) != "last words" || !c.Closed() || c.Loop() != nil {
					t.Errorf("got %q, closed %v", k.got, c.Closed())
				}
				c.Close() // once more does nothing
			})
			if l.Len() != 0 {
				t.Errorf("%d connections", l.Len())
			}
		})
	}
}

func TestAfterThePeersEndBytesCanStillBeSent(t *testing.T) {
	l := start(t, Options{})
	fd, peer := tcpPair(t)
	p := pattern(6 << 20)
	var ends atomic.Int32
	attach(t, l, fd, &handler{
		ended: func(c *Conn, err error) {
			if err != io.EOF {
				t.Error(err)
			}
			ends.Add(1)
			c.Send(p)
		},
		drained: func(c *Conn) { c.Close() },
	})
	if err := peer.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end is told", func() bool { return ends.Load() > 0 })
	atRest(t, l) // though the connection has ended and is not closed
	same(t, read(t, peer, len(p)), p)
	if n, err := peer.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatal(n, err)
	}
	if ends.Load() != 1 {
		t.Errorf("the end was told %d times", ends.Load())
	}
}

func TestAResetIsToldAsAnError(t *testing.T) {
	l := start(t, Options{})
	fd, peer := tcpPair(t)
	k := collect()
	attach(t, l, fd, k)
	reset(t, peer)
	if err := wait(t, k.over, "no end"); !isReset(err) {
		t.Fatal(err)
	}
}

func TestAConnectionThatEndsWhilePausedIsQuietAndToldAtResume(t *testing.T) {
	for name, end := range map[string]func(testing.TB, net.Conn){
		"reset": reset,
		"eof":   func(_ testing.TB, conn net.Conn) { conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			l := start(t, Options{})
			fd, peer := tcpPair(t)
			k := collect()
			c := attach(t, l, fd, k)
			on(t, l, c.Pause)
			end(t, peer)
			atRest(t, l)
			if len(k.over) != 0 {
				t.Fatal("told while paused")
			}
			on(t, l, c.Resume)
			if err := wait(t, k.over, "no end"); err != io.EOF && !isReset(err) {
				t.Fatal(err)
			}
		})
	}
}

func TestACongestedAndPausedConnectionLearnsOfAReset(t *testing.T) {
	l := start(t, Options{})
	fd, peer := tcpPair(t)
	k := collect()
	c := attach(t, l, fd, k)
	on(t, l, func() {
		c.Pause()
		c.Send(pattern(20 << 20))
		if !c.Congested() {
			t.Error("not congested")
		}
	})
	reset(t, peer)
	if err := wait(t, k.over, "no end"); !isReset(err) {
		t.Fatal(err)
	}
	atRest(t, l)
}

func TestSendingToAPeerThatIsGoneEndsTheConnection(t *testing.T) {
	l := start(t, Options{})
	fd, peer := pair(t)
	k := collect()
	c := attach(t, l, fd, k)
	on(t, l, func() {
		c.Pause() // so that only the writing side can notice
		peer.Close()
		inside := true
		c.SetHandler(&handler{ended: func(c *Conn, err error) {
			if inside {
				t.Error("told in the midst of Send")
			}
			k.Ended(c, err)
		}})
		c.Send([]byte("x"))
		c.Send([]byte("y"))
		inside = false
	})
	if err := wait(t, k.over, "no end"); !isReset(err) {
		t.Fatal(err)
	}
}

func TestAHandlerMayCloseItsConnectionAnywhere(t *testing.T) {
	t.Run("received", func(t *testing.T) {
		l := start(t, Options{})
		fd, peer := pair(t)
		attach(t, l, fd, &handler{received: func(c *Conn, p []byte) int {
			c.Close()
			c.Send([]byte("lost"))
			return 0
		}})
		write(t, peer, []byte("x"))
		if b, err := io.ReadAll(peer); len(b) != 0 || err != nil && !errors.Is(err, unix.ECONNRESET) {
			t.Fatal(b, err)
		}
	})
	t.Run("drained", func(t *testing.T) {
		l := start(t, Options{})
		fd, peer := pair(t)
		c := attach(t, l, fd, &handler{drained: func(c *Conn) { c.Close() }})
		p := pattern(2 << 20)
		on(t, l, func() { c.Send(p) })
		b, err := io.ReadAll(peer)
		if err != nil {
			t.Fatal(err)
		}
		same(t, b, p)
	})
}

func TestAHandlerMayCloseTheOtherConnectionOfTheSameBatch(t *testing.T) {
	l := start(t, Options{})
	var conns [2]*Conn
	var peers [2]net.Conn
	var calls atomic.Int32
	for i := range conns {
		var fd int
		fd, peers[i] = pair(t)
		conns[i] = attach(t, l, fd, &handler{received: func(_ *Conn, p []byte) int {
			calls.Add(1)
			conns[0].Close()
			conns[1].Close()
			return len(p)
		}})
	}
	on(t, l, func() { // so that both are ready when the poller is asked next
		write(t, peers[0], []byte("x"))
		write(t, peers[1], []byte("x"))
	})
	for _, peer := range peers {
		io.ReadAll(peer)
	}
	on(t, l, func() {})
	if calls.Load() != 1 {
		t.Errorf("%d calls", calls.Load())
	}
}

func TestAnEventOfAnEarlierOwnerOfTheDescriptorIsIgnored(t *testing.T) {
	l := startWith(t, Readiness, Options{})
	fd, _ := pair(t)
	old := attach(t, l, fd, echo())
	next, peer := pair(t)
	var got atomic.Int32
	c := new(Conn)
	on(t, l, func() {
		stale := event{fd: int32(fd), gen: old.gen, readable: true, writable: true}
		old.Close()
		same, err := unix.FcntlInt(uintptr(next), unix.F_DUPFD_CLOEXEC, fd)
		unix.Close(next)
		if err != nil || same != fd {
			unix.Close(same)
			t.Errorf("descriptor %d instead of %d: %v", same, fd, err)
			return
		}
		c.Init(fd, &handler{received: func(_ *Conn, p []byte) int {
			got.Add(int32(len(p)))
			return len(p)
		}})
		if err := l.Add(c); err != nil {
			t.Error(err)
		}
		write(t, peer, []byte("abc"))
		l.engine.(*readiness).tell(&stale)
		if n := got.Load(); n != 0 {
			t.Errorf("the stale event was taken for the new connection's: %d bytes", n)
		}
		l.engine.(*readiness).tell(&event{fd: 1 << 20, readable: true})
		l.engine.(*readiness).tell(&event{fd: int32(fd), gen: c.gen, readable: true})
		if n := got.Load(); n != 3 {
			t.Errorf("%d bytes", n)
		}
		c.Close()
	})
}

func TestReleaseGivesTheDescriptorBack(t *testing.T) {
	l := start(t, Options{})
	fd, peer := pair(t)
	c := attach(t, l, fd, echo())
	var released int
	on(t, l, func() { released = c.Release() })
	if released != fd || c.Loop() != nil || l.Len() != 0 {
		t.Fatalf("descriptor %d instead of %d, %d connections", released, fd, l.Len())
	}
	conn, err := NetConn(released)
	if err != nil {
		t.Fatal(err)
	}
	own(t, conn)
	write(t, conn, []byte("direct"))
	same(t, read(t, peer, 6), []byte("direct"))
}

func TestRemoveTakesWhatIsKeptAlongToAnotherLoop(t *testing.T) {
	a, b := start(t, Options{}), start(t, Options{})
	fd, peer := pair(t)
	removed := make(chan struct{})
	c := attach(t, a, fd, &handler{received: func(c *Conn, p []byte) int {
		c.Remove()
		close(removed)
		return 2
	}})
	write(t, peer, []byte("abcdef"))
	wait(t, removed, "nothing came")
	on(t, a, func() {})
	if a.Len() != 0 || c.Loop() != nil || c.Kept() != 4 {
		t.Fatalf("%d connections, %d bytes kept", a.Len(), c.Kept())
	}
	k := collect()
	c.SetHandler(k)
	add(t, b, c)
	write(t, peer, []byte("ghi"))
	eventually(t, "all has come", func() bool { return k.n.Load() == 7 })
	on(t, b, func() { same(t, k.got, []byte("cdefghi")) })
}

func TestWhatIsToBeReceivedAgainComesBeforeTheEnd(t *testing.T) {
	l := startWith(t, Readiness, Options{})
	fd, peer := pair(t)
	var told []string
	c := attach(t, l, fd, &handler{
		received: func(_ *Conn, p []byte) int {
			told = append(told, string(p))
			if len(told) == 1 {
				return 0
			}
			return len(p)
		},
		ended: func(c *Conn, _ error) { told = append(told, "the end") },
	})
	write(t, peer, []byte("last words"))
	eventuallyOn(t, l, "they have come", func() bool { return c.Kept() > 0 })
	on(t, l, func() {
		peer.Close()
		c.Again()
		l.engine.(*readiness).tell(&event{fd: int32(fd), gen: c.gen, readable: true})
		if want := []string{"last words", "last words", "the end"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

func TestWhatWasSentBeforeCloseArrives(t *testing.T) {
	for _, kind := range pairs {
		t.Run(kind.name, func(t *testing.T) {
			l := start(t, Options{})
			fd, peer := kind.make(t)
			p := pattern(10_000)
			attach(t, l, fd, &handler{received: func(c *Conn, _ []byte) int {
				c.Send(p[:4000])
				c.Send(p[4000:])
				c.Close()
				return 1
			}})
			write(t, peer, []byte("x"))
			b, err := io.ReadAll(peer)
			if err != nil {
				t.Fatal(err)
			}
			same(t, b, p)
		})
	}
}
