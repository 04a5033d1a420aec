package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

// The example of RFC 7677 with an empty user name, as PostgreSQL's clients send
// it, bound to a certificate whose SHA-256 is that of "a certificate", and one
// in which the client was offered no binding. Computed apart from this code.
const (
	plusClientFirst   = "p=tls-server-end-point,,n=,r=" + rfcClientNonce
	plusClientFinal   = "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsgazXYhQPppKhQoItL75NxvVLyqUB9oqzflru0Lr+TZk=,r=" + rfcClientNonce + rfcServerNonce + ",p=rqjLIC7eggZ2/YEs9z/kWuGfDjXEh2/fu6mpk879p5U="
	plusServerFinal   = "v=GRq/rFArzKqwNF3JyH5tHIZCHBhIN1gixAdZgO6iNyo="
	passedClientFirst = "y,,n=,r=" + rfcClientNonce
	passedClientFinal = "c=eSws,r=" + rfcClientNonce + rfcServerNonce + ",p=VpuC5DGQa5ro9tXE9MnKs69NH1nxnuregZZcclqIGfM="
	passedServerFinal = "v=FOmOj9BpTGwvnzwBtWQjBaPmVxT9I8IeHBOhcIPu3us="
)

func testEndPoint() []byte {
	sum := sha256.Sum256([]byte("a certificate"))
	return sum[:]
}

