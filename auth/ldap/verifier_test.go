package ldap

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"pgweir/auth/hba"
	"pgweir/ldaptest"
)

// people are the entries of the tests.
var people = []ldaptest.Entry{
	person("uid=ann,ou=staff,dc=example,dc=net", "geheim", "ann", "ann@example.net"),
	person("uid=bob,ou=staff,dc=example,dc=net", "bob's", "bob", "bob@example.net"),
	person("uid=twin,ou=staff,dc=example,dc=net", "geheim", "twin", "twin@example.net"),
	person("uid=twin,ou=guests,dc=example,dc=net", "geheim", "twin", "twin@guests.example.net"),
	person("uid=many,ou=a,dc=example,dc=net", "geheim", "many", ""),
	person("uid=many,ou=b,dc=example,dc=net", "geheim", "many", ""),
	person("uid=many,ou=c,dc=example,dc=net", "geheim", "many", ""),
	person("uid=guest,ou=guests,dc=example,dc=net", "geheim", "guest", ""),
	person("uid=ann\\, jr,ou=staff,dc=example,dc=net", "geheim", "ann, jr", ""),
	person("ann@example.net", "geheim", "", ""), // as Active Directory has it
	person("EXAMPLE\\ann", "geheim", "", ""),
	{DN: "cn=reader,dc=example,dc=net", Password: "reads"},
}

func person(dn, password, uid, mail string) ldaptest.Entry {
	return ldaptest.Entry{DN: dn, Password: password, Attributes: map[string][]string{"uid": {uid}, "mail": {mail}}}
}

func start(t *testing.T, opts ldaptest.Options) *ldaptest.Server {
	t.Helper()
	if opts.Entries == nil {
		opts.Entries = people
	}
	return ldaptest.Serve(t, opts)
}

// verifier is made of options; PORT stands for the server's port.
func verifier(t *testing.T, s *ldaptest.Server, options string, roots *x509.CertPool) *Verifier {
	t.Helper()
	d, err := hba.ParseDirectory(strings.ReplaceAll(options, "PORT", fmt.Sprint(s.Port)))
	if err != nil {
		t.Fatal(err)
	}
	v, err := New(d, roots)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const (
	made   = `ldapserver=127.0.0.1 ldapport=PORT ldapprefix="uid=" ldapsuffix=",ou=staff,dc=example,dc=net"`
	looked = `ldapserver=127.0.0.1 ldapport=PORT ldapbasedn="dc=example,dc=net" ldapbinddn="cn=reader,dc=example,dc=net" ldapbindpasswd=reads`
)

func TestAPasswordIsTheUsersIfTheServerSaysSo(t *testing.T) {
	s := start(t, ldaptest.Options{Readers: []string{"cn=reader,dc=example,dc=net"}})
	const in = ""
	for _, c := range []struct {
		options, user, password, want string
	}{
		{made, "ann", "geheim", in},
		{made, "ann", "wrong", `does not let "uid=ann,ou=staff,dc=example,dc=net" in: Invalid Credentials`},
		{made, "nobody", "geheim", "Invalid Credentials"},
		{made, "ann", "", "nobody logs in with an empty"},
		{made, "", "geheim", "nobody logs in with an empty"},
		{made, "ann, jr", "geheim", in}, // escaped
		{made, "guest,ou=guests", "geheim", "Invalid Credentials"},
		{`ldapserver=127.0.0.1 ldapport=PORT ldapprefix="uid=" ldapsuffix=""`, "ann,ou=staff,dc=example,dc=net", "geheim", "Invalid Credentials"},
		{`ldapserver=127.0.0.1 ldapport=PORT ldapsuffix=@example.net`, "ann", "geheim", in},
		{`ldapserver=127.0.0.1 ldapport=PORT ldapprefix="EXAMPLE\"`, "ann", "geheim", in},
		{looked, "ann", "geheim", in},
		{looked, "bob", "bob's", in},
		{looked, "ann", "wrong", "Invalid Credentials"},
		{looked, "nobody", "geheim", `has no entry for "(uid=nobody)" below "dc=example,dc=net"`},
		{looked, "twin", "geheim", "has more than one entry"},
		{looked, "many", "geheim", "has more than one entry"},
		{looked, "ann", "", "nobody logs in with an empty"},
		{looked, "*", "geheim", "is not looked for"},
		{looked, "a*", "geheim", "is not looked for"},
		{looked, "x)(uid=ann", "geheim", "is not looked for"},
		{looked, `\61nn`, "geheim", "is not looked for"},
		{looked, "a/nn", "geheim", "is not looked for"},
		{looked, "ann\x00", "geheim", "has no entry"},
		{looked, "ann, jr", "geheim", in},
		{looked + " ldapsearchattribute=mail", "ann@example.net", "geheim", in},
		{looked + " ldapsearchattribute=mail", "ann", "geheim", "has no entry"},
		{looked + ` ldapsearchfilter="(|(uid=$username)(mail=$username@example.net))"`, "ann", "geheim", in},
		{looked + ` ldapsearchfilter="(&(uid=$username)(mail=*@guests.example.net))"`, "twin", "geheim", in},
		{looked + ` ldapsearchfilter="uid=$username"`, "ann", "geheim", in},
		{strings.Replace(looked, "reads", "wrong", 1), "ann", "geheim", `does not let ldapbinddn "cn=reader,dc=example,dc=net" in, to search: Invalid Credentials`},
		{`ldapserver=127.0.0.1 ldapport=PORT ldapbasedn="dc=example,dc=net"`, "ann", "geheim", "cannot be searched with"},
		{`ldapurl="ldap://127.0.0.1:PORT/ou=staff,dc=example,dc=net?uid?one" ldapbinddn="cn=reader,dc=example,dc=net" ldapbindpasswd=reads`, "twin", "geheim", in},
		{`ldapurl="ldap://127.0.0.1:PORT/dc=example,dc=net?uid?one" ldapbinddn="cn=reader,dc=example,dc=net" ldapbindpasswd=reads`, "ann", "geheim", "has no entry"},
		{`ldapurl="ldap://127.0.0.1:PORT/dc=example,dc=net?uid" ldapbinddn="cn=reader,dc=example,dc=net" ldapbindpasswd=reads`, "ann", "geheim", "has no entry"},
		{`ldapurl="ldap://127.0.0.1:PORT/dc=example,dc=net?uid?children" ldapbinddn="cn=reader,dc=example,dc=net" ldapbindpasswd=reads`, "ann", "geheim", in},
	} {
		err := verifier(t, s, c.options, nil).Verify(t.Context(), c.user, c.password)
		if c.want == in && err != nil || c.want != in && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q with %q by %s:\n%v\nwant %q", c.user, c.password, c.options, err, c.want)
		}
		word := new(Refusal)
		if lost := strings.Contains(c.want, "search"); err != nil && errors.As(err, &word) == lost {
			t.Errorf("that it is not the user's password, or that nobody knows: %v", err)
		}
		if err != nil && (strings.Contains(err.Error(), "geheim") || strings.Contains(err.Error(), "reads") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("the error shows too much: %v", err)
		}
	}
	for _, filter := range s.Searches() {
		if strings.Contains(filter, "(uid=x)") || filter == "(uid=*)" || filter == "(uid=a*)" {
			t.Errorf("the server was asked for %q", filter)
		}
	}
}

