package proxy

import (
	"cmp"
	"slices"

	"pgweir/status"
	"pgweir/throttle"
)

// loginStatus is what is told of logins; with addresses, those too.
func (p *Proxy) loginStatus(addresses bool) status.Logins {
	n := p.entrance.Counts()
	out := status.Logins{
		Addresses: n.Addrs, Served: n.Served, Waiting: n.Waiting, Reserve: n.Reserve,
		Delayed: p.failures.Delayed(), Delays: p.delays.Load(),
		Failed:   p.notes.Total(throttle.Failed),
		Refused:  p.notes.Total(throttle.Refused),
		TimedOut: p.notes.Total(throttle.TimedOut),
		Garbled:  p.notes.Total(throttle.Garbled),
	}
	if addresses {
		out.ByAddress = p.loginAddresses()
	}
	return out
}

// loginAddresses joins what is known of each address.
func (p *Proxy) loginAddresses() []status.LoginAddress {
	rows := map[throttle.Addr]*status.LoginAddress{}
	row := func(a throttle.Addr) *status.LoginAddress {
		if rows[a] == nil {
			rows[a] = &status.LoginAddress{Addr: a.String()}
		}
		return rows[a]
	}
	for _, c := range p.entrance.Crowds() {
		r := row(c.Addr)
		r.Served, r.Waiting = c.Served, c.Waiting
	}
	for _, s := range p.failures.Suspects() {
		r := row(s.Addr)
		r.FailingUsers, r.Delayed = s.Users, s.Delayed
	}
	for _, t := range p.notes.Tallies() {
		r := row(t.Addr)
		r.Failed, r.Refused = t.Count[throttle.Failed], t.Count[throttle.Refused]
		r.TimedOut, r.Garbled = t.Count[throttle.TimedOut], t.Count[throttle.Garbled]
	}
	out := make([]status.LoginAddress, 0, len(rows))
	for _, r := range rows {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b status.LoginAddress) int {
		return cmp.Or(cmp.Compare(b.Served+b.Waiting, a.Served+a.Waiting), cmp.Compare(a.Addr, b.Addr))
	})
	return out
}
