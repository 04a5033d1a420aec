package pool

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// issuer is an authority of one test.
type issuer struct {
	t    *testing.T
	cert *x509.Certificate
	key  crypto.Signer
}

func newIssuer(t *testing.T, change func(*x509.Certificate)) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{t: t, key: key}
	i.cert = i.sign(func(c *x509.Certificate) {
		c.Subject.CommonName = "the authority"
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
		if change != nil {
			change(c)
		}
	}, key, nil)
	return i
}

// sign makes a certificate of a key; without a parent it is signed by itself.
func (i *issuer) sign(change func(*x509.Certificate), key crypto.Signer, parent *x509.Certificate) *x509.Certificate {
	i.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7),
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	change(template)
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), i.key)
	if err != nil {
		i.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		i.t.Fatal(err)
	}
	return cert
}

// leaf makes a server's certificate.
func (i *issuer) leaf(change func(*x509.Certificate)) *x509.Certificate {
	i.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	return i.sign(change, key, i.cert)
}

// verified is what a verifier of a mode says of a certificate that i has signed.
func (i *issuer) verified(mode TLSMode, host string, cert *x509.Certificate) error {
	roots := x509.NewCertPool()
	roots.AddCert(i.cert)
	v := verifier{mode: mode, host: host, roots: roots, file: "ca.pem"}
	return v.verify(tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}})
}

func TestANameIsTakenWhereLibpqTakesIt(t *testing.T) {
	ca := newIssuer(t, nil)
	type names struct {
		common string
		dns    []string
		ips    []string
	}
	for _, c := range []struct {
		host string
		names
		want string // "": it is the host's
	}{
		{"db.example", names{dns: []string{"db.example"}}, ""},
		{"DB.Example", names{dns: []string{"db.eXAMPLE"}}, ""},
		{"db.example", names{common: "db.example"}, ""},
		{"db.example", names{common: "db.example", ips: []string{"10.0.0.1"}}, ""},
		{"db.example", names{common: "db.example", dns: []string{"other.example"}}, `is for "other.example", not for "db.example"`},
		{"db.example", names{common: "other", ips: []string{"10.0.0.1"}}, `is for "10.0.0.1", "other", not for "db.example"`},
		{"10.0.0.1", names{ips: []string{"10.0.0.1"}}, ""},
		{"10.0.0.1", names{common: "10.0.0.1"}, ""},
		{"10.0.0.1", names{dns: []string{"10.0.0.1"}}, ""},
		{"10.0.0.1", names{common: "10.0.0.1", dns: []string{"db.example"}}, ""},
		{"10.0.0.1", names{common: "10.0.0.1", ips: []string{"10.0.0.2"}}, `is for "10.0.0.2", not for "10.0.0.1"`},
		{"::1", names{ips: []string{"::1"}}, ""},
		{"0:0::1", names{ips: []string{"::1"}}, ""},
		{"::1", names{common: "::1"}, ""},
		{"a.example", names{dns: []string{"*.example"}}, ""},
		{"a.example", names{common: "*.example"}, ""},
		{"a.b.example", names{dns: []string{"*.example"}}, "is for"},
		{"example", names{dns: []string{"*.example"}}, "is for"},
		{".example", names{dns: []string{"*.example"}}, "is for"},
		{"ab.example", names{dns: []string{"a*.example"}}, "is for"},
		{"a.b.example", names{dns: []string{"a.*.example"}}, "is for"},
		{"a", names{dns: []string{"*"}}, "is for"},
		{"db.example", names{}, `has no name in it`},
		{"k", names{common: "\u212a"}, "is for"}, // the Kelvin sign, which Unicode folds to k
	} {
		cert := ca.leaf(func(x *x509.Certificate) {
			x.Subject.CommonName, x.DNSNames = c.common, c.dns
			for _, ip := range c.ips {
				x.IPAddresses = append(x.IPAddresses, net.ParseIP(ip))
			}
		})
		err := ca.verified(TLSVerifyFull, c.host, cert)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s with %+v: %v, want %q", c.host, c.names, err, c.want)
		}
		if err := ca.verified(TLSVerifyCA, c.host, cert); err != nil {
			t.Errorf("verify-ca, %s with %+v: %v", c.host, c.names, err)
		}
	}
}

