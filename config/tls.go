package config

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

func (p *parser) clientTLS() {
	c := p.config
	c.ClientTLSCertificate = p.keyPair("client_tls_cert_file", c.ClientTLSCertFile, "client_tls_key_file", c.ClientTLSKeyFile)
	mode := []string{"client_tls_sslmode"}
	switch {
	case c.ClientTLSCertFile != "" && c.ClientTLSKeyFile != "":
		if !p.given("client_tls_sslmode") {
			c.ClientTLSSSLMode = "prefer"
		}
	case c.ClientTLSSSLMode != "disable":
		p.problem(mode, "client_tls_sslmode: %q needs client_tls_cert_file and client_tls_key_file", c.ClientTLSSSLMode)
	}
	c.ClientTLSRoots = p.roots("client_tls_ca_file", c.ClientTLSCAFile)
	switch {
	case c.ClientTLSCAFile == "" && strings.HasPrefix(c.ClientTLSSSLMode, "verify-"):
		p.problem(mode, "client_tls_sslmode: %q needs client_tls_ca_file", c.ClientTLSSSLMode)
	case c.ClientTLSCAFile != "" && c.ClientTLSSSLMode == "disable":
		p.problem([]string{"client_tls_ca_file"}, `client_tls_ca_file: set, and client_tls_sslmode is "disable"`)
	}
	c.ClientTLSOffer = p.offer("client", c.ClientTLSProtocols, c.ClientTLSCiphers, c.ClientTLS13Ciphers)
}

func (p *parser) serverTLS() {
	c := p.config
	c.ServerTLSCertificate = p.keyPair("server_tls_cert_file", c.ServerTLSCertFile, "server_tls_key_file", c.ServerTLSKeyFile)
	c.ServerTLSRoots = p.roots("server_tls_ca_file", c.ServerTLSCAFile)
	c.LDAPTLSRoots = p.roots("ldap_tls_ca_file", c.LDAPTLSCAFile)
	c.ServerTLSOffer = p.offer("server", c.ServerTLSProtocols, c.ServerTLSCiphers, c.ServerTLS13Ciphers)
	if c.ServerTLSNegotiation != "direct" {
		return
	}
	switch c.ServerTLSSSLMode {
	case "disable", "allow", "prefer": // libpq refuses them too: there is no way back to a connection without TLS
		p.problem([]string{"server_tls_negotiation"},
			`server_tls_negotiation: "direct" needs a server_tls_sslmode of "require", "verify-ca" or "verify-full", and it is %q`, c.ServerTLSSSLMode)
	}
}

// keyPair reads a certificate and its key; nil if none are named, or if they
// are no good.
func (p *parser) keyPair(certName, certPath, keyName, keyPath string) *tls.Certificate {
	switch {
	case certPath == "" && keyPath == "":
		return nil
	case certPath == "":
		p.problem([]string{keyName}, "%s: set without %s", keyName, certName)
		return nil
	case keyPath == "":
		p.problem([]string{certName}, "%s: set without %s", certName, keyName)
		return nil
	}
	cert, certErr := readFile(certPath)
	if certErr != nil {
		p.problem([]string{certName}, "%s: %s: %s", certName, printable(certPath), certErr)
	}
	key, keyErr := readFile(keyPath)
	if keyErr != nil {
		p.problem([]string{keyName}, "%s: %s: %s", keyName, printable(keyPath), keyErr)
	}
	if certErr != nil || keyErr != nil {
		return nil
	}
	pair, err := parsePair(cert, key)
	if err != nil {
		p.problem([]string{certName}, "%s: %s with %s: %s", certName, printable(certPath), printable(keyPath), err)
		return nil
	}
	return pair
}

func parsePair(cert, key []byte) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "tls: "))
	}
	return &pair, nil
}

// roots reads certificates of authorities; nil if no file is named, or if it is no
// good.
func (p *parser) roots(name, path string) *x509.CertPool {
	if path == "" {
		return nil
	}
	data, err := readFile(path)
	if err != nil {
		p.problem([]string{name}, "%s: %s: %s", name, printable(path), err)
		return nil
	}
	roots, err := parseRoots(data)
	if err != nil {
		p.problem([]string{name}, "%s: %s: %s", name, printable(path), err)
	}
	return roots
}

func parseRoots(data []byte) (*x509.CertPool, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(data) {
		return nil, errors.New("no certificate in PEM form in it")
	}
	return roots, nil
}

// ClientTLSFiles are the contents of client_tls_cert_file, client_tls_key_file
// and client_tls_ca_file at one moment; nil where none is named.
type ClientTLSFiles struct{ cert, key, ca []byte }

// ReadClientTLSFiles reads them anew. The error names the file that cannot be read.
func (c *Config) ReadClientTLSFiles() (f ClientTLSFiles, err error) {
	err = readNamed([]namedFile{
		{"client_tls_cert_file", c.ClientTLSCertFile, &f.cert},
		{"client_tls_key_file", c.ClientTLSKeyFile, &f.key},
		{"client_tls_ca_file", c.ClientTLSCAFile, &f.ca},
	})
	return f, err
}

// Equal tells whether two readings are the same, byte by byte.
func (f *ClientTLSFiles) Equal(g *ClientTLSFiles) bool {
	return bytes.Equal(f.cert, g.cert) && bytes.Equal(f.key, g.key) && bytes.Equal(f.ca, g.ca)
}

// Parse gives the certificate with its key, and the authorities of clients'
// certificates; nil if no file of them is named. The error names the file that
// is no good; c is the configuration that names it.
func (f *ClientTLSFiles) Parse(c *Config) (cert *tls.Certificate, roots *x509.CertPool, err error) {
	if f.cert != nil {
		if cert, err = parsePair(f.cert, f.key); err != nil {
			return nil, nil, fmt.Errorf("client_tls_cert_file with client_tls_key_file: %s with %s: %w", printable(c.ClientTLSCertFile), printable(c.ClientTLSKeyFile), err)
		}
	}
	if f.ca != nil {
		if roots, err = parseRoots(f.ca); err != nil {
			return nil, nil, fmt.Errorf("client_tls_ca_file: %s: %w", printable(c.ClientTLSCAFile), err)
		}
	}
	return cert, roots, nil
}
