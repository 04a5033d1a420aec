package pool

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

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
// each login, so that certificates can be renewed.
type TLS struct {
	Mode              TLSMode
	CA, Cert, KeyFile string
}

// Secured is a net.Conn on which the TLS handshake has been done.
type Secured interface {
	net.Conn
	Describe() string
	ConnectionState() tls.ConnectionState
}

// Secure wraps a connection in TLS as a client. It is set by whoever assembles
// the program, because the result must suit its event loop.
type Secure func(net.Conn, *tls.Config) Secured

// Dial opens a connection as net.Dialer.DialContext does. It is set likewise,
// and sees to it that the connection to a host that has gone comes to an end.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// transport is how servers are reached.
type transport struct {
	dial   Dial
	secure Secure
}

// connect connects to a server.
func (t *transport) connect(ctx context.Context, a Address) (net.Conn, error) {
	conn, err := t.dial(ctx, a.Network, a.Addr)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		var sys *os.SyscallError
		if errors.As(err, &sys) {
			err = sys.Err
		}
		return nil, wire.Fatalf(wire.CodeCannotConnect, "could not connect to the server at %s: %v", a.Addr, err)
	}
	return conn, nil
}

// protect asks the server for TLS, as far as the mode wants it.
func (t *transport) protect(conn net.Conn, a Address) (net.Conn, error) {
	if a.Network == "unix" || a.TLS.Mode == TLSDisable || a.TLS.Mode == TLSAllow || a.TLS.Mode == "" {
		return conn, nil
	}
	return t.negotiate(conn, a, a.TLS.Mode != TLSPrefer)
}

// negotiate sends an SSLRequest.
func (t *transport) negotiate(conn net.Conn, a Address, must bool) (net.Conn, error) {
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
	case b[0] == 'N' && !must:
		return conn, nil
	case b[0] == 'N':
		return nil, wire.Fatalf(wire.CodeCannotConnect,
			"the server at %s does not support TLS, but server_tls_sslmode is %q", a.Addr, a.TLS.Mode)
	default:
		return nil, wire.Fatalf(wire.CodeProtocolViolation, "the server at %s answered %q to an SSLRequest", a.Addr, b[0])
	}
	config, err := tlsConfig(a)
	if err != nil {
		return nil, err
	}
	s := t.secure(conn, config)
	if h, ok := s.(interface{ Handshake() error }); ok {
		if err := h.Handshake(); err != nil {
			return nil, wire.Fatalf(wire.CodeCannotConnect, "TLS handshake with the server at %s failed: %v", a.Addr, err)
		}
	}
	return s, nil
}

// tlsConfig is what the mode asks to be verified.
func tlsConfig(a Address) (*tls.Config, error) {
	c := &tls.Config{
		ServerName: a.Host, MinVersion: tls.VersionTLS12,
		// Small records at the start would be many system calls.
		DynamicRecordSizingDisabled: true,
	}
	if a.TLS.CA != "" {
		pem, err := os.ReadFile(a.TLS.CA)
		if err != nil {
			return nil, configError("server_tls_ca_file", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
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
	switch a.TLS.Mode {
	case TLSVerifyFull:
	case TLSVerifyCA:
		// The chain, but not the name.
		c.InsecureSkipVerify = true
		c.VerifyConnection = func(s tls.ConnectionState) error {
			opts := x509.VerifyOptions{Roots: c.RootCAs, Intermediates: x509.NewCertPool()}
			for _, cert := range s.PeerCertificates[1:] {
				opts.Intermediates.AddCert(cert)
			}
			_, err := s.PeerCertificates[0].Verify(opts)
			return err
		}
	default:
		c.InsecureSkipVerify = true
	}
	return c, nil
}

func configError(setting string, err error) error {
	return wire.Fatalf(wire.CodeConfigFileError, "%s: %v", setting, err)
}

func broken(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return wire.Fatalf(wire.CodeCannotConnect, "the server did not answer the login within server_connect_timeout")
	}
	return wire.Fatalf(wire.CodeConnectionFailure, "the server closed the connection during the login: %v", err)
}

// The pauses after which stopWork asks again.
const (
	firstAsking = 50 * time.Millisecond
	lastAsking  = 5 * time.Second
)

// stopWork has PostgreSQL cancel what a discarded backend is doing, until its
// process has gone: a cancel that overtakes the query that it is meant for does
// nothing, and there may be several of them.
func (p *Pool) stopWork(b *Backend) {
	for pause := firstAsking; ; pause = min(2*pause, lastAsking) {
		p.CancelQuery(b)
		if b.Conn == nil {
			return
		}
		if c, ok := b.Conn.(interface{ CloseWrite() error }); ok {
			c.CloseWrite()
		}
		b.Conn.SetReadDeadline(time.Now().Add(pause))
		if _, err := io.Copy(io.Discard, b.Conn); !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}

// CancelQuery asks PostgreSQL to cancel what a backend is doing, and returns
// when it has done so, or has failed to: afterwards the signal is not on its
// way any more.
func (p *Pool) CancelQuery(b *Backend) error {
	timeout := p.Settings().ConnectTimeout
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := p.transport.connect(ctx, b.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(timeout))
	if b.TLS != "" {
		if conn, err = p.transport.negotiate(conn, b.Address, true); err != nil {
			return err
		}
	}
	if _, err := conn.Write(wire.AppendCancelRequest(nil, b.PID, b.Key)); err != nil {
		return err
	}
	// PostgreSQL closes the connection when the signal has been sent.
	var buf [1]byte
	conn.Read(buf[:])
	return nil
}
