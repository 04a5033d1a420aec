package auth

import (
	"fmt"
	"strings"
	"testing"

	"pgweir/wire"
)

func TestEitherOfTwoSecretsWillDo(t *testing.T) {
	stored := wire.DeriveSCRAMSecret("old", []byte("some salt"), 777)
	same := wire.DeriveSCRAMSecret("new", []byte("some salt"), 777).String()
	md5 := func(password string) string { return wire.MD5Secret("ann", password) }
	for _, c := range []struct {
		name, secret, next string
		refused            map[Method]string // a password that a method cannot take
	}{
		{"plain", "old", "new", nil},
		{"a SCRAM secret first", stored.String(), "new", nil},
		{"a SCRAM secret next", "new", stored.String(), nil},
		{"SCRAM secrets of one salt", stored.String(), same, nil},
		{"an MD5 secret first", md5("old"), "new", map[Method]string{SCRAM: "old"}},
		{"an MD5 secret next", "new", md5("old"), map[Method]string{SCRAM: "old"}},
		{"MD5 secrets", md5("old"), md5("new"), map[Method]string{SCRAM: "old new"}},
	} {
		for _, method := range []Method{Plain, MD5, SCRAM} {
			u := mustUsers(t, method, Entry{Name: "ann", Secret: c.secret, Next: c.next})
			for _, password := range []string{"old", "new"} {
				x := u.Begin("ann")
				_, err := login(t, x, "ann", password)
				if strings.Contains(c.refused[method], password) {
					wantRefusal(t, err, "ann")
					continue
				}
				if err != nil {
					t.Errorf("%s, %v, %s: %v", c.name, method, password, err)
					continue
				}
				if !x.Secret().fits("ann", password) {
					t.Errorf("%s, %v, %s: another secret was proven: %v", c.name, method, password, x.Secret())
				}
				if got, want := x.ClientKey() != nil, x.method == SCRAM && x.Secret().Kind() == SCRAMSecret; got != want {
					t.Errorf("%s, %v, %s: a client key %v, want %v", c.name, method, password, got, want)
				}
			}
			_, err := login(t, u.Begin("ann"), "ann", "other")
			wantRefusal(t, err, "ann")
			_, err = login(t, u.Begin("nobody"), "nobody", "old")
			wantRefusal(t, err, "nobody")
		}
	}
}

func TestTwoSecretsThatNoExchangeCanCheckAreRefused(t *testing.T) {
	scram := wire.DeriveSCRAMSecret("a", []byte("salt"), 1).String()
	for _, c := range []Entry{
		{Name: "ann", Secret: scram, Next: wire.DeriveSCRAMSecret("b", []byte("another salt"), 1).String()},
		{Name: "ann", Secret: scram, Next: wire.DeriveSCRAMSecret("b", []byte("salt"), 2).String()},
		{Name: "ann", Secret: scram, Next: wire.MD5Secret("ann", "b")},
		{Name: "ann", Secret: wire.MD5Secret("ann", "b"), Next: scram},
		{Name: "ann", Secret: "plain", Next: "SCRAM-SHA-256$broken"},
	} {
		if _, err := New([]Entry{c}); err == nil || !strings.HasPrefix(err.Error(), `user "ann": `) || strings.Contains(err.Error(), "SCRAM-SHA-256$") {
			t.Errorf("%v", err)
		}
	}
}

func TestKeysAreNotDerivedAgainForSecretsThatAreTheSame(t *testing.T) {
	entries := []Entry{{Name: "same", Secret: "x", Next: "y"}, {Name: "other", Secret: "x"}, {Name: "next", Secret: "x", Next: "y"}}
	before, err := New(entries)
	if err != nil {
		t.Fatal(err)
	}
	entries[1].Secret, entries[2].Next = "y", "z"
	after, err := NewAfter(before, entries)
	if err != nil {
		t.Fatal(err)
	}
	for name, kept := range map[string]bool{"same": true, "other": false, "next": false} {
		if got := before.known[name] == after.known[name]; got != kept {
			t.Errorf("%s: kept %v", name, got)
		}
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	secret, err := ParseSecret("geheim")
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		text := fmt.Sprintf(verb+verb+verb, secret, Entry{Name: "ann", Secret: "geheim"}, secret.Credentials("ann"))
		if strings.Contains(text, "geheim") || strings.Contains(text, fmt.Sprintf("%x", "geheim")) {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}
