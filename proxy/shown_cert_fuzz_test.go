package proxy

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"testing"
	"time"

	"pgweir/pool"
)

// FuzzShownCertificate shows a client's certificate in a handshake: with signed, what an
// authority has put its name to, whatever that is; otherwise the bytes as they are. What
// is let through has to be signed by the authority, and its names are what a stranger
// reads in it.
func FuzzShownCertificate(f *testing.F) {
	x := newShownCerts(f)
	for i, raw := range oddSubjects(f) {
		cert := x.issue(f, func(c *x509.Certificate) { c.RawSubject = raw })
		f.Add(cert.RawTBSCertificate, true)
		f.Add(cert.Raw, false)
		if i == 0 {
			x.mustPass(f, cert.Raw)
		}
	}
	for _, change := range []func(*x509.Certificate){
		func(c *x509.Certificate) {
			c.DNSNames, c.EmailAddresses, c.IPAddresses = []string{"a.example", "*.b.example"}, []string{"a@b.example"}, []net.IP{net.IPv6loopback}
		},
		func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(time.Hour) },
		func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} },
		func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: oidOdd, Critical: true, Value: []byte("x")}}
		},
		func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true },
	} {
		f.Add(x.issue(f, change).RawTBSCertificate, true)
	}
	f.Fuzz(func(t *testing.T, text []byte, signed bool) {
		shown := text
		if signed {
			shown = x.sign(t, text)
		}
		if cert, err := x509.ParseCertificate(shown); err == nil {
			checkNames(t, cert)
		}
		state, err := x.shake(t, shown)
		if err != nil {
			return
		}
		if len(state.PeerCertificates) != 1 || len(state.VerifiedChains) == 0 || !bytes.Equal(state.PeerCertificates[0].Raw, shown) {
			t.Fatalf("%d certificates and %d chains of one", len(state.PeerCertificates), len(state.VerifiedChains))
		}
		leaf := state.PeerCertificates[0]
		if !ed25519.Verify(x.authorityKey.Public().(ed25519.PublicKey), leaf.RawTBSCertificate, leaf.Signature) {
			t.Fatal("a certificate is let through that the authority has not signed")
		}
		checkNames(t, leaf)
	})
}

// shownCerts are an authority, a client's key and a server that asks for a certificate.
// The keys are always the same, so that a found input stays one.
type shownCerts struct {
	authority              *x509.Certificate
	authorityKey, ownerKey ed25519.PrivateKey
	server                 *tls.Config
}

func newShownCerts(f *testing.F) *shownCerts {
	f.Helper()
	key := func(b byte) ed25519.PrivateKey {
		return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
	}
	x := &shownCerts{authorityKey: key(1), ownerKey: key(2)}
	template := shownTemplate()
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	x.authority = x.create(f, template, template, x.authorityKey.Public())
	own := key(3)
	rules := &tlsRules{}
	roots := x509.NewCertPool()
	roots.AddCert(x.authority)
	leaf := x.create(f, shownTemplate(), x.authority, own.Public())
	rules.show(&tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: own, Leaf: leaf}, roots)
	x.server = rules.shown.Load().direct
	return x
}

func shownTemplate() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "somebody"},
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

func (x *shownCerts) create(f *testing.F, template, by *x509.Certificate, key any) *x509.Certificate {
	f.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, by, key, x.authorityKey)
	if err != nil {
		f.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		f.Fatal(err)
	}
	return cert
}

// issue makes a client's certificate with a change.
func (x *shownCerts) issue(f *testing.F, change func(*x509.Certificate)) *x509.Certificate {
	f.Helper()
	template := shownTemplate()
	change(template)
	return x.create(f, template, x.authority, x.ownerKey.Public())
}

// sign makes a certificate of what is to be signed (RFC 5280, 4.1).
func (x *shownCerts) sign(t *testing.T, text []byte) []byte {
	t.Helper()
	der, err := asn1.Marshal(struct {
		Text      asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{
		asn1.RawValue{FullBytes: text},
		pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 3, 101, 112}}, // Ed25519 (RFC 8410, 3)
		asn1.BitString{Bytes: ed25519.Sign(x.authorityKey, text), BitLength: 8 * ed25519.SignatureSize},
	})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// shake does a handshake in which a client shows a certificate, and says what the server
// makes of it.
func (x *shownCerts) shake(t testing.TB, shown []byte) (tls.ConnectionState, error) {
	t.Helper()
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer far.Close()
		client := tls.Client(far, &tls.Config{
			InsecureSkipVerify: true, NextProtos: []string{pool.ALPN},
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &tls.Certificate{Certificate: [][]byte{shown}, PrivateKey: x.ownerKey}, nil
			},
		})
		if client.Handshake() == nil {
			_, _ = client.Read(make([]byte, 1)) // what the server says of the certificate
		}
	}()
	server := tls.Server(near, x.server)
	err := server.Handshake()
	_ = near.Close()
	<-done
	return server.ConnectionState(), err
}

// mustPass sees to it that the handshake can come to an end at all.
func (x *shownCerts) mustPass(f *testing.F, shown []byte) {
	f.Helper()
	if state, err := x.shake(f, shown); err != nil || len(state.VerifiedChains) == 0 {
		f.Fatalf("a good certificate: %v", err)
	}
}
