package loop

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestAParkedConnectionIsClaimedByOneLoopOnly(t *testing.T) {
	a, b := start(t, Options{}), start(t, Options{})
	fd, peer := pair(t)
	c := attach(t, a, fd, echo())
	claims := func(l *Loop) (ok bool) {
		on(t, l, func() { ok = c.Claim(l) })
		return ok
	}
	if claims(b) {
		t.Fatal("claimed though it was not parked")
	}
	if !claims(a) {
		t.Fatal("its own loop has it already")
	}
	on(t, a, c.Park)
	if claim(t, b, c); c.Loop() != b || a.Len() != 0 || b.Len() != 1 {
		t.Fatalf("not moved: %d and %d connections", a.Len(), b.Len())
	}
	if claims(a) {
		t.Fatal("claimed from its owner")
	}
	write(t, peer, []byte("ping"))
	same(t, read(t, peer, 4), []byte("ping"))
	on(t, b, c.Park)
	if !claims(b) {
		t.Fatal("its own loop may claim it too")
	}
	on(t, b, c.Close)
	if claims(a) || claims(b) {
		t.Fatal("claimed after its end")
	}
	var none Conn
	none.Park()
	if none.Claim(a) {
		t.Fatal("claimed though it is on no loop")
	}
}

func TestWhatComesForAParkedConnectionIsToldByItsLoop(t *testing.T) {
	a, b := start(t, Options{}), start(t, Options{})
	fd, peer := pair(t)
	got := make(chan *Loop, 1)
	c := attach(t, a, fd, &handler{received: func(c *Conn, p []byte) int {
		got <- c.Loop()
		return len(p)
	}})
	on(t, a, c.Park)
	write(t, peer, []byte("notice"))
	if l := wait(t, got, "nobody was told"); l != a {
		t.Fatal("told by another loop")
	}
	on(t, b, func() {
		if c.Claim(b) {
			t.Error("claimed though its loop has claimed it back")
		}
	})
}

// TestWhatIsUnreadKeepsAConnectionFromOtherLoops: it may be the last words,
// and what another loop sent before it read them would be lost.
func TestWhatIsUnreadKeepsAConnectionFromOtherLoops(t *testing.T) {
	for name, act := range map[string]func(peer net.Conn){
		"bytes":   func(peer net.Conn) { write(t, peer, []byte("notice")) },
		"the end": func(peer net.Conn) { peer.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := start(t, Options{}), start(t, Options{})
			fd, peer := pair(t)
			told := make(chan *Loop, 1)
			c := attach(t, a, fd, &handler{
				received: func(c *Conn, p []byte) int { told <- c.Loop(); return len(p) },
				ended:    func(c *Conn, _ error) { told <- c.Loop() },
			})
			on(t, a, func() { // which does not read meanwhile
				c.Park()
				act(peer)
				done := make(chan struct{})
				b.Post(func() {
					defer close(done)
					if c.Claim(b) {
						t.Error("claimed")
					}
				})
				<-done
			})
			if l := wait(t, told, "nobody was told"); l != a {
				t.Error("told by another loop")
			}
		})
	}
}

func TestAStaleEventDoesNotClaimWhatIsParkedElsewhere(t *testing.T) {
	a, b := startWith(t, Readiness, Options{}), startWith(t, Readiness, Options{})
	fd, _ := pair(t)
	c := attach(t, a, fd, echo())
	on(t, a, c.Park)
	on(t, b, func() {
		if !c.Claim(b) {
			t.Error("not claimed")
		}
		c.Park()
	})
	on(t, a, func() {
		a.engine.(*readiness).tell(&event{fd: int32(fd), gen: c.gen, readable: true, writable: true})
		a.again = append(a.again, c)
		a.redeliver()
	})
	on(t, b, func() {
		if !c.Claim(b) {
			t.Error("a stale event of the first loop has claimed it")
		}
	})
}

func TestAConnectionThatWasClaimedBackForNothingIsToldSo(t *testing.T) {
	a, b := startWith(t, Readiness, Options{}), startWith(t, Readiness, Options{})
	fd, _ := pair(t)
	calls := 0
	c := attach(t, a, fd, &handler{received: func(c *Conn, p []byte) int {
		calls++
		if len(p) != 0 {
			t.Errorf("%q came", p)
		}
		c.Park()
		return 0
	}})
	on(t, a, func() {
		c.Park()
		a.engine.(*readiness).tell(&event{fd: int32(fd), gen: c.gen, readable: true})
		if calls != 1 {
			t.Errorf("%d calls after an event without bytes", calls)
		}
		a.again = append(a.again, c)
		a.redeliver()
		if calls != 2 {
			t.Errorf("%d calls after Again without bytes", calls)
		}
	})
	on(t, b, func() {
		if !c.Claim(b) {
			t.Error("not parked again")
		}
	})
}

func TestWhoClaimsAConnectionThatHasEndedIsTold(t *testing.T) {
	l := start(t, Options{})
	fd, peer := pair(t)
	ends := make(chan error, 2)
	c := attach(t, l, fd, &handler{ended: func(_ *Conn, err error) { ends <- err }})
	on(t, l, c.Park)
	peer.Close()
	wait(t, ends, "not told at first")
	on(t, l, func() {
		if !c.Claim(l) {
			t.Error("not claimed")
		}
		c.Send([]byte("a request that gets no answer"))
	})
	wait(t, ends, "who claimed it waits for ever")
}

