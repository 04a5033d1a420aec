package throttle

import (
	"container/list"
	"time"
)

// A client on its way in needs two things. A seat, of which there are
// max_client_conn: it keeps that for as long as it is connected. And to be served,
// that is read, for as long as it has not shown who it is: max_logins are at a time,
// and the others wait, with their bytes in the kernel.
//
// An address may have as many served as there could be more: one alone takes half
// of max_logins, two a third each, and so on, so that something is always left for
// the next (Choudhury and Hahne's dynamic thresholds, as switches share their
// buffers). Who waits is served in the order of arrival of its address, and of the
// addresses the one comes first that has least.
//
// Unix sockets have max_logins of their own and no shares: nobody from the network
// keeps a local client out.

// Limits bound an Entrance. They may change at any time; nobody is sent away for that.
type Limits struct {
	Clients int // seats: clients that are in, or on their way
	Logins  int // served at a time over TCP, and as many over Unix sockets
	PerAddr int // served at a time of one address; 0: no more than its share
}

// Guest is told how a login goes on, on any goroutine, and must not call back from
// within.
type Guest interface {
	Serve() // it is served from now on
	Yield() // it has lost its seat to another address, and has to go
}

// Visitor is one login. Its fields are the Entrance's from Arrive on.
type Visitor struct {
	Guest Guest

	addr   Addr
	since  time.Duration
	state  visitorState
	seat   Seat
	scarce bool
	place  *place
	elem   *list.Element // in its place's list
}

type visitorState uint8

const (
	visitorOut      visitorState = iota // not here yet, or not any more
	visitorWaiting                      // among its place's waiting
	visitorServed                       // among its place's served
	visitorReserved                     // in a seat of the reserve, and served
)

// Answer is what becomes of who arrives.
type Answer uint8

const (
	Served     Answer = iota
	Waits             // until Guest.Serve
	TurnedAway        // there is no seat
)

// Entrance is where all clients pass. Its methods may be called on any goroutine.
type Entrance struct {
	mu     mutex // calls are what guests are told
	limits Limits
	places map[Addr]*place
	greedy ranking
	halls  [2]hall // of TCP, and of Unix sockets

	seated int // ordinary seats taken
	turns  uint64
}

// hall is what TCP and Unix sockets each have.
type hall struct {
	served   int
	next     ranking // places in which somebody waits
	reserve  int     // seats beyond Limits.Clients
	reserved int     // of these, taken
}

// NewEntrance makes one in which nobody is.
func NewEntrance(l Limits) *Entrance {
	return &Entrance{limits: l, places: map[Addr]*place{}, greedy: newGreedy(), halls: [2]hall{
		{next: newNext(), reserve: reserveTCP}, {next: newNext(), reserve: reserveLocal},
	}}
}

// Set changes the limits.
func (e *Entrance) Set(l Limits) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.limits = l
	e.serve()
}

// Arrive takes a login in. scarce says that there is no room for one more client,
// whatever the limits say. What has arrived must Leave, unless it is TurnedAway.
func (e *Entrance) Arrive(v *Visitor, a Addr, now time.Duration, scarce bool) Answer {
	e.mu.Lock()
	defer e.mu.Unlock()
	v.addr, v.since, v.scarce = a, now, scarce
	e.findSeat(v)
	switch v.seat {
	case NoSeat:
		return TurnedAway
	case Ordinary:
		e.enqueue(v)
		e.serveBut(v)
	}
	if v.state == visitorWaiting {
		return Waits
	}
	return Served
}

// Proven says that a login has shown who it is. It is not counted any more, and its
// seat is the caller's, to Free. NoSeat means that another has it already.
func (e *Entrance) Proven(v *Visitor) Seat {
	e.mu.Lock()
	defer e.mu.Unlock()
	seat := v.seat
	v.seat = NoSeat
	e.remove(v)
	return seat
}

// EndTurn says that a login needs its turn no longer, and stays for a while: others are
// served in its stead, and it keeps its seat until it has to Leave. In the reserve,
// where there are no turns, it still counts. It is false if another has its seat.
func (e *Entrance) EndTurn(v *Visitor) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if v.seat == Ordinary {
		e.remove(v)
	}
	return v.seat != NoSeat
}

