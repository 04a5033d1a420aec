package auth

import (
	"fmt"
	"strings"
	"testing"

	"pgweir/wire"
)

func TestParseSecretTellsTheKindsApart(t *testing.T) {
	scram := wire.DeriveSCRAMSecret("pw", []byte("salt"), 1)
	for _, c := range []struct {
		in   string
		kind Kind
		want wire.Credentials
	}{
		{"", NoSecret, wire.Credentials{User: "u"}},
		{"pw", PlainSecret, wire.Credentials{User: "u", Password: "pw"}},
		{"md5", PlainSecret, wire.Credentials{User: "u", Password: "md5"}},
		{md5Secret, MD5Secret, wire.Credentials{User: "u", MD5: md5Secret}},
		{strings.ToUpper(md5Secret), PlainSecret, wire.Credentials{User: "u", Password: strings.ToUpper(md5Secret)}},
		{md5Secret + "0", PlainSecret, wire.Credentials{User: "u", Password: md5Secret + "0"}},
		{scram.String(), SCRAMSecret, wire.Credentials{User: "u", ServerKey: scram.ServerKey}},
	} {
		s, err := ParseSecret(c.in)
		if err != nil || s.Kind() != c.kind {
			t.Errorf("%q: kind %v, %v", c.in, s.Kind(), err)
		}
		got := s.Credentials("u")
		if got.User != "u" || got.Password != c.want.Password || got.MD5 != c.want.MD5 ||
			string(got.ServerKey) != string(c.want.ServerKey) || got.ClientKey != nil {
			t.Errorf("%q: other credentials than expected", c.in)
		}
		for _, shown := range []string{fmt.Sprint(s), fmt.Sprintf("%+v", s), fmt.Sprint(got)} {
			if c.in != "" && strings.Contains(shown, c.in) {
				t.Errorf("%q prints as %q", c.in, shown)
			}
		}
	}
}

func TestNewNamesTheUserWhoseSecretIsMalformed(t *testing.T) {
	_, err := New([]Entry{{Name: "ann", Secret: "x"}, {Name: "bob", Secret: "SCRAM-SHA-256$4096:hidden"}})
	if err == nil || !strings.Contains(err.Error(), `"bob"`) || strings.Contains(err.Error(), "hidden") {
		t.Errorf("%v", err)
	}
}

func TestOfEntriesWithTheSameNameTheLastCounts(t *testing.T) {
	u := mustUsers(t, Plain, Entry{Name: "ann", Secret: "old"}, Entry{Name: "ann", Secret: "new"})
	if _, err := login(t, u.Begin("ann"), "ann", "new"); err != nil {
		t.Error(err)
	}
	if _, err := login(t, u.Begin("ann"), "ann", "old"); err == nil {
		t.Error("the first entry still opens")
	}
	if s, ok := u.Secret("ann"); !ok || s.Credentials("ann").Password != "new" {
		t.Error("Secret gives the first entry")
	}
	if _, ok := u.Secret("bob"); ok {
		t.Error("Secret knows a stranger")
	}
}
