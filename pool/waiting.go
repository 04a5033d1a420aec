package pool

import (
	"time"

	"pgweir/wire"
)

// Patient is a Taker that wants to be told, once in a wait, that it goes on for
// longer than query_wait_notify. It is called as a Taker's methods are, and may
// have been granted a backend meanwhile.
type Patient interface{ Waits() }

// sheds is why nobody may join the waiting line, if it is full. Those for whom a
// backend is being opened do not count: they are served by nobody else's going.
func (p *Pool) sheds() *wire.Error {
	most := p.settings.MaxWaiting
	if most == 0 || int(p.line.n.Load())-p.line.expecting < most || p.unserved() < most {
		return nil
	}
	p.shed++
	e := wire.Errorf(wire.CodeTooManyConnections, "too many clients wait for a backend of this pool already (max_waiting = %d)", most)
	e.Hint = "Try again later."
	return e
}

// unserved are those in the line for whom nothing is being opened: neither on their
// account, nor so that nobody counts on it, as for min_pool_size, and it would do for them.
func (p *Pool) unserved() int {
	n := int(p.line.n.Load()) - p.line.expecting
	for _, v := range p.variants {
		left := v.spare
		for w := p.line.head; w != nil && left > 0; w = w.next {
			if w.Variant == v && w.opening == nil && w.fresh == nil {
				left--
				n--
			}
		}
	}
	return n
}

// notTold are those who wait for longer than query_wait_notify and have not been
// told; now they are.
func (p *Pool) notTold(now time.Duration) (all []Patient) {
	after := p.settings.QueryNotify
	if after == 0 {
		return nil
	}
	for w := p.line.head; w != nil; w = w.next {
		if w.told || now-w.since <= after {
			continue
		}
		w.told = true
		if t, ok := w.Taker.(Patient); ok {
			all = append(all, t)
		}
	}
	return all
}

// Excuse has some time not count for those who wait: nobody could be served. It may be
// longer than the pool has been there.
func (p *Pool) Excuse(d time.Duration) {
	now := time.Since(p.epoch)
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := p.line.head; w != nil; w = w.next {
		w.since = min(w.since+min(d, now), now)
	}
}
