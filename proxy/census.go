package proxy

import (
	"slices"
	"strings"

	"pgweir/sizing"
	"pgweir/status"
)

// Censuses are what the options' Censuses gives.
func (p *Proxy) Censuses() []*status.Census {
	if p.opts.Censuses == nil {
		return nil
	}
	return p.opts.Censuses()
}

// Backends are the open backends with those who hold them.
func (p *Proxy) Backends() []status.Backend {
	var out []status.Backend
	servers := p.servers.list()
	for _, w := range p.workers {
		w.do(func() {
			for _, s := range servers {
				if s.conn.Loop() != w.loop {
					continue
				}
				b := status.Backend{Host: s.b.Address.Addr, PID: int(s.b.PID)}
				if c := w.holder(s); c != nil {
					b.Client = &status.Holder{ID: c.id, Addr: c.peer.String()}
					if r, _ := c.sess.Pins(); r != 0 {
						b.Client.Pin = strings.Join(r.Names(), ",")
					}
				}
				out = append(out, b)
			}
		})
	}
	for _, cp := range p.pools() {
		if cp.pool == nil {
			continue
		}
		if l := cp.pool.Listener().Status(); l.PID != 0 {
			out = append(out, status.Backend{Host: l.Address.Addr, PID: int(l.PID)})
		}
	}
	slices.SortFunc(out, func(a, b status.Backend) int { return a.PID - b.PID })
	return out
}

// Sizing tells whether the pools fit their servers and their clients.
func (p *Proxy) Sizing() *status.Sizing {
	out := &status.Sizing{Sums: p.sums()}
	s := p.Snapshot(status.Counts)
	for i := range s.Pools {
		if q := &s.Pools[i]; !q.IsConsole() {
			out.Advice = append(out.Advice, sizing.Advise(q, p.PoolHistory(q.Database, q.User)))
		}
	}
	return out
}

// sums are what the pools may ask of each server beside what it gives.
func (p *Proxy) sums() (out []status.SizingSum) {
	r := p.rules.Load()
	limits := map[string]*status.ServerLimits{}
	for _, c := range p.Censuses() {
		limits[c.Server.Host] = c.Limits
	}
	for _, d := range r.config.Demand(r.users.Names()) {
		_, addr := d.Server().Address()
		out = append(out, sizing.Sum(addr, &d, limits[addr]))
	}
	return out
}
