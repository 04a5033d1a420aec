package throttle

import (
	"encoding/binary"
	"net/netip"
	"strconv"
)

// Addr is where clients come from that are counted together: an IPv4 address, the
// /64 of an IPv6 address, which is what one site or machine has, or a user of the
// operating system at a Unix socket.
type Addr struct {
	kind  addrKind
	bytes [8]byte
}

type addrKind uint8

const (
	addrLocal addrKind = iota
	addr4
	addr6
)

// AddrOf is that of an IP address.
func AddrOf(ip netip.Addr) (a Addr) {
	ip = ip.Unmap()
	if ip.Is4() {
		b := ip.As4()
		a.kind = addr4
		copy(a.bytes[:], b[:])
		return a
	}
	b := ip.As16()
	a.kind = addr6
	copy(a.bytes[:], b[:])
	return a
}

// LocalAddr is that of a user of the operating system at a Unix socket.
func LocalAddr(uid uint32) (a Addr) {
	binary.BigEndian.PutUint32(a.bytes[:], uid)
	return a
}

// Local tells whether it is a Unix socket's.
func (a Addr) Local() bool { return a.kind == addrLocal }

// String is "192.0.2.1", "2001:db8::/64", or "unix:1000" with the user's number.
func (a Addr) String() string {
	switch a.kind {
	case addr4:
		return netip.AddrFrom4([4]byte(a.bytes[:4])).String()
	case addr6:
		var b [16]byte
		copy(b[:], a.bytes[:])
		return netip.PrefixFrom(netip.AddrFrom16(b), 64).String()
	}
	return "unix:" + strconv.FormatUint(uint64(binary.BigEndian.Uint32(a.bytes[:])), 10)
}
