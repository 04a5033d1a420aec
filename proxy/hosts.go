package proxy

import (
	"net/netip"
	"slices"

	"pgweir/config"
	"pgweir/dns"
	"pgweir/pool"
	"pgweir/status"
)

// The names of servers are watched so:
//
//  1. while a pool has clients or backends, its name is looked up every dns_max_ttl
//  2. a login waits for an answer only if there is none yet, or the last one is in doubt
//  3. backends at an address that has left the answer are retired; what the server has
//     said to startup parameters is asked anew

// ServerLookup is how the names of servers are looked up. The error says what is wrong
// with the configuration's resolv_conf.
func ServerLookup(c *config.Config) (dns.Lookup, error) {
	if c.ResolvConf == "" {
		return dns.System, nil
	}
	conf, err := dns.ParseResolvConf(string(c.ResolvConfData))
	if err != nil {
		return nil, c.Fault(err, "resolv_conf")
	}
	return conf.Lookup(), nil
}

func (p *Proxy) newNames(r *rules) *dns.Names {
	return dns.New(r.lookup, r.config.DNSMaxTTL, dns.Told{
		Found: p.foundName,
		Failing: func(name string, err error) {
			p.log.Warn("a server's name cannot be looked up, the last answer serves", "name", name, "addresses", p.names.Known(name), "err", err)
		},
		Works: func(name string) { p.log.Warn("a server's name can be looked up again", "name", name) },
	})
}

// foundName goes on with the answer of a lookup.
func (p *Proxy) foundName(name string, before, now []netip.Addr) {
	if p.Config().DNSMaxTTL == 0 {
		return // of a longer list, each answer may have another part
	}
	missing := func(a netip.Addr) bool { return !slices.Contains(now, a) }
	moved := slices.ContainsFunc(before, missing)
	if moved || before != nil && len(before) != len(now) {
		p.log.Warn("a server's name has other addresses", "name", name, "before", before, "now", now)
	}
	leaving := map[*pool.Pool][]*pool.Backend{}
	for _, s := range p.servers.list() {
		if isAt(s.b, name) && missing(s.b.Remote().Addr()) {
			leaving[s.b.Pool()] = append(leaving[s.b.Pool()], s.b)
		}
	}
	for _, cp := range p.pools() {
		if cp.pool == nil {
			continue
		}
		settings := cp.pool.Settings()
		named := slices.Contains(hostNames(&settings), name)
		gone := func(b *pool.Backend) bool { return isAt(b, name) && missing(b.Remote().Addr()) }
		// A listening backend may have been logging in when the name moved.
		if !(named && moved) && leaving[cp.pool] == nil && !cp.pool.ListensAt(gone) {
			continue
		}
		cp.pool.Retire(leaving[cp.pool], gone)
		cp.conf.Load().Catalog.Changed() // the server may be another one
		p.asker.Vacate(settings.At(), []string{settings.DBName})
	}
}

// isAt tells whether a backend is connected to an address of a name's.
func isAt(b *pool.Backend, name string) bool {
	host, _, ok := nameIn(b.Address.Network, b.Address.Addr)
	return ok && host == name && b.Remote().IsValid()
}

// astray tells whether a backend that has just been opened is at an address that its
// server's name has lost meanwhile.
func (p *Proxy) astray(b *pool.Backend) bool {
	name, _, ok := nameIn(b.Address.Network, b.Address.Addr)
	if !ok || !b.Remote().IsValid() || p.Config().DNSMaxTTL == 0 {
		return false
	}
	known := p.names.Known(name)
	return known != nil && !slices.Contains(known, b.Remote().Addr())
}

// watchNames looks up again what is due.
func (p *Proxy) watchNames() {
	used := map[string]struct{}{}
	for _, cp := range p.pools() {
		if cp.pool == nil {
			continue
		}
		settings := cp.pool.Settings()
		names := slices.DeleteFunc(hostNames(&settings), func(name string) bool { _, has := used[name]; return has })
		if len(names) == 0 {
			continue
		}
		if c := cp.pool.Counts(); cp.clients.Load() > 0 || c.Left() > 0 {
			for _, name := range names {
				used[name] = struct{}{}
			}
		}
	}
	p.names.Watch(used)
}

// expireName has the next backend of a pool wait for a new answer.
func (p *Proxy) expireName(of *pool.Pool) {
	settings := of.Settings()
	for _, name := range hostNames(&settings) {
		p.names.Expire(name)
	}
}

// hostNames are the names by which a pool's servers are found.
func hostNames(s *pool.Settings) (names []string) {
	for _, a := range s.Addresses() {
		if name, _, ok := nameIn(a.Network, a.Addr); ok {
			names = append(names, name)
		}
	}
	return names
}

func hostsStatus(p *pool.Pool) (out []status.PoolHost) {
	for _, h := range p.Hosts() {
		row := status.PoolHost{Addr: h.Address.Addr}
		if h.Away != nil {
			row.Away = h.Away.Message
		}
		out = append(out, row)
	}
	return out
}

func (p *Proxy) fillDNSHosts(s *status.Snapshot) {
	for _, h := range p.names.Hosts() {
		addrs := make([]string, len(h.Addrs))
		for i, a := range h.Addrs {
			addrs[i] = a.String()
		}
		s.DNSHosts = append(s.DNSHosts, status.DNSHost{Name: h.Name, TTL: h.TTL, Addrs: addrs})
	}
}