func TestAnEntryOfWhichTheServerSaysThatItIsNotAllIsNobodys(t *testing.T) {
	s := start(t, ldaptest.Options{MaxFound: 1})
	if err := verifier(t, s, looked, nil).Verify(t.Context(), "ann", "geheim"); err != nil {
		t.Error(err)
	}
	if err := verifier(t, s, looked, nil).Verify(t.Context(), "twin", "geheim"); err == nil || !strings.Contains(err.Error(), "has more than one entry") {
		t.Errorf("%v", err)
	}
}

func TestNothingIsSentForAnEmptyPassword(t *testing.T) {
	s := start(t, ldaptest.Options{})
	for _, options := range []string{made, looked} {
		if err := verifier(t, s, options, nil).Verify(t.Context(), "ann", ""); err == nil {
			t.Error("an empty password is ann's")
		}
	}
	if got := s.Binds(); len(got) != 0 {
		t.Errorf("the server was sent %q", got)
	}
}

func TestTheFirstServerThatAnswersIsAsked(t *testing.T) {
	s := start(t, ldaptest.Options{})
	options := strings.Replace(made, "127.0.0.1", `"127.0.0.2  127.0.0.1 127.0.0.3"`, 1)
	if err := verifier(t, s, options, nil).Verify(t.Context(), "ann", "geheim"); err != nil {
		t.Error(err)
	}
	options = strings.Replace(made, "127.0.0.1", `"127.0.0.2 127.0.0.3"`, 1)
	err := verifier(t, s, options, nil).Verify(t.Context(), "ann", "geheim")
	if err == nil || !strings.Contains(err.Error(), "127.0.0.3") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody is there: %v", err)
	}
}

