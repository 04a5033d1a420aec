package proxy

import (
	"encoding/binary"
	"testing"

	"pgweir/pool"
)

func TestANotificationIsOfTheServerThatItsListenerIsConnectedTo(t *testing.T) {
	p := &Proxy{}
	p.servers.all, p.servers.open = map[*server]struct{}{}, map[processKey]*server{}
	addresses := []pool.Address{{Network: "tcp", Addr: "h1:5432"}, {Network: "tcp", Addr: "h2:5432"}, {Network: "unix", Addr: "h1:5432"}}
	all := make([]*server, len(addresses))
	for i := range addresses {
		all[i] = &server{lent: lent{b: &pool.Backend{PID: 7, Address: addresses[i]}}, proxy: p}
		all[i].link.Notifier.Store(1000 + uint32(i))
		p.servers.add(all[i])
	}
	signed := func(a pool.Address) uint32 {
		m := []byte("A\x00\x00\x00\x0b\x00\x00\x00\x07c\x00\x00")
		p.Sign(&a, m)
		return binary.BigEndian.Uint32(m[5:])
	}
	expect := func(when string, want ...uint32) {
		t.Helper()
		for i, a := range addresses {
			if got := signed(a); got != want[i] {
				t.Errorf("%s: process 7 of %s %s has notified for %d, want %d", when, a.Network, a.Addr, got, want[i])
			}
		}
	}
	expect("with equal process IDs", 1000, 1001, 1002)
	p.servers.remove(all[0])
	all[1].link.Notifier.Store(0)
	p.servers.remove(all[1])
	expect("when two are closed", 1000, 7, 1002)
	if elsewhere := signed(pool.Address{Network: "tcp", Addr: "h3:5432"}); elsewhere != 7 {
		t.Errorf("a process of a server that nobody has a backend of has notified for %d", elsewhere)
	}
}
