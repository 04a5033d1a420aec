package proxy

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// peer is where a client comes from, in less memory than a net.Addr takes.
type peer struct {
	ip   [16]byte // of a Unix socket: the number of the operating system's user
	port uint16
	kind peerKind
}

type peerKind uint8

const (
	peerLocal peerKind = iota // at a Unix socket
	peer4
	peer6
)

// local tells whether it is at a Unix socket.
func (p peer) local() bool { return p.kind == peerLocal }

// peerOf is the other end of a socket.
func peerOf(fd int, a unix.Sockaddr) (p peer) {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		p.kind, p.port = peer4, uint16(a.Port)
		copy(p.ip[:], a.Addr[:])
	case *unix.SockaddrInet6:
		return peerAt(netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)))
	default:
		uid, err := peerUID(fd)
		if err != nil {
			uid = -1 // together with all others of whom nothing is known
		}
		binary.BigEndian.PutUint32(p.ip[:], uint32(uid))
	}
	return p
}

// peerAt is a client over TCP with a known address. An IPv4-mapped one is IPv4.
func peerAt(a netip.AddrPort) (p peer) {
	p.kind, p.port = peer6, a.Port()
	ip := a.Addr().Unmap()
	if ip.Is4() {
		p.kind = peer4
	}
	copy(p.ip[:], ip.AsSlice())
	return p
}

// netAddr is the address; not valid for a Unix socket.
func (p peer) netAddr() netip.Addr {
	switch p.kind {
	case peer4:
		return netip.AddrFrom4([4]byte(p.ip[:4]))
	case peer6:
		return netip.AddrFrom16(p.ip)
	}
	return netip.Addr{}
}

// addr is the address as the console shows it.
func (p peer) addr() string {
	if p.local() {
		return "unix"
	}
	return p.netAddr().String()
}

// String is the address with the port, "10.0.0.1:5555", or "unix".
func (p peer) String() string {
	if p.local() {
		return p.addr()
	}
	return net.JoinHostPort(p.addr(), strconv.Itoa(int(p.port)))
}
