package proxy

import (
	"runtime"
	"testing"
	"time"
	"weak"
)

// TestWhoLeavesBeforeItsTurnIsNotKeptForIt: RECONNECT_CLIENTS may go on for hours.
func TestWhoLeavesBeforeItsTurnIsNotKeptForIt(t *testing.T) {
	p := serving(t)
	const clients = 8
	var kept []weak.Pointer[client]
	for range clients {
		c, peer := admitted(t, p)
		kept = append(kept, weak.Make(c))
		t.Cleanup(func() { peer.Close() })
	}
	if n, err := p.ReconnectClients("", time.Hour); n != clients || err != nil {
		t.Fatal(n, err)
	}
	for _, c := range p.clients.all() {
		c.do(c.shut)
	}
	eventually(t, "all are forgotten", func() bool {
		// What a loop had last in hand it keeps until it has something else.
		for _, w := range p.workers {
			w.do(func() {})
		}
		runtime.GC()
		left := 0
		for _, c := range kept {
			if c.Value() != nil {
				left++
			}
		}
		return left <= 1
	})
}
