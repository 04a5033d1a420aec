package wire

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// The example of RFC 7677, section 3.
const (
	rfcClientNonce = "rOprNGfwEbeRWgbNEkqO"
	rfcServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	rfcClientFirst = "n,,n=user,r=" + rfcClientNonce
	rfcServerFirst = "r=" + rfcClientNonce + rfcServerNonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	rfcNoProof     = "c=biws,r=" + rfcClientNonce + rfcServerNonce
	rfcClientFinal = rfcNoProof + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	rfcServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
)

func rfcSecret(t testing.TB) SCRAMSecret {
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	return DeriveSCRAMSecret("pencil", salt, 4096)
}

func TestSCRAMServerFollowsTheExampleOfRFC7677(t *testing.T) {
	s := NewSCRAMServer(rfcSecret(t), rfcServerNonce)
	first, err := s.First([]byte(rfcClientFirst))
	if err != nil || string(first) != rfcServerFirst {
		t.Fatalf("%q, %v", first, err)
	}
	final, key, err := s.Final([]byte(rfcClientFinal))
	if err != nil || string(final) != rfcServerFinal {
		t.Fatalf("%q, %v", final, err)
	}
	client := NewSCRAMClientKeys(key, rfcSecret(t).ServerKey, "abc")
	if err := exchange(client, NewSCRAMServer(rfcSecret(t), "def")); err != nil {
		t.Errorf("the client's key opens nothing: %v", err)
	}
}

func TestSCRAMClientAnswersAsPostgreSQL15Expected(t *testing.T) {
	// A login that a PostgreSQL 15 server accepted.
	c := NewSCRAMClient("pencil", rfcClientNonce)
	if got, want := string(c.First()), "n,,n=,r="+rfcClientNonce; got != want {
		t.Errorf("first %q, want %q", got, want)
	}
	got, err := c.Continue([]byte("r=rOprNGfwEbeRWgbNEkqO/3RLGiqWEJx+/2zFMHc4OzdM,s=lrDfBnONGveUHTpbD8mnKQ==,i=4096"))
	want := "c=biws,r=rOprNGfwEbeRWgbNEkqO/3RLGiqWEJx+/2zFMHc4OzdM,p=WP1t04308DtKWkxYluidCYrrpI3rcjedVb7pLg78xl4="
	if err != nil || string(got) != want {
		t.Errorf("final %q, %v; want %q", got, err, want)
	}
	if err := c.Final([]byte("v=vvGE9syefgJ14VH43VhaXMU6E8GuQ6KB9yLTiGMeOZk=")); err != nil {
		t.Error(err)
	}
}

