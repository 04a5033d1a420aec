package pool

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgweir/wire"
)

var (
	offerPlain = []string{wire.MechanismSCRAM}
	offerBoth  = []string{wire.MechanismSCRAMPlus, wire.MechanismSCRAM}
	offerPlus  = []string{wire.MechanismSCRAMPlus}
	offerOther = []string{"OAUTHBEARER"}
)

func TestChannelBindingIsUsedAsLibpqUsesIt(t *testing.T) {
	signed := newPKI(t, "localhost").pair
	unbindable := ed25519Certificate(t)
	const plus, plain = wire.MechanismSCRAMPlus, wire.MechanismSCRAM
	for _, c := range []struct {
		name  string
		cert  *tls.Certificate // nil: no TLS
		offer []string
		mode  ChannelBinding
		want  string // the mechanism and the flag, or the SQLSTATE
	}{
		{"no mode, offered", &signed, offerBoth, "", plus + " p=tls-server-end-point"},
		{"prefer, offered", &signed, offerBoth, BindingPrefer, plus + " p=tls-server-end-point"},
		{"require, offered", &signed, offerBoth, BindingRequire, plus + " p=tls-server-end-point"},
		{"require, nothing else offered", &signed, offerPlus, BindingRequire, plus + " p=tls-server-end-point"},
		{"disable, offered", &signed, offerBoth, BindingDisable, plain + " n"},
		{"disable, nothing else offered", &signed, offerPlus, BindingDisable, wire.CodeFeatureNotSupported},
		{"prefer, not offered", &signed, offerPlain, BindingPrefer, plain + " y"},
		{"disable, not offered", &signed, offerPlain, BindingDisable, plain + " n"},
		{"require, not offered", &signed, offerPlain, BindingRequire, wire.CodeCannotConnect},
		{"prefer, a certificate without a hash", &unbindable, offerBoth, BindingPrefer, plain + " n"},
		{"require, a certificate without a hash", &unbindable, offerBoth, BindingRequire, wire.CodeCannotConnect},
		{"prefer, no TLS", nil, offerPlain, BindingPrefer, plain + " n"},
		{"require, no TLS", nil, offerPlain, BindingRequire, wire.CodeCannotConnect},
		{"prefer, offered without TLS", nil, offerBoth, BindingPrefer, wire.CodeCannotConnect},
		{"an unknown offer", &signed, offerOther, BindingPrefer, wire.CodeFeatureNotSupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, s := newHost(t), serveTCP(t)
			s.auth, s.password, s.offer = "scram-sha-256", "secret", c.offer
			if c.cert != nil {
				s.tls = &tls.Config{Certificates: []tls.Certificate{*c.cert}}
			}
			p := h.pool(s, func(s *Settings) {
				s.Address.TLS.Mode = TLSPrefer
				s.Credentials = wire.Credentials{User: "user", Password: "secret"}
				s.ChannelBinding = c.mode
			})
			k := h.taker(p)
			k.ask(p, nil)
			if len(c.want) == 5 {
				if e := k.refusal(); e.Code != c.want || e.Severity != "FATAL" {
					t.Error(e)
				}
				return
			}
			h.giveBack(k.wait())
			if got := s.logins()[0]; got.mechanism+" "+got.header != c.want {
				t.Errorf("%s %s, want %s", got.mechanism, got.header, c.want)
			}
		})
	}
}

// ed25519Certificate has a signature without a hash function.
func ed25519Certificate(t *testing.T) tls.Certificate {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}

func TestAServerThatDoesNotHaveTheCertificateCannotPassAnExchangeOn(t *testing.T) {
	mine, theirs := newPKI(t, "localhost").pair, newPKI(t, "localhost").pair
	h, s := newHost(t), serveTCP(t)
	s.auth, s.password, s.offer = "scram-sha-256", "secret", offerBoth
	// The scripted server's end point is that of its first certificate, and it
	// shows another, as one in between would.
	s.tls = &tls.Config{
		Certificates:   []tls.Certificate{mine},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &theirs, nil },
	}
	p := h.pool(s, func(s *Settings) {
		s.Address.TLS.Mode = TLSRequire
		s.Credentials = wire.Credentials{User: "user", Password: "secret"}
	})
	k := h.taker(p)
	k.ask(p, nil)
	k.refusal()
}

