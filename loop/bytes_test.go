package loop

import (
	"bytes"
	"strings"
	"sync/atomic"
	"testing"
)

func TestBytesComeInAndGoOut(t *testing.T) {
	for _, kind := range pairs {
		t.Run(kind.name, func(t *testing.T) {
			l := start(t, Options{})
			fd, peer := kind.make(t)
			c := attach(t, l, fd, echo())
			if c.Loop() != l || c.FD() != fd || l.Len() != 1 {
				t.Fatalf("on loop %p, descriptor %d, %d connections", c.Loop(), c.FD(), l.Len())
			}
			for _, n := range []int{1, 100, 5000, 300_000} {
				p := pattern(n)
				done := writeAll(peer, p)
				same(t, read(t, peer, n), p)
				if err := wait(t, done, "write"); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestWhatIsLeftOverComesAgainInFrontOfTheNextBytes(t *testing.T) {
	l := start(t, Options{})
	fd, peer := pair(t)
	lines := make(chan string, 100)
	c := attach(t, l, fd, &handler{received: func(_ *Conn, p []byte) int {
		n := 0
		for {
			i := bytes.IndexByte(p[n:], '\n')
			if i < 0 {
				return n
			}
			lines <- string(p[n : n+i])
			n += i + 1
		}
	}})
	long := strings.Repeat("x", 50_000)
	text := "one\ntwo\n" + long + "\nthree\n"
	for i := range len(text) {
		if i < 20 || i > len(text)-20 {
			write(t, peer, []byte{text[i]})
		} else if i == 20 {
			write(t, peer, []byte(text[20:len(text)-19]))
		}
	}
	for _, want := range []string{"one", "two", long, "three"} {
		if got := wait(t, lines, "no line"); got != want {
			t.Fatalf("got a line of %d bytes instead of %d", len(got), len(want))
		}
	}
	on(t, l, func() {
		if c.Kept() != 0 || c.in != nil || c.out != nil {
			t.Errorf("an idle connection keeps %d bytes, in %p, out %p", c.Kept(), c.in, c.out)
		}
	})
}

func TestAgainGivesTheKeptBytesWithoutNewOnes(t *testing.T) {
	l := start(t, Options{})
	fd, peer := pair(t)
	calls := make(chan string, 10)
	ready := false
	c := attach(t, l, fd, &handler{received: func(_ *Conn, p []byte) int {
		calls <- string(p)
		if !ready {
			return 1
		}
		return len(p)
	}})
	write(t, peer, []byte("hello"))
	if got := wait(t, calls, "nothing came"); got != "hello" {
		t.Fatal(got)
	}
	on(t, l, func() {
		if c.Kept() != 4 {
			t.Errorf("%d bytes kept", c.Kept())
		}
		ready = true
		c.Again()
		c.Again() // once is enough
	})
	if got := wait(t, calls, "not again"); got != "ello" {
		t.Fatal(got)
	}
	on(t, l, func() {
		if c.Kept() != 0 || len(calls) != 0 {
			t.Errorf("%d bytes kept, %d more calls", c.Kept(), len(calls))
		}
	})
}

func TestAgainInEveryCallLeavesRoomForOthers(t *testing.T) {
	l := start(t, Options{})
	fd, peer := pair(t)
	other, otherPeer := pair(t)
	attach(t, l, other, echo())
	stop := false
	c := attach(t, l, fd, &handler{received: func(c *Conn, p []byte) int {
		if stop {
			return len(p)
		}
		c.Again()
		return 0
	}})
	write(t, peer, []byte("x"))
	eventuallyOn(t, l, "the byte is kept", func() bool { return c.Kept() == 1 })
	write(t, otherPeer, []byte("ping"))
	same(t, read(t, otherPeer, 4), []byte("ping"))
	on(t, l, func() { stop = true })
}

func TestABufferServesTheNextConnectionInNeed(t *testing.T) {
	var f buffers
	for _, n := range []int{1, 512, 513, 4096, 5000, 256 << 10} {
		b := f.get(n)
		if len(b) != 0 || cap(b) < n {
			t.Fatalf("get(%d) has %d of %d bytes", n, len(b), cap(b))
		}
		b = append(b, 1)
		f.put(b)
		again := f.get(n)
		if len(again) != 0 || &again[:1][0] != &b[0] {
			t.Fatalf("get(%d) made another buffer", n)
		}
	}
	if b := f.get(1 << 20); cap(b) < 1<<20 {
		t.Fatal("too small")
	}
	f.put(nil)
	for range 3 * keepBuffers {
		f.put(make([]byte, 0, 512))
	}
	if n := len(f.free[0]); n != keepBuffers {
		t.Fatalf("%d buffers are kept", n)
	}
	whole := pattern(100_000)
	var b []byte
	for at := 0; at < len(whole); at += 777 {
		b = f.add(b, whole[at:min(at+777, len(whole))])
	}
	same(t, b, whole)
}

func TestMovedChangesWhenBytesComeOrAreTaken(t *testing.T) {
	l := start(t, Options{})
	fd, peer := pair(t)
	var drained atomic.Bool
	c := attach(t, l, fd, &handler{drained: func(*Conn) { drained.Store(true) }})
	var before uint32
	on(t, l, func() { before = c.Moved() })
	write(t, peer, []byte("x"))
	eventuallyOn(t, l, "bytes have come", func() bool { return c.Moved() != before })
	p := pattern(4 << 20)
	on(t, l, func() {
		c.Send(p)
		before = c.Moved()
		if !c.Congested() {
			t.Error("4 MB went into a socket's buffer")
		}
	})
	same(t, read(t, peer, len(p)), p)
	eventually(t, "all is taken", drained.Load)
	on(t, l, func() {
		if c.Moved() == before {
			t.Error("Moved has not changed")
		}
	})
}

func TestForwardingAllocatesNothing(t *testing.T) {
	l := start(t, Options{})
	fd, peer := pair(t)
	attach(t, l, fd, echo())
	msg, buf := make([]byte, 1000), make([]byte, 1000)
	round := func() {
		if _, err := peer.Write(msg); err != nil {
			t.Error(err)
		}
		for n := 0; n < len(buf); {
			k, err := peer.Read(buf[n:])
			if err != nil {
				t.Fatal(err)
			}
			n += k
		}
	}
	for range 100 {
		round()
	}
	if n := allocations(2000, round); n != 0 {
		t.Errorf("%d allocations for each round", n)
	}
}