func TestAServerThatIsNotWhoItShouldBeIsToldNoPassword(t *testing.T) {
	certificate, roots := selfSigned(t, net.IPv4(127, 0, 0, 1))
	other, _ := selfSigned(t, net.IPv4(127, 0, 0, 9))
	for _, c := range []struct {
		name, more string
		opts       ldaptest.Options
		roots      *x509.CertPool
		want       string
	}{
		{"ldaps", " ldapscheme=ldaps", ldaptest.Options{TLS: certificate, Immediate: true}, roots, ""},
		{"StartTLS", " ldaptls=1", ldaptest.Options{TLS: certificate, RequireTLS: true}, roots, ""},
		{"no TLS", "", ldaptest.Options{TLS: certificate, RequireTLS: true}, roots, "Confidentiality Required"},
		{"ldaps, an unknown authority", " ldapscheme=ldaps", ldaptest.Options{TLS: certificate, Immediate: true}, nil, "certificate"},
		{"StartTLS, an unknown authority", " ldaptls=1", ldaptest.Options{TLS: certificate}, nil, "certificate"},
		{"ldaps, another name", " ldapscheme=ldaps", ldaptest.Options{TLS: other, Immediate: true}, poolOf(t, other), "certificate"},
		{"StartTLS, another name", " ldaptls=1", ldaptest.Options{TLS: other}, poolOf(t, other), "certificate"},
		{"StartTLS with a server that has none", " ldaptls=1", ldaptest.Options{}, roots, "StartTLS: Unavailable"},
		{"ldaps with a server that has none", " ldapscheme=ldaps", ldaptest.Options{}, roots, "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, c.opts)
			err := verifier(t, s, made+c.more, c.roots).Verify(t.Context(), "ann", "geheim")
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if got := s.Binds(); c.want != "" && len(got) != 0 || c.want == "" && !slices.Equal(got, []string{"uid=ann,ou=staff,dc=example,dc=net ok"}) {
				t.Errorf("the server was sent %q", got)
			}
		})
	}
}

// TestAServerThatSaysNothingIsNotWaitedForForEver, and neither is one that says nonsense.
func TestAServerThatSaysNothingIsNotWaitedForForEver(t *testing.T) {
	for _, c := range []struct{ name, says, more string }{
		{"silence", "", ""},
		{"silence at StartTLS", "", " ldaptls=1"},
		{"silence at the handshake", "", " ldapscheme=ldaps"},
		{"nonsense", "HTTP/1.1 400 Bad Request\r\n\r\n", ""},
		{"a message of a gigabyte", "\x30\x84\x40\x00\x00\x00\x04\x84\x3f\xff\xff\x00", ""},
		{"a message without an end", "\x30\x80" + strings.Repeat("\x04\x01x", 1000), ""},
		{"much depth", strings.Repeat("\x30\x80", 100000), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					defer conn.Close()
					_, _ = conn.Write([]byte(c.says))
				}
			}()
			d, err := hba.ParseDirectory(strings.ReplaceAll(made+c.more, "PORT", fmt.Sprint(l.Addr().(*net.TCPAddr).Port)))
			if err != nil {
				t.Fatal(err)
			}
			v, err := New(d, nil)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			word := new(Refusal)
			if err := v.Verify(ctx, "ann", "geheim"); err == nil || errors.As(err, &word) {
				t.Errorf("the server has said nothing, and so %v", err)
			}
		})
	}
}

func TestWhatCouldFindNobodyIsToldAtOnce(t *testing.T) {
	for options, want := range map[string]string{
		`ldapserver=a ldapbasedn=nonsense`:                               `ldapbasedn "nonsense" is no distinguished name`,
		`ldapserver=a ldapbasedn="dc=x" ldapsearchfilter="(uid"`:         `"(uid" is no LDAP filter`,
		`ldapserver=a ldapbasedn="dc=x" ldapsearchattribute="u(d"`:       `"u(d" is no attribute`,
		`ldapserver=a ldapbasedn="dc=x" ldapsearchfilter="(&(a=$user)b"`: `is no LDAP filter`,
	} {
		d, err := hba.ParseDirectory(options)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(d, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", options, err, want)
		}
	}
}

func TestReachTellsWhetherAServerCanBeSearched(t *testing.T) {
	s := start(t, ldaptest.Options{})
	for _, options := range []string{made, looked} {
		if err := verifier(t, s, options, nil).Reach(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := verifier(t, s, strings.Replace(looked, "reads", "wrong", 1), nil).Reach(t.Context()); err == nil || !strings.Contains(err.Error(), "to search") {
		t.Errorf("%v", err)
	}
}

func FuzzNames(f *testing.F) {
	f.Add("ann")
	f.Add(`x)(|(uid=*`)
	f.Add("a,ou=b+c=d\\;<>#\"\x00")
	d, err := hba.ParseDirectory(strings.ReplaceAll(made, "PORT", "1"))
	if err != nil {
		f.Fatal(err)
	}
	v, err := New(d, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, user string) {
		if user == "" {
			return
		}
		// However it reads, it is one value in one part of the name.
		if !oneValue(v.name(user), user) {
			t.Errorf("%q makes %q", user, v.name(user))
		}
	})
}

// selfSigned makes a certificate for an address that is its own authority.
func selfSigned(t *testing.T, ip net.IP) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ldap"}, IPAddresses: []net.IP{ip},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return config, poolOf(t, config)
}

func poolOf(t *testing.T, c *tls.Config) *x509.CertPool {
	t.Helper()
	cert, err := x509.ParseCertificate(c.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return roots
}