func TestBothSidesFollowTheTranscriptsOfBoundAndUnofferedExchanges(t *testing.T) {
	for _, c := range []struct {
		name                            string
		client, server                  SCRAMBinding
		mechanism                       string
		clientFirst, clientFinal, final string
	}{
		{"bound", SCRAMBound(testEndPoint()), SCRAMBound(testEndPoint()), "SCRAM-SHA-256-PLUS", plusClientFirst, plusClientFinal, plusServerFinal},
		{"not offered", SCRAMPassed(), SCRAMBinding{}, "SCRAM-SHA-256", passedClientFirst, passedClientFinal, passedServerFinal},
	} {
		if got := c.client.Mechanism(); got != c.mechanism {
			t.Errorf("%s: mechanism %s", c.name, got)
		}
		x, s := NewSCRAMClient("pencil", rfcClientNonce), NewSCRAMServer(rfcSecret(t), rfcServerNonce)
		x.Bind(c.client)
		s.Bind(c.server)
		if got := string(x.First()); got != c.clientFirst {
			t.Errorf("%s: the client begins with %q, want %q", c.name, got, c.clientFirst)
		}
		if got, err := s.First([]byte(c.clientFirst)); err != nil || string(got) != rfcServerFirst {
			t.Fatalf("%s: the server answers %q, %v", c.name, got, err)
		}
		if got, err := x.Continue([]byte(rfcServerFirst)); err != nil || string(got) != c.clientFinal {
			t.Errorf("%s: the client ends with %q, %v; want %q", c.name, got, err, c.clientFinal)
		}
		if got, _, err := s.Final([]byte(c.clientFinal)); err != nil || string(got) != c.final {
			t.Errorf("%s: the server ends with %q, %v; want %q", c.name, got, err, c.final)
		}
		if err := x.Final([]byte(c.final)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestWhatEachEndMakesOfBindingFitsTheOtherAsInPostgreSQL(t *testing.T) {
	none, passed, bound := SCRAMBinding{}, SCRAMPassed(), SCRAMBound(testEndPoint())
	other := SCRAMBound(bytes.Repeat([]byte{1}, sha256.Size))
	for _, c := range []struct {
		name           string
		client, server SCRAMBinding
		code           string // "" for a login that succeeds
	}{
		{"neither can", none, none, ""},
		{"only the client can", passed, none, ""},
		{"only the server can", none, passed, ""},
		{"both do", bound, bound, ""},
		{"both can, and the client has not seen the offer", passed, passed, CodeInvalidAuthorization},
		{"different certificates", other, bound, CodeInvalidAuthorization},
		{"a longer hash", SCRAMBound(make([]byte, 64)), bound, CodeInvalidAuthorization},
		{"no data", SCRAMBound(nil), bound, CodeInvalidAuthorization},
		{"the client binds without the mechanism", bound, passed, CodeProtocolViolation},
		{"the client binds and was not offered it", bound, none, CodeProtocolViolation},
		{"the mechanism without binding", none, bound, CodeProtocolViolation},
		{"the mechanism with the flag y", passed, bound, CodeProtocolViolation},
	} {
		x, s := NewSCRAMClient("pencil", "abc"), NewSCRAMServer(rfcSecret(t), "def")
		x.Bind(c.client)
		s.Bind(c.server)
		err := exchange(x, s)
		if c.code == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		wantFatal(t, wantCode(t, err, c.code))
	}
}

func TestABoundServerRefusesAMalformedBindingAheadOfTheProof(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString
	header := "p=tls-server-end-point,,"
	proof := ",r=abcdef,p=" + b64(make([]byte, sha256.Size))
	for _, c := range []struct {
		input string
		code  string // "" for one that is right
	}{
		{b64(append([]byte(header), testEndPoint()...)), ""},
		{b64([]byte(header)), CodeInvalidAuthorization},
		{b64(testEndPoint()), CodeInvalidAuthorization},
		{b64(append([]byte("n,,"), testEndPoint()...)), CodeInvalidAuthorization},
		{"biws", CodeInvalidAuthorization},
		{"", CodeInvalidAuthorization},
		{"*", CodeInvalidAuthorization},
	} {
		s := NewSCRAMServer(rfcSecret(t), "def")
		s.Bind(SCRAMBound(testEndPoint()))
		if _, err := s.First([]byte(header + "n=,r=abc")); err != nil {
			t.Fatal(err)
		}
		_, _, err := s.Final([]byte("c=" + c.input + proof))
		if c.code == "" {
			if !errors.Is(err, ErrSCRAMProof) {
				t.Errorf("%s: %v", c.input, err)
			}
			continue
		}
		wantFatal(t, wantCode(t, err, c.code))
	}
	for _, first := range []string{
		"p=tls-unique,,n=,r=x", "p=,,n=,r=x", "p,,n=,r=x", "p=tls-server-end-point,n=,r=x", "p=tls-server-end-point", "P=tls-server-end-point,,n=,r=x",
		"p=" + strings.Repeat("\xff", 1000) + ",,n=,r=x",
	} {
		s := NewSCRAMServer(rfcSecret(t), "def")
		s.Bind(SCRAMBound(testEndPoint()))
		_, err := s.First([]byte(first))
		wantFatal(t, wantCode(t, err, CodeProtocolViolation))
		if len(err.Error()) > 600 {
			t.Errorf("%.30q: an error of %d bytes", first, len(err.Error()))
		}
	}
}

func TestSaltsMayHaveAnyLength(t *testing.T) {
	for _, n := range []int{1, 7, 16, 17, 64, 200, 700} {
		secret := DeriveSCRAMSecret("pencil", bytes.Repeat([]byte{0xab}, n), 2)
		read, err := ParseSCRAMSecret(secret.String())
		if err != nil || len(read.Salt) != n {
			t.Errorf("%d bytes: %d, %v", n, len(read.Salt), err)
			continue
		}
		if err := exchange(NewSCRAMClient("pencil", "abc"), NewSCRAMServer(read, "def")); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestTooManyIterationsAreRefusedWithTheBound(t *testing.T) {
	secret := rfcSecret(t).String()
	for _, count := range []string{"10000001", "2147483648", "99999999999999999999999"} {
		_, err := ParseSCRAMSecret(strings.Replace(secret, "4096", count, 1))
		if err == nil || !strings.Contains(err.Error(), "10000000") {
			t.Errorf("a stored secret with %s: %v", count, err)
		}
		_, err = NewSCRAMClient("pw", "abc").Continue([]byte("r=abcd,s=AAAA,i=" + count))
		if wantFatal(t, err); !strings.Contains(err.Error(), "10000000") {
			t.Errorf("a server that asks for %s: %v", count, err)
		}
	}
	if _, err := ParseSCRAMSecret(strings.Replace(secret, "4096", "10000000", 1)); err != nil {
		t.Error(err)
	}
}
