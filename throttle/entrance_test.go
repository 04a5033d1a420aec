package throttle

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// guest is a login of a test.
type guest struct {
	Visitor
	served, yielded bool
}

func (g *guest) Serve() { g.served = true }
func (g *guest) Yield() { g.yielded = true }

func ip(s string) Addr { return AddrOf(netip.MustParseAddr(s)) }

// arrive has a login arrive, and fails the test unless it is answered so.
func arrive(t *testing.T, e *Entrance, a Addr, now time.Duration, want Answer) *guest {
	t.Helper()
	g := &guest{}
	g.Guest = g
	if got := e.Arrive(&g.Visitor, a, now, false); got != want {
		t.Fatalf("%v is answered %d, want %d", a, got, want)
	}
	if g.served {
		t.Fatal("it is told what it has been answered already")
	}
	return g
}

func many(t *testing.T, e *Entrance, a Addr, n int, want Answer) (all []*guest) {
	t.Helper()
	for range n {
		all = append(all, arrive(t, e, a, 0, want))
	}
	return all
}

func TestAddressesAreCountedBySiteAndByUser(t *testing.T) {
	for _, same := range [][2]Addr{
		{ip("10.0.0.1"), ip("::ffff:10.0.0.1")},
		{ip("2001:db8:1:2::1"), ip("2001:db8:1:2:ffff::9")},
		{LocalAddr(7), LocalAddr(7)},
	} {
		if same[0] != same[1] {
			t.Errorf("%v and %v are two", same[0], same[1])
		}
	}
	for want, a := range map[string]Addr{
		"10.0.0.1": ip("10.0.0.1"), "10.0.0.2": ip("10.0.0.2"), "2001:db8:1:2::/64": ip("2001:db8:1:2::5"),
		"2001:db8:1:3::/64": ip("2001:db8:1:3::5"), "unix:0": LocalAddr(0), "unix:4294967295": LocalAddr(1<<32 - 1),
	} {
		if a.String() != want || a.Local() != (want[0] == 'u') {
			t.Errorf("%v, want %s", a, want)
		}
	}
}

func TestOneAddressLeavesHalfToTheNextAndWhoWaitsIsServedInOrder(t *testing.T) {
	e := NewEntrance(Limits{Clients: 1000, Logins: 10})
	greedy := many(t, e, ip("10.0.0.1"), 5, Served)
	waiting := many(t, e, ip("10.0.0.1"), 20, Waits)
	other := many(t, e, ip("10.0.0.2"), 3, Served) // 2 are left, and it has 3
	more := arrive(t, e, ip("10.0.0.2"), 0, Waits)
	third := arrive(t, e, ip("10.0.0.3"), 0, Served)
	e.Leave(&greedy[0].Visitor) // 2 are left again, and it has 4
	if waiting[0].served {
		t.Error("an address has more than its share")
	}
	e.Leave(&other[0].Visitor)
	if !more.served {
		t.Error("of two addresses the one that has less comes first")
	}
	e.Leave(&third.Visitor)
	for _, g := range append(other[1:], more) {
		e.Proven(&g.Visitor)
	}
	if !waiting[0].served || waiting[1].served {
		t.Error("not served, or out of its turn")
	}
	e.Leave(&waiting[1].Visitor) // while it waits
	e.Leave(&greedy[1].Visitor)
	if waiting[1].served || !waiting[2].served {
		t.Error("one that has gone is served, or the next is not")
	}
}

func TestABurstOfOneAddressIsNeverRefusedBelowMaxClientConn(t *testing.T) {
	e := NewEntrance(Limits{Clients: 2000, Logins: 1000})
	all := many(t, e, ip("10.0.0.1"), 500, Served)
	all = append(all, many(t, e, ip("10.0.0.1"), 1500, Waits)...)
	for i, g := range all {
		if i >= 500 && !g.served {
			t.Fatalf("client %d is not served when those before it are in", i)
		}
		if e.Proven(&g.Visitor) != Ordinary || g.yielded {
			t.Fatalf("client %d has lost its seat", i)
		}
	}
	arrive(t, e, ip("10.0.0.1"), 0, Served) // in the reserve
	if n := e.Counts(); n.Reserve != 1 || n.Served != 1 {
		t.Errorf("%+v", n)
	}
}

