package proxy

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"pgweir/auth/hba"
)

// What a line of auth_hba_file may hang on besides the connection: names of
// addresses, the machine's networks, names in certificates and users of the
// operating system.

// namesTimeout bounds how long the names of an address are looked for.
const namesTimeout = 5 * time.Second

// facts are those that can be had at once.
var facts = hba.Facts{Networks: ownNetworks}

// blockingFacts are all of them.
var blockingFacts = hba.Facts{Networks: ownNetworks, Names: namesOf}

// ownNetworks are the machine's addresses with the lengths of their networks.
func ownNetworks() (list []netip.Prefix, err error) {
	addrs, err := net.InterfaceAddrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			list = append(list, p)
		}
	}
	return list, err
}

// namesOf are the names of an address that lead back to it.
func namesOf(addr netip.Addr) (names []string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), namesTimeout)
	defer cancel()
	all, err := net.DefaultResolver.LookupAddr(ctx, addr.String())
	if dns, ok := err.(*net.DNSError); ok && dns.IsNotFound {
		return nil, nil
	}
	for _, name := range all {
		back, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		if err == nil && slices.ContainsFunc(back, func(a netip.Addr) bool { return a.Unmap() == addr.Unmap() }) {
			names = append(names, name)
		}
	}
	return names, err
}

// certName is the name in a client's certificate that counts; "" if it has none.
func certName(cert *x509.Certificate, which hba.CertName) string {
	name := cert.Subject.CommonName
	if which == hba.NameDN {
		name = distinguished(cert)
	}
	if strings.ContainsRune(name, 0) {
		return "" // not the name that it seems to be
	}
	return name
}

// distinguished is the distinguished name as PostgreSQL has it: RFC 2253, and what
// is not printable ASCII as hexadecimal digits.
func distinguished(cert *x509.Certificate) string {
	var b strings.Builder
	for _, c := range []byte(cert.Subject.ToRDNSequence().String()) {
		if c < 0x20 || c >= 0x7f {
			fmt.Fprintf(&b, "\\%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// peerName is the operating system's name for the user at the other end of a Unix
// socket.
func peerName(uid int) (string, error) {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return "", err
	}
	return u.Username, nil
}
