package pool

import (
	"time"

	"pgweir/wire"
)

// place is the listening backend's among those of a pool; the pool's lock
// guards it. Who wants a place goes before the waiting line: the next slot is
// kept for it, and a backend that is idle or comes back is closed for it.
//
//	       askPlace           takePlace         closePlace         freePlace
//	none ──────────▶ wanted ──────────▶ held ──────────▶ (closing) ──────▶ none
//	  ▲──────────────────┴───────────────┘ quitPlace
type place struct {
	admitted bool // counts in Budget.listeners; until quitPlace
	wanted   bool
	held     bool
	starved  bool // wanted, and the budget has refused
}

// listening is how many slots the listening backend has.
func (p *Pool) listening() int {
	if p.place.held {
		return 1
	}
	return 0
}

// promised is how many free slots are kept for the listening backend.
func (p *Pool) promised() int {
	if p.place.wanted {
		return 1
	}
	return 0
}

// askPlace is true if the listening backend has a place. Else one is made as
// soon as may be, of which the Listener is signalled, or there is the reason
// why there will be none.
func (p *Pool) askPlace() (bool, *wire.Error) {
	p.mu.Lock()
	e := p.noPlace()
	p.place.wanted = e == nil && !p.place.held
	wanted, held := p.place.wanted, p.place.held
	p.mu.Unlock()
	switch {
	case e != nil:
		p.quitPlace()
	case wanted:
		p.provision()
	}
	return e == nil && held, e
}

// noPlace is the reason why the pool cannot have a listening backend, or not
// any longer.
func (p *Pool) noPlace() *wire.Error {
	s := &p.settings
	if p.closed {
		return errDrained
	}
	if s.Size < 2 {
		return wire.Errorf(wire.CodeTooManyConnections, "pool_size leaves no place for a backend that listens")
	}
	if !p.budget.admitListener(p, p.place.admitted, s) {
		p.place.admitted = false
		return wire.Errorf(wire.CodeTooManyConnections,
			"max_db_connections, max_user_connections or max_server_conn leaves no place for another backend that listens")
	}
	p.place.admitted = true
	return nil
}

// mayListen tells whether a backend may go on listening, by the settings that it was
// opened with.
func (p *Pool) mayListen(b *Backend) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return b.stamp == p.generation && !p.hosts.strays(b) && !p.Halted() && p.noPlace() == nil
}

// takePlace takes the place that is wanted, if there is a slot and the budget
// has it. If not, it may be that evict or another pool has to make room.
func (p *Pool) takePlace(now time.Duration) (evict *Backend, starved bool) {
	p.place.starved = false
	onItsWay := p.closing > 0 || p.leaving > 0 || !p.mayMakeRoom(now)
	if p.slots() < p.limit(now) {
		if p.budget.take(p, &p.settings, now) {
			p.place.wanted, p.place.held = false, true
			p.madeRoom = 0
			p.listener.signal()
			return nil, false
		}
		p.place.starved = true
	}
	if onItsWay {
		return nil, false
	}
	evict = p.leaveOldest(anyVariant)
	return evict, evict == nil && p.place.starved
}

// crowded tells whether there are more backends than may be: since the size is
// smaller now, or because the listening backend wants a place.
func (p *Pool) crowded(now time.Duration) bool {
	if p.place.wanted && p.closing == 0 && p.leaving == 0 && (p.place.starved || p.slots() >= p.limit(now)) {
		return true
	}
	return p.usable()+p.listening() > p.settings.Size+p.settings.Reserve
}

// closePlace has the place that was held count as closing, until freePlace;
// again says that the next slot is wanted, which may be just this one.
func (p *Pool) closePlace(again bool) {
	p.mu.Lock()
	p.place.held = false
	p.place.wanted = again
	p.closing++
	p.mu.Unlock()
}

// freePlace gives the slot back: PostgreSQL's process has gone.
func (p *Pool) freePlace() {
	p.mu.Lock()
	p.closing--
	p.mu.Unlock()
	p.slotFreed()
}

// quitPlace says that no place is wanted, and that one that is held has no
// backend.
func (p *Pool) quitPlace() {
	p.mu.Lock()
	wanted, held := p.place.wanted, p.place.held
	if p.place.admitted {
		p.budget.dismissListener(p)
	}
	p.place = place{}
	p.mu.Unlock()
	switch {
	case held:
		p.slotFreed()
	case wanted:
		p.provision() // what was kept for it is for others now
	}
}
