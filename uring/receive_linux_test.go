package uring

import (
	"bytes"
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	userRecv uint64 = iota + 1
	userSend
	userCancel
	userOther
)

// echoing sends back what a connection receives, up to its end.
type echoing struct {
	r       *Ring
	b       *BufferRing
	fd      int
	waiting []byte // to be sent next
	sending []byte // the kernel's
	ended   bool
	dry     int // times that no buffer was left
}

func (e *echoing) completed(t *testing.T, c CQE) {
	switch {
	case c.User == userRecv && c.Err() == unix.ENOBUFS:
		e.dry++
	case c.Err() != nil:
		t.Fatalf("%d: %v", c.User, c.Err())
	case c.User == userSend && int(c.Res) != len(e.sending):
		t.Fatalf("%d bytes of %d were sent", c.Res, len(e.sending))
	case c.User == userSend:
		e.sending = nil
	case c.Res == 0:
		e.ended = true
	default:
		e.waiting = append(e.waiting, collect(e.b, c)...)
	}
	if c.User == userRecv && !c.More() && !e.ended {
		e.r.Recv(e.fd, userRecv, e.b.group)
	}
	if e.sending == nil && len(e.waiting) > 0 {
		e.sending, e.waiting = e.waiting, nil
		e.r.Send(e.fd, userSend, e.sending, unix.MSG_WAITALL)
	}
}

func TestWhatIsReceivedIsSentBack(t *testing.T) {
	for _, wire := range wires {
		t.Run(wire.name, func(t *testing.T) {
			r := newRing(t, 8, 16)
			if r == nil {
				return
			}
			fd, peer := wire.make(t)
			e := &echoing{r: r, fd: fd, b: buffers(t, r, Buffers{Group: 7, Count: 4, Size: 1000})}
			want := pattern(1 << 20)
			go func() {
				peer.Write(want)
				peer.(interface{ CloseWrite() error }).CloseWrite()
			}()
			got := make(chan []byte)
			go func() {
				p, _ := io.ReadAll(peer)
				got <- p
			}()
			r.Recv(fd, userRecv, 7)
			for !e.ended || e.sending != nil {
				e.completed(t, take(t, r))
			}
			r.Shutdown(fd, userOther, unix.SHUT_WR)
			if c := takeOf(t, r, userOther); c.Res != 0 {
				t.Errorf("shutdown: %v", c.Err())
			}
			if p := <-got; !bytes.Equal(p, want) {
				t.Errorf("%d bytes came back, of %d, or others", len(p), len(want))
			}
			if e.b.Free() != 4 {
				t.Errorf("%d buffers of 4 are free", e.b.Free())
			}
		})
	}
}

func TestAReceiveGoesOnUntilTheEnd(t *testing.T) {
	for _, wire := range wires {
		t.Run(wire.name, func(t *testing.T) {
			r := newRing(t, 8, 16)
			if r == nil {
				return
			}
			fd, peer := wire.make(t)
			b := buffers(t, r, Buffers{Count: 4, Size: 100})
			r.Recv(fd, userRecv, 0)
			nothing(t, r)
			for _, s := range []string{"one", "two", "three"} {
				write(t, peer, []byte(s))
				c := takeOf(t, r, userRecv)
				if !c.More() || string(collect(b, c)) != s {
					t.Fatalf("%q: %+v", s, c)
				}
			}
			peer.Close()
			c := takeOf(t, r, userRecv)
			if c.Res != 0 || c.More() || len(collect(b, c)) != 0 {
				t.Errorf("the end: %+v", c)
			}
			nothing(t, r)
			if b.Free() != 4 {
				t.Errorf("%d buffers of 4 are free", b.Free())
			}
		})
	}
}

func TestAReceiveOfABrokenConnectionFails(t *testing.T) {
	r := newRing(t, 8, 16)
	if r == nil {
		return
	}
	fd, peer := tcpPair(t)
	buffers(t, r, Buffers{Count: 4, Size: 100})
	r.Recv(fd, userRecv, 0)
	nothing(t, r)
	peer.(interface{ SetLinger(int) error }).SetLinger(0)
	peer.Close()
	if c := takeOf(t, r, userRecv); c.Err() != unix.ECONNRESET || c.More() || c.HasBuffer() {
		t.Errorf("%+v", c)
	}
}

func TestAReceiveWithoutBuffersEndsAndCanBeginAgain(t *testing.T) {
	r := newRing(t, 8, 16)
	if r == nil {
		return
	}
	fd, peer := pair(t)
	b := buffers(t, r, Buffers{Count: 2, Size: 64})
	want := pattern(300)
	write(t, peer, want)
	var got []byte
	for len(got) < len(want) {
		r.Recv(fd, userRecv, 0)
		var held []uint16
		for {
			c := takeOf(t, r, userRecv)
			if c.Err() == unix.ENOBUFS {
				if c.More() || c.HasBuffer() {
					t.Fatalf("%+v", c)
				}
				break
			}
			pieces := b.Pieces(c)
			for p, ok := pieces.Next(); ok; p, ok = pieces.Next() {
				got = append(got, p.Bytes...)
				held = append(held, p.ID)
			}
			if len(got) == len(want) {
				break
			}
		}
		if len(got) < len(want) && b.Free() != 0 {
			t.Errorf("%d buffers are free", b.Free())
		}
		for _, id := range held {
			b.Give(id)
		}
		if b.Free() != 2 {
			t.Errorf("%d buffers of 2 are free", b.Free())
		}
	}
	if !bytes.Equal(got, want) {
		t.Error("other bytes have come")
	}
}

