package loop

import (
	"io"
	"sync/atomic"
	"testing"
)

// streamer says that all it gets is part of a stream.
type streamer struct {
	collector
	onRead func(c *Conn)
}

func (s *streamer) Received(c *Conn, p []byte) int {
	c.Streaming()
	n := s.collector.Received(c, p)
	if s.onRead != nil {
		s.onRead(c)
	}
	return n
}

func newStreamer() *streamer { return &streamer{collector: *collect()} }

func TestAStreamComesWholeThoughItIsLeftAloneNowAndThen(t *testing.T) {
	l := start(t, Options{})
	fd, peer := pair(t)
	s := newStreamer()
	attach(t, l, fd, s)
	other, otherPeer := pair(t)
	attach(t, l, other, echo())
	p := pattern(16 << 20)
	done := writeAll(slicer{peer, 8 << 10}, p)
	for range 100 { // others are served meanwhile
		write(t, otherPeer, []byte("x"))
		read(t, otherPeer, 1)
	}
	eventually(t, "all has come", func() bool { return s.n.Load() == int64(len(p)) })
	if err := wait(t, done, "write"); err != nil {
		t.Fatal(err)
	}
	peer.Close()
	if err := wait(t, s.over, "no end"); err != io.EOF {
		t.Fatal(err)
	}
	on(t, l, func() { same(t, s.got, p) })
	atRest(t, l)
}

// gathering makes a connection on a loop that is just being left alone, which
// it finds out on the loop's thread, and calls f there.
func gathering(t *testing.T, l *Loop, f func(c *Conn)) (*Conn, io.WriteCloser, *streamer) {
	t.Helper()
	fd, peer := pair(t)
	s := newStreamer()
	var found atomic.Bool
	var looked atomic.Int64
	s.onRead = func(c *Conn) {
		l.Post(func() { // after the read, and before the end of the pause
			if c.gathering && !found.Load() {
				s.onRead = nil
				f(c)
				found.Store(true)
			}
			looked.Add(1)
		})
	}
	c := attach(t, l, fd, s)
	chunk := pattern(2 * gatherFrom) // less than one read takes
	for !found.Load() {
		before := looked.Load()
		write(t, peer, chunk)
		eventually(t, "it is read and looked at", func() bool { return looked.Load() > before })
	}
	return c, peer, s
}

func TestAConnectionMayBeParkedWhileItIsLeftAlone(t *testing.T) {
	a, b := start(t, Options{}), start(t, Options{})
	c, peer, s := gathering(t, a, func(c *Conn) { c.Park() })
	claim(t, b, c)
	before := s.n.Load()
	write(t, peer, []byte("hello"))
	eventually(t, "the new loop reads it", func() bool { return s.n.Load() == before+5 })
}

func TestAConnectionMayBeClosedOrRemovedWhileItIsLeftAlone(t *testing.T) {
	l := start(t, Options{})
	c, _, _ := gathering(t, l, func(c *Conn) { c.Close() })
	on(t, l, func() {
		if !c.Closed() || l.Len() != 0 {
			t.Error("not closed")
		}
	})

	c, peer, s := gathering(t, l, func(c *Conn) { c.Remove() })
	b := start(t, Options{})
	add(t, b, c)
	before := s.n.Load()
	write(t, peer, []byte("hello"))
	eventually(t, "the new loop reads it", func() bool { return s.n.Load() == before+5 })
}

func TestAPausedConnectionStaysPausedWhenItsMomentIsOver(t *testing.T) {
	l := start(t, Options{})
	c, peer, s := gathering(t, l, func(c *Conn) { c.Pause() })
	before := s.n.Load()
	write(t, peer, []byte("hello"))
	atRest(t, l)
	if n := s.n.Load(); n != before {
		t.Fatalf("%d bytes came while paused", n-before)
	}
	on(t, l, c.Resume)
	eventually(t, "it is read", func() bool { return s.n.Load() == before+5 })
}
