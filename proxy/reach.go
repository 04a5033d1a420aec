package proxy

import (
	"context"
	"sync"
	"time"

	"pgweir/pool"
)

// probeEvery is how often a server is knocked at of which no backend is open.
const probeEvery = 2 * time.Second

// reach remembers which servers accept connections. One with a backend that
// is open does; the others are connected to now and then, without a login, so
// that readiness does not depend on a client being turned away first.
type reach struct {
	sync.Mutex
	errs    map[string]error // by address; nil: it answers
	running bool
	at      time.Time
}

// probe knocks at the servers that the configuration and the pools name, on a
// goroutine of its own.
func (p *Proxy) probe(now time.Time) {
	p.reach.Lock()
	defer p.reach.Unlock()
	if p.reach.running || now.Sub(p.reach.at) < probeEvery {
		return
	}
	p.reach.running, p.reach.at = true, now
	go func() {
		errs := map[string]error{}
		open := p.addressesWithBackends()
		for addr, network := range p.addresses() {
			if open[addr] {
				errs[addr] = nil
				continue
			}
			ctx, cancel := context.WithTimeout(context.Background(), probeEvery)
			conn, err := p.Dial(ctx, network, addr)
			cancel()
			if err == nil {
				conn.Close()
			}
			errs[addr] = err
		}
		p.reach.Lock()
		p.reach.errs, p.reach.running = errs, false
		p.reach.Unlock()
	}()
}

// addresses are the servers that clients may be connected to: address to network.
func (p *Proxy) addresses() map[string]string {
	out := map[string]string{}
	for _, db := range p.Config().Databases {
		for _, s := range db.Servers() {
			network, addr := s.Address()
			out[addr] = network
		}
	}
	for _, cp := range p.pools() {
		if cp.pool != nil {
			for _, a := range addressesOf(cp.pool) {
				out[a.Addr] = a.Network
			}
		}
	}
	return out
}

func (p *Proxy) addressesWithBackends() map[string]bool {
	out := map[string]bool{}
	for _, s := range p.servers.list() {
		out[s.b.Address.Addr] = true
	}
	return out
}

// allDown says why clients cannot be served, if the censuses have found that of
// every server.
func (p *Proxy) allDown() (why string) {
	for _, c := range p.Censuses() {
		down := ""
		for _, f := range c.Findings {
			if f.Down {
				down = f.Text
				break
			}
		}
		if down == "" {
			return ""
		}
		why = down
	}
	return why
}

// ready tells whether clients can be served: not while shutting down, not
// while no server can be reached, and not while every pool that has been used
// is refused by its server.
func (p *Proxy) ready(pools []*clientPool) (ok bool, why string) {
	if p.draining.Load() || p.awaiting.Load() {
		return false, "shutting down"
	}
	open := p.addressesWithBackends()
	if len(open) > 0 {
		return true, ""
	}
	if why := p.allDown(); why != "" {
		return false, why
	}
	p.reach.Lock()
	reachable := len(p.reach.errs) == 0
	for _, err := range p.reach.errs {
		if err == nil {
			reachable = true
		} else {
			why = err.Error()
		}
	}
	p.reach.Unlock()
	if !reachable {
		return false, why
	}
	failing := false
	for _, cp := range pools {
		var f *pool.Counts
		if cp.pool != nil {
			c := cp.pool.Counts()
			f = &c
		}
		switch {
		case f == nil:
		case f.Failure == nil:
			return true, ""
		default:
			failing, why = true, cp.key.database+": "+f.Failure.Error()
		}
	}
	return !failing, why
}
