package pool

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"pgweir/wire"
)

// A database may be on several hosts, and each login chooses one (load_balance_hosts):
//
//  1. the hosts are gone through from the one whose turn it is; the first that takes a
//     login gets it
//  2. a host that is away is passed over; a knock, beside the login, finds out whether it
//     is back (knock.go)
//  3. a host that has failed a login of the pool's is passed over until the pause is over
//  4. clients wait if no host takes a login, and are refused only if every host says that
//     waiting is of no use

// Balancing says at which host a login begins to look for one that takes it.
type Balancing uint8

const (
	RoundRobin Balancing = iota // the one behind that of the login before
	Staying                     // that of the login before: it is left only when it fails
)

// String is load_balance_hosts.
func (b Balancing) String() string {
	if b == Staying {
		return "disable"
	}
	return "round-robin"
}

// hostEntry is one of a pool's, with what the pool's logins there have come to.
type hostEntry struct {
	Address
	failure failure // of a login that the server was there for
	opening int     // logins under way, without the listening backend's
	standby string  // in_hot_standby, as it has said last; "" if not since the answers were forgotten
}

// hostList are those of a pool; there is one at least. One that stands there several times
// has as many turns.
type hostList struct {
	all  []*hostEntry
	turn int // of which a login tries first
	// left: hosts are no longer among all at which there may be backends of this generation.
	left bool
}

// Addresses are those of all hosts of the database, in their order.
func (s *Settings) Addresses() []Address {
	return append([]Address{s.Address}, s.Others...)
}

// At names where the database is: the addresses of its hosts, with commas between.
func (s *Settings) At() string {
	if len(s.Others) == 0 {
		return s.Address.Addr
	}
	all := []string{s.Address.Addr}
	for _, a := range s.Others {
		all = append(all, a.Addr)
	}
	return strings.Join(all, ",")
}

// follow makes the hosts those of new settings. What is known of one that stays is kept. It
// is false if none does.
func (h *hostList) follow(s *Settings) (stays bool) {
	var next []*hostEntry
	for _, a := range s.Addresses() {
		q := h.at(&a)
		if q != nil {
			stays = true
		} else if i := slices.IndexFunc(next, func(q *hostEntry) bool { return q.Address == a }); i >= 0 {
			q = next[i]
		} else {
			q = &hostEntry{Address: a}
		}
		next = append(next, q)
	}
	if slices.Equal(h.all, next) {
		return true
	}
	before := h.all
	h.all, h.turn = next, 0
	for _, q := range before {
		h.left = h.left || !slices.Contains(next, q)
	}
	return stays
}

// at is the host at an address; nil if there is none.
func (h *hostList) at(a *Address) *hostEntry {
	for _, q := range h.all {
		if q.Address == *a {
			return q
		}
	}
	return nil
}

// strays tells whether a backend is at a host that is no longer one of the pool's.
func (h *hostList) strays(b *Backend) bool { return h.left && h.at(&b.Address) == nil }

// forgive has no login pause for a failure of before.
func (h *hostList) forgive() {
	for _, q := range h.all {
		q.failure = failure{}
	}
}

// refuses is the reason why no login is tried at any host now, if there is one.
func (h *hostList) refuses(now time.Duration) (e *wire.Error) {
	for _, q := range h.all {
		if e = q.failure.refuses(now); e == nil {
			return nil
		}
	}
	return e
}

// dooms is the reason why it is of no use to wait now, if there is one.
func (h *hostList) dooms(now time.Duration) (e *wire.Error) {
	for _, q := range h.all {
		if e = q.failure.dooms(now); e == nil {
			return nil
		}
	}
	return e
}

// rested tells whether nothing is left of any failure's pause, nor of as long again.
func (h *hostList) rested(now time.Duration) bool {
	for _, q := range h.all {
		if now < q.failure.until+q.failure.delay {
			return false
		}
	}
	return true
}

// turnTo has the next login begin where it is to, after one at the host of this index.
func (h *hostList) turnTo(i int, how Balancing) {
	if how == RoundRobin {
		i = (i + 1) % len(h.all)
	}
	h.turn = i
}

// turnFrom has the next login begin behind a host that has failed one, if it would begin there:
// by the time that there is a slot for it, the pause may be over.
func (h *hostList) turnFrom(q *hostEntry) {
	for range h.all {
		if h.all[h.turn] != q {
			return
		}
		h.turn = (h.turn + 1) % len(h.all)
	}
}

// away is why all hosts are taken for absent, nil if one is not.
func (p *Pool) away() (e *wire.Error) {
	for _, q := range p.hosts.all {
		if e = p.budget.servers.reason(&q.Address); e == nil {
			return nil
		}
	}
	return e
}

// HostStatus is one of a pool's hosts.
type HostStatus struct {
	Address Address
	Away    *wire.Error // why it is taken for absent, nil if it is not
}

// Hosts are the pool's, in their order.
func (p *Pool) Hosts() (out []HostStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range p.hosts.all {
		out = append(out, HostStatus{q.Address, p.budget.servers.reason(&q.Address)})
	}
	return out
}

// mayLogIn tells whether some host would take a login now, as far as is known.
func (p *Pool) mayLogIn(now time.Duration) bool {
	for _, q := range p.hosts.all {
		if q.failure.refuses(now) == nil && p.budget.servers.reason(&q.Address) == nil {
			return true
		}
	}
	return false
}

// inTheWay is what is in the way of logins at every host, nil if nothing is at one; of says
// it of a host where it is not that the server is away. What a server that is there says
// comes first, as it does not pass by itself.
func (p *Pool) inTheWay(of func(*failure) *wire.Error) *wire.Error {
	var away, said *wire.Error
	for _, q := range p.hosts.all {
		if e := p.budget.servers.reason(&q.Address); e != nil {
			away = e
		} else if said = of(&q.failure); said == nil {
			return nil
		}
	}
	return cmp.Or(said, away)
}

// anew has the servers of all hosts be tried without a pause, each once, as they may be
// others now.
func (p *Pool) anew() {
	p.hosts.forgive()
	p.olderUntil = 0
	for i, q := range p.hosts.all {
		if slices.Index(p.hosts.all, q) == i {
			p.budget.servers.anew(p, q)
		}
	}
}