func TestOfSeveralCommonNamesTheFirstCounts(t *testing.T) {
	ca := newIssuer(t, nil)
	cert := ca.leaf(func(x *x509.Certificate) {
		for _, name := range []string{"first", "second"} {
			x.Subject.ExtraNames = append(x.Subject.ExtraNames, pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: name})
		}
	})
	if err := ca.verified(TLSVerifyFull, "first", cert); err != nil {
		t.Error(err)
	}
	if err := ca.verified(TLSVerifyFull, "second", cert); err == nil {
		t.Error("the second one counts")
	}
}

// TestACommonNameDoesNotCountUnderAConstrainedAuthority: crypto/x509 would not
// hold it against the constraint.
func TestACommonNameDoesNotCountUnderAConstrainedAuthority(t *testing.T) {
	ca := newIssuer(t, func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"inner.example"} })
	cert := ca.leaf(func(x *x509.Certificate) { x.Subject.CommonName = "db.example" })
	if err := ca.verified(TLSVerifyFull, "db.example", cert); err == nil || !strings.Contains(err.Error(), "limited to certain names") {
		t.Error(err)
	}
}

func TestWhatIsWrongWithACertificateIsSaidInWords(t *testing.T) {
	ca, stranger := newIssuer(t, nil), newIssuer(t, func(c *x509.Certificate) { c.Subject.CommonName = "a stranger" })
	named := func(x *x509.Certificate) { x.Subject.CommonName = "db" }
	day := func(d time.Duration) string { return time.Now().Add(d).UTC().Format("2006-01-02") }
	expired := ca.leaf(func(x *x509.Certificate) { named(x); x.NotAfter = time.Now().Add(-time.Minute) })
	early := ca.leaf(func(x *x509.Certificate) { named(x); x.NotBefore = time.Now().Add(30 * time.Minute) })
	client := ca.leaf(func(x *x509.Certificate) { named(x); x.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	weak := ca.leaf(named)
	weak.SignatureAlgorithm = x509.ECDSAWithSHA1 // crypto/x509 makes none any more
	for _, c := range []struct {
		cert *x509.Certificate
		want []string
	}{
		{expired, []string{`("CN=db") has expired on ` + day(-time.Minute)}},
		{early, []string{`("CN=db") is not valid before ` + day(30*time.Minute)}},
		{client, []string{"not meant for a server"}},
		{stranger.leaf(named), []string{`signed by "CN=a stranger"`, "not in server_tls_ca_file (ca.pem)"}},
		{stranger.cert, []string{"is signed by itself", "ca.pem"}},
		{weak, []string{"signed with ECDSA-SHA1", "SHA-256"}},
	} {
		for _, mode := range []TLSMode{TLSVerifyCA, TLSVerifyFull} {
			err := ca.verified(mode, "db", c.cert)
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, want %q", mode, err, want)
				}
			}
		}
		if err := ca.verified(TLSRequire, "db", c.cert); err != nil {
			t.Errorf("require verifies: %v", err)
		}
	}
}

// TestANegativeSerialNumberIsBorne, as by libpq: go.mod has the setting of Go's
// that lets such a certificate be read.
func TestANegativeSerialNumberIsBorne(t *testing.T) {
	ca := newIssuer(t, nil)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der := ca.sign(func(x *x509.Certificate) { x.Subject.CommonName = "localhost"; x.SerialNumber = big.NewInt(0x7a) }, key, ca.cert).Raw
	// A serial number of one byte, whose sign is turned: the signature is not
	// right any more, and nothing of that is looked at here.
	at := strings.Index(string(der), "\x02\x01\x7a")
	der[at+2] = 0xfa
	h, s := newHost(t), serveTCP(t)
	s.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	p := h.pool(s, func(s *Settings) { s.Address.TLS = TLS{Mode: TLSRequire} })
	h.giveBack(h.lease(p))
}