func TestABundleHasBytesOfManyBuffers(t *testing.T) {
	r := newRing(t, 8, 16)
	if r == nil || !can(t, func(f Features) bool { return f.Bundles }) {
		return
	}
	fd, peer := tcpPair(t)
	b := buffers(t, r, Buffers{Count: 8, Size: 100})
	r.Recv(fd, userRecv, 0).Bundle()
	several := false
	for round := range 50 {
		want := pattern(750 - round)
		write(t, peer, want)
		var got []byte
		var held []uint16
		for len(got) < len(want) {
			c := take(t, r)
			if c.Err() != nil {
				t.Fatalf("round %d: %v", round, c.Err())
			}
			several = several || c.Res > 100
			pieces := b.Pieces(c)
			for p, ok := pieces.Next(); ok; p, ok = pieces.Next() {
				got = append(got, p.Bytes...)
				held = append(held, p.ID)
			}
			if !c.More() { // the last buffer has been used
				r.Recv(fd, userRecv, 0).Bundle()
			}
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("round %d: other bytes have come", round)
		}
		// In another order than they have come, so that the next bundle's buffers
		// are not in order.
		for i := range held {
			b.Give(held[(i*3+round)%len(held)])
		}
	}
	if !several {
		t.Error("no completion has had several buffers")
	}
}

func TestAnIncrementalBufferIsFilledByManyReceives(t *testing.T) {
	r := newRing(t, 8, 16)
	if r == nil || !can(t, func(f Features) bool { return f.IncrementalBuffers }) {
		return
	}
	b := buffers(t, r, Buffers{Count: 2, Size: 1000, Incremental: true})
	fd, peer := pair(t)
	fd2, peer2 := pair(t)
	r.Recv(fd, userRecv, 0)
	r.Recv(fd2, userOther, 0)
	nothing(t, r)
	var pieces []Piece
	receive := func(user uint64, w io.Writer, p []byte) {
		t.Helper()
		write(t, w, p)
		for n := 0; n < len(p); {
			c := takeOf(t, r, user)
			if c.Err() != nil || !c.More() {
				t.Fatalf("%+v", c)
			}
			all := b.Pieces(c)
			for piece, ok := all.Next(); ok; piece, ok = all.Next() {
				if !bytes.Equal(piece.Bytes, p[n:n+len(piece.Bytes)]) {
					t.Fatal("other bytes have come")
				}
				n += len(piece.Bytes)
				pieces = append(pieces, piece)
			}
		}
	}
	want := pattern(1200)
	receive(userRecv, peer, want[:400])
	receive(userOther, peer2, want[400:800])
	if pieces[0].ID != pieces[1].ID || b.Free() != 2 {
		t.Fatalf("in buffers %d and %d; %d are free", pieces[0].ID, pieces[1].ID, b.Free())
	}
	receive(userRecv, peer, want[800:1200]) // 200 more, and 200 in the second
	if b.Free() != 1 {
		t.Errorf("%d buffers are free, want the second", b.Free())
	}
	first := pieces[:len(pieces)-1] // the last is in the second buffer
	for i, p := range first {
		if free := b.Free(); free != 1 {
			t.Errorf("%d buffers are free before piece %d is given back", free, i)
		}
		b.Give(p.ID)
	}
	if b.Free() != 2 || pieces[len(first)].ID == pieces[0].ID {
		t.Errorf("%d buffers are free at last", b.Free())
	}
}

// TestTheEndOfAStreamTakesNoIncrementalBuffer: some kernels do not say that they go on
// with it.
func TestTheEndOfAStreamTakesNoIncrementalBuffer(t *testing.T) {
	r := newRing(t, 8, 16)
	if r == nil || !can(t, func(f Features) bool { return f.IncrementalBuffers }) {
		return
	}
	b := buffers(t, r, Buffers{Count: 2, Size: 1000, Incremental: true})
	fd, peer := pair(t)
	r.Recv(fd, userRecv, 0)
	for _, word := range []string{"one", "two", "three"} {
		write(t, peer, []byte(word))
		c := takeOf(t, r, userRecv)
		if got := collect(b, c); string(got) != word {
			t.Fatalf("%q instead of %q", got, word)
		}
		// The end of another, which has the same buffer.
		end := CQE{Flags: c.Flags &^ (cqeMore | cqeBufferMore)}
		if got := collect(b, end); len(got) != 0 || b.Free() != 2 {
			t.Fatalf("%q at the end, %d buffers are free", got, b.Free())
		}
	}
}

func TestAPieceIsGivenBackOnce(t *testing.T) {
	r := newRing(t, 8, 16)
	if r == nil {
		return
	}
	b := buffers(t, r, Buffers{Count: 1, Size: 10})
	defer func() {
		if recover() == nil {
			t.Error("a buffer that was not received can be given back")
		}
	}()
	b.Give(0)
}

func TestBuffersThatCannotBe(t *testing.T) {
	r := newRing(t, 8, 16)
	if r == nil {
		return
	}
	for _, c := range []Buffers{{Count: 0, Size: 1}, {Count: 3, Size: 1}, {Count: 1 << 16, Size: 1}, {Count: -4, Size: 1},
		{Count: 1, Size: 0}, {Count: 1, Size: -1}} {
		if b, err := r.NewBufferRing(c); err == nil {
			t.Errorf("%+v: %+v", c, b)
		}
	}
	buffers(t, r, Buffers{Group: 3, Count: 1, Size: 1})
	if _, err := r.NewBufferRing(Buffers{Group: 3, Count: 1, Size: 1}); err == nil {
		t.Error("a group is registered twice")
	}
	large := buffers(t, r, Buffers{Group: 4, Count: 1 << 15, Size: 16})
	if large.Free() != 1<<15 {
		t.Errorf("%d are free", large.Free())
	}
	if err := large.Close(); err != nil {
		t.Error(err)
	}
	buffers(t, r, Buffers{Group: 4, Count: 1, Size: 1})
}
