package config

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
)

// HTTPKeys are what HTTP is served with, and what those show who may ask.
type HTTPKeys struct {
	Certificate *tls.Certificate // nil: without TLS
	Roots       *x509.CertPool   // of clients' certificates; nil: they are not asked for one
	// Tokens are those of who may read, AdminTokens of who may read statements
	// too; nil if no file of them is named.
	Tokens, AdminTokens []TokenDigest
}

// HTTPFiles are the contents of the files that the settings of HTTP name, at one
// moment; nil where none is named.
type HTTPFiles struct{ cert, key, ca, tokens, adminTokens []byte }

// ReadHTTPFiles reads them anew. The error names the file that cannot be read.
func (c *Config) ReadHTTPFiles() (f HTTPFiles, err error) {
	err = readNamed([]namedFile{
		{"http_tls_cert_file", c.HTTPTLSCertFile, &f.cert},
		{"http_tls_key_file", c.HTTPTLSKeyFile, &f.key},
		{"http_tls_ca_file", c.HTTPTLSCAFile, &f.ca},
		{"http_token_file", c.HTTPTokenFile, &f.tokens},
		{"http_admin_token_file", c.HTTPAdminTokenFile, &f.adminTokens},
	})
	return f, err
}

// Equal tells whether two readings are the same, byte by byte.
func (f *HTTPFiles) Equal(g *HTTPFiles) bool {
	return bytes.Equal(f.cert, g.cert) && bytes.Equal(f.key, g.key) && bytes.Equal(f.ca, g.ca) &&
		bytes.Equal(f.tokens, g.tokens) && bytes.Equal(f.adminTokens, g.adminTokens)
}

// Parse gives what is in them. c is the configuration that names them; the error has
// the setting and the file that is no good.
func (f *HTTPFiles) Parse(c *Config) (k HTTPKeys, err error) {
	if f.cert != nil {
		if k.Certificate, err = parsePair(f.cert, f.key); err != nil {
			return HTTPKeys{}, fmt.Errorf("http_tls_cert_file with http_tls_key_file: %s with %s: %w", printable(c.HTTPTLSCertFile), printable(c.HTTPTLSKeyFile), err)
		}
	}
	if f.ca != nil {
		if k.Roots, err = parseRoots(f.ca); err != nil {
			return HTTPKeys{}, fmt.Errorf("http_tls_ca_file: %s: %w", printable(c.HTTPTLSCAFile), err)
		}
	}
	if f.tokens != nil {
		if k.Tokens, err = parseTokens(f.tokens); err != nil {
			return HTTPKeys{}, fmt.Errorf("http_token_file: %s: %w", printable(c.HTTPTokenFile), err)
		}
	}
	if f.adminTokens != nil {
		k.AdminTokens, err = parseTokens(f.adminTokens)
		if err == nil {
			err = distinct(k.Tokens, k.AdminTokens)
		}
		if err != nil {
			return HTTPKeys{}, fmt.Errorf("http_admin_token_file: %s: %w", printable(c.HTTPAdminTokenFile), err)
		}
	}
	return k, nil
}

// A namedFile is a file that a setting names, and where its contents go.
type namedFile struct {
	setting, path string
	data          *[]byte
}

// readNamed reads those that are named: "" is none.
func readNamed(files []namedFile) (err error) {
	for _, f := range files {
		if f.path == "" {
			continue
		}
		if *f.data, err = readFile(f.path); err != nil {
			return fmt.Errorf("%s: %s: %w", f.setting, printable(f.path), err)
		}
	}
	return nil
}