func TestASetLimitHoldsForEachAddressButNotForUnixSockets(t *testing.T) {
	e := NewEntrance(Limits{Clients: 100, Logins: 10, PerAddr: 2})
	first := many(t, e, ip("10.0.0.1"), 2, Served)
	waits := arrive(t, e, ip("10.0.0.1"), 0, Waits)
	many(t, e, ip("2001:db8::1"), 1, Served)
	many(t, e, ip("2001:db8::2"), 1, Served)
	many(t, e, ip("2001:db8::3"), 1, Waits)
	many(t, e, LocalAddr(1), 10, Served)
	many(t, e, LocalAddr(2), 1, Waits)
	e.Leave(&first[0].Visitor)
	if !waits.served {
		t.Error("not served when there is room")
	}
	e.Set(Limits{Clients: 100, Logins: 20})
	if n := e.Counts(); n.Waiting != 0 || n.Served != 16 || n.Addrs != 4 {
		t.Errorf("with higher limits: %+v", n)
	}
}

func TestWhereThereIsNoSeatTheGreediestAddressGivesOneUp(t *testing.T) {
	e := NewEntrance(Limits{Clients: 10, Logins: 8})
	flood := append(many(t, e, ip("10.0.0.1"), 4, Served), many(t, e, ip("10.0.0.1"), 6, Waits)...)
	young := arrive(t, e, ip("10.0.0.2"), yieldAfter-1, Served)
	if flood[0].yielded || e.Counts().Reserve != 1 {
		t.Error("a young login has given way")
	}
	e.Leave(&young.Visitor)
	g := arrive(t, e, ip("10.0.0.2"), yieldAfter, Served)
	if !flood[0].yielded || !flood[4].served || flood[5].served || e.Counts().Reserve != 0 {
		t.Error("the oldest has not given way to the other address, and its turn to the next")
	}
	if e.Proven(&flood[0].Visitor) != NoSeat || e.Proven(&g.Visitor) != Ordinary {
		t.Error("two have one seat, or nobody has")
	}
	arrive(t, e, ip("10.0.0.1"), yieldAfter, Served) // nobody gives way to his own
	if e.Counts().Reserve != 1 {
		t.Error("not in the reserve")
	}
	e.Free(Ordinary)
	if arrive(t, e, ip("10.0.0.3"), yieldAfter, Served); flood[1].yielded {
		t.Error("one gives way where there is a seat")
	}
}

func TestTheReserveIsSharedAndUnixSocketsHaveTheirOwn(t *testing.T) {
	e := NewEntrance(Limits{Clients: 1, Logins: 10})
	in := arrive(t, e, ip("10.0.0.9"), 0, Served)
	in.seat = e.Proven(&in.Visitor)
	last := many(t, e, ip("10.0.0.1"), reserveTCP/2, Served)[0]
	many(t, e, ip("10.0.0.1"), 1, TurnedAway)
	for i := range 5 {
		many(t, e, ip(fmt.Sprintf("10.0.1.%d", i)), 1, Served)
	}
	for i := 0; e.halls[0].reserved < reserveTCP; i++ {
		many(t, e, ip(fmt.Sprintf("10.0.2.%d", i)), 1, Served)
	}
	many(t, e, ip("10.0.0.2"), 1, TurnedAway)
	many(t, e, LocalAddr(1), reserveLocal, Served)
	many(t, e, LocalAddr(1), 1, TurnedAway)
	if n := e.Counts(); n.Reserve != ReserveSeats {
		t.Errorf("%+v", n)
	}
	if e.Upgrade(&last.Visitor) {
		t.Error("an ordinary seat where there is none")
	}
	e.Free(in.seat)
	if !e.Upgrade(&last.Visitor) || e.Proven(&last.Visitor) != Ordinary {
		t.Error("no ordinary seat where there is one")
	}
	if many(t, e, ip("10.0.0.2"), 1, Served); e.halls[0].reserved != reserveTCP {
		t.Error("the seat in the reserve was not free again")
	}
}

