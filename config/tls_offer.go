package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// TLSOffer is which versions and cipher suites of TLS are spoken on one side.
type TLSOffer struct {
	Min, Max uint16 // as tls.Config's MinVersion and MaxVersion
	// Suites are those of TLS 1.2, as tls.Config's CipherSuites; nil for Go's own
	// choice.
	Suites []uint16
}

// offer reads the settings of a side, "client" or "server", and notes what is
// wrong with them.
func (p *parser) offer(side string, protocols []string, ciphers, ciphers13 string) (o TLSOffer) {
	note := func(name string, err error) {
		if err != nil {
			name = side + name
			p.problem([]string{name}, "%s: %s", name, err)
		}
	}
	var err error
	o.Min, o.Max, err = tlsVersions(protocols)
	note("_tls_protocols", err)
	o.Suites, err = tlsSuites(ciphers)
	note("_tls_ciphers", err)
	note("_tls13_ciphers", tls13Suites(ciphers13))
	return o
}

// tlsVersions reads PgBouncer's words for versions, as a range.
func tlsVersions(words []string) (lowest, highest uint16, err error) {
	known := map[string][]uint16{
		"tlsv1.2": {tls.VersionTLS12}, "tlsv1.3": {tls.VersionTLS13},
		"secure": {tls.VersionTLS12, tls.VersionTLS13},
		"all":    {tls.VersionTLS12, tls.VersionTLS13},
		"legacy": {tls.VersionTLS12, tls.VersionTLS13}, // PgBouncer's other word for "all"
	}
	var versions []uint16
	for _, word := range words {
		for word := range strings.SplitSeq(strings.ToLower(word), ":") {
			switch word {
			case "tlsv1.0", "tlsv1.1":
				return 0, 0, fmt.Errorf(`%q is not spoken: TLS 1.0 and 1.1 are broken, and deprecated by RFC 8996; write "secure", "tlsv1.2" or "tlsv1.3"`, word)
			}
			found, ok := known[word]
			if !ok {
				return 0, 0, fmt.Errorf("%s is not known; it is one of secure, all, tlsv1.2, tlsv1.3", quote(word))
			}
			versions = append(versions, found...)
		}
	}
	if len(versions) == 0 {
		return 0, 0, errors.New("names no version; write \"secure\", \"tlsv1.2\" or \"tlsv1.3\"")
	}
	return slices.Min(versions), slices.Max(versions), nil
}

// opensslNames are OpenSSL's names of the suites of TLS 1.2 that are spoken here,
// with Go's, which are those of the IANA (ciphers(1), "CIPHER SUITE NAMES").
var opensslNames = map[string]string{
	"ECDHE-ECDSA-AES128-GCM-SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
	"ECDHE-ECDSA-AES256-GCM-SHA384": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
	"ECDHE-RSA-AES128-GCM-SHA256":   "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
	"ECDHE-RSA-AES256-GCM-SHA384":   "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
	"ECDHE-ECDSA-CHACHA20-POLY1305": "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
	"ECDHE-RSA-CHACHA20-POLY1305":   "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
	"ECDHE-ECDSA-AES128-SHA":        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
	"ECDHE-ECDSA-AES256-SHA":        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
	"ECDHE-RSA-AES128-SHA":          "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
	"ECDHE-RSA-AES256-SHA":          "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
}

// asGoHasThem are the words of PgBouncer's for a choice that is not the
// operator's.
var asGoHasThem = []string{"", "default", "secure", "fast", "normal", "all"}

// suiteNames splits a list of suites as OpenSSL does.
func suiteNames(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ':' || r == ',' || r == ' ' })
}

// tlsSuites reads a list of suites of TLS 1.2; nil for Go's own choice.
func tlsSuites(list string) (out []uint16, err error) {
	if slices.Contains(asGoHasThem, strings.ToLower(list)) {
		return nil, nil
	}
	ids := map[string]uint16{}
	var known []string
	for _, s := range tls.CipherSuites() {
		if slices.Contains(s.SupportedVersions, tls.VersionTLS12) {
			ids[s.Name] = s.ID
		}
	}
	for name, own := range opensslNames {
		ids[name] = ids[own]
		known = append(known, name)
	}
	slices.Sort(known)
	for _, name := range suiteNames(list) {
		id, ok := ids[strings.ToUpper(name)]
		switch {
		case ok:
			out = append(out, id)
		case is13(name):
			return nil, fmt.Errorf("%s is of TLS 1.3, whose suites cannot be chosen", quote(name))
		case isInsecure(name):
			return nil, fmt.Errorf("%s is refused: Go counts it among the insecure ones", quote(name))
		default:
			return nil, fmt.Errorf(`%s is not known; write "default", or names with colons between (classes and operators of OpenSSL's are not read): %s`,
				quote(name), strings.Join(known, ", "))
		}
	}
	if len(out) == 0 {
		return nil, errors.New(`names no cipher suite; write "default"`)
	}
	return out, nil
}

// is13 tells whether a suite is one of TLS 1.3's that Go has.
func is13(name string) bool {
	return slices.ContainsFunc(tls.CipherSuites(), func(s *tls.CipherSuite) bool {
		return s.Name == strings.ToUpper(name) && slices.Contains(s.SupportedVersions, tls.VersionTLS13)
	})
}

func isInsecure(name string) bool {
	return slices.ContainsFunc(tls.InsecureCipherSuites(), func(s *tls.CipherSuite) bool { return s.Name == strings.ToUpper(name) })
}

// tls13Suites accepts the suites of TLS 1.3 that Go offers, in any order: it lets
// nobody choose among them.
func tls13Suites(list string) error {
	if slices.Contains(asGoHasThem, strings.ToLower(list)) {
		return nil
	}
	var own []string
	for _, s := range tls.CipherSuites() {
		if is13(s.Name) {
			own = append(own, s.Name)
		}
	}
	named := suiteNames(strings.ToUpper(list))
	slices.Sort(named)
	named = slices.Compact(named)
	slices.Sort(own)
	if !slices.Equal(named, own) {
		return fmt.Errorf(`the cipher suites of TLS 1.3 cannot be chosen: Go, in which pgweir is written, always offers %s; write "" or all of them`, strings.Join(own, ", "))
	}
	return nil
}
