package proxy

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"pgweir/config"
	"pgweir/wire"
)

func TestAPeerIsShownAsItsAddressAndPort(t *testing.T) {
	mapped := netip.MustParseAddrPort("[::ffff:10.0.0.1]:5555")
	for want, p := range map[string]peer{
		"unix":          peerOf(-1, &unix.SockaddrUnix{}),
		"10.0.0.1:5555": peerOf(-1, &unix.SockaddrInet4{Port: 5555, Addr: [4]byte{10, 0, 0, 1}}),
		"[::1]:5555":    peerOf(-1, &unix.SockaddrInet6{Port: 5555, Addr: [16]byte{15: 1}}),
		"10.0.0.1:5556": peerOf(-1, &unix.SockaddrInet6{Port: 5556, Addr: mapped.Addr().As16()}),
		"10.0.0.1:5557": peerAt(netip.AddrPortFrom(mapped.Addr(), 5557)),
		"[::2]:5555":    peerAt(netip.MustParseAddrPort("[::2]:5555")),
	} {
		if got := p.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestOnlyAProxySendsAHeader(t *testing.T) {
	r := &rules{config: &config.Config{ProxyProtocolFrom: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00::/8")}}}
	for from, want := range map[peer]bool{
		peerAt(netip.MustParseAddrPort("10.0.0.255:1")):          true,
		peerAt(netip.MustParseAddrPort("[::ffff:10.0.0.255]:1")): true,
		peerAt(netip.MustParseAddrPort("[fd12::1]:1")):           true,
		peerAt(netip.MustParseAddrPort("10.0.1.0:1")):            false,
		peerAt(netip.MustParseAddrPort("[fe80::1]:1")):           false,
		{}: false, // a Unix socket
	} {
		if got := r.sendsHeader(from); got != want {
			t.Errorf("%s: %v", from, got)
		}
	}
	if (&rules{config: &config.Config{}}).sendsHeader(peerAt(netip.MustParseAddrPort("10.0.0.1:1"))) {
		t.Error("without the setting somebody sends a header")
	}
}

func TestTheHostStandsBehindTheApplicationName(t *testing.T) {
	long := string(make([]byte, maxApplicationName))
	for _, c := range []struct{ name, given, want string }{
		{"application_name", "psql", "psql - 10.0.0.1:5555"},
		{"Application_Name", "psql", "psql - 10.0.0.1:5555"},
		{"application_name", "", " - 10.0.0.1:5555"},
		{"application_name", long[1:], long[1:] + " - 10.0.0.1:5555"},
		{"application_name", long, long},
		{"datestyle", "iso", "app - 10.0.0.1:5555"},
	} {
		a := ask{params: []wire.Param{{Name: c.name, Value: c.given}}}
		a.addHost("10.0.0.1:5555")
		if got := a.params[len(a.params)-1].Value; got != c.want || a.application != c.want {
			t.Errorf("%s = %q: %q and %q, want %q", c.name, c.given, got, a.application, c.want)
		}
	}
}
