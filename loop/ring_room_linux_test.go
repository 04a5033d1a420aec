package loop

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"pgweir/uring"
)

// TestWhatIsLateIsBoundedForALoop: as many as want to may pause while much comes for
// them, and nobody else hangs on the buffers that it takes.
func TestWhatIsLateIsBoundedForALoop(t *testing.T) {
	all := ringBuffers
	defer func() { ringBuffers = all }()
	for name, some := range map[string][]uring.Buffers{"shared buffers": all, "own buffers": all[1:]} {
		t.Run(name, func(t *testing.T) {
			ringBuffers = some
			pauseWithMuch(t)
		})
	}
}

func pauseWithMuch(t *testing.T) {
	l := ringLoop(t, Options{})
	if l == nil {
		return
	}
	const conns, size = 80, 100_000
	p := pattern(size)
	var all []*Conn
	var taken []*collector
	var peers []net.Conn
	for range conns {
		fd, peer := pair(t)
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 2*size)
		k := collect()
		all, taken, peers = append(all, attach(t, l, fd, k)), append(taken, k), append(peers, peer)
	}
	fd, other := pair(t)
	attach(t, l, fd, echo())
	eventuallyOn(t, l, "the kernel receives for all", func() bool { return all[conns-1].is(reading) })
	on(t, l, func() {
		r := l.engine.(*ring)
		for i, c := range all {
			write(t, peers[i], p)
			c.Pause()
			r.bring()
		}
		count, room := r.bufs.Shape()
		late := l.EngineStats().LateBytes
		if late < lateRoom || late > lateRoom+bufferSizes[2]+count*room {
			t.Errorf("%d bytes are late", late)
		}
		if r.held == 0 || r.lent > lateRoom+bufferSizes[2] {
			t.Errorf("%d buffers are held, of the loop's there are %d bytes", r.held, r.lent)
		}
	})
	for range 3 {
		write(t, other, p[:1000])
		same(t, read(t, other, 1000), p[:1000])
	}
	on(t, l, func() {
		for _, c := range all {
			c.Resume()
		}
	})
	for _, k := range taken {
		eventually(t, "all has come", func() bool { return k.n.Load() == size })
	}
	on(t, l, func() {
		for _, k := range taken {
			same(t, k.got, p)
		}
		r := l.engine.(*ring)
		if r.held != 0 || r.lent != 0 || len(r.late) != 0 {
			t.Errorf("%d are late, %d buffers are held, %d bytes of the loop's", len(r.late), r.held, r.lent)
		}
	})
	write(t, other, p[:1000])
	same(t, read(t, other, 1000), p[:1000])
}

func TestWhoHasLateBytesAndGoesGivesTheirBuffersBack(t *testing.T) {
	l := ringLoop(t, Options{})
	if l == nil {
		return
	}
	for name, act := range map[string]func(c *Conn){"closes": (*Conn).Close, "leaves": (*Conn).Remove} {
		t.Run(name, func(t *testing.T) {
			for _, held := range []int{0, lateRoom} {
				fd, peer := pair(t)
				c := attach(t, l, fd, collect())
				t.Cleanup(c.Close)
				eventuallyOn(t, l, "the kernel receives for it", func() bool { return c.is(reading) })
				on(t, l, func() {
					r := l.engine.(*ring)
					r.lent += held // others' late bytes
					c.Pause()
					write(t, peer, pattern(50_000))
					r.bring()
					if len(r.late) != 1 || r.held > 0 != (held > 0) {
						t.Errorf("%d are late, %d buffers are held", len(r.late), r.held)
					}
					act(c)
					r.lent -= held
					if r.lent != 0 || r.held != 0 {
						t.Errorf("%d buffers are held, %d bytes of the loop's", r.held, r.lent)
					}
					r.submit()
					if count, _ := r.bufs.Shape(); r.bufs.Free() != count {
						t.Errorf("%d buffers are free", r.bufs.Free())
					}
				})
			}
		})
	}
}