func TestKeptBytesAndPausesDoNotOutliveParking(t *testing.T) {
	a, b := start(t, Options{}), start(t, Options{})
	fd, peer := pair(t)
	parked := make(chan struct{}, 10)
	consume := false
	c := attach(t, a, fd, &handler{received: func(c *Conn, p []byte) int {
		if !consume {
			return 0
		}
		c.Pause()
		c.Park()
		parked <- struct{}{}
		return len(p)
	}})
	write(t, peer, pattern(MaxKept))
	eventuallyOn(t, a, "the connection is full", func() bool { return c.Kept() == MaxKept })
	on(t, a, func() {
		consume = true
		c.Again()
	})
	wait(t, parked, "not parked")
	k := collect()
	claim(t, b, c)
	on(t, b, func() {
		if c.Kept() != 0 {
			t.Errorf("%d bytes kept", c.Kept())
		}
		c.SetHandler(k)
	})
	write(t, peer, []byte("new"))
	eventually(t, "new bytes come", func() bool { return k.n.Load() == 3 })
}

// baton is a connection that goes from loop to loop: whoever has claimed it
// sends a number and waits until it has come back. What it holds is guarded by
// owning the connection alone, which the race detector checks.
type baton struct {
	conn    Conn
	t       *testing.T
	sent    uint64
	waiting bool
	rounds  *atomic.Int64
	notices int
	next    func()
}

// Messages of the peer: 'e' and a number echoed, or 'n', a notice.
func (b *baton) Received(c *Conn, p []byte) int {
	n := 0
	for n < len(p) {
		if p[n] == 'n' {
			b.notices++
			n++
			continue
		}
		if len(p)-n < 9 {
			return n
		}
		if got := binary.BigEndian.Uint64(p[n+1:]); !b.waiting || got != b.sent {
			b.t.Errorf("%d came back, %d was sent, waiting %v", got, b.sent, b.waiting)
		}
		b.waiting = false
		n += 9
	}
	if b.waiting {
		return n
	}
	next := b.next
	b.next = nil
	c.Park()
	if next != nil {
		next()
	}
	return n
}
func (b *baton) Drained(*Conn)            {}
func (b *baton) Ended(_ *Conn, err error) { b.t.Errorf("ended: %v", err) }

// run has one loop after the other claim the baton, rounds times.
func (b *baton) run(loops []*Loop, rounds int64, done chan<- struct{}) {
	if b.rounds.Load() == rounds {
		close(done)
		return
	}
	l := loops[rand.IntN(len(loops))]
	var try func()
	try = func() {
		if !b.conn.Claim(l) {
			l.Post(try) // its loop has claimed it back and will park it again
			return
		}
		b.rounds.Add(1)
		b.sent++
		b.waiting = true
		b.next = func() { b.run(loops, rounds, done) }
		var msg [9]byte
		msg[0] = 'e'
		binary.BigEndian.PutUint64(msg[1:], b.sent)
		b.conn.Send(msg[:])
	}
	l.Post(try)
}

// server echoes what comes, in pieces, with notices in between and after.
func (b *baton) server(conn net.Conn, rng *rand.Rand) {
	var msg [9]byte
	for {
		if _, err := io.ReadFull(conn, msg[:]); err != nil {
			return
		}
		out := msg[:]
		if rng.IntN(4) == 0 {
			out = append([]byte{'n'}, out...)
		}
		if rng.IntN(4) == 0 {
			cut := 1 + rng.IntN(len(out)-1)
			conn.Write(out[:cut])
			out = out[cut:]
		}
		if _, err := conn.Write(out); err != nil {
			return
		}
		if rng.IntN(2) == 0 {
			conn.Write([]byte{'n'}) // while it is parked, or on its way
		}
	}
}

func TestThousandsOfHandOversLoseNothing(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		t.Run(map[bool]string{false: "plain", true: "TLS"}[encrypted], func(t *testing.T) {
			loops := []*Loop{start(t, Options{}), start(t, Options{})}
			const batons, rounds = 3, 1500
			var servers sync.WaitGroup
			var all []*baton
			var dones []chan struct{}
			var peers []net.Conn
			for i := range batons {
				fd, peer := pair(t)
				var secured *TLS
				if encrypted {
					secured, peer = secure(t, fd, peer)
				}
				peer.SetDeadline(time.Now().Add(3 * patience))
				b := &baton{t: t, rounds: new(atomic.Int64)}
				b.conn.Init(fd, b)
				if secured != nil {
					b.conn.AttachTLS(secured)
				}
				add(t, loops[0], &b.conn)
				on(t, loops[0], b.conn.Park)
				rng := rand.New(rand.NewPCG(1, uint64(i)))
				servers.Add(1)
				go func() {
					defer servers.Done()
					b.server(peer, rng)
				}()
				all, dones, peers = append(all, b), append(dones, make(chan struct{})), append(peers, peer)
			}
			for i, b := range all {
				b.run(loops, rounds, dones[i])
			}
			for i, b := range all {
				select {
				case <-dones[i]:
				case <-time.After(3 * patience):
					t.Fatalf("baton %d stopped after %d rounds", i, b.rounds.Load())
				}
			}
			if n := loops[0].Len() + loops[1].Len(); n != batons {
				t.Errorf("%d connections are on the loops", n)
			}
			for i, b := range all {
				stop := make(chan struct{})
				var closeIt func()
				closeIt = func() {
					l := loops[0]
					if !b.conn.Claim(l) {
						l.Post(closeIt)
						return
					}
					b.conn.Close()
					close(stop)
				}
				loops[0].Post(closeIt)
				wait(t, stop, "cannot be claimed in the end")
				peers[i].Close()
			}
			servers.Wait()
		})
	}
}
