package pool

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"

	"pgweir/wire"
)

// TLSMode is server_tls_sslmode, with libpq's meanings.
type TLSMode string

const (
	TLSDisable    TLSMode = "disable"
	TLSAllow      TLSMode = "allow"  // only if the server insists
	TLSPrefer     TLSMode = "prefer" // if the server can
	TLSRequire    TLSMode = "require"
	TLSVerifyCA   TLSMode = "verify-ca"
	TLSVerifyFull TLSMode = "verify-full"
)

// TLS says how to encrypt connections to a server. The files are read anew at
// each login, so that certificates can be renewed. Two that are not equal are
// two ways to reach a server.
type TLS struct {
	Mode              TLSMode
	CA, Cert, KeyFile string
	// Direct begins with the handshake, without an SSLRequest (libpq's
	// sslnegotiation, PostgreSQL 17).
	Direct   bool
	Min, Max uint16 // versions, as tls.Config's; 0: TLS 1.2, and the newest
	// Suites are the cipher suites of TLS 1.2, by Go's names with commas between;
	// "" is Go's own choice.
	Suites string
}

// Suites are cipher suites as TLS.Suites has them.
func Suites(ids []uint16) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = tls.CipherSuiteName(id)
	}
	return strings.Join(names, ",")
}

// suites is the way back.
func (t *TLS) suites() (ids []uint16) {
	names := strings.Split(t.Suites, ",")
	for _, s := range tls.CipherSuites() {
		if slices.Contains(names, s.Name) {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// ALPN is the protocol that is named in every handshake (PostgreSQL 17, "SSL
// Session Encryption").
const ALPN = "postgresql"

// protect asks the server for TLS, as far as the mode wants it.
func (t *transport) protect(conn net.Conn, a Address) (net.Conn, error) {
	if a.Network == "unix" || a.TLS.Mode == TLSDisable || a.TLS.Mode == TLSAllow || a.TLS.Mode == "" {
		return conn, nil
	}
	return t.negotiate(conn, a, a.TLS.Mode != TLSPrefer)
}

// negotiate sends an SSLRequest, unless TLS is to begin without.
func (t *transport) negotiate(conn net.Conn, a Address, must bool) (net.Conn, error) {
	if a.TLS.Direct {
		return t.handshake(conn, a)
	}
	if _, err := conn.Write(wire.AppendSSLRequest(nil)); err != nil {
		return nil, broken(err)
	}
	// One byte and no more: what follows would be from somebody who does not
	// know the key.
	var b [1]byte
	if _, err := conn.Read(b[:]); err != nil {
		return nil, broken(err)
	}
	switch {
	case b[0] == 'S':
		return t.handshake(conn, a)
	case b[0] == 'N' && !must:
		return conn, nil
	case b[0] == 'N':
		return nil, wire.Fatalf(wire.CodeCannotConnect,
			"the server at %s does not support TLS, but server_tls_sslmode is %q", a.Addr, a.TLS.Mode)
	}
	return nil, wire.Fatalf(wire.CodeProtocolViolation, "the server at %s answered %q to an SSLRequest", a.Addr, b[0])
}

func (t *transport) handshake(conn net.Conn, a Address) (net.Conn, error) {
	config, err := TLSConfig(a)
	if err != nil {
		return nil, err
	}
	s := t.secure(conn, config)
	if h, ok := s.(interface{ Handshake() error }); ok {
		if err := h.Handshake(); err != nil {
			return nil, shakeError(a, err)
		}
	}
	return s, nil
}

// shakeError says why a handshake has failed.
func shakeError(a Address, err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return broken(err)
	}
	hint := ""
	var record tls.RecordHeaderError
	var sys *net.OpError
	if a.TLS.Direct && (errors.Is(err, io.EOF) || errors.As(err, &record) || errors.As(err, &sys) && !sys.Timeout()) {
		// An older server takes the first bytes for a length, and hangs up.
		hint = ` (server_tls_negotiation is "direct", which needs PostgreSQL 17)`
	}
	return wire.Fatalf(wire.CodeCannotConnect, "TLS handshake with the server at %s failed: %v%s", a.Addr, err, hint)
}

// TLSConfig is how the connection to a server is encrypted, and what of it is
// verified, as the mode asks. It reads the files. Errors are *wire.Error (F0000).
func TLSConfig(a Address) (*tls.Config, error) {
	c := &tls.Config{
		ServerName: a.Host, MinVersion: max(a.TLS.Min, tls.VersionTLS12), MaxVersion: a.TLS.Max, CipherSuites: a.TLS.suites(),
		NextProtos: []string{ALPN},
		// Small records at the start would be many system calls.
		DynamicRecordSizingDisabled: true,
	}
	v := verifier{mode: a.TLS.Mode, host: a.Host, direct: a.TLS.Direct, file: a.TLS.CA}
	if a.TLS.CA != "" {
		pem, err := os.ReadFile(a.TLS.CA)
		if err != nil {
			return nil, configError("server_tls_ca_file", err)
		}
		v.roots = x509.NewCertPool()
		if !v.roots.AppendCertsFromPEM(pem) {
			return nil, configError("server_tls_ca_file", fmt.Errorf("%s holds no certificate", a.TLS.CA))
		}
	}
	if a.TLS.Cert != "" {
		cert, err := tls.LoadX509KeyPair(a.TLS.Cert, a.TLS.KeyFile)
		if err != nil {
			return nil, configError("server_tls_cert_file", err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	// Not less is verified, but otherwise: Go knows no common names, and would
	// not leave the name alone.
	c.InsecureSkipVerify, c.VerifyConnection = true, v.verify
	return c, nil
}

func configError(setting string, err error) error {
	return wire.Fatalf(wire.CodeConfigFileError, "%s: %v", setting, err)
}
