package throttle

import "time"

// Seat is what a client holds for as long as it is connected.
type Seat uint8

const (
	NoSeat        Seat = iota
	Ordinary           // one of max_client_conn
	Reserved           // one of those beyond, over TCP
	ReservedLocal      // one of those beyond, over a Unix socket
)

// The reserve is for the console, and for telling the others that there is no seat.
// One address takes half of what is left of it over TCP at most.
const (
	reserveTCP   = 32
	reserveLocal = 8
)

// ReserveSeats is how many clients there may be beyond Limits.Clients.
const ReserveSeats = reserveTCP + reserveLocal

// yieldAfter is how long a login has been under way at least when it gives way:
// those of clients that mean it take less.
const yieldAfter = time.Second

// findSeat gets who arrives a seat: one that is free, or that of a login of an
// address with more logins under way, or one of the reserve.
func (e *Entrance) findSeat(v *Visitor) {
	if e.seated < e.limits.Clients && !v.scarce {
		e.seated++
		v.seat = Ordinary
		return
	}
	if w := e.whoYields(v); w != nil {
		v.seat, w.seat = w.seat, NoSeat
		e.remove(w)
		e.mu.calls = append(e.mu.calls, w.Guest.Yield)
		return
	}
	e.reserve(v)
}

// whoYields is the oldest login of the address that has most, if that is more than
// the address of who arrives will have; nil if there is none, or it is young.
func (e *Entrance) whoYields(v *Visitor) *Visitor {
	p, mine := e.greedy.first(), 0
	if q := e.places[v.addr]; q != nil {
		mine = q.underWay()
	}
	if p == nil || p.underWay() < mine+2 {
		return nil
	}
	oldest := p.served.Front()
	if oldest == nil {
		oldest = p.waiting.Front()
	}
	if w := oldest.Value.(*Visitor); v.since-w.since >= yieldAfter {
		return w
	}
	return nil
}

// reserve gets a login a seat of the reserve, or none. One that has a seat there
// already has come from another address.
func (e *Entrance) reserve(v *Visitor) {
	if v.seat == NoSeat {
		h := e.hall(v.addr)
		left, q := h.reserve-h.reserved, e.places[v.addr]
		if left <= 0 || !v.addr.Local() && q != nil && q.reserved >= left {
			return
		}
		h.reserved++
		v.seat = Reserved
		if v.addr.Local() {
			v.seat = ReservedLocal
		}
	}
	v.place = e.placeOf(v.addr)
	v.place.reserved++
	v.state = visitorReserved
}

// Upgrade gets a login that is in a seat of the reserve an ordinary one. It is false
// if there is none.
func (e *Entrance) Upgrade(v *Visitor) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if v.seat == Ordinary {
		return true
	}
	if v.state != visitorReserved || v.scarce || e.seated >= e.limits.Clients {
		return false
	}
	e.free(v.seat)
	e.seated++
	v.seat = Ordinary
	v.place.reserved--
	e.serveNow(v)
	return true
}

// Free gives a seat back that Proven has given.
func (e *Entrance) Free(s Seat) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.free(s)
}

func (e *Entrance) free(s Seat) {
	switch s {
	case Ordinary:
		e.seated--
	case Reserved:
		e.halls[0].reserved--
	case ReservedLocal:
		e.halls[1].reserved--
	}
}

// Scarce tells whether it was scarce when the login arrived.
func (v *Visitor) Scarce() bool { return v.scarce }
