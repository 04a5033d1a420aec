package loop

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
)

func TestAPeerThatDoesNotReadCongestsAndDrains(t *testing.T) {
	for _, kind := range pairs {
		t.Run(kind.name, func(t *testing.T) {
			l := start(t, Options{})
			fd, peer := kind.make(t)
			var drained atomic.Int32
			c := attach(t, l, fd, &handler{drained: func(*Conn) { drained.Add(1) }})
			p := pattern(20 << 20)
			on(t, l, func() {
				for at := 0; at < len(p); at += 100_000 {
					c.Send(p[at:min(at+100_000, len(p))])
				}
				if !c.Congested() || c.Unsent() == 0 || c.Unsent() > len(p) {
					t.Errorf("congested %v, %d bytes unsent", c.Congested(), c.Unsent())
				}
			})
			atRest(t, l)
			same(t, read(t, peer, len(p)), p)
			eventually(t, "drained", func() bool { return drained.Load() > 0 })
			on(t, l, func() {
				if c.Congested() || c.Unsent() != 0 || c.out != nil || drained.Load() != 1 {
					t.Errorf("congested %v, %d unsent, drained %d times", c.Congested(), c.Unsent(), drained.Load())
				}
				c.Send([]byte("after"))
			})
			same(t, read(t, peer, 5), []byte("after"))
		})
	}
}

func TestAFullConnectionIsNotReadAndGoesOnWhenSomeIsConsumed(t *testing.T) {
	l := start(t, Options{})
	fd, peer := pair(t)
	var got []byte
	var sum atomic.Int64
	consume := false
	c := attach(t, l, fd, &handler{received: func(_ *Conn, p []byte) int {
		if !consume {
			return 0
		}
		got = append(got, p...)
		sum.Store(int64(len(got)))
		return len(p)
	}})
	p := pattern(3 << 20)
	done := writeAll(peer, p)
	eventuallyOn(t, l, "the connection is full", func() bool { return c.Kept() >= MaxKept })
	atRest(t, l)
	on(t, l, func() {
		if c.Kept() > MaxKept+readSize {
			t.Errorf("%d bytes kept", c.Kept())
		}
		consume = true
		c.Again()
	})
	if err := wait(t, done, "the peer cannot write"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all has come", func() bool { return sum.Load() == int64(len(p)) })
	on(t, l, func() { same(t, got, p) })
}

func TestPauseStopsReadingUntilResume(t *testing.T) {
	l := start(t, Options{})
	fd, peer := pair(t)
	k := collect()
	c := attach(t, l, fd, k)
	on(t, l, c.Pause)
	p := pattern(8 << 20)
	done := writeAll(peer, p)
	atRest(t, l)
	if n := k.n.Load(); n != 0 {
		t.Fatalf("%d bytes came while paused", n)
	}
	on(t, l, func() { c.Resume(); c.Resume() })
	if err := wait(t, done, "the peer cannot write"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all has come", func() bool { return k.n.Load() == int64(len(p)) })
	on(t, l, func() { same(t, k.got, p) })
}

func TestResumeGivesTheKeptBytesFirst(t *testing.T) {
	l := start(t, Options{})
	fd, peer := pair(t)
	calls := make(chan string, 10)
	leave := true
	c := attach(t, l, fd, &handler{received: func(c *Conn, p []byte) int {
		calls <- string(p)
		if leave {
			leave = false
			c.Pause()
			return 2
		}
		return len(p)
	}})
	write(t, peer, []byte("abcd"))
	wait(t, calls, "nothing came")
	write(t, peer, []byte("efgh"))
	on(t, l, func() { c.Again() }) // not while it is paused
	on(t, l, func() {})
	on(t, l, func() {
		if len(calls) != 0 {
			t.Error("a paused connection received something")
		}
		c.Resume()
	})
	if got := wait(t, calls, "not resumed"); got != "cd" && got != "cdefgh" {
		t.Fatalf("%q first", got)
	}
}

// forward joins two connections as a proxy does, with back-pressure.
type forward struct {
	to   *Conn
	most int // bytes that had to be kept
}

func (f *forward) Received(c *Conn, p []byte) int {
	f.to.Send(p)
	f.most = max(f.most, f.to.Unsent())
	if f.to.Congested() {
		c.Pause()
	}
	return len(p)
}
func (f *forward) Drained(*Conn)          { f.to.Resume() }
func (f *forward) Ended(c *Conn, _ error) { c.Close(); f.to.Close() }

// flowBothWays has p come from each end to the other. Each side writes all before it reads
// anything of its own accord.
func flowBothWays(t *testing.T, left, right net.Conn, p []byte) {
	t.Helper()
	sent := []<-chan error{writeAll(left, p), writeAll(right, p)}
	got := make(chan []byte, 2)
	for _, conn := range []io.Reader{left, right} {
		go func() {
			b := make([]byte, len(p))
			n, _ := io.ReadFull(conn, b)
			got <- b[:n]
		}()
	}
	for i := range 2 {
		same(t, wait(t, got, "nothing gets through"), p)
		if err := wait(t, sent[i], "write"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBothDirectionsFlowAtOnceAndNeitherIsKeptInMemory(t *testing.T) {
	l := start(t, Options{})
	fd1, left := pair(t)
	fd2, right := tcpPair(t)
	f1, f2 := new(forward), new(forward)
	c1, c2 := new(Conn), new(Conn)
	c1.Init(fd1, f1)
	c2.Init(fd2, f2)
	f1.to, f2.to = c2, c1
	add(t, l, c1)
	add(t, l, c2)

	flowBothWays(t, left, right, pattern(48<<20))
	on(t, l, func() {
		for _, f := range []*forward{f1, f2} {
			if f.most > readSize {
				t.Errorf("%d bytes had to be kept at once", f.most)
			}
		}
	})
}
