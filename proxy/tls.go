package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"pgweir/config"
	"pgweir/pool"
	"pgweir/wire"
)

// tlsRules say how clients are encrypted.
type tlsRules struct {
	required    bool
	certificate bool // of the client's, too
	offer       config.TLSOffer
	// shown is what the files hold, as far as they fit each other; nil for no TLS.
	// The keeper of certificates replaces it, as a whole.
	shown atomic.Pointer[presented]
}

// presented is a certificate that clients are shown, and the authorities of theirs.
type presented struct {
	certificate *tls.Certificate
	roots       *x509.CertPool // nil: clients are not asked for one
	// endPoint is the certificate's; nil if none is defined for it, and then
	// channel binding is not offered.
	endPoint []byte
	// requested is for handshakes behind an SSLRequest, direct for those without.
	requested, direct *tls.Config
}

func newTLSRules(c *config.Config) *tlsRules {
	t := &tlsRules{offer: c.ClientTLSOffer}
	if c.ClientTLSSSLMode == "disable" || c.ClientTLSCertificate == nil {
		return t
	}
	t.show(c.ClientTLSCertificate, c.ClientTLSRoots)
	t.certificate = strings.HasPrefix(c.ClientTLSSSLMode, "verify-")
	t.required = c.ClientTLSSSLMode == "require" || t.certificate
	return t
}

// show has new clients shown a certificate, and theirs verified with roots.
func (t *tlsRules) show(certificate *tls.Certificate, roots *x509.CertPool) {
	s := &presented{certificate: certificate, roots: roots}
	if leaf := certificate.Leaf; leaf != nil {
		s.endPoint, _ = wire.ServerEndPoint(leaf)
	}
	s.requested = &tls.Config{
		Certificates: []tls.Certificate{*certificate},
		MinVersion:   t.offer.Min, MaxVersion: t.offer.Max, CipherSuites: t.offer.Suites,
		NextProtos: []string{pool.ALPN},
		// Small records at the start would be many system calls.
		DynamicRecordSizingDisabled: true,
	}
	if roots != nil {
		// A client without one is told so in words, if it needs one.
		s.requested.ClientAuth, s.requested.ClientCAs = tls.VerifyClientCertIfGiven, roots
	}
	s.direct = s.requested.Clone()
	s.direct.GetConfigForClient = namesProtocol
	t.shown.Store(s)
}

// shows tells whether that is what clients are shown.
func (s *presented) shows(certificate *tls.Certificate, roots *x509.CertPool) bool {
	if len(certificate.Certificate) != len(s.certificate.Certificate) || (roots == nil) != (s.roots == nil) {
		return false
	}
	for i, der := range certificate.Certificate {
		if string(der) != string(s.certificate.Certificate[i]) {
			return false
		}
	}
	return roots == nil || roots.Equal(s.roots)
}

var errNoALPN = errors.New("received direct SSL connection request without ALPN protocol negotiation extension")

// noApplicationProtocol is a fatal alert (RFC 7301, 3.2) in a record.
var noApplicationProtocol = []byte{21, 3, 3, 0, 2, 2, 120}

// namesProtocol refuses a client that names no protocol. Without an SSLRequest
// nothing else tells that it means PostgreSQL, and not a server of something
// else to which somebody has led it (RFC 9325, 3.7). Of one that names others
// crypto/tls takes care.
func namesProtocol(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if len(hello.SupportedProtos) > 0 {
		return nil, nil
	}
	// crypto/tls would send an alert of an internal error: this one comes first,
	// and that one no more.
	_, _ = hello.Conn.Write(noApplicationProtocol)
	_ = hello.Conn.SetWriteDeadline(time.Unix(1, 0))
	return nil, errNoALPN
}
