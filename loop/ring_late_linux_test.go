package loop

import (
	"io"
	"testing"
)

// bring fetches what the kernel has received, and tells it. The kernel does not hear
// meanwhile what connections want.
func (r *ring) bring() {
	r.entered(r.ring.Poll())
	r.dispatch()
}

func TestNoMoreIsReceivedForWhoHasLateBytes(t *testing.T) {
	l := ringLoop(t, Options{})
	if l == nil {
		return
	}
	fd, peer := pair(t)
	k := collect()
	c := attach(t, l, fd, k)
	eventuallyOn(t, l, "the kernel receives for it", func() bool { return c.is(reading) })
	p := pattern(4 << 20)
	const first = 100_000
	on(t, l, func() {
		r := l.engine.(*ring)
		write(t, peer, p[:first])
		c.Pause()
		if r.bring(); l.EngineStats().LateBytes != first {
			t.Errorf("%d bytes are late", l.EngineStats().LateBytes)
		}
		c.Resume()
		if r.queue(); c.is(reading) && !c.is(cancelling) {
			t.Error("the kernel goes on receiving, more quickly than is told")
		}
	})
	write(t, peer, p[first:])
	eventually(t, "all has come", func() bool { return k.n.Load() == int64(len(p)) })
	on(t, l, func() { same(t, k.got, p) })
}

// TestALateEndWaitsForWhoPausesAtTheBytesBefore: what the handler has left of them would
// be lost.
func TestALateEndWaitsForWhoPausesAtTheBytesBefore(t *testing.T) {
	l := ringLoop(t, Options{})
	if l == nil {
		return
	}
	fd, peer := pair(t)
	got, over := make(chan string, 1), make(chan error, 1)
	takes := false
	c := attach(t, l, fd, &handler{
		received: func(c *Conn, p []byte) int {
			if !takes {
				c.Pause()
				return 0
			}
			got <- string(p)
			return len(p)
		},
		ended: func(c *Conn, err error) {
			if !takes {
				t.Error("ended though it is paused")
			}
			c.Close()
			over <- err
		},
	})
	eventuallyOn(t, l, "the kernel receives for it", func() bool { return c.is(reading) })
	on(t, l, func() {
		r := l.engine.(*ring)
		c.Pause()
		write(t, peer, []byte("last words"))
		peer.Close()
		r.bring()
		if k := r.late[c]; k == nil || len(k.parts) == 0 || k.err == nil {
			t.Errorf("%+v is late", k)
		}
		c.Resume()
	})
	eventuallyOn(t, l, "it is told of the bytes", func() bool { return c.paused && c.Kept() > 0 })
	for range 3 { // turns
		on(t, l, func() {})
	}
	on(t, l, func() {
		takes = true
		c.Resume()
	})
	if s := wait(t, got, "nothing comes"); s != "last words" {
		t.Errorf("%q", s)
	}
	if err := wait(t, over, "it does not end"); err != io.EOF {
		t.Error(err)
	}
}

func TestLateRecordsComeBeforeThoseThatCameElsewhere(t *testing.T) {
	l := ringLoop(t, Options{})
	if l == nil {
		return
	}
	fd, plain := pair(t)
	secured, peer := secure(t, fd, plain)
	k := collect()
	var c Conn
	c.Init(fd, k)
	c.AttachTLS(secured)
	add(t, l, &c)
	eventuallyOn(t, l, "the kernel receives for it", func() bool { return c.is(reading) && !c.queued })
	on(t, l, func() {
		r := l.engine.(*ring)
		for _, word := range []string{"one ", "two ", "three"} {
			write(t, peer, []byte(word))
			if r.submit(); r.next == len(r.done) {
				t.Error("nothing has come")
			}
			if word != "three" {
				c.Remove()
				if err := l.Add(&c); err != nil {
					t.Error(err)
				}
				r.queue()
			}
		}
	})
	eventually(t, "all has come", func() bool { return k.n.Load() == 13 })
	on(t, l, func() { same(t, k.got, []byte("one two three")) })
}

func TestLateRecordsThatFillTheBufferAllCome(t *testing.T) {
	l := ringLoop(t, Options{})
	if l == nil {
		return
	}
	fd, plain := tcpPair(t)
	secured, peer := secure(t, fd, plain)
	k := collect()
	var c Conn
	c.Init(fd, k)
	c.AttachTLS(secured)
	add(t, l, &c)
	eventuallyOn(t, l, "the kernel receives for it", func() bool { return c.is(reading) && !c.queued })
	p := pattern(3 * len(l.buf))
	on(t, l, func() {
		r := l.engine.(*ring)
		c.Pause()
		for rest := p; len(rest) > 0; {
			n := min(len(rest), 10_000)
			write(t, peer, rest[:n])
			rest = rest[n:]
			for have := -1; have != l.EngineStats().LateBytes; { // all of it
				have = l.EngineStats().LateBytes
				r.bring()
			}
		}
		if n := l.EngineStats().LateBytes; n < len(p) {
			t.Errorf("%d bytes are late", n)
		}
		c.Remove()
		c.Resume()
		if err := l.Add(&c); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "all has come", func() bool { return k.n.Load() == int64(len(p)) })
	on(t, l, func() { same(t, k.got, p) })
}

// TestWhatComesAsAnotherLoopWantsItIsToldByItsOwn: see Claim.
func TestWhatComesAsAnotherLoopWantsItIsToldByItsOwn(t *testing.T) {
	for name, word := range map[string]string{"bytes": "notice", "a piece of a record": ""} {
		t.Run(name, func(t *testing.T) {
			a, b := ringLoop(t, Options{}), ringLoop(t, Options{})
			if a == nil {
				return
			}
			fd, plain := pair(t)
			secured, peer := secure(t, fd, plain)
			told := make(chan string, 1)
			var c Conn
			c.Init(fd, &handler{received: func(c *Conn, p []byte) int {
				if c.Loop() != a {
					t.Error("told by the other")
				}
				told <- string(p)
				return len(p)
			}})
			c.AttachTLS(secured)
			add(t, a, &c)
			eventuallyOn(t, a, "the kernel receives for it", func() bool { return c.is(reading) && !c.queued })
			on(t, a, func() {
				c.Park()
				if word == "" {
					write(t, plain, []byte{23, 3, 3})
				} else {
					write(t, peer, []byte(word))
				}
				r := a.engine.(*ring)
				if r.submit(); r.next == len(r.done) {
					t.Error("nothing has come")
				}
				a.hand(&c, b)
			})
			if got := wait(t, told, "nobody is told"); got != word {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestWhoHasGoneTakesNoBufferFromTheStarved(t *testing.T) {
	l := ringLoop(t, Options{})
	if l == nil {
		return
	}
	fd, peer := pair(t)
	c := attach(t, l, fd, echo())
	on(t, l, func() {
		r := l.engine.(*ring)
		for range r.bufs.Free() {
			gone := new(Conn)
			gone.Init(1<<20, nil)
			r.starved = append(r.starved, gone)
		}
		c.put(changed, false)
		r.changed = nil
		r.starved = append(r.starved, c)
		if r.feed(); !c.is(reading) || len(r.starved) != 0 {
			t.Errorf("it waits behind those who have gone; %d are starved", len(r.starved))
		}
	})
	write(t, peer, []byte("ping"))
	same(t, read(t, peer, 4), []byte("ping"))
}