func TestOnlyTheMethodsOfServerAuthMethodsAreAnswered(t *testing.T) {
	pair := newPKI(t, "localhost").pair
	sets := map[string]AuthMethods{
		"all": 0, "trust": AuthTrust, "password": AuthPassword, "md5": AuthMD5, "scram": AuthSCRAM, "plus": AuthSCRAMPlus,
	}
	for _, c := range []struct {
		auth    string
		offer   []string
		method  string // as the error names it
		allowed string // the sets that allow it
	}{
		{"trust", nil, "trust", "all trust"},
		{"password", nil, "password", "all password"},
		{"md5", nil, "md5", "all md5"},
		{"scram-sha-256", offerPlain, "scram-sha-256", "all scram"},
		{"scram-sha-256", offerBoth, "scram-sha-256-plus", "all scram plus"},
	} {
		for name, set := range sets {
			t.Run(c.method+" where "+name+" is allowed", func(t *testing.T) {
				h, s := newHost(t), serveTCP(t)
				s.auth, s.password, s.offer = c.auth, "secret", c.offer
				s.tls = &tls.Config{Certificates: []tls.Certificate{pair}}
				p := h.pool(s, func(s *Settings) {
					s.Address.TLS.Mode = TLSRequire
					s.Credentials = wire.Credentials{User: "user", Password: "secret"}
					s.AuthMethods = set
				})
				k := h.taker(p)
				k.ask(p, nil)
				if strings.Contains(" "+c.allowed+" ", " "+name+" ") {
					h.giveBack(k.wait())
					return
				}
				e := k.refusal()
				if e.Code != wire.CodeCannotConnect || e.Severity != "FATAL" ||
					!strings.Contains(e.Message, " "+c.method+",") || !strings.Contains(e.Message, "server_auth_methods") || !strings.Contains(e.Detail, set.String()) {
					t.Errorf("%v, %s", e, e.Detail)
				}
			})
		}
	}
}

func TestWhatIsNotBoundIsRefusedWhereBindingIsRequired(t *testing.T) {
	for _, auth := range []string{"trust", "password", "md5"} {
		h, s := newHost(t), serveTCP(t)
		s.auth, s.password = auth, "secret"
		s.tls = &tls.Config{Certificates: []tls.Certificate{newPKI(t, "localhost").pair}}
		p := h.pool(s, func(s *Settings) {
			s.Address.TLS.Mode = TLSRequire
			s.Credentials = wire.Credentials{User: "user", Password: "secret"}
			s.ChannelBinding = BindingRequire
		})
		k := h.taker(p)
		k.ask(p, nil)
		if e := k.refusal(); e.Code != wire.CodeCannotConnect || !strings.Contains(e.Message, auth) || !strings.Contains(e.Message, "server_channel_binding") {
			t.Error(e)
		}
	}
}

func TestBackendsOfWeakerLoginsAreClosedWhenTheRulesAreTightened(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, nil)
	h.giveBack(h.lease(p))
	p.Set(h.settings(s, "user", func(s *Settings) { s.AuthMethods = AuthSCRAM; s.LoginRetry = 0 }))
	eventually(t, "the old one is gone", func() bool { live, _ := s.counts(); return live == 0 })
	k := h.taker(p)
	k.ask(p, nil)
	k.refusal()
}

func TestAuthMethodsAreNamedAsTheSettingNamesThem(t *testing.T) {
	names := []string{"trust", "password", "md5", "scram-sha-256", "scram-sha-256-plus"}
	if got := AuthMethodsOf(names).String(); got != strings.Join(names, ", ") {
		t.Error(got)
	}
	for i, name := range names {
		if m := AuthMethodsOf(names[i : i+1]); m.String() != name || m != 1<<i {
			t.Errorf("%s: %v", name, m)
		}
	}
}
