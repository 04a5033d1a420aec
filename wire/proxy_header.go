package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"strconv"
	"strings"
)

// The PROXY protocol (HAProxy's doc/proxy-protocol.txt): a proxy that passes a
// connection on says ahead of its bytes where it comes from.
//
// The header is read here, and not by github.com/pires/go-proxyproto, with which
// the fuzz test compares it. That library reads from a stream, which it waits for,
// and takes a header that comes in pieces for an attack; here bytes come as they
// come. It refuses PROXY with an unspecified address, as HAProxy sends it, and takes
// datagrams.

// ProxyHeader is what the header says.
type ProxyHeader struct {
	// Client is where the connection comes from. It is not valid where the header
	// does not say: the proxy's own connection (LOCAL), an address that it does not
	// know (UNKNOWN, AF_UNSPEC), or a Unix socket on the proxy's machine. The
	// connection's own peer holds then. An IPv4-mapped IPv6 address is IPv4.
	Client netip.AddrPort
}

// The most bytes of a header. Version 2 has 64 KB; what proxies send is far less,
// with a certificate one or two thousand.
const (
	maxProxyV1 = 107  // by the protocol, with CR LF
	maxProxyV2 = 4096 // after the first 16
)

const (
	proxyV1Start = "PROXY "
	proxyV2Start = "\r\n\r\n\x00\r\nQUIT\n"
	proxyV2Fixed = 16 // with command, family and length
)

var errNoProxyHeader = errors.New("the connection does not begin with a header of the PROXY protocol")

// DecodeProxyHeader reads the header at the start of b and says how many bytes it
// has. n == 0 without an error means that more bytes are needed, which are 4112 in
// all at most. What can be refused is refused as soon as it has come.
//
// Of version 2, what follows the addresses (TLVs: ALPN, AUTHORITY, SSL and others) is
// checked for its form and ignored, but for CRC32C, which must be right.
func DecodeProxyHeader(b []byte) (h ProxyHeader, n int, err error) {
	switch {
	case begins(b, proxyV1Start):
		if len(b) < len(proxyV1Start) {
			return h, 0, nil
		}
		return decodeProxyV1(b)
	case begins(b, proxyV2Start):
		if len(b) < proxyV2Fixed {
			return h, 0, nil
		}
		return decodeProxyV2(b)
	}
	return h, 0, errNoProxyHeader
}

// BeginsProxyHeader tells whether b, of four bytes or more, is the start of a header of
// either version. No startup packet begins so: its length would be out of bounds.
func BeginsProxyHeader(b []byte) bool {
	return len(b) >= 4 && (begins(b, proxyV1Start) || begins(b, proxyV2Start))
}

// begins tells whether b begins with start, as far as it has come.
func begins(b []byte, start string) bool {
	n := min(len(b), len(start))
	return string(b[:n]) == start[:n]
}

// decodeProxyV1 reads "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n".
func decodeProxyV1(b []byte) (h ProxyHeader, n int, err error) {
	end := bytes.IndexByte(b[:min(len(b), maxProxyV1)], '\n')
	switch {
	case end < 0 && len(b) < maxProxyV1:
		return h, 0, nil
	case end < 0:
		return h, 0, fmt.Errorf("a header of version 1 has no end within %d bytes", maxProxyV1)
	case b[end-1] != '\r':
		return h, 0, errors.New("a header of version 1 does not end with CR LF")
	}
	n = end + 1
	words := strings.Split(string(b[len(proxyV1Start):end-1]), " ")
	if words[0] == "UNKNOWN" { // whatever follows
		return h, n, nil
	}
	if words[0] != "TCP4" && words[0] != "TCP6" || len(words) != 5 {
		return h, 0, errors.New("a header of version 1 is not TCP4 or TCP6 with two addresses and two ports")
	}
	var ends [2]netip.AddrPort
	for i := range ends {
		if ends[i], err = proxyV1End(words[0], words[1+i], words[3+i]); err != nil {
			return h, 0, err
		}
	}
	h.Client = ends[0]
	return h, n, nil
}

