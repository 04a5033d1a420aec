package pool

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgweir/wire"
)

// pki is a certificate authority and a certificate of it for a name, as files.
type pki struct {
	ca, cert, key string
	pair          tls.Certificate
}

func newPKI(t *testing.T, name string) *pki {
	t.Helper()
	dir := t.TempDir()
	write := func(file, kind string, der []byte) string {
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	template := func(serial int64, cn string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: cn},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
	}
	caKey, key := newKey(), newKey()
	ca := template(1, "an authority")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	leaf := template(2, name)
	leaf.DNSNames = []string{name}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	k := &pki{
		ca: write("ca.pem", "CERTIFICATE", caDER), cert: write("cert.pem", "CERTIFICATE", der),
		key: write("key.pem", "PRIVATE KEY", keyDER),
	}
	if k.pair, err = tls.LoadX509KeyPair(k.cert, k.key); err != nil {
		t.Fatal(err)
	}
	return k
}

func TestEachTLSModeDoesWhatLibpqDoes(t *testing.T) {
	good, elsewhere, stranger := newPKI(t, "localhost"), newPKI(t, "elsewhere"), newPKI(t, "localhost")
	const no, plain, encrypted = "refused", "plain", "encrypted"
	for _, c := range []struct {
		name   string
		mode   TLSMode
		ca     string
		server *pki // nil: cannot do TLS
		want   string
	}{
		{"disable", TLSDisable, "", good, plain},
		{"no mode", "", "", good, plain},
		{"allow", TLSAllow, "", good, plain},
		{"prefer", TLSPrefer, "", good, encrypted},
		{"prefer, cannot", TLSPrefer, "", nil, plain},
		{"require", TLSRequire, "", good, encrypted},
		{"require, cannot", TLSRequire, "", nil, no},
		{"require, unknown authority", TLSRequire, "", stranger, encrypted},
		{"verify-ca", TLSVerifyCA, good.ca, good, encrypted},
		{"verify-ca, cannot", TLSVerifyCA, good.ca, nil, no},
		{"verify-ca, another name", TLSVerifyCA, elsewhere.ca, elsewhere, encrypted},
		{"verify-ca, unknown authority", TLSVerifyCA, good.ca, stranger, no},
		{"verify-full", TLSVerifyFull, good.ca, good, encrypted},
		{"verify-full, cannot", TLSVerifyFull, good.ca, nil, no},
		{"verify-full, another name", TLSVerifyFull, elsewhere.ca, elsewhere, no},
		{"verify-full, unknown authority", TLSVerifyFull, good.ca, stranger, no},
		{"no such file", TLSVerifyCA, good.ca + ".none", good, no},
		{"a file of something else", TLSVerifyCA, good.key, good, no},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, s := newHost(t), serveTCP(t)
			if c.server != nil {
				s.tls = &tls.Config{Certificates: []tls.Certificate{c.server.pair}}
			}
			p := h.pool(s, func(s *Settings) { s.Address.TLS = TLS{Mode: c.mode, CA: c.ca} })
			k := h.taker(p)
			k.ask(p, nil)
			if c.want == no {
				e := k.refusal()
				want := wire.CodeCannotConnect
				if c.name == "no such file" || c.name == "a file of something else" {
					want = wire.CodeConfigFileError
				}
				if e.Code != want || e.Severity != "FATAL" {
					t.Error(e)
				}
				if len(s.logins()) != 0 {
					t.Error("a login was tried all the same")
				}
				return
			}
			b := k.wait()
			start := s.logins()[0]
			if start.tls != (c.want == encrypted) || (b.TLS != "") != (c.want == encrypted) {
				t.Errorf("encrypted %v, %q; should be %s", start.tls, b.TLS, c.want)
			}
			// A cancel request goes the same way.
			if _, err := p.CancelQuery(b, CancelRequest{}); err != nil {
				t.Error(err)
			}
			s.set(func(s *server) {
				if len(s.cancels) != 1 || s.cancels[0] != b.PID {
					t.Errorf("cancels of %v", s.cancels)
				}
			})
			h.giveBack(b)
		})
	}
}

func TestAllowTriesTLSIfTheServerInsists(t *testing.T) {
	h, s := newHost(t), serveTCP(t)
	s.late = 5 * time.Millisecond
	s.tls = &tls.Config{Certificates: []tls.Certificate{newPKI(t, "localhost").pair}}
	s.refuse = func(x *startup) *wire.Error {
		if !x.tls {
			return wire.Fatalf(wire.CodeInvalidAuthorization, "no pg_hba.conf entry for host, no encryption")
		}
		return nil
	}
	p := h.pool(s, func(s *Settings) { s.Address.TLS.Mode = TLSAllow; s.Size = 1 })
	b := h.lease(p)
	if b.TLS == "" {
		t.Error("not encrypted")
	}
	h.giveBack(b)
	if _, most := s.counts(); most != 1 {
		t.Errorf("%d processes at once", most)
	}

	// If it does not get in that way either, the first reason counts.
	s.set(func(s *server) {
		s.refuse = func(x *startup) *wire.Error {
			if x.tls {
				return wire.Fatalf("28000", "not with encryption either")
			}
			return wire.Fatalf("28000", "no entry")
		}
	})
	q := h.named("db", "other", s, func(s *Settings) { s.Address.TLS.Mode = TLSAllow })
	k := h.taker(q)
	k.ask(q, nil)
	if e := k.refusal(); e.Message != "no entry" {
		t.Error(e)
	}
}

