package loop

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
)

// ringLoop is a loop on io_uring, and nil where the system has none: then there is
// nothing to test.
func ringLoop(t *testing.T, opts Options) *Loop {
	if err := IOUring.Usable(); err != nil {
		t.Log("io_uring cannot be used here:", err)
		return nil
	}
	return startWith(t, IOUring, opts)
}

// breakRing has the loop's ring fail.
func breakRing(t *testing.T, l *Loop, err error) {
	t.Helper()
	on(t, l, func() { l.engine.(*ring).fails(err) })
	eventuallyOn(t, l, "it goes on with epoll", func() bool {
		_, ok := l.engine.(*readiness)
		return ok
	})
}

func TestALoopWhoseRingFailsGoesOnWithEpoll(t *testing.T) {
	reasons := make(chan error, 1)
	l := ringLoop(t, Options{Retreated: func(err error) { reasons <- err }})
	if l == nil {
		return
	}
	idle, peer := pair(t)
	attach(t, l, idle, echo())
	fd, paused := pair(t)
	k := collect()
	c := attach(t, l, fd, k)
	on(t, l, c.Pause)
	write(t, paused, []byte("before"))
	fd, parkedPeer := tcpPair(t)
	parked := attach(t, l, fd, echo())
	on(t, l, parked.Park)
	blocked, slow := pair(t)
	b := attach(t, l, blocked, echo())
	much := pattern(8 << 20)
	on(t, l, func() { b.Send(much) })

	breakRing(t, l, syscall.EFAULT)
	if err := wait(t, reasons, "nobody is told"); !errors.Is(err, syscall.EFAULT) {
		t.Error(err)
	}
	for _, p := range []net.Conn{peer, parkedPeer} {
		write(t, p, []byte("ping"))
		same(t, read(t, p, 4), []byte("ping"))
	}
	same(t, read(t, slow, len(much)), much)
	write(t, paused, []byte(" and after"))
	on(t, l, c.Resume)
	eventually(t, "what came while it was paused", func() bool { return k.n.Load() == 16 })
	on(t, l, func() { same(t, k.got, []byte("before and after")) })
}

// TestWhatMayHaveBeenLostEndsTheConnection: it cannot be told whose it was.
func TestWhatMayHaveBeenLostEndsTheConnection(t *testing.T) {
	l := ringLoop(t, Options{})
	if l == nil {
		return
	}
	fd, peer := pair(t)
	k := collect()
	attach(t, l, fd, k)
	breakRing(t, l, syscall.EBADR)
	if err := wait(t, k.over, "it goes on"); !errors.Is(err, errLost) {
		t.Error(err)
	}
	if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
		t.Error(err)
	}
}

// TestMoreThanTheBuffersHoldIsReceivedInTurn: all peers write before the loop looks.
func TestMoreThanTheBuffersHoldIsReceivedInTurn(t *testing.T) {
	l := ringLoop(t, Options{})
	if l == nil {
		return
	}
	const peers, size = 200, 32 << 10
	if count, room := l.engine.(*ring).bufs.Shape(); peers*size < 2*count*room {
		t.Fatal("the buffers hold it")
	}
	all := make([]net.Conn, peers)
	for i := range all {
		var fd int
		fd, all[i] = pair(t)
		attach(t, l, fd, echo())
	}
	p := pattern(size)
	on(t, l, func() {
		for _, peer := range all {
			write(t, peer, p)
		}
	})
	for _, peer := range all {
		same(t, read(t, peer, size), p)
	}
	on(t, l, func() {
		if l.engine.(*ring).shortages == 0 {
			t.Error("nobody has been without a buffer")
		}
	})
}

// TestWhatComesAfterPauseWaitsForResume: the kernel goes on receiving until it has
// been told.
func TestWhatComesAfterPauseWaitsForResume(t *testing.T) {
	l := ringLoop(t, Options{})
	if l == nil {
		return
	}
	fd, peer := pair(t)
	k := collect()
	c := attach(t, l, fd, k)
	p := pattern(100_000)
	on(t, l, func() {
		c.Pause()
		write(t, peer, p)
		l.engine.(*ring).submit() // with the request to stop, and what has come until then
	})
	if n := k.n.Load(); n != 0 {
		t.Fatalf("%d bytes came while paused", n)
	}
	on(t, l, c.Resume)
	eventually(t, "all has come", func() bool { return k.n.Load() == int64(len(p)) })
	on(t, l, func() {
		same(t, k.got, p)
		if n := len(l.engine.(*ring).late); n != 0 {
			t.Errorf("%d connections have late bytes", n)
		}
	})
}