// proxyV1End is one end of the connection. TCP6 may have an IPv4 address: nginx
// writes so when one end has been replaced by what another proxy has told it.
func proxyV1End(family, addr, port string) (netip.AddrPort, error) {
	ip, err := netip.ParseAddr(addr)
	if err != nil || ip.Zone() != "" || family == "TCP4" && !ip.Is4() {
		return netip.AddrPort{}, errors.New("a header of version 1 has a malformed address")
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, errors.New("a header of version 1 has a malformed port")
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(number)), nil
}

// Version and command, and address family and transport, as version 2 has them.
const (
	proxyLocal   = 0x20
	proxyProxy   = 0x21
	proxyUnspec  = 0x00
	proxyTCP4    = 0x11
	proxyTCP6    = 0x21
	proxyUnix    = 0x31
	lenProxyTCP4 = 12
	lenProxyTCP6 = 36
	lenProxyUnix = 216
)

func decodeProxyV2(b []byte) (h ProxyHeader, n int, err error) {
	command, family := b[12], b[13]
	if command != proxyLocal && command != proxyProxy {
		return h, 0, fmt.Errorf("a header of version 2 has the unknown version or command %#02x", command)
	}
	length := int(binary.BigEndian.Uint16(b[14:]))
	if length > maxProxyV2 {
		return h, 0, fmt.Errorf("a header of version 2 has %d bytes, the limit is %d", length, maxProxyV2)
	}
	addresses := 0
	if command == proxyProxy {
		if addresses, err = lenProxyAddresses(family); err != nil {
			return h, 0, err
		}
	}
	if length < addresses {
		return h, 0, fmt.Errorf("a header of version 2 has %d bytes, and its addresses %d", length, addresses)
	}
	n = proxyV2Fixed + length
	if len(b) < n {
		return h, 0, nil
	}
	if command == proxyLocal { // the rest is to be skipped
		return h, n, nil
	}
	body := b[proxyV2Fixed:n]
	if err := checkTLVs(b[:n], proxyV2Fixed+addresses); err != nil {
		return h, 0, err
	}
	switch family {
	case proxyTCP4:
		h.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte(body[:4])), binary.BigEndian.Uint16(body[8:]))
	case proxyTCP6:
		h.Client = netip.AddrPortFrom(netip.AddrFrom16([16]byte(body[:16])).Unmap(), binary.BigEndian.Uint16(body[32:]))
	}
	return h, n, nil
}

// lenProxyAddresses is how many bytes the addresses of a family take.
func lenProxyAddresses(family byte) (int, error) {
	switch family {
	case proxyUnspec:
		return 0, nil
	case proxyTCP4:
		return lenProxyTCP4, nil
	case proxyTCP6:
		return lenProxyTCP6, nil
	case proxyUnix:
		return lenProxyUnix, nil
	}
	return 0, fmt.Errorf("a header of version 2 has the address family and transport %#02x, which is no stream", family)
}

const tlvCRC32C = 0x03

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checkTLVs checks what follows the addresses of a header, from at on: each has a
// type, a length of two bytes, and a value.
func checkTLVs(header []byte, at int) error {
	sum := 0 // where the checksum stands; 0: there is none
	for at < len(header) {
		if len(header)-at < 3 {
			return errors.New("a header of version 2 ends within a TLV")
		}
		length := int(binary.BigEndian.Uint16(header[at+1:]))
		value := at + 3
		if length > len(header)-value {
			return errors.New("a header of version 2 ends within a TLV")
		}
		if header[at] == tlvCRC32C {
			if length != crc32.Size || sum != 0 {
				return errors.New("a header of version 2 has a malformed checksum")
			}
			sum = value
		}
		at = value + length
	}
	if sum == 0 {
		return nil
	}
	// The checksum is that of the header with zeros in its place.
	crc := crc32.Update(0, castagnoli, header[:sum])
	crc = crc32.Update(crc, castagnoli, make([]byte, crc32.Size))
	crc = crc32.Update(crc, castagnoli, header[sum+crc32.Size:])
	if crc != binary.BigEndian.Uint32(header[sum:]) {
		return errors.New("a header of version 2 does not have the checksum that it says")
	}
	return nil
}
