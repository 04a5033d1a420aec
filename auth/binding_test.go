package auth

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgweir/wire"
)

var endPoint = bytes.Repeat([]byte{7}, 32)

// boundLogin plays a client against an Exchange over TLS, up to its end. It
// returns the course: the mechanisms offered, and how long each message was.
func boundLogin(t testing.TB, x *Exchange, binding wire.SCRAMBinding, password string) (course string, err error) {
	t.Helper()
	out := x.Start(nil)
	_, rest, err := wire.DecodeAuthentication(out[5:])
	if err != nil {
		t.Fatal(err)
	}
	offer, err := wire.DecodeSASLMechanisms(rest)
	if err != nil {
		t.Fatal(err)
	}
	course = fmt.Sprint(offer)
	client := wire.NewSCRAMClient(password, wire.SCRAMNonce())
	client.Bind(binding)
	first := wire.AppendSASLInitialResponse(nil, binding.Mechanism(), client.First())
	if len(first) > x.MaxMessage() {
		t.Errorf("a message of %d bytes is longer than may be", len(first))
	}
	out, _, err = x.Receive(nil, first[5:])
	if err != nil {
		return course + " refused at first", err
	}
	course += fmt.Sprintf(" %d", len(out))
	final, err := client.Continue(out[9:])
	if err != nil {
		t.Fatal(err)
	}
	if x.Derives() {
		t.Error("a proof derives keys")
	}
	out, done, err := x.Receive(nil, final)
	if err != nil {
		return course + " refused at last", err
	}
	if !done {
		t.Error("the proof does not end the exchange")
	}
	return course, client.Final(out[9:])
}

func TestClientsOverTLSAreOfferedChannelBindingFirst(t *testing.T) {
	secret := wire.DeriveSCRAMSecret("pw", []byte("salt of 16 bytes"), 4096).String()
	bound, passed, none := wire.SCRAMBound(endPoint), wire.SCRAMPassed(), wire.SCRAMBinding{}
	other := wire.SCRAMBound(bytes.Repeat([]byte{8}, 32))
	for _, c := range []struct {
		name     string
		endPoint []byte
		binding  wire.SCRAMBinding
		course   string
		code     string
	}{
		{"TLS, bound", endPoint, bound, "[SCRAM-SHA-256-PLUS SCRAM-SHA-256] 93", ""},
		{"TLS, a client that cannot bind", endPoint, none, "[SCRAM-SHA-256-PLUS SCRAM-SHA-256] 93", ""},
		{"TLS, another certificate", endPoint, other, "[SCRAM-SHA-256-PLUS SCRAM-SHA-256] 93 refused at last", wire.CodeInvalidAuthorization},
		{"TLS, the offer was taken away", endPoint, passed, "[SCRAM-SHA-256-PLUS SCRAM-SHA-256] refused at first", wire.CodeInvalidAuthorization},
		{"no TLS", nil, none, "[SCRAM-SHA-256] 93", ""},
		{"no TLS, a client that could bind", nil, passed, "[SCRAM-SHA-256] 93", ""},
		{"no TLS, bound", nil, bound, "[SCRAM-SHA-256] refused at first", wire.CodeProtocolViolation},
	} {
		for _, entry := range []Entry{{Name: "ann", Secret: secret}, {Name: "ann", Secret: "pw"}} {
			for _, method := range []Method{SCRAM, MD5} {
				if method == MD5 && entry.Secret == "pw" {
					continue
				}
				x := mustUsers(t, method, entry).Begin("ann")
				x.Bind(c.endPoint)
				course, err := boundLogin(t, x, c.binding, "pw")
				if course != c.course {
					t.Errorf("%s, %v: course %s, want %s", c.name, method, course, c.course)
				}
				var e *wire.Error
				if c.code == "" && err != nil || c.code != "" && (!errors.As(err, &e) || e.Code != c.code || e.Severity != "FATAL") {
					t.Errorf("%s, %v: %v, want %q", c.name, method, err, c.code)
				}
				if key := x.ClientKey(); (key != nil) != (c.code == "" && entry.Secret == secret) {
					t.Errorf("%s: ClientKey() is %x", c.name, key)
				}
			}
		}
	}
}

func TestAnUnknownUserRunsTheCourseOfAKnownOneOverTLSToo(t *testing.T) {
	secret := wire.DeriveSCRAMSecret("pw", []byte("salt of 16 bytes"), 4096).String()
	other := wire.SCRAMBound(bytes.Repeat([]byte{8}, 32))
	for _, method := range []Method{SCRAM, MD5} {
		u := mustUsers(t, method, Entry{Name: "known", Secret: secret})
		for _, binding := range []wire.SCRAMBinding{wire.SCRAMBound(endPoint), other, wire.SCRAMPassed(), {}} {
			var courses, words []string
			for _, name := range []string{"known", "zoe", "yan"} {
				x := u.Begin(name)
				x.Bind(endPoint)
				course, err := boundLogin(t, x, binding, "wrong")
				if err == nil {
					t.Fatalf("%s is in", name)
				}
				var e *wire.Error
				if errors.As(err, &e) && e.Code == wire.CodeInvalidPassword {
					wantRefusal(t, err, name)
					err = wire.ErrSCRAMProof
				}
				courses, words = append(courses, course), append(words, err.Error())
			}
			if len(slices.Compact(courses)) != 1 || len(slices.Compact(words)) != 1 {
				t.Errorf("%v: courses %q, %q", method, courses, words)
			}
		}
	}
}

func TestMessagesOfTheExchangeMayBeAsLongAsPostgreSQLs(t *testing.T) {
	for method, want := range map[Method]int{Plain: 65536, MD5: 65536, SCRAM: 1025} {
		x := mustUsers(t, method, Entry{Name: "ann", Secret: "pw"}).Begin("ann")
		x.Start(nil)
		if got := x.MaxMessage(); got != want {
			t.Errorf("%v: %d bytes, want %d", method, got, want)
		}
	}
	// The longest password that fits.
	password := string(bytes.Repeat([]byte("p"), 65536-wire.HeaderLen-1))
	message := wire.AppendPassword(nil, password)
	for _, secret := range []string{password, wire.DeriveSCRAMSecret(password, []byte("salt"), 2).String()} {
		x := mustUsers(t, Plain, Entry{Name: "ann", Secret: secret}).Begin("ann")
		x.Start(nil)
		if _, done, err := x.Receive(nil, message[5:]); !done || err != nil || len(message) != x.MaxMessage() {
			t.Errorf("%d bytes: %v, %v", len(message), done, err)
		}
	}
}