// Leave says that a login has ended. It may be called again, and behind Proven; it
// does nothing then.
func (e *Entrance) Leave(v *Visitor) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.free(v.seat)
	v.seat = NoSeat
	e.remove(v)
}

// Move says that a login comes from another address than it has seemed. It is false
// if it has to wait there.
func (e *Entrance) Move(v *Visitor, a Addr) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch state := v.state; state {
	case visitorOut:
		v.addr = a
	case visitorReserved:
		e.remove(v)
		v.addr = a
		e.reserve(v)
	default:
		e.remove(v)
		v.addr = a
		e.enqueue(v)
		e.serveBut(v)
		return v.state == visitorServed
	}
	return true
}

// enqueue has a login wait; serve looks who need not.
func (e *Entrance) enqueue(v *Visitor) {
	v.place = e.placeOf(v.addr)
	v.state = visitorWaiting
	v.elem = v.place.waiting.PushBack(v)
	e.settle(v.place)
}

// remove takes a login off the books, and has others served in its stead.
func (e *Entrance) remove(v *Visitor) {
	p := v.place
	switch v.state {
	case visitorOut:
		return
	case visitorWaiting:
		p.waiting.Remove(v.elem)
	case visitorServed:
		p.served.Remove(v.elem)
		e.hall(p.addr).served--
	case visitorReserved:
		p.reserved--
	}
	v.state, v.place, v.elem = visitorOut, nil, nil
	e.settle(p)
	e.serve()
}

// serve serves those who wait, as far as the limits let it.
func (e *Entrance) serve() { e.serveBut(nil) }

// serveBut is serve that does not tell one of them.
func (e *Entrance) serveBut(self *Visitor) {
	for i := range e.halls {
		h := &e.halls[i]
		for p := h.next.first(); p != nil && e.mayServe(h, p); p = h.next.first() {
			v := p.waiting.Remove(p.waiting.Front()).(*Visitor)
			e.turns++
			p.turn = e.turns
			e.serveNow(v)
			if v != self {
				e.mu.calls = append(e.mu.calls, v.Guest.Serve)
			}
		}
	}
}

// serveNow has a login that is in no list be served.
func (e *Entrance) serveNow(v *Visitor) {
	v.state = visitorServed
	v.elem = v.place.served.PushBack(v)
	e.hall(v.place.addr).served++
	e.settle(v.place)
}

// mayServe tells whether one more of a place may be served.
func (e *Entrance) mayServe(h *hall, p *place) bool {
	left, mine := e.limits.Logins-h.served, p.served.Len()
	if p.addr.Local() {
		return left > 0
	}
	return mine < left && (e.limits.PerAddr == 0 || mine < e.limits.PerAddr)
}

func (e *Entrance) hall(a Addr) *hall {
	if a.Local() {
		return &e.halls[1]
	}
	return &e.halls[0]
}

func (e *Entrance) placeOf(a Addr) *place {
	p := e.places[a]
	if p == nil {
		p = &place{addr: a}
		e.places[a] = p
	}
	return p
}

// settle brings the orders up to date with a place that has changed.
func (e *Entrance) settle(p *place) {
	e.hall(p.addr).next.update(p, p.waiting.Len() > 0)
	e.greedy.update(p, p.underWay() > 0)
	if p.empty() {
		delete(e.places, p.addr)
	}
}

// Crowd is what is under way from one address.
type Crowd struct {
	Addr            Addr
	Served, Waiting int
}

// Crowds are those of all addresses, in no order.
func (e *Entrance) Crowds() []Crowd {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]Crowd, 0, len(e.places))
	for a, p := range e.places {
		out = append(out, Crowd{a, p.served.Len() + p.reserved, p.waiting.Len()})
	}
	return out
}

// Counts are those of an Entrance.
type Counts struct {
	Addrs           int // with logins under way
	Served, Waiting int // logins under way
	Reserve         int // seats of the reserve that are taken
}

// Counts counts.
func (e *Entrance) Counts() (n Counts) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n.Addrs = len(e.places)
	for _, p := range e.places {
		n.Served += p.served.Len() + p.reserved
		n.Waiting += p.waiting.Len()
	}
	n.Reserve = e.halls[0].reserved + e.halls[1].reserved
	return n
}
