package proxy

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"strings"
	"testing"

	"pgweir/auth/hba"
)

// FuzzCertName reads the name in a certificate. A name of which one reads another
// certificate's attributes, or more of them than it has, would let one in as another.
func FuzzCertName(f *testing.F) {
	for _, raw := range oddSubjects(f) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) { checkNames(t, &x509.Certificate{RawSubject: raw}) })
}

// oddSubjects are names that are easily misread.
func oddSubjects(f *testing.F) (all [][]byte) {
	both := append(one(oidCN, "a"), one(oidOU, "b")...)
	for _, sets := range []pkix.RDNSequence{
		{one(oidO, "Corp"), one(oidCN, "John")}, {both}, {one(oidCN, ` #a,b+c"d\e<f>g;h `)}, {one(oidCN, "caf\u00e9\n")},
		{one(oidOdd, "x"), one(oidCN, "a\x00b")}, {one(oidCN, "mallory,CN=postgres")}, {one(oidMail, "#00")}, {},
	} {
		raw, err := asn1.Marshal(sets)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, raw)
	}
	return all
}

// checkNames reads the names in a certificate, and holds them against what a stranger
// reads in it.
func checkNames(t *testing.T, cert *x509.Certificate) {
	t.Helper()
	cn, dn := certName(cert, hba.NameCN), certName(cert, hba.NameDN)
	if strings.ContainsRune(cn+dn, 0) {
		t.Fatalf("a NUL in %q or %q", cn, dn)
	}
	var s subject
	if rest, err := asn1.Unmarshal(cert.RawSubject, &s); err != nil || len(rest) > 0 {
		if cn+dn != "" {
			t.Fatalf("%q and %q of what is no name: %v", cn, dn, err)
		}
		return
	}
	var want []string // from the last to the first, as the name has them
	for i := len(s) - 1; i >= 0; i-- {
		for k := len(s[i]) - 1; k >= 0; k-- {
			want = append(want, plain(&s[i][k]))
		}
	}
	got := unescaped(t, dn)
	if len(got) != len(want) && dn != "" {
		t.Fatalf("%q has %d attributes, the certificate %d", dn, len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%q: attribute %d is %q, want %q", dn, i, got[i], want[i])
		}
	}
	for _, c := range []byte(dn) {
		if c < 0x20 || c >= 0x7f {
			t.Fatalf("%q is not printable", dn)
		}
	}
}

// plain is an attribute without escapes.
func plain(a *attribute) string {
	text, ok := a.text()
	name, known := attributeNames[a.Type.String()]
	if !known {
		name = a.Type.String()
	}
	if !known || !ok {
		return name + "=DER " + string(a.Value.FullBytes)
	}
	return name + "=" + text
}

// unescaped reads a name in RFC 2253's form, as a stranger to how it was written.
func unescaped(t *testing.T, dn string) (attributes []string) {
	t.Helper()
	for dn != "" {
		name, rest, ok := strings.Cut(dn, "=")
		if !ok {
			t.Fatalf("no value in %q", dn)
		}
		if digits, ok := strings.CutPrefix(rest, "#"); ok {
			digits, dn = cutAttribute(digits)
			der, err := hex.DecodeString(digits)
			if err != nil {
				t.Fatalf("%q: %v", digits, err)
			}
			attributes = append(attributes, name+"=DER "+string(der))
			continue
		}
		var value string
		value, dn = cutAttribute(rest)
		var b strings.Builder
		for i := 0; i < len(value); i++ {
			if value[i] != '\\' {
				b.WriteByte(value[i])
				continue
			}
			if pair := value[i+1 : min(i+3, len(value))]; len(pair) == 2 {
				if c, err := hex.DecodeString(pair); err == nil {
					b.WriteByte(c[0])
					i += 2
					continue
				}
			}
			i++
			b.WriteByte(value[i])
		}
		attributes = append(attributes, name+"="+b.String())
	}
	return attributes
}

// cutAttribute ends a value at the next separator that is not escaped.
func cutAttribute(s string) (value, rest string) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case ',', '+':
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}
