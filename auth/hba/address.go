package hba

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// reach is the kind of an address field.
type reach uint8

const (
	everywhere reach = iota // all
	sameHost
	sameNet
	inRange
	byName
)

// address is the address field of a host line.
type address struct {
	reach      reach
	addr, mask netip.Addr // of inRange: one family, no zone; the mask may have holes
	name       string     // of byName; a suffix of names begins with a dot
}

// readAddress reads an address field. more says that the mask is the next field.
func readAddress(t token) (a address, more bool, err error) {
	for word, r := range map[string]reach{"all": everywhere, "samehost": sameHost, "samenet": sameNet} {
		if t.is(word) {
			return address{reach: r}, false, nil
		}
	}
	text, bits, slash := strings.Cut(t.text, "/")
	a.addr, err = netip.ParseAddr(text)
	switch {
	case err == nil && slash:
		a.reach, a.addr = inRange, a.addr.WithZone("")
		if a.mask, err = maskOf(bits, a.addr.BitLen()); err != nil {
			return a, false, fmt.Errorf("invalid CIDR mask in address %q", t.text)
		}
		return a, false, nil
	case err == nil:
		a.reach, a.addr = inRange, a.addr.WithZone("")
		return a, true, nil
	}
	if err := checkName(text); err != nil {
		return a, false, err
	}
	if slash {
		return a, false, fmt.Errorf("specifying both host name and CIDR mask is invalid: %q", t.text)
	}
	return address{reach: byName, name: text}, false, nil
}

// checkName refuses what PostgreSQL would take for a host name that no host
// has, or for an address in one of the short forms of inet_aton.
func checkName(name string) error {
	if name == "" || name == "." {
		return errors.New("the address is empty")
	}
	for i := range len(name) {
		if c := name[i]; !alnum(c) && c != '-' && c != '_' && c != '.' && c < 0x80 {
			return fmt.Errorf("invalid address %q: neither an IP address nor a host name", name)
		}
	}
	// The last part of a host name is no number (RFC 1123, 2.1).
	last := name[strings.LastIndexByte(name, '.')+1:]
	hex, isHex := strings.CutPrefix(strings.ToLower(last), "0x")
	if last != "" && (strings.Trim(last, "0123456789") == "" || isHex && strings.Trim(hex, "0123456789abcdef") == "") {
		return fmt.Errorf("invalid IP address %q: an IPv4 address is four numbers without leading zeros", name)
	}
	return nil
}

// maskOf makes the mask of a CIDR length, of a family of so many bits.
func maskOf(length string, size int) (netip.Addr, error) {
	bits, err := strconv.Atoi(length)
	if err != nil {
		return netip.Addr{}, err
	}
	ones := make([]byte, size/8)
	for i := range ones {
		ones[i] = 0xff
	}
	all, _ := netip.AddrFromSlice(ones)
	p, err := all.Prefix(bits)
	return p.Addr(), err
}

// readMask adds the mask that stands in a field of its own.
func (a *address) readMask(t token) error {
	mask, err := netip.ParseAddr(t.text)
	if err != nil {
		return fmt.Errorf("invalid IP mask %q", t.text)
	}
	if mask.BitLen() != a.addr.BitLen() {
		return errors.New("IP address and mask do not match")
	}
	a.mask = mask.WithZone("")
	return nil
}

func (a *address) String() string {
	switch a.reach {
	case sameHost:
		return "samehost"
	case sameNet:
		return "samenet"
	case inRange:
		for bits := range a.mask.BitLen() + 1 {
			if m, err := maskOf(strconv.Itoa(bits), a.mask.BitLen()); err == nil && m == a.mask {
				return fmt.Sprintf("%v/%d", a.addr, bits)
			}
		}
		return fmt.Sprintf("%v %v", a.addr, a.mask)
	case byName:
		return token{text: a.name, quoted: a.name == "all" || a.name == "samehost" || a.name == "samenet"}.String()
	}
	return "all"
}

// has tells whether a client's address fits. An IPv4 address fits IPv4 ranges
// only, and an IPv6 address IPv6 ranges.
func (a *address) has(client netip.Addr, k *asked) answer {
	switch a.reach {
	case everywhere:
		return yes
	case inRange:
		return isSo(within(client, a.addr, a.mask))
	case byName:
		return k.named(a.name)
	}
	return k.ours(client, a.reach)
}

// within compares those bits of two addresses that the mask has.
func within(a, b, mask netip.Addr) bool {
	if !a.IsValid() || a.BitLen() != b.BitLen() || a.BitLen() != mask.BitLen() {
		return false
	}
	x, y, m := a.As16(), b.As16(), mask.As16() // of IPv4 the last four bytes
	for i := 16 - a.BitLen()/8; i < 16; i++ {
		if (x[i]^y[i])&m[i] != 0 {
			return false
		}
	}
	return true
}
