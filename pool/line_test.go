package pool

import (
	"testing"
	"time"
)

// waitsSince has a client of a worker join the line.
func (h *host) waitsSince(p *Pool, worker int32, since time.Duration) *taker {
	h.t.Helper()
	k := h.taker(p)
	k.Worker = worker
	if b, e := p.Lease(&k.Waiter, nil, since); b != nil || e != nil {
		h.t.Fatal("does not wait:", b, e)
	}
	return k
}

func TestABackendStaysWithItsWorkerIfSomebodyThereHasWaitedForAlmostAsLong(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 1 })
	b := h.lease(p)
	at := h.now()
	first := h.waitsSince(p, 0, at)
	almost := h.waitsSince(p, 1, at+time.Second)
	later := h.waitsSince(p, 1, at+3*time.Second)
	agree(t, p)
	for i, k := range []*taker{almost, first, later} {
		b.Worker = 1
		h.giveBackAt(b, at+(near+1)*time.Second)
		if k.wait() != b {
			t.Errorf("%d: somebody else has it", i)
		}
		agree(t, p)
	}
	h.giveBack(b)
}

func TestWhoHasBeenPutInFrontIsOvertakenByNobody(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 1 })
	b := h.lease(p)
	at := h.now()
	own := h.waitsSince(p, 1, at)
	front := h.taker(p)
	if b, e := p.Relet(&front.Waiter, nil, at+time.Second); b != nil || e != nil {
		t.Fatal("does not wait:", b, e)
	}
	agree(t, p)
	for i, k := range []*taker{front, own} {
		b.Worker = 1
		h.giveBackAt(b, at+time.Minute)
		if k.wait() != b {
			t.Errorf("%d: somebody else has it", i)
		}
	}
	h.giveBack(b)
}

// TestAWorkerWithoutBackendsGetsSome: its clients are overtaken, but not for ever, by
// another worker's that come again as soon as they have been served.
func TestAWorkerWithoutBackendsGetsSome(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 1 })
	b := h.lease(p)
	now := h.now()
	waits := h.waitsSince(p, 0, now)
	h.waitsSince(p, 1, now)
	const step = time.Millisecond
	for n := range 100 {
		now += step
		b.Worker = 1
		next := p.Return(b, now, func() {})
		if next == &waits.Waiter {
			if n > int(nearEnough/step)+2 {
				t.Errorf("after %d queries of others", n)
			}
			h.giveBack(b)
			return
		}
		h.waitsSince(p, 1, now)
	}
	t.Error("it waits for ever")
}
