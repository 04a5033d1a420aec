package uring

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// mappings is how many mappings of rings the process has, and how much it has
// mapped of anything, in bytes.
func mappings(t *testing.T) (rings, bytes int) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		var from, to int
		if n, _ := fmt.Sscanf(line, "%x-%x", &from, &to); n == 2 {
			bytes += to - from
		}
		if strings.Contains(line, "[io_uring]") {
			rings++
		}
	}
	return rings, bytes
}

// busy puts one operation of each kind that waits under way, and a send that is
// stuck.
func busy(t *testing.T, r *Ring, fd, listener, efd int) {
	t.Helper()
	buffers(t, r, Buffers{Group: 1, Count: 16, Size: 1 << 16})
	buffers(t, r, Buffers{Group: 2, Count: 16, Size: 1 << 16})
	r.Recv(fd, 1, 1)
	r.Send(fd, 2, make([]byte, 8<<20), unix.MSG_WAITALL)
	r.Accept(listener, 3)
	r.Watch(fd, 4, unix.POLLIN)
	r.Read(efd, 5, make([]byte, 8))
	nothing(t, r)
}

func TestCloseEndsWhatIsUnderWayAndLeavesNothing(t *testing.T) {
	if !allowed(t) {
		return
	}
	fd, peer := tcpPair(t)
	before := descriptors(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := descriptor(t, ln.(*net.TCPListener))
	at := ln.Addr().String()
	ln.Close()
	efd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r, err := New(8, 16)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Enable(); err != nil {
		t.Fatal(err)
	}
	busy(t, r, fd, listener, efd)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	unix.Close(listener)
	unix.Close(efd)
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d afterwards", before, after)
	}
	// The ring holds no file any more.
	if conn, err := net.DialTimeout("tcp", at, time.Second); err == nil {
		conn.Close()
		t.Error("still listening")
	}
	unix.Shutdown(fd, unix.SHUT_WR)
	if _, err := io.Copy(io.Discard, peer); err != nil {
		t.Error(err)
	}
}

func TestCloseUnmaps(t *testing.T) {
	if !allowed(t) {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const rounds, each = 20, 64 << 20
	rings, before := mappings(t)
	for range rounds {
		r, err := New(8, 16)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Enable(); err != nil {
			t.Fatal(err)
		}
		buffers(t, r, Buffers{Count: 16, Size: each / 16})
		if n, _ := mappings(t); n != rings+2 {
			t.Fatalf("a ring has %d mappings, want 2", n-rings)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	after, bytes := mappings(t)
	if after != rings {
		t.Errorf("%d mappings of rings are left", after-rings)
	}
	if bytes-before > rounds*each/2 {
		t.Errorf("%d MB have been left mapped", (bytes-before)>>20)
	}
}

func TestAThreadHasRoomForRingsAgainAfterClose(t *testing.T) {
	if !allowed(t) {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for n := range 40 { // a thread has 16 places for registered rings
		r, err := New(8, 16)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Enable(); err != nil {
			t.Fatal(err)
		}
		if r.enterFlags == 0 && can(t, func(f Features) bool { return f.RegisteredRing }) {
			t.Fatalf("ring %d could not be registered", n)
		}
		r.Nop(1)
		takeOf(t, r, 1)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestARingThatWasNeverEnabledIsClosed(t *testing.T) {
	if !allowed(t) {
		return
	}
	before := descriptors(t)
	r, err := New(8, 16)
	if err != nil {
		t.Fatal(err)
	}
	buffers(t, r, Buffers{Count: 2, Size: 16})
	r.Nop(1)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d afterwards", before, after)
	}
}

func TestProbeLeavesNothing(t *testing.T) {
	Probe() // so that what is made once is there
	before := descriptors(t)
	for range 10 {
		Probe()
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d afterwards", before, after)
	}
}

func TestAllIsSentToASlowReader(t *testing.T) {
	for _, wire := range wires {
		t.Run(wire.name, func(t *testing.T) {
			r := newRing(t, 8, 16)
			if r == nil {
				return
			}
			fd, peer := wire.make(t)
			want := pattern(8 << 20)
			got := make(chan []byte)
			go func() {
				var all bytes.Buffer
				for p := make([]byte, 10_000); all.Len() < len(want); {
					n, err := peer.Read(p)
					if err != nil {
						break
					}
					all.Write(p[:n])
					runtime.Gosched()
				}
				got <- all.Bytes()
			}()
			r.Send(fd, 1, want, unix.MSG_WAITALL)
			if c := takeOf(t, r, 1); int(c.Res) != len(want) {
				t.Errorf("%d bytes of %d were sent", c.Res, len(want))
			}
			if p := <-got; !bytes.Equal(p, want) {
				t.Errorf("%d bytes came, of %d, or others", len(p), len(want))
			}
		})
	}
}

func TestASendToSomebodyWhoHasGoneFails(t *testing.T) {
	r := newRing(t, 8, 16)
	if r == nil {
		return
	}
	fd, peer := pair(t)
	peer.Close()
	p := []byte("hello")
	r.Send(fd, 1, p, unix.MSG_WAITALL)
	if c := takeOf(t, r, 1); c.Err() != unix.EPIPE {
		t.Errorf("%+v", c)
	}
	runtime.KeepAlive(p)
}

func TestWhatIsQueuedToBeClosedIsClosedWithTheRing(t *testing.T) {
	const entries = 4
	for name, queued := range map[string]int{"in the queue": 1, "in a full queue": entries} {
		t.Run(name, func(t *testing.T) {
			if !allowed(t) {
				return
			}
			r, err := New(entries, 2*entries)
			if err != nil {
				t.Fatal(err)
			}
			// It is not enabled, so the kernel takes nothing.
			for range queued {
				r.Nop(1)
			}
			fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
			if err != nil {
				t.Fatal(err)
			}
			r.CloseFd(fd, 2)
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
				t.Errorf("it is open: %v", err)
			}
		})
	}
}