func TestWhereDescriptorsAreScarceOnlyTheReserveIsLeft(t *testing.T) {
	e := NewEntrance(Limits{Clients: 100, Logins: 10})
	g := &guest{}
	g.Guest = g
	if e.Arrive(&g.Visitor, ip("10.0.0.1"), 0, true) != Served || e.Upgrade(&g.Visitor) || !g.Scarce() {
		t.Error("an ordinary seat")
	}
	if e.Proven(&g.Visitor) != Reserved {
		t.Error("no seat in the reserve")
	}
	e.Free(Reserved)
	if n := e.Counts(); n != (Counts{}) {
		t.Errorf("%+v", n)
	}
}

func TestALoginIsCountedUnderTheAddressThatItMovesTo(t *testing.T) {
	e := NewEntrance(Limits{Clients: 100, Logins: 100, PerAddr: 1})
	balancer, real := ip("10.0.0.1"), ip("192.0.2.1")
	a := arrive(t, e, balancer, 0, Served)
	if !e.Move(&a.Visitor, real) || a.served {
		t.Error("the first has to wait, or is told twice")
	}
	b := arrive(t, e, balancer, 0, Served)
	if e.Move(&b.Visitor, real) {
		t.Error("the second has not to wait")
	}
	arrive(t, e, balancer, 0, Served)
	if e.Leave(&a.Visitor); !b.served {
		t.Error("not served in its turn")
	}
	if e.Leave(&b.Visitor); e.Move(&b.Visitor, balancer) != true || e.Counts().Addrs != 1 {
		t.Error("one that has gone is counted")
	}
}

// TestNothingIsLostOrCountedTwice does what may happen in any order, and compares the
// books with what must hold.
func TestNothingIsLostOrCountedTwice(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	e := NewEntrance(Limits{Clients: 20, Logins: 8, PerAddr: 5})
	addrs := []Addr{ip("10.0.0.1"), ip("10.0.0.2"), ip("2001:db8::1"), LocalAddr(0), LocalAddr(1)}
	var here []*guest
	var in []Seat
	for step := range 20000 {
		k := -1
		if len(here) > 0 {
			k = r.IntN(len(here))
		}
		switch op := r.IntN(10); {
		case op < 5:
			g := &guest{}
			g.Guest = g
			if e.Arrive(&g.Visitor, addrs[r.IntN(1+r.IntN(len(addrs)))], time.Duration(step)*100*time.Millisecond, r.IntN(20) == 0) != TurnedAway {
				here = append(here, g)
			}
		case op == 5 && len(in) > 0:
			e.Free(in[0])
			in = in[1:]
		case k < 0:
		case op == 6:
			e.Move(&here[k].Visitor, addrs[r.IntN(len(addrs))])
		case op == 7:
			e.Upgrade(&here[k].Visitor)
		case op == 8 && here[k].state != visitorWaiting:
			if s := e.Proven(&here[k].Visitor); s != NoSeat {
				in = append(in, s)
			} else if !here[k].yielded {
				t.Fatalf("seed %d, step %d: no seat", seed, step)
			}
			here = append(here[:k], here[k+1:]...)
		default:
			e.Leave(&here[k].Visitor)
			e.Leave(&here[k].Visitor)
			here = append(here[:k], here[k+1:]...)
		}
		check(t, e, here, in, fmt.Sprintf("seed %d, step %d", seed, step))
	}
}

