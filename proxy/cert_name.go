package proxy

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"pgweir/auth/hba"
)

// The names in a client's certificate, as PostgreSQL reads them. Go's pkix.Name keeps
// only some attributes, and of two common names the last, so that two certificates
// could bear one name.

// subject is a distinguished name (RFC 5280, 4.1.2.4).
type subject []relativeNameSET

// The suffix SET tells package asn1 that it is one.
type relativeNameSET []attribute

type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// attributeNames are OpenSSL's short names of types.
var attributeNames = map[string]string{
	"2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST",
	"2.5.4.9": "street", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title", "2.5.4.13": "description",
	"2.5.4.17": "postalCode", "2.5.4.41": "name", "2.5.4.42": "GN", "2.5.4.43": "initials",
	"2.5.4.44": "generationQualifier", "2.5.4.46": "dnQualifier", "2.5.4.65": "pseudonym",
	"0.9.2342.19200300.100.1.1": "UID", "0.9.2342.19200300.100.1.25": "DC", "1.2.840.113549.1.9.1": "emailAddress",
}

// certName is the name in a client's certificate that counts; "" if it has none, or
// one that is not what it seems to be.
func certName(cert *x509.Certificate, which hba.CertName) string {
	var s subject
	if rest, err := asn1.Unmarshal(cert.RawSubject, &s); err != nil || len(rest) > 0 {
		return ""
	}
	name := s.commonName()
	if which == hba.NameDN {
		name = s.String()
	}
	if strings.ContainsRune(name, 0) {
		return ""
	}
	return name
}

// commonName is the first one; "" if there is none.
func (s subject) commonName() string {
	for _, set := range s {
		for _, a := range set {
			if attributeNames[a.Type.String()] == "CN" {
				text, _ := a.text()
				return text
			}
		}
	}
	return ""
}

// String is the whole name in RFC 2253's form, as OpenSSL writes it: the last part
// comes first, and what is not printable ASCII is written in hexadecimal digits.
func (s subject) String() string {
	var parts []string
	for _, set := range slices.Backward(s) {
		var all []string
		for _, a := range slices.Backward(set) {
			all = append(all, a.String())
		}
		parts = append(parts, strings.Join(all, "+"))
	}
	return strings.Join(parts, ",")
}

func (a *attribute) String() string {
	name, known := attributeNames[a.Type.String()]
	text, ok := a.text()
	if !known || !ok {
		if !known {
			name = a.Type.String()
		}
		return name + "=#" + strings.ToUpper(hex.EncodeToString(a.Value.FullBytes))
	}
	return name + "=" + escaped(text)
}

// text is the value in UTF-8; false if it is no string.
func (a *attribute) text() (string, bool) {
	b := a.Value.Bytes
	switch a.Value.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, asn1.TagNumericString:
		return string(b), a.Value.Class == asn1.ClassUniversal
	case asn1.TagT61String: // taken for Latin 1, as OpenSSL does
		runes := make([]rune, len(b))
		for i, c := range b {
			runes[i] = rune(c)
		}
		return string(runes), true
	case asn1.TagBMPString:
		units := make([]uint16, 0, len(b)/2)
		for ; len(b) >= 2; b = b[2:] {
			units = append(units, uint16(b[0])<<8|uint16(b[1]))
		}
		return string(utf16.Decode(units)), len(b) == 0
	}
	return "", false
}

// escaped is a value with the escapes of RFC 2253, 2.4.
func escaped(text string) string {
	var b strings.Builder
	for i, c := range []byte(text) {
		switch {
		case strings.IndexByte(`,+"\<>;`, c) >= 0, c == '#' && i == 0, c == ' ' && (i == 0 || i == len(text)-1):
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < 0x20 || c >= 0x7f:
			fmt.Fprintf(&b, "\\%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