func TestPasswordsArePreparedAsPostgreSQLDoes(t *testing.T) {
	// What PostgreSQL 15 stored for these passwords.
	for _, c := range []struct{ name, password, secret string }{
		{"ASCII", "pencil", "SCRAM-SHA-256$4096:MSElK6hNKdldte2eGHLJKg==$TEr40nbPoEr72T5IpMjIK5bPp9Wa18FMQDeaBhrW/qo=:jcrrrDk3wdEvKCzX5uz8HQtMywLUQNT/5ZJ+7sG6YHc="},
		{"ASCII control character", "a\tb", "SCRAM-SHA-256$4096:3eyPrRZ7WDCohTpgq30HXQ==$fB8h9nw48/mKS052AkINF0QLzRmK0krFOZh5LwYQ6vs=:mJrNC0g66o3bFj6XKF+vpQma86p5/9TlsUNB0wLrtVM="},
		{"letter", "päss", "SCRAM-SHA-256$4096:j6mLztSYpvXkht7TUBR6NQ==$FVzR2CUc+rLHWXlcACXinZxwqB0nMQ/46rSOfssP8dc=:OSCou01xJTjU1CZIOIjFKJJQe12vX3rBiNSuEgsrJEQ="},
		{"soft hyphen", "I\u00adX", "SCRAM-SHA-256$4096:r+0BGuwCwHB+51rwh1KV0Q==$0cOKnrzeqErl2qqFPqzMU9BxKmznQQcyCsxTxx5VbJs=:YoF24opBk2yVBSi+z8BSKKxqsers5asvijQ4RJVLWZw="},
		{"soft hyphen alone", "\u00ad", "SCRAM-SHA-256$4096:hm7u+TYMGNCX+m7W/8hQXg==$wwp8+EvJc8p33ALgUH8F7ljIpJQvbDnpJWozG8ZG3cI=:z9IKF4gg8SBRdc9gKNzhZ+frCnuWOW9S7oED6JJfWH8="},
		{"zero width space", "a\u200bb", "SCRAM-SHA-256$4096:ND9a/KR4pIAsCK9HSMEZhQ==$VGVDz6ssRf5+y/CssAVE1SBIYUzVj2GLfLUaAt6N3/0=:kfIE2IyYotHgOCZtM1Cy4OGkEcAVaoCvM7RlJo3zNaE="},
		{"Roman numeral", "\u2168", "SCRAM-SHA-256$4096:FKJEZ5eI3R+iGrktrGW17A==$LAL0rSr9dhbYxrMv4a8r0QpqYY541QPeiHXHKM0QBNg=:wePAIQCuzAXZzWDHvFB8uZ7+GrFIXuzPv8P0DxKXrDU="},
		{"two directions", "\u06271", "SCRAM-SHA-256$4096:1O8tUZ0k8kZZglfgBUektA==$nyqS15VY7kxPbQ5LwNzIKI23Bq3MA4djYGrPLKPQMv4=:u5QsQ5CqEf6fYOUKtA257CfFiIaj7IaJGFyS3qxWxZA="},
		{"unassigned", "\u0378x", "SCRAM-SHA-256$4096:QLc68HmYDB6Y7SlZtPu0xg==$VY2OXwiAmyCwoL4EPuwq4LWU4/qAtjhQMhJ80DPVrZU=:QtwDFE/EnbtPVk8j8ZIZKnyzj8U+hYl3VLiNlzf77rs="},
	} {
		s, err := ParseSCRAMSecret(c.secret)
		if err != nil {
			t.Fatal(err)
		}
		if got := DeriveSCRAMSecret(c.password, s.Salt, s.Iterations).String(); got != c.secret {
			t.Errorf("%s: %s, want %s", c.name, got, c.secret)
		}
		if !s.FitsPassword(c.password) || s.FitsPassword(c.password+"x") {
			t.Errorf("%s: FitsPassword is wrong", c.name)
		}
	}
	if got := prepPassword("a\xff"); got != "a\xff" {
		t.Errorf("what is no UTF-8 became %q", got)
	}
}

// exchange runs both sides against each other.
func exchange(c *SCRAMClient, s *SCRAMServer) error {
	first, err := s.First(c.First())
	if err != nil {
		return err
	}
	final, err := c.Continue(first)
	if err != nil {
		return err
	}
	last, _, err := s.Final(final)
	if err != nil {
		return err
	}
	return c.Final(last)
}

