package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeKeyPair makes a self-signed certificate and its key in dir.
func writeKeyPair(t *testing.T, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, name+".crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	write(t, filepath.Join(dir, name+".key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

func TestTLSFilesAreReadWithTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	writeKeyPair(t, dir, "a")
	path := filepath.Join(dir, "config.toml")
	c, err := Parse(path, []byte(`
client_tls_cert_file = "a.crt"
client_tls_key_file = "a.key"
server_tls_cert_file = "a.crt"
server_tls_key_file = "a.key"
server_tls_ca_file = "a.crt"
`))
	if err != nil {
		t.Fatal(err)
	}
	if c.ClientTLSSSLMode != "prefer" {
		t.Errorf("with key and certificate, client_tls_sslmode is %s", c.ClientTLSSSLMode)
	}
	if c.ClientTLSCertificate == nil || c.ServerTLSCertificate == nil || c.ServerTLSRoots == nil {
		t.Errorf("not read: %v, %v, %v", c.ClientTLSCertificate, c.ServerTLSCertificate, c.ServerTLSRoots)
	}

	for _, mode := range []string{"disable", "allow", "require"} {
		c, err := Parse(path, []byte("client_tls_cert_file='a.crt'\nclient_tls_key_file='a.key'\nclient_tls_sslmode='"+mode+"'"))
		if err != nil {
			t.Fatal(err)
		}
		if c.ClientTLSSSLMode != mode {
			t.Errorf("set to %s, client_tls_sslmode is %s", mode, c.ClientTLSSSLMode)
		}
	}
}

func TestTLSFilesThatAreNoGoodAreNamed(t *testing.T) {
	dir := t.TempDir()
	writeKeyPair(t, dir, "a")
	writeKeyPair(t, dir, "b")
	write(t, filepath.Join(dir, "garbage"), "garbage")
	for _, tc := range []struct{ text, want string }{
		{"client_tls_cert_file='a.crt'\nclient_tls_key_file='b.key'",
			"DIR/config.toml:1: client_tls_cert_file: DIR/a.crt with DIR/b.key: private key does not match public key"},
		{"client_tls_cert_file='garbage'\nclient_tls_key_file='b.key'",
			"DIR/config.toml:1: client_tls_cert_file: DIR/garbage with DIR/b.key: failed to find any PEM data in certificate input"},
		{"\nserver_tls_ca_file='garbage'",
			"DIR/config.toml:2: server_tls_ca_file: DIR/garbage: no certificate in PEM form in it"},
	} {
		_, err := Parse(filepath.Join(dir, "config.toml"), []byte(tc.text))
		if want := strings.ReplaceAll(tc.want, "DIR", dir); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