func TestAClientCertificateIsShown(t *testing.T) {
	own := newPKI(t, "user")
	h, s := newHost(t), serveTCP(t)
	s.tls = &tls.Config{Certificates: []tls.Certificate{newPKI(t, "localhost").pair}, ClientAuth: tls.RequireAnyClientCert}
	p := h.pool(s, func(s *Settings) { s.Address.TLS = TLS{Mode: TLSRequire, Cert: own.cert, KeyFile: own.key} })
	h.giveBack(h.lease(p))
	if n := s.logins()[0].certs; n != 1 {
		t.Errorf("%d certificates", n)
	}
	q := h.named("db", "other", s, func(s *Settings) {
		s.Address.TLS = TLS{Mode: TLSRequire, Cert: own.cert + ".none", KeyFile: own.key}
	})
	k := h.taker(q)
	k.ask(q, nil)
	if e := k.refusal(); e.Code != wire.CodeConfigFileError {
		t.Error(e)
	}
}

func TestTLSIsNotAskedForOnAUnixSocket(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Address.TLS.Mode = TLSVerifyFull })
	b := h.lease(p)
	if b.TLS != "" {
		t.Error(b.TLS)
	}
	h.giveBack(b)
}

func TestPreferDoesWithoutTLSIfTheServerInsists(t *testing.T) {
	h, s := newHost(t), serveTCP(t)
	s.late = 5 * time.Millisecond
	s.tls = &tls.Config{Certificates: []tls.Certificate{newPKI(t, "localhost").pair}}
	s.refuse = func(x *startup) *wire.Error {
		if x.tls {
			return wire.Fatalf(wire.CodeInvalidAuthorization, "no pg_hba.conf entry for host, SSL encryption")
		}
		return nil
	}
	p := h.pool(s, func(s *Settings) { s.Address.TLS.Mode = TLSPrefer; s.Size = 1 })
	b := h.lease(p)
	if b.TLS != "" || b.Address != p.Settings().Address {
		t.Errorf("%q, %+v", b.TLS, b.Address)
	}
	if _, err := p.CancelQuery(b, CancelRequest{}); err != nil {
		t.Error(err)
	}
	h.giveBack(b)
	if _, most := s.counts(); most != 1 {
		t.Errorf("%d processes at once", most)
	}
}

func TestTLSBeginsAsTheSettingSays(t *testing.T) {
	k := newPKI(t, "localhost")
	speaks := &tls.Config{Certificates: []tls.Certificate{k.pair}, NextProtos: []string{ALPN}}
	silent := &tls.Config{Certificates: []tls.Certificate{k.pair}}
	other := &tls.Config{Certificates: []tls.Certificate{k.pair}, NextProtos: []string{"http/1.1"}}
	for _, c := range []struct {
		name     string
		direct   bool
		server   *tls.Config
		carefree bool
		refused  string // "": it is not
		protocol string
	}{
		{"asked for, ALPN", false, speaks, false, "", ALPN},
		{"asked for, no ALPN", false, silent, false, "", ""},
		{"asked for, another protocol", false, other, false, "no application protocol", ""},
		{"direct", true, speaks, false, "", ALPN},
		{"direct, an older server", true, silent, false, "needs PostgreSQL 17", ""},
		{"direct, a server without TLS", true, nil, false, "needs PostgreSQL 17", ""},
		{"direct, a server that names no protocol", true, silent, true, "without the server's naming the protocol", ""},
		{"direct, another protocol", true, other, true, "no application protocol", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, s := newHost(t), serveTCP(t)
			s.tls, s.carefree = c.server, c.carefree
			p := h.pool(s, func(s *Settings) { s.Address.TLS = TLS{Mode: TLSVerifyFull, CA: k.ca, Direct: c.direct} })
			k := h.taker(p)
			k.ask(p, nil)
			if c.refused != "" {
				if e := k.refusal(); e.Code != wire.CodeCannotConnect || !strings.Contains(e.Message, c.refused) {
					t.Errorf("%v, want %q", e, c.refused)
				}
				if len(s.logins()) != 0 {
					t.Error("a login was tried all the same")
				}
				return
			}
			b := k.wait()
			if _, err := p.CancelQuery(b, CancelRequest{}); err != nil {
				t.Error(err)
			}
			ways := s.logins()[:1:1]
			s.set(func(s *server) { ways = append(ways, s.ways...) })
			if len(ways) != 2 {
				t.Fatalf("%d logins and cancels", len(ways))
			}
			for _, x := range ways {
				if !x.tls || x.direct != c.direct || x.protocol != c.protocol {
					t.Errorf("TLS %v, direct %v, protocol %q", x.tls, x.direct, x.protocol)
				}
			}
			h.giveBack(b)
		})
	}
}

func TestVersionsAndSuitesAreThoseOfTheSettings(t *testing.T) {
	const suite = tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
	config, err := TLSConfig(Address{Host: "db", TLS: TLS{Mode: TLSRequire, Min: tls.VersionTLS12, Max: tls.VersionTLS12, Suites: Suites([]uint16{suite})}})
	if err != nil {
		t.Fatal(err)
	}
	if config.MinVersion != tls.VersionTLS12 || config.MaxVersion != tls.VersionTLS12 || len(config.CipherSuites) != 1 || config.CipherSuites[0] != suite {
		t.Errorf("%x to %x, %x", config.MinVersion, config.MaxVersion, config.CipherSuites)
	}
	if config, err = TLSConfig(Address{}); err != nil || config.MinVersion != tls.VersionTLS12 || config.MaxVersion != 0 || config.CipherSuites != nil {
		t.Errorf("by default %x to %x, %x, %v", config.MinVersion, config.MaxVersion, config.CipherSuites, err)
	}
}
