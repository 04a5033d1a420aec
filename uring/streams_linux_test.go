package uring

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var seed = flag.Uint64("seed", 0, "of TestStreamsShareBuffersInAnyOrder; 0 for one of its own")

// streams are connections that share a group of buffers. Pieces are held for a
// while, and looked at again when they are given back, in any order.
type streams struct {
	t      *testing.T
	rnd    *rand.Rand
	r      *Ring
	b      *BufferRing
	bundle bool
	fds    []int
	peers  []net.Conn
	texts  [][]byte // what each one sends
	sent   []int
	got    []int
	armed  []bool
	held   []heldPiece
}

type heldPiece struct {
	Piece
	want []byte
}

func (s *streams) received(c CQE) {
	i := int(c.User)
	s.armed[i] = c.More()
	if c.Err() == unix.ENOBUFS {
		return
	}
	if c.Err() != nil {
		s.t.Fatalf("stream %d: %v", i, c.Err())
	}
	n := 0
	pieces := s.b.Pieces(c)
	for p, ok := pieces.Next(); ok; p, ok = pieces.Next() {
		want := s.texts[i][s.got[i] : s.got[i]+len(p.Bytes)]
		if !bytes.Equal(p.Bytes, want) {
			s.t.Fatalf("stream %d: other bytes at %d", i, s.got[i])
		}
		s.held = append(s.held, heldPiece{p, want})
		s.got[i] += len(p.Bytes)
		n += len(p.Bytes)
	}
	if n != int(c.Res) {
		s.t.Fatalf("stream %d: %d bytes in pieces, %d in the completion", i, n, c.Res)
	}
}

// give gives back some pieces, all of them if no buffer is free.
func (s *streams) give() {
	n := s.rnd.IntN(len(s.held) + 1)
	if s.b.Free() == 0 {
		n = len(s.held)
	}
	for range n {
		i := s.rnd.IntN(len(s.held))
		p := s.held[i]
		if !bytes.Equal(p.Bytes, p.want) {
			s.t.Fatalf("a piece in buffer %d has changed", p.ID)
		}
		s.b.Give(p.ID)
		s.held[i] = s.held[len(s.held)-1]
		s.held = s.held[:len(s.held)-1]
	}
}

// send writes a bit of a stream, as much as will not block.
func (s *streams) send() {
	i := s.rnd.IntN(len(s.fds))
	n := min(1+s.rnd.IntN(500), len(s.texts[i])-s.sent[i], s.got[i]+20_000-s.sent[i])
	if n > 0 {
		write(s.t, s.peers[i], s.texts[i][s.sent[i]:s.sent[i]+n])
		s.sent[i] += n
	}
}

func (s *streams) done() bool {
	for i := range s.fds {
		if s.got[i] < len(s.texts[i]) {
			return false
		}
	}
	return true
}

func (s *streams) run() {
	for deadline := time.Now().Add(patience); !s.done(); {
		for range s.rnd.IntN(6) {
			s.send()
		}
		for i, armed := range s.armed {
			if !armed {
				op := s.r.Recv(s.fds[i], uint64(i), 0)
				if s.bundle {
					op.Bundle()
				}
				s.armed[i] = true
			}
		}
		if err := s.r.Poll(); err != nil {
			s.t.Fatal(err)
		}
		for c, ok := s.r.Next(); ok; c, ok = s.r.Next() {
			s.received(c)
		}
		s.give()
		if time.Now().After(deadline) {
			s.t.Fatalf("got %v", s.got)
		}
	}
	for _, p := range s.held {
		s.b.Give(p.ID)
	}
	s.held = nil
	want := len(s.b.states)
	if s.b.Free() != want {
		s.t.Errorf("%d buffers of %d are free", s.b.Free(), want)
	}
}

func TestStreamsShareBuffersInAnyOrder(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	for _, incremental := range []bool{false, true} {
		for _, bundle := range []bool{false, true} {
			for _, size := range []int{16, 100, 1500} {
				t.Run(fmt.Sprintf("incremental=%t,bundle=%t,size=%d", incremental, bundle, size), func(t *testing.T) {
					r := newRing(t, 8, 16)
					if r == nil || incremental && !can(t, func(f Features) bool { return f.IncrementalBuffers }) ||
						bundle && !can(t, func(f Features) bool { return f.Bundles }) {
						return
					}
					t.Logf("-seed %d", *seed)
					s := &streams{t: t, r: r, bundle: bundle, rnd: rand.New(rand.NewPCG(*seed, 0)),
						b: buffers(t, r, Buffers{Count: 8, Size: size, Incremental: incremental})}
					text := pattern(200_000)
					for i := range 6 {
						fd, peer := wires[i%2].make(t)
						s.fds, s.peers = append(s.fds, fd), append(s.peers, peer)
						s.texts = append(s.texts, text[i*20_000:i*20_000+100_000])
					}
					n := len(s.fds)
					s.sent, s.got, s.armed = make([]int, n), make([]int, n), make([]bool, n)
					s.run()
				})
			}
		}
	}
}
