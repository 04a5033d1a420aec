package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"pgweir/auth/hba"
)

var (
	oidCN   = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidO    = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidOU   = asn1.ObjectIdentifier{2, 5, 4, 11}
	oidUID  = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}
	oidDC   = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}
	oidMail = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
	oidOdd  = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}
)

// certFor is a certificate with a subject of these types and values, a set each.
func certFor(t *testing.T, sets ...[]pkix.AttributeTypeAndValue) *x509.Certificate {
	t.Helper()
	var seq pkix.RDNSequence
	for _, s := range sets {
		seq = append(seq, s)
	}
	raw, err := asn1.Marshal(seq)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), RawSubject: raw, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func one(oid asn1.ObjectIdentifier, value any) []pkix.AttributeTypeAndValue {
	return []pkix.AttributeTypeAndValue{{Type: oid, Value: value}}
}

// TestNamesInCertificatesAreOpenSSLs: the names are what `openssl x509 -subject
// -nameopt RFC2253` shows.
func TestNamesInCertificatesAreOpenSSLs(t *testing.T) {
	both := append(one(oidCN, "a"), one(oidOU, "b")...)
	for _, c := range []struct {
		sets   [][]pkix.AttributeTypeAndValue
		cn, dn string
	}{
		{[][]pkix.AttributeTypeAndValue{one(oidO, "Corp"), one(oidCN, "John"), one(oidUID, "1001")}, "John", "UID=1001,CN=John,O=Corp"},
		{[][]pkix.AttributeTypeAndValue{one(oidDC, "prod"), one(oidCN, "admin")}, "admin", "CN=admin,DC=prod"},
		{[][]pkix.AttributeTypeAndValue{one(oidCN, "admin"), one(oidMail, "x@y")}, "admin", "emailAddress=x@y,CN=admin"},
		{[][]pkix.AttributeTypeAndValue{one(oidCN, "mallory"), one(oidCN, "postgres")}, "mallory", "CN=postgres,CN=mallory"},
		{[][]pkix.AttributeTypeAndValue{one(oidOU, "a"), one(oidOU, "b")}, "", "OU=b,OU=a"},
		{[][]pkix.AttributeTypeAndValue{both}, "a", "OU=b+CN=a"},
		{[][]pkix.AttributeTypeAndValue{one(oidCN, ` #a,b+c"d\e<f>g;h `)}, ` #a,b+c"d\e<f>g;h `, `CN=\ #a\,b\+c\"d\\e\<f\>g\;h\ `},
		{[][]pkix.AttributeTypeAndValue{one(oidCN, "caf\u00e9\n")}, "caf\u00e9\n", `CN=caf\C3\A9\0A`},
		{[][]pkix.AttributeTypeAndValue{one(oidCN, "a"), one(oidOdd, "x")}, "a", "1.3.6.1.4.1.99999.1=#130178,CN=a"},
		{[][]pkix.AttributeTypeAndValue{one(oidCN, "a\x00b")}, "", `CN=a\00b`},
		{nil, "", ""},
	} {
		cert := certFor(t, c.sets...)
		if got := certName(cert, hba.NameCN); got != c.cn {
			t.Errorf("%v: the common name is %q, want %q", cert.Subject, got, c.cn)
		}
		if got := certName(cert, hba.NameDN); got != c.dn {
			t.Errorf("%v: the whole name is %q, want %q", cert.Subject, got, c.dn)
		}
	}
}
