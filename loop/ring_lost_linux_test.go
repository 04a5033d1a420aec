package loop

import (
	"errors"
	"io"
	"syscall"
	"testing"
)

// TestNothingIsToldBehindALostCompletion: there may be a gap before it. What is posted
// runs before the loop has given the ring up.
func TestNothingIsToldBehindALostCompletion(t *testing.T) {
	for name, act := range map[string]func(t *testing.T, c *Conn){
		"it stays":  func(*testing.T, *Conn) {},
		"it pauses": func(_ *testing.T, c *Conn) { c.Pause(); c.Resume() },
		"it leaves and comes back": func(t *testing.T, c *Conn) {
			l := c.Loop()
			c.Remove()
			if err := l.Add(c); !errors.Is(err, errLost) {
				t.Error(err)
			}
			c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
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
				write(t, peer, []byte("behind a gap"))
				if r.submit(); r.next == len(r.done) {
					t.Error("nothing has come")
				}
				r.fails(syscall.EBADR)
				act(t, c)
			})
			if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
				t.Error(err)
			}
			if n := k.n.Load(); n != 0 {
				t.Errorf("%d bytes are told", n)
			}
		})
	}
}
