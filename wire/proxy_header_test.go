package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"
)

// proxyV2 is a header of version 2 with these bytes behind the length.
func proxyV2(command, family byte, body string) string {
	b := append([]byte(proxyV2Start), command, family)
	return string(binary.BigEndian.AppendUint16(b, uint16(len(body)))) + body
}

// tlv is one of those that may follow the addresses.
func tlv(typ byte, value string) string {
	return string(binary.BigEndian.AppendUint16([]byte{typ}, uint16(len(value)))) + value
}

// checksummed is a header whose last TLV is a checksum of its own; off is added to it.
func checksummed(command, family byte, body string, off uint32) string {
	b := []byte(proxyV2(command, family, body+tlv(tlvCRC32C, "\x00\x00\x00\x00")))
	sum := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	binary.BigEndian.PutUint32(b[len(b)-4:], sum+off)
	return string(b)
}

const (
	ends4      = "\xcb\x00\x71\x07\x0a\x00\x00\x01\xdc\x04\x19\x20"
	ends6      = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xdc\x04\x19\x20"
	endsMapped = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xcb\x00\x71\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x0a\x00\x00\x01\xdc\x04\x19\x20"
)

// endsUnix are two paths.
var endsUnix = "/tmp/client" + strings.Repeat("\x00", 97) + "/tmp/server" + strings.Repeat("\x00", 97)

// goodProxyHeaders are headers and the address that they tell; "" is none.
var goodProxyHeaders = map[string]string{
	"PROXY TCP4 203.0.113.7 10.0.0.1 56324 6432\r\n":               "203.0.113.7:56324",
	"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n":   "255.255.255.255:65535",
	"PROXY TCP6 2001:db8::7 2001:db8::1 0 1\r\n":                   "[2001:db8::7]:0",
	"PROXY TCP6 ::ffff:203.0.113.7 ::ffff:10.0.0.1 56324 6432\r\n": "203.0.113.7:56324",
	"PROXY TCP6 203.0.113.7 ::1 56324 6432\r\n":                    "203.0.113.7:56324",
	"PROXY UNKNOWN\r\n":                                                                             "",
	"PROXY UNKNOWN whatever follows\r\n":                                                            "",
	"PROXY UNKNOWN " + strings.Repeat("f", maxProxyV1-16) + "\r\n":                                  "",
	proxyV2(proxyProxy, proxyTCP4, ends4):                                                           "203.0.113.7:56324",
	proxyV2(proxyProxy, proxyTCP6, ends6):                                                           "[2001:db8::7]:56324",
	proxyV2(proxyProxy, proxyTCP6, endsMapped):                                                      "203.0.113.7:56324",
	proxyV2(proxyProxy, proxyUnspec, ""):                                                            "",
	proxyV2(proxyProxy, proxyUnspec, tlv(0xea, "vpce-1")):                                           "",
	proxyV2(proxyProxy, proxyUnix, endsUnix):                                                        "",
	proxyV2(proxyLocal, proxyUnspec, ""):                                                            "",
	proxyV2(proxyLocal, proxyTCP4, ends4):                                                           "",
	proxyV2(proxyLocal, 0xff, "is skipped"):                                                         "",
	proxyV2(proxyProxy, proxyTCP4, ends4+tlv(1, "postgresql")+tlv(4, "\x00")):                       "203.0.113.7:56324",
	checksummed(proxyProxy, proxyTCP4, ends4+tlv(2, "db.example"), 0):                               "203.0.113.7:56324",
	checksummed(proxyProxy, proxyUnspec, "", 0):                                                     "",
	proxyV2(proxyProxy, proxyTCP4, ends4+tlv(0x20, strings.Repeat("s", maxProxyV2-lenProxyTCP4-3))): "203.0.113.7:56324",
}

var badProxyHeaders = []string{
	"X", "PROXX", "proxy ", "PROXY\t", "PROXYTCP4", "\r\n\r\n\x00\r\nQUIT\r", "\x00\x00\x00\x08\x04\xd2\x16\x2f",
	"PROXY TCP4 203.0.113.7 10.0.0.1 56324 6432\n",
	"PROXY TCP4 203.0.113.7 10.0.0.1 56324\r\n",
	"PROXY TCP4 203.0.113.7 10.0.0.1 56324 6432 1\r\n",
	"PROXY  TCP4 203.0.113.7 10.0.0.1 56324 6432\r\n",
	"PROXY TCP4 2001:db8::7 10.0.0.1 56324 6432\r\n",
	"PROXY TCP4 203.0.113.07 10.0.0.1 56324 6432\r\n",
	"PROXY TCP4 localhost 10.0.0.1 56324 6432\r\n",
	"PROXY TCP6 fe80::1%eth0 ::1 56324 6432\r\n",
	"PROXY TCP4 203.0.113.7 10.0.0.1 65536 6432\r\n",
	"PROXY TCP4 203.0.113.7 10.0.0.1 -1 6432\r\n",
	"PROXY TCP4 203.0.113.7 10.0.0.1 056 6432\r\n",
	"PROXY UDP4 203.0.113.7 10.0.0.1 56324 6432\r\n",
	"PROXY \r\n",
	"PROXY UNKNOWN " + strings.Repeat("f", maxProxyV1),
	proxyV2(0x11, proxyTCP4, ends4),
	proxyV2(0x22, proxyTCP4, ends4),
	proxyV2(proxyProxy, 0x12, ends4), // datagrams
	proxyV2(proxyProxy, 0x41, ends4),
	proxyV2(proxyProxy, proxyTCP4, ends4[1:]),
	proxyV2(proxyProxy, proxyTCP6, ends4),
	proxyV2(proxyProxy, proxyTCP4, ends4+"\x01\x00"),
	proxyV2(proxyProxy, proxyTCP4, ends4+"\x01\x00\x05four"),
	proxyV2(proxyProxy, proxyTCP4, ends4+tlv(tlvCRC32C, "sum")),
	checksummed(proxyProxy, proxyTCP4, ends4, 1),
	checksummed(proxyProxy, proxyTCP4, ends4+tlv(tlvCRC32C, "\x00\x00\x00\x00"), 0),
	proxyV2(proxyProxy, proxyTCP4, ends4+tlv(0x20, strings.Repeat("s", maxProxyV2-lenProxyTCP4-2))),
	proxyV2(proxyLocal, proxyUnspec, strings.Repeat("s", maxProxyV2+1)),
}

