package config

import (
	"net/netip"
	"strings"
	"testing"
)

func TestProxyProtocolNetworksAreAddressesAndNetworks(t *testing.T) {
	c, err := Parse("config.toml", []byte(`proxy_protocol_networks = ["10.0.0.5", "10.1.0.0/16", "::1", "fd00::/8", "::ffff:192.0.2.1", "::ffff:192.0.2.0/120"]`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"10.0.0.5/32", "10.1.0.0/16", "::1/128", "fd00::/8", "192.0.2.1/32", "192.0.2.0/24"}
	if len(c.ProxyProtocolFrom) != len(want) {
		t.Fatal(c.ProxyProtocolFrom)
	}
	for i, network := range c.ProxyProtocolFrom {
		if network != netip.MustParsePrefix(want[i]) {
			t.Errorf("%s: %v, want %s", c.ProxyProtocolNetworks[i], network, want[i])
		}
	}
	for _, bad := range []string{"haproxy", "*", "10.0.0.0/33", "10.0.0", "fe80::1%eth0", "10.0.0.1:5432", "unix"} {
		_, err := Parse("config.toml", []byte("\nproxy_protocol_networks = [\"10.0.0.1\", \""+bad+"\"]"))
		if err == nil || !strings.Contains(err.Error(), "config.toml:2: proxy_protocol_networks: \""+bad+"\" is not an address or a network") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestANetworkHasNoBitsBehindItsPrefix(t *testing.T) {
	for bad, want := range map[string]string{
		"10.0.0.1/8": `the one of this length is "10.0.0.0/8", and the address alone "10.0.0.1"`, "fd00::1/8": `"fd00::/8"`, "::ffff:10.0.0.1/104": `"10.0.0.0/8"`,
	} {
		if got := problemsOf(t, "proxy_protocol_networks = ['"+bad+"']"); !strings.HasPrefix(got, `config.toml:1: proxy_protocol_networks: "`+bad+`" is no network; `) || !strings.Contains(got, want) {
			t.Errorf("%s: %s", bad, got)
		}
	}
}

func TestTCPDeferAcceptIsForLinux(t *testing.T) {
	_, err := Parse("config.toml", []byte("tcp_defer_accept = true"))
	if (err == nil) != deferAccept || err != nil && !strings.Contains(err.Error(), "only Linux has it") {
		t.Error(err)
	}
}
