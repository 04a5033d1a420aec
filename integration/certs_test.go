package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"pgweir/cluster"
)

// authority signs certificates for one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	PEM  string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{key: newKey(t)}
	template := certificate(name)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.PEM = pemText("CERTIFICATE", der)
	return a
}

// Sign makes a certificate and its key, as PEM, for a name and an address.
func (a *authority) Sign(t *testing.T, name string, ips ...net.IP) (cert, key string) {
	t.Helper()
	template := certificate(name)
	template.DNSNames, template.IPAddresses = []string{name}, ips
	return a.sign(t, template)
}

// SignCommonName makes one that has the name as its common name alone.
func (a *authority) SignCommonName(t *testing.T, name string) (cert, key string) {
	t.Helper()
	return a.sign(t, certificate(name))
}

func (a *authority) sign(t *testing.T, template *x509.Certificate) (cert, key string) {
	t.Helper()
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	k := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &k.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pemText("CERTIFICATE", der), pemText("PRIVATE KEY", keyDER)
}

// startTLSCluster starts a server with a certificate of ca's and these lines of
// pg_hba.conf.
func startTLSCluster(t *testing.T, ca *authority, hba ...string) *cluster.Cluster {
	t.Helper()
	cert, key := ca.Sign(t, "server.example", net.IPv4(127, 0, 0, 1))
	return startCluster(t, cluster.Options{
		Settings: map[string]string{"ssl": "on", "ssl_cert_file": "server.crt", "ssl_key_file": "server.key"},
		Files:    map[string][]byte{"server.crt": []byte(cert), "server.key": []byte(key)},
		HBA:      hba,
	})
}

func certificate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
