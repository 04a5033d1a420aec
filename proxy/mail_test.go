package proxy

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"pgweir/pool"
	"pgweir/wire"
)

// TestNotificationsComeInOrderWithWhatElseIsPosted: to many clients, of which some move
// from loop to loop meanwhile. Who posts behind a notification finds it told.
func TestNotificationsComeInOrderWithWhatElseIsPosted(t *testing.T) {
	const clients, rounds = maxBundle + 20, 20
	p := serving(t)
	var hearers []pool.Subscriber
	var all []*client
	var peers []net.Conn
	for range clients {
		c, peer := admitted(t, p)
		all, peers = append(all, c), append(peers, peer)
		hearers = append(hearers, c)
	}
	done := make(chan struct{})
	var moving sync.WaitGroup
	moving.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				from := p.workers[i%len(p.workers)]
				from.do(func() { from.move(p.workers[(i+1)%len(p.workers)]) })
			}
		}
	})
	posted := make([]int, clients) // each the client's own
	for round := range rounds {
		p.Notify(hearers, noteOf(uint32(round)))
		for i, c := range all {
			c.post(func() {
				if posted[i] != round {
					t.Errorf("client %d: round %d comes, %d is next", i, round, posted[i])
				}
				posted[i]++
				c.conn.Send(noteOf(uint32(round + 1<<16)))
			})
		}
	}
	for i, peer := range peers {
		for round := range rounds {
			for _, want := range []uint32{uint32(round), uint32(round + 1<<16)} {
				if got := noteFrom(t, peer); got != want {
					t.Fatalf("client %d is told %d, not %d", i, got, want)
				}
			}
		}
	}
	close(done)
	moving.Wait()
}

// noteOf is a message that every client hears, LISTEN or not, with a number in it.
func noteOf(n uint32) []byte {
	m := binary.BigEndian.AppendUint32([]byte{'N'}, 8)
	return binary.BigEndian.AppendUint32(m, n)
}

// noteFrom reads one.
func noteFrom(t *testing.T, peer net.Conn) uint32 {
	t.Helper()
	var m [wire.HeaderLen + 4]byte
	peer.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(peer, m[:]); err != nil {
		t.Fatal(err)
	}
	if m[0] != 'N' {
		t.Fatalf("%q", m)
	}
	return binary.BigEndian.Uint32(m[wire.HeaderLen:])
}
