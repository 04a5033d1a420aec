package config

import (
	"net/netip"
	"runtime"
)

// deferAccept tells whether the system has TCP_DEFER_ACCEPT (tcp(7)).
const deferAccept = runtime.GOOS == "linux"

// proxies reads proxy_protocol_networks, and checks what else of TCP hangs on the
// system.
func (p *parser) proxies() {
	c := p.config
	for _, entry := range c.ProxyProtocolNetworks {
		network, ok := parseNetwork(entry)
		switch {
		case !ok:
			p.problem([]string{"proxy_protocol_networks"}, `proxy_protocol_networks: %s is not an address or a network such as "10.0.0.0/8"`, quote(entry))
		case network != network.Masked(): // one address may be meant, or the network that it is in
			p.problem([]string{"proxy_protocol_networks"}, `proxy_protocol_networks: %s is no network; the one of this length is "%v", and the address alone "%v"`, quote(entry), network.Masked(), network.Addr())
		default:
			c.ProxyProtocolFrom = append(c.ProxyProtocolFrom, network)
		}
	}
	if c.TCPDeferAccept && !deferAccept {
		p.problem([]string{"tcp_defer_accept"}, "tcp_defer_accept: only Linux has it")
	}
}

// mappedBits is the length of the prefix of IPv4-mapped IPv6 addresses (RFC 4291,
// 2.5.5.2).
const mappedBits = 96

// parseNetwork reads an address, or one with the length of a prefix, behind which it may
// have bits. An IPv4-mapped one is IPv4. Names are none: what they
// mean may change, and is somebody else's to say.
func parseNetwork(s string) (netip.Prefix, bool) {
	if addr, err := netip.ParseAddr(s); err == nil {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), addr.Zone() == ""
	}
	network, err := netip.ParsePrefix(s)
	if err != nil {
		return network, false
	}
	if addr := network.Addr(); addr.Is4In6() && network.Bits() >= mappedBits {
		network = netip.PrefixFrom(addr.Unmap(), network.Bits()-mappedBits)
	}
	return network, true
}
