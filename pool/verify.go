package pool

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// verifier looks at what a server has shown in a handshake, as libpq does: the
// authority under verify-ca, the name too under verify-full, and neither under
// the other modes. An error says in words what is wrong; it goes on behind "TLS
// handshake failed: ".
type verifier struct {
	mode   TLSMode
	host   string
	direct bool
	roots  *x509.CertPool // nil: the system's
	file   string         // that the roots are from
}

func (v *verifier) verify(s tls.ConnectionState) error {
	if v.direct && s.NegotiatedProtocol != ALPN {
		// libpq: whoever speaks TLS and another protocol could be had to take a
		// login for something of its own.
		return errors.New("direct TLS was established without the server's naming the protocol (ALPN)")
	}
	if v.mode != TLSVerifyCA && v.mode != TLSVerifyFull {
		return nil
	}
	opts := x509.VerifyOptions{Roots: v.roots, Intermediates: x509.NewCertPool()}
	for _, cert := range s.PeerCertificates[1:] {
		opts.Intermediates.AddCert(cert)
	}
	chains, err := s.PeerCertificates[0].Verify(opts)
	if err != nil {
		return v.untrusted(s.PeerCertificates, err)
	}
	if v.mode == TLSVerifyFull {
		return matchHost(v.host, s.PeerCertificates[0], chains)
	}
	return nil
}

// untrusted words what Verify has found.
func (v *verifier) untrusted(shown []*x509.Certificate, err error) error {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &invalid):
		return invalidity(&invalid)
	case errors.As(err, &unknown):
		for _, cert := range shown {
			if isWeak(cert.SignatureAlgorithm) && !isSelfSigned(cert) {
				return fmt.Errorf("its certificate%s is signed with %s, which can be forged, and so is not accepted; the authority has to sign it anew with SHA-256 or better",
					of(cert), cert.SignatureAlgorithm)
			}
		}
		last := shown[len(shown)-1]
		if isSelfSigned(last) {
			return fmt.Errorf("its certificate%s is signed by itself, and is not in %s", of(last), v.where())
		}
		return fmt.Errorf("its certificate%s is signed by %q, an authority that is not in %s", of(last), last.Issuer, v.where())
	}
	return errors.New("its certificate is not accepted: " + strings.TrimPrefix(err.Error(), "x509: "))
}

// where are the authorities that are trusted.
func (v *verifier) where() string {
	if v.file == "" {
		return "the system's list of authorities (server_tls_ca_file is not set)"
	}
	return fmt.Sprintf("server_tls_ca_file (%s)", v.file)
}

// of names a certificate by its subject.
func of(cert *x509.Certificate) string {
	if len(cert.Subject.Names) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%q)", cert.Subject)
}

func invalidity(e *x509.CertificateInvalidError) error {
	switch e.Reason {
	case x509.Expired:
		const day = "2006-01-02 15:04 MST"
		if time.Now().Before(e.Cert.NotBefore) {
			return fmt.Errorf("its certificate%s is not valid before %s", of(e.Cert), e.Cert.NotBefore.UTC().Format(day))
		}
		return fmt.Errorf("its certificate%s has expired on %s", of(e.Cert), e.Cert.NotAfter.UTC().Format(day))
	case x509.IncompatibleUsage:
		return fmt.Errorf("its certificate%s is not meant for a server (extended key usage)", of(e.Cert))
	case x509.NotAuthorizedToSign:
		return fmt.Errorf("its certificate is signed by one%s that is no authority's", of(e.Cert))
	}
	return errors.New("its certificate is not accepted: " + strings.TrimPrefix(e.Error(), "x509: "))
}

// isWeak tells of a signature that crypto/x509 does not accept, and OpenSSL 3
// neither.
func isWeak(a x509.SignatureAlgorithm) bool {
	switch a {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return true
	}
	return false
}

func isSelfSigned(cert *x509.Certificate) bool {
	return string(cert.RawIssuer) == string(cert.RawSubject)
}