func TestSCRAMSecretReadsAsItIsWritten(t *testing.T) {
	s := rfcSecret(t)
	got, err := ParseSCRAMSecret(s.String())
	if err != nil || got.String() != s.String() || got.Iterations != 4096 || !bytes.Equal(got.StoredKey, s.StoredKey) {
		t.Errorf("%v, %v", got, err)
	}
	for _, c := range []struct{ old, new string }{
		{"SCRAM-SHA-256", "SCRAM-SHA-1"}, {"$", ":"}, {"4096", "0"}, {"4096", "-1"}, {"4096", ""},
		{"4096", "10000001"}, {"4096", "99999999999999999999"}, {"4096:", "4096"}, {"W22ZaJ0SNY7soEsUEjb6gQ==", ""},
		{"W22ZaJ0SNY7soEsUEjb6gQ==", "*"}, {"=:", ":"}, {"=:", "=:AA"},
	} {
		text := strings.Replace(s.String(), c.old, c.new, 1)
		if _, err := ParseSCRAMSecret(text); !errors.Is(err, errSCRAMSecret) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestMockSCRAMSecretIsStableAndShapedLikeARealOne(t *testing.T) {
	a, b := MockSCRAMSecret([]byte("k"), "ann"), MockSCRAMSecret([]byte("k"), "ann")
	if a.String() != b.String() {
		t.Error("it differs from one attempt to the next")
	}
	for _, other := range []SCRAMSecret{MockSCRAMSecret([]byte("l"), "ann"), MockSCRAMSecret([]byte("k"), "bob")} {
		if bytes.Equal(a.Salt, other.Salt) || bytes.Equal(a.StoredKey, other.StoredKey) {
			t.Error("another key or user gives the same")
		}
	}
	if a.Iterations != 4096 || len(a.Salt) != 16 || len(a.StoredKey) != 32 || len(a.ServerKey) != 32 {
		t.Errorf("%v", a)
	}
	if err := exchange(NewSCRAMClient("", "abc"), NewSCRAMServer(a, "def")); !errors.Is(err, ErrSCRAMProof) {
		t.Errorf("an empty password: %v", err)
	}
}

func TestNoncesArePrintableAndDiffer(t *testing.T) {
	a, b := SCRAMNonce(), SCRAMNonce()
	if a == b || len(a) != 24 || !scramNonceOK(a) {
		t.Errorf("%q, %q", a, b)
	}
}

func TestSCRAMServerAnswersTheFlagsOfChannelBinding(t *testing.T) {
	for _, c := range []struct{ first, code string }{
		{"n,,n=,r=x", ""},
		{"y,,n=,r=x", ""},
		{"n,,n=,r=x,ext=1", ""},
		{"p=tls-server-end-point,,n=,r=x", CodeProtocolViolation},
		{"n,a=ann,n=,r=x", CodeFeatureNotSupported},
		{"n,,m=x,n=,r=x", CodeFeatureNotSupported},
		{"", CodeProtocolViolation},
		{"n", CodeProtocolViolation},
		{"n,", CodeProtocolViolation},
		{"n,,", CodeProtocolViolation},
		{"x,,n=,r=x", CodeProtocolViolation},
		{"nn,,n=,r=x", CodeProtocolViolation},
		{"n,z,n=,r=x", CodeProtocolViolation},
		{"n,,r=x", CodeProtocolViolation},
		{"n,,n=", CodeProtocolViolation},
		{"n,,n=,r=", CodeProtocolViolation},
		{"n,,n=,r=a b", CodeProtocolViolation},
		{"n,,n=,r=\xc3\xa9", CodeProtocolViolation},
		{"n,,n=,r=x\x00", CodeProtocolViolation},
	} {
		_, err := NewSCRAMServer(rfcSecret(t), "def").First([]byte(c.first))
		if c.code == "" {
			if err != nil {
				t.Errorf("%q: %v", c.first, err)
			}
			continue
		}
		if e := wantCode(t, err, c.code); e.Severity != "FATAL" {
			t.Errorf("%q: %v", c.first, err)
		}
	}
	// The final message must repeat the flag.
	for binding, want := range map[string]bool{"biws": false, "eSws": true} {
		s := NewSCRAMServer(rfcSecret(t), "def")
		if _, err := s.First([]byte("y,,n=,r=abc")); err != nil {
			t.Fatal(err)
		}
		proof := base64.StdEncoding.EncodeToString(make([]byte, 32))
		_, _, err := s.Final([]byte("c=" + binding + ",r=abcdef,p=" + proof))
		if errors.Is(err, ErrSCRAMProof) != want {
			t.Errorf("%s after y: %v", binding, err)
		}
	}
}

func TestSCRAMServerRefusesWrongProofsAndMalformedFinals(t *testing.T) {
	for _, c := range []struct {
		final string
		proof bool // well formed, but the proof is wrong
	}{
		{strings.Replace(rfcClientFinal, "p=dH", "p=dI", 1), true},
		{rfcNoProof + ",x=y,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", true}, // it signs something else
		{"", false},
		{rfcNoProof, false},
		{rfcNoProof + ",p=", false},
		{rfcNoProof + ",p=AAAA", false},
		{rfcNoProof + ",p=*", false},
		{rfcClientFinal + ",x=y", false},
		{strings.Replace(rfcClientFinal, "biws", "eSws", 1), false},
		{strings.Replace(rfcClientFinal, "k0", "k1", 1), false},
		{strings.Replace(rfcClientFinal, "c=biws,", "", 1), false},
	} {
		s := NewSCRAMServer(rfcSecret(t), rfcServerNonce)
		if _, err := s.First([]byte(rfcClientFirst)); err != nil {
			t.Fatal(err)
		}
		_, key, err := s.Final([]byte(c.final))
		wantFatal(t, err)
		if key != nil || errors.Is(err, ErrSCRAMProof) != c.proof {
			t.Errorf("%q: %v", c.final, err)
		}
		if !c.proof {
			wantCode(t, err, CodeProtocolViolation)
		}
	}
	if err := exchange(NewSCRAMClient("wrong", "abc"), NewSCRAMServer(rfcSecret(t), "def")); !errors.Is(err, ErrSCRAMProof) {
		t.Errorf("a wrong password: %v", err)
	}
}

func TestSCRAMClientRefusesAServerThatBreaksTheProtocol(t *testing.T) {
	for _, first := range []string{
		"", "m=x,r=abcd,s=AAAA,i=1", "r=abc,s=AAAA,i=1", "r=xyz,s=AAAA,i=1", "r=abcd", "r=abcd,i=1", "r=abcd,s=*,i=1",
		"r=abcd,s=,i=1", "r=abcd,s=AAAA", "r=abcd,s=AAAA,i=0", "r=abcd,s=AAAA,i=x", "r=abcd,s=AAAA,i=10000001", "r=abc d,s=AAAA,i=1",
	} {
		_, err := NewSCRAMClient("pw", "abc").Continue([]byte(first))
		wantFatal(t, wantCode(t, err, CodeProtocolViolation))
	}
	for final, code := range map[string]string{
		"":                 CodeProtocolViolation,
		"v=":               CodeProtocolViolation,
		"v=AAAA":           CodeProtocolViolation,
		"e=other-error":    CodeCannotConnect,
		rfcServerFinal:     CodeCannotConnect, // signs another exchange
		rfcServerFinal[1:]: CodeProtocolViolation,
	} {
		c := NewSCRAMClient("pw", "abc")
		wantCode(t, c.Final([]byte(final)), CodeProtocolViolation) // before its time
		if _, err := c.Continue([]byte("r=abcd,s=AAAA,i=1")); err != nil {
			t.Fatal(err)
		}
		wantFatal(t, wantCode(t, c.Final([]byte(final)), code))
	}
}

// testBindings are one of each kind.
func testBindings() []SCRAMBinding {
	return []SCRAMBinding{{}, SCRAMPassed(), SCRAMBound(testEndPoint())}
}

func FuzzSCRAMServer(f *testing.F) {
	f.Add([]byte(rfcClientFirst), []byte(rfcClientFinal))
	f.Add([]byte("y,,n=,r=a"), []byte("c=eSws,r=a"+rfcServerNonce+",p=AAAA"))
	f.Add([]byte("p=tls-unique,,n=,r=a"), []byte(""))
	f.Add([]byte(plusClientFirst), []byte(plusClientFinal))
	f.Add([]byte(passedClientFirst), []byte(passedClientFinal))
	secret := MockSCRAMSecret([]byte("key"), "nobody")
	f.Fuzz(func(t *testing.T, first, final []byte) {
		for _, b := range testBindings() {
			s := NewSCRAMServer(secret, rfcServerNonce)
			s.Bind(b)
			answer, err := s.First(first)
			if err != nil {
				wantFatal(t, err)
				continue
			}
			if flag, _, _ := bytes.Cut(first, []byte(",")); (b.use == bindingUsed) != bytes.HasPrefix(flag, []byte("p=")) || b.use == bindingPassed && flag[0] == 'y' {
				t.Fatalf("%s goes with %q", b.Mechanism(), flag)
			}
			if !bytes.HasPrefix(answer, []byte("r=")) || !bytes.HasSuffix(answer, []byte(",i=4096")) {
				t.Fatalf("answer %q", answer)
			}
			if _, _, err = s.Final(final); err == nil {
				t.Fatal("a proof fits a secret without a password")
			}
			wantFatal(t, err)
		}
	})
}

func FuzzSCRAMClient(f *testing.F) {
	f.Add([]byte(rfcServerFirst), []byte(rfcServerFinal))
	f.Add([]byte("r="+rfcClientNonce+"x,s=AAAA,i=99999999999"), []byte("e=other-error"))
	f.Add([]byte(rfcServerFirst), []byte(plusServerFinal))
	key := make([]byte, 32)
	f.Fuzz(func(t *testing.T, first, final []byte) {
		for _, b := range testBindings() {
			// With keys given, so that the iterations that the input asks for cost
			// nothing.
			c := NewSCRAMClientKeys(key, key, rfcClientNonce)
			c.Bind(b)
			answer, err := c.Continue(first)
			if err != nil {
				wantFatal(t, err)
				return
			}
			if !bytes.HasPrefix(answer, []byte("c="+b.input(b.header())+",r="+rfcClientNonce)) {
				t.Fatalf("answer %q", answer)
			}
			if err := c.Final(final); err != nil {
				wantFatal(t, err)
			}
		}
	})
}

// FuzzSCRAMSecret reads stored secrets, which auth_query takes from a server.
func FuzzSCRAMSecret(f *testing.F) {
	f.Add(rfcSecret(f).String())
	f.Add("SCRAM-SHA-256$1:AA==$AA==:AA==")
	f.Add("SCRAM-SHA-256$10000001:AA==$" + strings.Repeat("A", 43) + "=:" + strings.Repeat("A", 43) + "=")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSCRAMSecret(text)
		if err != nil {
			if len(text) > 20 && strings.Contains(err.Error(), text[14:]) {
				t.Fatalf("the secret is in %q", err)
			}
			return
		}
		if s.Iterations < 1 || s.Iterations > MaxSCRAMIterations || len(s.Salt) == 0 || len(s.StoredKey) != 32 || len(s.ServerKey) != 32 {
			t.Fatalf("%q is read as %+v", text, s)
		}
		if again, err := ParseSCRAMSecret(s.String()); err != nil || again.String() != s.String() {
			t.Fatalf("%q becomes %q, %v", text, again, err)
		}
	})
}

// FuzzPassword prepares any password. What is prepared is not empty, and is UTF-8 if
// it was; ASCII stays as it is.
func FuzzPassword(f *testing.F) {
	for _, password := range []string{"pencil", "I\u00adX", "\u00ad", "a\u200bb", "\u2168", "\u06271", "\u0378x", "a\xff", "\u00aa", "\u1680"} {
		f.Add(password)
	}
	f.Fuzz(func(t *testing.T, password string) {
		got := prepPassword(password)
		ascii := strings.IndexFunc(password, func(r rune) bool { return r >= 0x80 }) < 0
		switch {
		case got == "" && password != "":
			t.Fatalf("%q becomes nothing", password)
		case ascii && got != password, !utf8.ValidString(password) && got != password:
			t.Fatalf("%q becomes %q", password, got)
		case utf8.ValidString(password) && !utf8.ValidString(got):
			t.Fatalf("%q becomes %q, which is no UTF-8", password, got)
		}
	})
}
