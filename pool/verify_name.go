package pool

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"net/netip"
	"strings"
)

// What libpq takes for a server's name (fe-secure-openssl.c,
// pgtls_verify_peer_name_matches_certificate_guts):
//
//  1. every dNSName and iPAddress of the subjectAltName, the former by their
//     letters, also if the host is an address
//  2. the common name, if the subjectAltName has no name of the host's own kind:
//     a dNSName for a name, an iPAddress for an address
//
// Go's crypto/x509 takes no common name, and no address in a dNSName.

// matchHost tells why a certificate is not the host's; nil if it is. chains are
// those by which it is trusted.
func matchHost(host string, cert *x509.Certificate, chains [][]*x509.Certificate) error {
	address, err := netip.ParseAddr(host)
	isAddress := err == nil && address.Zone() == ""
	var names []string
	for _, name := range cert.DNSNames {
		if matchName(name, host) {
			return nil
		}
		names = append(names, name)
	}
	for _, ip := range cert.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok && isAddress && a == address {
			return nil
		}
		names = append(names, ip.String())
	}
	byCommonName := len(cert.DNSNames) == 0
	if isAddress {
		byCommonName = len(cert.IPAddresses) == 0
	}
	common := commonName(cert)
	if byCommonName && common != "" {
		if matchName(common, host) {
			return unconstrained(common, chains)
		}
		names = append(names, common)
	}
	if len(names) == 0 {
		return fmt.Errorf("its certificate%s has no name in it that could be %q", of(cert), host)
	}
	return fmt.Errorf("its certificate is for %s, not for %q", listed(names), host)
}

// listed are names in quotes, the first of them if there are many.
func listed(names []string) string {
	const most = 8
	more := ""
	if len(names) > most {
		more = fmt.Sprintf(" and %d more", len(names)-most)
		names = names[:most]
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(quoted, ", ") + more
}

// matchName compares a name of a certificate with the host. A wildcard is the
// left-most label, whole, and stands for one label.
func matchName(name, host string) bool {
	if strings.ContainsRune(name, 0) {
		return false
	}
	if equalFold(name, host) {
		return true
	}
	domain, wild := strings.CutPrefix(name, "*.")
	_, rest, dotted := strings.Cut(host, ".")
	return wild && dotted && domain != "" && len(host) > len(rest)+1 && equalFold(domain, rest)
}

// equalFold compares as DNS does: only ASCII has two cases.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

var oidCommonName = asn1.ObjectIdentifier{2, 5, 4, 3}

// commonName is the first one, which is libpq's; pkix.Name has the last.
func commonName(cert *x509.Certificate) string {
	for _, a := range cert.Subject.Names {
		if name, ok := a.Value.(string); ok && a.Type.Equal(oidCommonName) {
			return name
		}
	}
	return ""
}

// unconstrained lets a common name count. crypto/x509 holds no common name
// against the names that an authority may sign for, so where there are such
// constraints none counts.
func unconstrained(common string, chains [][]*x509.Certificate) error {
	for _, chain := range chains {
		free := true
		for _, cert := range chain[1:] {
			free = free && len(cert.PermittedDNSDomains)+len(cert.ExcludedDNSDomains)+len(cert.PermittedIPRanges)+len(cert.ExcludedIPRanges) == 0
		}
		if free {
			return nil
		}
	}
	return fmt.Errorf("its certificate has %q only as common name, and an authority above it is limited to certain names: it needs a subjectAltName", common)
}