func addrPort(text string) (a netip.AddrPort) {
	if text != "" {
		a = netip.MustParseAddrPort(text)
	}
	return a
}

func TestAProxyHeaderTellsWhereAConnectionComesFrom(t *testing.T) {
	for header, want := range goodProxyHeaders {
		got, n, err := DecodeProxyHeader([]byte(header + "what follows"))
		if err != nil || n != len(header) || got.Client != addrPort(want) {
			t.Errorf("%.60q: %v, %d, %v; want %s, %d", header, got.Client, n, err, want, len(header))
		}
		for i := range len(header) {
			if _, n, err := DecodeProxyHeader([]byte(header[:i])); n != 0 || err != nil {
				t.Errorf("%.60q: after %d bytes %d, %v", header, i, n, err)
			}
		}
	}
}

func TestAMalformedProxyHeaderIsRefused(t *testing.T) {
	for _, header := range badProxyHeaders {
		if got, n, err := DecodeProxyHeader([]byte(header)); err == nil || n != 0 || got.Client.IsValid() {
			t.Errorf("%.60q: %v, %d, %v", header, got.Client, n, err)
		}
	}
}

func TestAProxyHeaderIsRefusedBeforeItTakesMuchMemory(t *testing.T) {
	v1 := []byte("PROXY UNKNOWN " + strings.Repeat("f", maxProxyV1))
	v2 := []byte(proxyV2(proxyProxy, proxyTCP4, strings.Repeat("\x00", maxProxyV2+1)))
	for _, c := range []struct {
		header []byte
		within int
	}{{v1, maxProxyV1}, {v2, proxyV2Fixed}} {
		if _, n, err := DecodeProxyHeader(c.header[:c.within-1]); n != 0 || err != nil {
			t.Errorf("%d bytes: %d, %v", c.within-1, n, err)
		}
		if _, _, err := DecodeProxyHeader(c.header[:c.within]); err == nil {
			t.Errorf("%d bytes are not refused", c.within)
		}
	}
}

// FuzzDecodeProxyHeader compares with another's reading of the same bytes, and
// feeds them in pieces.
func FuzzDecodeProxyHeader(f *testing.F) {
	proxyproto.V1AcceptIPv4InTCP6 = true // as here
	for header := range goodProxyHeaders {
		f.Add([]byte(header))
	}
	for _, header := range badProxyHeaders {
		f.Add([]byte(header))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, n, err := DecodeProxyHeader(b)
		if err != nil && (n != 0 || got.Client.IsValid()) {
			t.Fatalf("%d and %v with %v", n, got, err)
		}
		if n > len(b) || n > proxyV2Fixed+maxProxyV2 || n == 0 && err == nil && len(b) >= proxyV2Fixed+maxProxyV2 {
			t.Fatalf("%d of %d bytes", n, len(b))
		}
		for i := range min(len(b), 200) {
			some, k, e := DecodeProxyHeader(b[:i])
			if (i < n || n == 0 && err == nil) && (k != 0 || e != nil) || n > 0 && i >= n && (k != n || some != got) || e != nil && err == nil {
				t.Fatalf("%q has %v, %d, %v after %d bytes, and then %v, %d, %v", b, some, k, e, i, got, n, err)
			}
		}
		if n == 0 && err == nil {
			return
		}
		theirs, theirErr := proxyproto.Read(bufio.NewReader(bytes.NewReader(b)))
		if err == nil && theirErr == nil {
			if want := theirClient(theirs); got.Client != want {
				t.Errorf("%q: %v, and theirs is %v", b, got.Client, want)
			}
		}
		if err == nil != (theirErr == nil) && !differs(b, n) {
			t.Errorf("%q: %v, and theirs is %v", b, err, theirErr)
		}
	})
}

// theirClient is what the other reading says of the client.
func theirClient(h *proxyproto.Header) netip.AddrPort {
	a, ok := h.SourceAddr.(*net.TCPAddr)
	if !ok || h.Command.IsLocal() {
		return netip.AddrPort{}
	}
	ap := a.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// differs tells whether it is known that the other judges otherwise: it refuses
// PROXY without an address and undefined families of LOCAL, whatever the length, and
// takes datagrams and any TLVs. n is how many bytes we have taken.
func differs(b []byte, n int) bool {
	if len(b) < proxyV2Fixed || b[0] != proxyV2Start[0] {
		return false
	}
	if n > 0 {
		return b[12] == proxyLocal || b[13] == proxyUnspec
	}
	if b[13]&0x0f == 2 {
		return true
	}
	length, err := lenProxyAddresses(b[13])
	end := proxyV2Fixed + int(binary.BigEndian.Uint16(b[14:]))
	return err == nil && end <= len(b) && proxyV2Fixed+length <= end && checkTLVs(b[:end], proxyV2Fixed+length) != nil
}
