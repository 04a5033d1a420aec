package loop

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// listen opens a listening socket and gives its descriptor away.
func listen(t testing.TB, network, addr string) (fd int, at net.Addr) {
	t.Helper()
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	at = ln.Addr()
	fd, err = TakeListener(ln)
	if err != nil {
		t.Fatal(err)
	}
	return fd, at
}

func TestAListenerAcceptsAStormOfConnections(t *testing.T) {
	for network, addr := range map[string]string{
		"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s"),
	} {
		t.Run(network, func(t *testing.T) {
			l := start(t, Options{})
			fd, at := listen(t, network, addr)
			var conns []*Conn
			accept := func(fd int, peer unix.Sockaddr) {
				if in4, ok := peer.(*unix.SockaddrInet4); network == "tcp" && (!ok || in4.Addr != [4]byte{127, 0, 0, 1}) {
					t.Errorf("the peer is %#v", peer)
				}
				c := new(Conn)
				c.Init(fd, echo())
				conns = append(conns, c)
				if err := l.Add(c); err != nil {
					t.Error(err)
				}
			}
			var ln *Listener
			on(t, l, func() {
				var err error
				if ln, err = l.Listen(fd, accept, func(err error) { t.Error(err) }); err != nil {
					t.Error(err)
				}
			})
			var wg sync.WaitGroup
			for range 3 * acceptAtOnce {
				wg.Add(1)
				go func() {
					defer wg.Done()
					conn, err := net.Dial(network, at.String())
					if err != nil {
						t.Error(err)
						return
					}
					defer conn.Close()
					own(t, conn)
					if _, err := conn.Write([]byte("hello")); err != nil {
						t.Error(err)
					}
					b := make([]byte, 5)
					if _, err := conn.Read(b); err != nil || string(b) != "hello" {
						t.Error(string(b), err)
					}
				}()
			}
			wg.Wait()
			on(t, l, func() {
				ln.Close()
				ln.Close()
				for _, c := range conns {
					c.Close()
				}
				if len(conns) != 3*acceptAtOnce || l.Len() != 0 {
					t.Errorf("%d connections were accepted, %d are left", len(conns), l.Len())
				}
			})
			refusesAll(t, at)
		})
	}
}

func TestAListenerMayBeClosedByWhatItAccepts(t *testing.T) {
	l := start(t, Options{})
	fd, at := listen(t, "tcp", "127.0.0.1:0")
	var accepted atomic.Int32
	for range 5 { // they wait in the backlog
		conn, err := net.Dial("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		own(t, conn)
	}
	on(t, l, func() {
		var ln *Listener
		ln, err := l.Listen(fd, func(fd int, _ unix.Sockaddr) {
			accepted.Add(1)
			unix.Close(fd)
			ln.Close()
		}, func(err error) { t.Error(err) })
		if err != nil {
			t.Error(err)
		}
	})
	eventually(t, "one is accepted", func() bool { return accepted.Load() > 0 })
	on(t, l, func() {})
	if n := accepted.Load(); n != 1 {
		t.Errorf("%d were accepted", n)
	}
}

func TestAListenerThatFailsTriesAgainWithoutSpinning(t *testing.T) {
	l := start(t, Options{})
	// A socket that does not listen: accept always fails.
	fd, peer := pair(t)
	var failures atomic.Int32
	var ln *Listener
	on(t, l, func() {
		var err error
		ln, err = l.Listen(fd, func(int, unix.Sockaddr) { t.Error("accepted something") },
			func(error) { failures.Add(1) })
		if err != nil {
			t.Error(err)
		}
	})
	write(t, peer, []byte("x"))
	atRest(t, l)
	eventually(t, "it is tried again", func() bool { return failures.Load() >= 3 })
	if n, max := failures.Load(), int32(l.Elapsed()/tickEvery)+2; n > max {
		t.Errorf("%d failures, more than one a tick (%d)", n, max)
	}
	on(t, l, ln.Close) // while it rests; the next tick must not mind
	ticked := l.Slept()
	eventually(t, "a tick has passed", func() bool { return l.Slept()-ticked > 2*tickEvery })
}

// isAccepted waits until a connection to an address has been accepted and closed.
func isAccepted(t testing.TB, at net.Addr) {
	t.Helper()
	peer, err := net.Dial(at.Network(), at.String())
	if err != nil {
		t.Fatal(err)
	}
	own(t, peer)
	if _, err := peer.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("nobody accepts:", err)
	}
}

func TestAListenerThatTheEngineRefusesTriesAgain(t *testing.T) {
	l := start(t, Options{})
	fd, at := listen(t, "tcp", "127.0.0.1:0")
	reasons := make(chan error, 1)
	on(t, l, func() {
		n, err := l.Listen(fd, func(fd int, _ unix.Sockaddr) { unix.Close(fd) }, func(err error) { reasons <- err })
		if err != nil {
			t.Error(err)
		}
		t.Cleanup(func() { on(t, l, n.Close) })
		n.conn.broken(unix.ENOSPC)
	})
	if err := wait(t, reasons, "nobody is told"); err != unix.ENOSPC {
		t.Error(err)
	}
	isAccepted(t, at)
}
