package auth

import (
	"fmt"
	"slices"
	"testing"

	"pgweir/wire"
)

func mustUser(t *testing.T, name, secret string) *User {
	t.Helper()
	u, err := NewUser(name, secret)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestAUserFromElsewhereLogsInWithEverySecret(t *testing.T) {
	scram := wire.DeriveSCRAMSecret("pw", []byte("salt of 16 bytes"), 4096).String()
	for _, c := range []struct {
		method Method
		secret string
		fits   bool
	}{
		{Plain, "pw", true}, {Plain, wire.MD5Secret("ann", "pw"), true}, {Plain, scram, true},
		{MD5, "pw", true}, {MD5, wire.MD5Secret("ann", "pw"), true}, {MD5, scram, true},
		{SCRAM, "pw", true}, {SCRAM, wire.MD5Secret("ann", "pw"), false}, {SCRAM, scram, true},
		{MD5, "", false},
	} {
		for password, right := range map[string]bool{"pw": true, "other": false} {
			x := BeginAs(c.method, "ann", mustUser(t, "ann", c.secret), new(Models))
			if _, err := login(t, x, "ann", password); (err == nil) != (c.fits && right) {
				t.Errorf("%v with %q: %v", c.method, password, err)
			}
			if known := x.ClientKey() != nil; known != (c.fits && right && c.secret == scram && c.method != Plain) {
				t.Errorf("%v: the client key is known: %v", c.method, known)
			}
		}
	}
	if _, err := NewUser("ann", "SCRAM-SHA-256$nonsense"); err == nil {
		t.Error("a malformed secret is taken")
	}
}

func TestAnUnknownNameTakesTheCourseOfThoseWhomTheServerKnows(t *testing.T) {
	kinds := func(m *Models, name string) []uint32 {
		k, err := login(t, BeginAs(MD5, name, nil, m), name, "pw")
		if err == nil {
			t.Errorf("%s is let in", name)
		}
		return k
	}
	scram := wire.DeriveSCRAMSecret("pw", []byte("salt of 16 bytes"), 5000).String()
	md5, none := new(Models), new(Models)
	md5.Add(mustUser(t, "ann", wire.MD5Secret("ann", "pw")))
	none.Add(mustUser(t, "eve", ""))
	if k := kinds(md5, "x"); !slices.Equal(k, []uint32{wire.AuthMD5}) {
		t.Errorf("all known have MD5 secrets, and it sees %v", k)
	}
	if k := kinds(none, "x"); k[0] != wire.AuthSASL {
		t.Errorf("nobody is known, and it sees %v", k)
	}
	md5.Add(mustUser(t, "ann", scram)) // she has another now
	if k := kinds(md5, "x"); k[0] != wire.AuthSASL || md5.pick("x").secret.scram.Iterations != 5000 {
		t.Errorf("all known have SCRAM secrets, and it sees %v", k)
	}
}

func TestFewNamesChangeTheirCourseWhenUsersBecomeKnown(t *testing.T) {
	m := new(Models)
	for i := range maxModels / 2 {
		m.Add(mustUser(t, fmt.Sprint("user", i), "pw"))
	}
	before := map[string]*User{}
	for i := range 1000 {
		name := fmt.Sprint("stranger", i)
		before[name] = m.pick(name)
	}
	m.Add(mustUser(t, "one more", "pw"))
	moved := 0
	for name, x := range before {
		if y := m.pick(name); y != x {
			moved++
			if y.name != "one more" {
				t.Errorf("%s has moved from %s to %s", name, x.name, y.name)
			}
		}
	}
	if moved == 0 || moved > 100 {
		t.Errorf("%d of 1000 have moved", moved)
	}
	for i := range 10 * maxModels {
		m.Add(mustUser(t, fmt.Sprint("more", i), "pw"))
	}
	if len(m.list) != maxModels {
		t.Errorf("%d are kept", len(m.list))
	}
}

func TestSecretsAreEqualIfAllOfThemIs(t *testing.T) {
	var all []Secret
	for _, text := range []string{"", "pw", "pw2", md5Secret, wire.DeriveSCRAMSecret("pw", []byte("salt"), 1).String(),
		wire.DeriveSCRAMSecret("pw", []byte("salt"), 2).String(), wire.DeriveSCRAMSecret("pw", []byte("tlas"), 1).String()} {
		s, err := ParseSecret(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	for i, a := range all {
		for j, b := range all {
			if a.Equal(b) != (i == j) {
				t.Errorf("%v and %v", a, b)
			}
		}
	}
}