func check(t *testing.T, e *Entrance, here []*guest, in []Seat, when string) {
	t.Helper()
	seats, states, served := map[Seat]int{}, map[visitorState]int{}, map[*hall]int{}
	for _, s := range in {
		seats[s]++
	}
	for _, g := range here {
		if g.yielded != (g.seat == NoSeat) {
			t.Fatalf("%s: a login has seat %d, and yielded %v", when, g.seat, g.yielded)
		}
		seats[g.seat]++
		states[g.state]++
		if g.state == visitorServed {
			served[e.hall(g.addr)]++
		}
	}
	n := e.Counts()
	tcp, local := &e.halls[0], &e.halls[1]
	if e.seated != seats[Ordinary] || e.seated > e.limits.Clients || n.Reserve != seats[Reserved]+seats[ReservedLocal] ||
		n.Served != states[visitorServed]+states[visitorReserved] || n.Waiting != states[visitorWaiting] ||
		tcp.served != served[tcp] || local.served != served[local] || tcp.reserved != seats[Reserved] || local.reserved != seats[ReservedLocal] {
		t.Fatalf("%s: %+v, seats %v, states %v, served %v; %d seated, %+v", when, n, seats, states, served, e.seated, e.halls)
	}
	for a, p := range e.places {
		if p.waiting.Len() > 0 && e.mayServe(e.hall(a), p) {
			t.Fatalf("%s: one waits who need not", when)
		}
		if p.empty() || p.addr != a {
			t.Fatalf("%s: a place for nobody", when)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	e := NewEntrance(Limits{Clients: 50, Logins: 10})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for k := range 2000 {
				g := &quiet{}
				g.Guest = g
				if e.Arrive(&g.Visitor, ip(fmt.Sprintf("10.0.0.%d", i%3)), time.Duration(k)*time.Second, false) == TurnedAway {
					continue
				}
				if k%2 == 0 {
					e.Free(e.Proven(&g.Visitor))
				}
				e.Leave(&g.Visitor)
			}
		})
	}
	all.Wait()
	if n := e.Counts(); n != (Counts{}) || e.seated != 0 {
		t.Errorf("%+v, %d seated", n, e.seated)
	}
}

type quiet struct{ Visitor }

func (*quiet) Serve() {}
func (*quiet) Yield() {}

func TestWhoNeedsItsTurnNoLongerKeepsItsSeat(t *testing.T) {
	e := NewEntrance(Limits{Clients: 3, Logins: 2})
	first := arrive(t, e, ip("10.0.0.1"), 0, Served)
	waits := arrive(t, e, ip("10.0.0.1"), 0, Waits)
	if !e.EndTurn(&first.Visitor) || !waits.served || e.seated != 2 {
		t.Fatalf("the next one is served: %v, %d seats", waits.served, e.seated)
	}
	if !e.EndTurn(&first.Visitor) {
		t.Error("a second time it has no seat")
	}
	e.EndTurn(&waits.Visitor)
	third := arrive(t, e, ip("10.0.0.1"), 0, Served)
	beyond := arrive(t, e, ip("10.0.0.1"), time.Hour, Served)
	if !e.EndTurn(&beyond.Visitor) || e.Counts() != (Counts{Addrs: 1, Served: 2, Reserve: 1}) {
		t.Errorf("one of the reserve does not count any more: %+v", e.Counts())
	}
	if arrive(t, e, ip("10.0.0.2"), 2*time.Second, Served); first.yielded || waits.yielded {
		t.Error("one that has no turn gives way")
	}
	for _, g := range []*guest{first, waits, third, beyond, first} {
		e.Leave(&g.Visitor)
	}
	if e.seated != 0 || e.Counts().Reserve != 1 {
		t.Errorf("%d seats are taken, %+v", e.seated, e.Counts())
	}
	yields := &guest{}
	if e.EndTurn(&yields.Visitor) {
		t.Error("who has no seat has one")
	}
}
