package loop

import (
	"sync/atomic"
	"testing"
)

func TestASuspendedLoopReadsNothingAndGoesOnWriting(t *testing.T) {
	for _, kind := range pairs {
		t.Run(kind.name, func(t *testing.T) {
			l := start(t, Options{})
			fd, peer := kind.make(t)
			var got atomic.Int64
			consume := false
			c := attach(t, l, fd, &handler{received: func(_ *Conn, p []byte) int {
				if !consume {
					return 0
				}
				got.Add(int64(len(p)))
				return len(p)
			}})
			<-writeAll(peer, []byte("kept"))
			eventuallyOn(t, l, "it has come", func() bool { return c.Kept() == 4 })
			p := pattern(5 << 20)
			on(t, l, func() {
				l.Suspend()
				consume = true
				c.Again()
				c.Send(p)
				if !l.Suspended() || l.Unsent() != 1 {
					t.Errorf("%d connections have something to send", l.Unsent())
				}
			})
			done := writeAll(peer, []byte("more"))
			same(t, read(t, peer, len(p)), p)
			eventuallyOn(t, l, "all is sent", func() bool { return l.Unsent() == 0 })
			atRest(t, l)
			if n := got.Load(); n != 0 {
				t.Errorf("%d bytes were received", n)
			}
			on(t, l, l.Restart)
			<-done
			eventually(t, "what came is received", func() bool { return got.Load() == 8 })
		})
	}
}

func TestWhatIsParkedDuringASuspensionIsWatched(t *testing.T) {
	a, b := start(t, Options{}), start(t, Options{})
	for _, l := range []*Loop{a, b} {
		fd, peer := pair(t)
		ends := make(chan error, 1)
		c := attach(t, a, fd, &handler{ended: func(_ *Conn, err error) { ends <- err }})
		on(t, a, func() {
			a.Suspend()
			c.Park()
		})
		on(t, a, a.Restart)
		claim(t, l, c)
		on(t, l, func() {
			if c.Deaf() {
				t.Error("deaf")
			}
			c.Park()
		})
		peer.Close()
		wait(t, ends, "nobody hears of its end")
		on(t, l, c.Close)
	}
}

func TestWhatIsClaimedDuringASuspensionIsNotRead(t *testing.T) {
	l := start(t, Options{})
	fd, peer := pair(t)
	k := collect()
	c := attach(t, l, fd, k)
	on(t, l, func() {
		c.Park()
		l.Suspend()
		if !c.Claim(l) || c.Deaf() {
			t.Error("not claimed, or deaf")
		}
	})
	on(t, l, func() {})
	write(t, peer, []byte("x"))
	atRest(t, l)
	if n := k.n.Load(); n != 0 {
		t.Errorf("%d bytes were read", n)
	}
	on(t, l, l.Restart)
	eventually(t, "what came is received", func() bool { return k.n.Load() == 1 })
}
