package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
)

// System looks a name up as the operating system does.
func System(ctx context.Context, name string) ([]netip.Addr, error) {
	return addresses(net.DefaultResolver, ctx, name)
}

// addresses are those of a name, IPv4 as such.
func addresses(r *net.Resolver, ctx context.Context, name string) ([]netip.Addr, error) {
	addrs, err := r.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return nil, err
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, nil
}

// ResolvConf is what a resolv.conf says (resolv.conf(5)). Of its options only ndots has an
// effect, and sortlist has none.
type ResolvConf struct {
	Servers []netip.AddrPort // at most maxServers; never none
	Search  []string         // at most maxSearch domains, without a dot at the end
	NDots   int              // a name with so many dots is looked up as it is first
}

// The bounds are the C library's, but for those of the domains, which it has no longer.
const (
	maxServers = 3
	maxSearch  = 32
	maxNDots   = 15
	dnsPort    = 53
)

// ParseResolvConf reads one. A server is an address, or "[address]:port". The error names
// the line.
func ParseResolvConf(text string) (*ResolvConf, error) {
	c := &ResolvConf{NDots: 1}
	for i, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || words[0][0] == '#' || words[0][0] == ';' {
			continue
		}
		switch key, values := words[0], words[1:]; key {
		case "nameserver":
			if len(values) == 0 {
				return nil, fmt.Errorf("line %d: a nameserver has no address", i+1)
			}
			server, err := parseServer(values[0])
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			if len(c.Servers) < maxServers {
				c.Servers = append(c.Servers, server)
			}
		case "domain", "search": // the last one counts
			c.Search = nil
			for _, domain := range values[:min(len(values), maxSearch)] {
				if domain = strings.Trim(domain, "."); domain != "" {
					c.Search = append(c.Search, domain)
				}
			}
		case "options":
			for _, option := range values {
				if text, ok := strings.CutPrefix(option, "ndots:"); ok {
					if n, err := strconv.Atoi(text); err == nil {
						c.NDots = min(max(0, n), maxNDots)
					}
				}
			}
		}
	}
	if len(c.Servers) == 0 {
		return nil, errors.New("it names no nameserver")
	}
	return c, nil
}

func parseServer(text string) (netip.AddrPort, error) {
	if strings.HasPrefix(text, "[") {
		if server, err := netip.ParseAddrPort(text); err == nil && server.Port() != 0 {
			return server, nil
		}
		// An IPv4 address in brackets is no address of Go's.
		if addr, port, ok := strings.Cut(text[1:], "]:"); ok {
			if server, err := netip.ParseAddrPort(addr + ":" + port); err == nil && server.Port() != 0 {
				return server, nil
			}
		}
	} else if addr, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(addr, dnsPort), nil
	}
	return netip.AddrPort{}, fmt.Errorf("%q is no address of a nameserver", text)
}

// names are those under which a name is looked up, in order.
func (c *ResolvConf) names(name string) []string {
	if strings.HasSuffix(name, ".") {
		return []string{name}
	}
	var all []string
	for _, domain := range c.Search {
		all = append(all, name+"."+domain+".")
	}
	if strings.Count(name, ".") >= c.NDots {
		return append([]string{name + "."}, all...)
	}
	return append(all, name+".")
}

// Lookup asks the servers of c, each in its turn. The names of /etc/hosts come first, as
// the system has it.
func (c *ResolvConf) Lookup() Lookup {
	var turn atomic.Uint32
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		server := c.Servers[int(turn.Add(1)-1)%len(c.Servers)]
		var d net.Dialer
		return d.DialContext(ctx, network, server.String())
	}}
	return func(ctx context.Context, name string) (addrs []netip.Addr, err error) {
		var first error
		for _, full := range c.names(name) {
			if addrs, err = addresses(r, ctx, full); err == nil {
				return addrs, nil
			}
			var failed *net.DNSError
			if !errors.As(err, &failed) || !failed.IsNotFound {
				return nil, named(err, name)
			}
			if first == nil {
				first = err
			}
		}
		return nil, named(first, name)
	}
}

// named is the error of a lookup with the name that was asked for, and without the server
// of the system's, which has not been asked.
func named(err error, name string) error {
	var failed *net.DNSError
	if !errors.As(err, &failed) {
		return err
	}
	said := *failed
	said.Name, said.Server = name, ""
	return &said
}
