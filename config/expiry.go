package config

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// CertificateFile is a file of certificates that the configuration names.
type CertificateFile struct {
	Setting, Path string
	// Authorities: the file has roots, of which others may do when one has
	// expired. Otherwise it has a certificate that is shown, with its chain.
	Authorities bool
}

// CertificateFiles are the files of certificates that are named, in the order of
// the documentation.
func (c *Config) CertificateFiles() (out []CertificateFile) {
	for _, f := range []CertificateFile{
		{"ldap_tls_ca_file", c.LDAPTLSCAFile, true},
		{"client_tls_cert_file", c.ClientTLSCertFile, false},
		{"client_tls_ca_file", c.ClientTLSCAFile, true},
		{"server_tls_ca_file", c.ServerTLSCAFile, true},
		{"server_tls_cert_file", c.ServerTLSCertFile, false},
		{"http_tls_cert_file", c.HTTPTLSCertFile, false},
		{"http_tls_ca_file", c.HTTPTLSCAFile, true},
	} {
		if f.Path != "" {
			out = append(out, f)
		}
	}
	return out
}

// Expiry is when a file of certificates is no longer good.
type Expiry struct {
	CertificateFile
	Subject string // of the certificate that counts, as RFC 4514 writes it
	At      time.Time
}

// Expiry reads the file. Of a chain the certificate that expires first counts; of
// authorities the first that has not expired before now, or the last one if all
// have. The error says what is wrong with the file.
func (f CertificateFile) Expiry(now time.Time) (e Expiry, err error) {
	data, err := readFile(f.Path)
	if err != nil {
		return e, fmt.Errorf("%s: %s: %w", f.Setting, printable(f.Path), err)
	}
	certs, err := certificates(data)
	if err != nil {
		return e, fmt.Errorf("%s: %s: %w", f.Setting, printable(f.Path), err)
	}
	slices.SortFunc(certs, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
	cert := certs[0]
	for _, next := range certs[1:] {
		if f.Authorities && cert.NotAfter.Before(now) {
			cert = next
		}
	}
	return Expiry{f, cert.Subject.String(), cert.NotAfter}, nil
}

func certificates(data []byte) (out []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		out = append(out, cert)
	}
	if len(out) == 0 {
		return nil, errors.New("no certificate in PEM form in it")
	}
	return out, nil
}

// Stage is how near the end of a certificate is: each is warned of once.
type Stage uint8

const (
	StageFar   Stage = iota // more than 30 days
	StageMonth              // 30 days, or less
	StageWeek
	StageDay
	StageExpired
)

// String is what is to be said of it; "" if there is time.
func (s Stage) String() string {
	switch s {
	case StageMonth:
		return "a certificate expires within 30 days"
	case StageWeek:
		return "a certificate expires within 7 days"
	case StageDay:
		return "a certificate expires within a day"
	case StageExpired:
		return "a certificate has expired"
	}
	return ""
}

const day = 24 * time.Hour

// Stage tells how near the end is.
func (e *Expiry) Stage(now time.Time) Stage {
	switch left := e.At.Sub(now); {
	case left <= 0:
		return StageExpired
	case left <= day:
		return StageDay
	case left <= 7*day:
		return StageWeek
	case left <= 30*day:
		return StageMonth
	}
	return StageFar
}

// Warning words what the operator is to know; "" if there is time.
func (e *Expiry) Warning(now time.Time) string {
	const layout = "2006-01-02 15:04 MST"
	of, at := fmt.Sprintf("%s: the certificate %q in %s", e.Setting, e.Subject, printable(e.Path)), e.At.UTC().Format(layout)
	switch left := e.At.Sub(now); e.Stage(now) {
	case StageFar:
		return ""
	case StageExpired:
		return fmt.Sprintf("%s has expired on %s", of, at)
	case StageDay:
		return fmt.Sprintf("%s expires in %d hours, on %s", of, int(left/time.Hour), at)
	default:
		return fmt.Sprintf("%s expires in %d days, on %s", of, int(left/day), at)
	}
}
