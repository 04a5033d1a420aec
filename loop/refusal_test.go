package loop

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// full is a poller that has no room for another descriptor.
type full struct{ poller }

func (full) add(int32, uint32, bool, bool) error { return syscall.ENOSPC }

// fill has the loop's poller take nothing more, or again.
func fill(t *testing.T, l *Loop, now bool) {
	t.Helper()
	on(t, l, func() {
		if now {
			l.engine.(*readiness).poller = full{l.engine.(*readiness).poller}
		} else if p, ok := l.engine.(*readiness).poller.(full); ok {
			l.engine.(*readiness).poller = p.poller
		}
	})
}

func TestAConnectionThatNobodyCanWatchIsItsClaimersAllTheSame(t *testing.T) {
	a, b := startWith(t, Readiness, Options{}), startWith(t, Readiness, Options{})
	fd, peer := pair(t)
	c := attach(t, a, fd, echo())
	on(t, a, c.Park)
	fill(t, b, true)
	on(t, b, func() {
		switch {
		case !c.Claim(b):
			t.Error("not claimed, and its own loop knows nothing of it any more")
		case !c.Deaf():
			t.Error("it is said to be watched")
		default:
			c.Close()
		}
	})
	fill(t, b, false)
	if n := a.Len() + b.Len(); n != 0 {
		t.Errorf("%d connections are on the loops", n)
	}
	if _, err := peer.Read(make([]byte, 1)); err == nil {
		t.Error("not closed")
	}
}

func TestAConnectionThatIsWatchedIsNotDeaf(t *testing.T) {
	a, b := start(t, Options{}), start(t, Options{})
	fd, _ := pair(t)
	c := attach(t, a, fd, echo())
	for _, l := range []*Loop{a, b} {
		on(t, c.Loop(), c.Park)
		claim(t, l, c)
		on(t, l, func() {
			if c.Deaf() {
				t.Error("deaf")
			}
			c.Pause()
			if c.Deaf() {
				t.Error("paused, and said to be deaf")
			}
			c.Resume()
		})
	}
}

func TestWhoCannotBeWatchedAnyMoreIsTold(t *testing.T) {
	l := startWith(t, Readiness, Options{})
	fd, _ := pair(t)
	ends := make(chan error, 1)
	c := attach(t, l, fd, &handler{ended: func(_ *Conn, err error) { ends <- err }})
	on(t, l, c.Pause)
	fill(t, l, true)
	on(t, l, c.Resume)
	if err := wait(t, ends, "not told"); err != syscall.ENOSPC {
		t.Error(err)
	}
	fill(t, l, false)
}

// TestAClosedConnectionIsOnNoLoop: its descriptor may be another's by now.
func TestAClosedConnectionIsOnNoLoop(t *testing.T) {
	l := start(t, Options{})
	fd, _ := pair(t)
	c := attach(t, l, fd, echo())
	on(t, l, func() {
		c.Close()
		other := new(Conn)
		l.conns[fd] = other
		if err := l.Add(c); !errors.Is(err, os.ErrClosed) {
			t.Errorf("added: %v", err)
		}
		if l.conns[fd] != other {
			t.Error("another one that has its descriptor is forgotten")
		}
		l.conns[fd] = nil
	})
}

func TestAHalfSentMessageKeepsWhatItNeeds(t *testing.T) {
	l := start(t, Options{})
	fd, peer := pair(t)
	c := attach(t, l, fd, &handler{received: func(*Conn, []byte) int { return 0 }})
	half := pattern(MaxKept/2 + 1)
	write(t, peer, half)
	eventuallyOn(t, l, "it has come", func() bool { return c.Kept() == len(half) })
	on(t, l, func() {
		if n := cap(c.in); n > MaxKept {
			t.Errorf("%d bytes are kept in a buffer of %d", len(half), n)
		}
	})
}
