package auth

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgweir/wire"
)

func mustUser(t *testing.T, name, secret string) *User {
	t.Helper()
	u, err := new(Models).NewUser(name, secret)
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
	if _, err := new(Models).NewUser("ann", "SCRAM-SHA-256$nonsense"); err == nil {
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

// shownOf is the salt and the iteration count that a client sees.
func shownOf(t *testing.T, x *Exchange) string {
	t.Helper()
	x.Start(nil)
	out, _, err := x.Receive(nil, wire.AppendSASLInitialResponse(nil, wire.MechanismSCRAM, []byte("n,,n=,r=abc"))[5:])
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(out), ",s=")
	return shown
}

func TestTheFirstUnknownNameSeesWhatItWillSeeLater(t *testing.T) {
	m := NewModels("one", Shape{})
	before := shownOf(t, BeginAs(SCRAM, "nobody", nil, m))
	for i := range maxModels {
		name := fmt.Sprint("user", i)
		m.Add(mustUser(t, name, wire.DeriveSCRAMSecret("pw", []byte("salt of 16 bytes"), 4096).String()))
	}
	if after := shownOf(t, BeginAs(SCRAM, "nobody", nil, m)); after != before || len(before) != len("AAAAAAAAAAAAAAAAAAAAAA==,i=4096") {
		t.Errorf("%s, then %s", before, after)
	}
}

func TestAServersShapeIsThatOfItsSecrets(t *testing.T) {
	odd := NewModels("one", Shape{Iterations: 5000})
	before := shownOf(t, BeginAs(SCRAM, "nobody", nil, odd))
	odd.Add(mustUser(t, "ann", wire.DeriveSCRAMSecret("pw", []byte("salt of 16 bytes"), 5000).String()))
	if after := shownOf(t, BeginAs(SCRAM, "nobody", nil, odd)); after != before || !strings.HasSuffix(before, "==,i=5000") {
		t.Errorf("%s, then %s", before, after)
	}
	odd.Add(mustUser(t, "ann", wire.DeriveSCRAMSecret("pw", []byte("a salt of 18 bytes"), 5000).String()))
	after := shownOf(t, BeginAs(SCRAM, "nobody", nil, odd))
	if again := shownOf(t, BeginAs(SCRAM, "nobody", nil, odd)); after != again || len(after) != len("AAAAAAAAAAAAAAAAAAAAAAAA,i=5000") || after[:20] == before[:20] {
		t.Errorf("%s, then %s: not like a new password", before, after)
	}
	if k, _ := login(t, BeginAs(MD5, "nobody", nil, NewModels("one", Shape{MD5: true})), "nobody", "pw"); !slices.Equal(k, []uint32{wire.AuthMD5}) {
		t.Errorf("a server that stores MD5 secrets: %v", k)
	}
	for _, n := range []int{-1, wire.MaxSCRAMIterations + 1} {
		if got := shownOf(t, BeginAs(SCRAM, "nobody", nil, NewModels("one", Shape{Iterations: n}))); !strings.HasSuffix(got, ",i=4096") {
			t.Errorf("%d iterations: %s", n, got)
		}
	}
}

// TestServersThatKnowNobodyShowOthers: as two that know the same user do.
func TestServersThatKnowNobodyShowOthers(t *testing.T) {
	seen := map[string]string{}
	for _, server := range []string{"", "one", "two"} {
		shown := shownOf(t, BeginAs(SCRAM, "nobody", nil, NewModels(server, Shape{})))
		if other, ok := seen[shown]; ok {
			t.Errorf("%q and %q show the same", server, other)
		}
		seen[shown] = server
		plain, err := NewModels(server, Shape{}).NewUser("nobody", "pw")
		if err != nil {
			t.Fatal(err)
		}
		if got := shownOf(t, BeginAs(SCRAM, "nobody", plain, new(Models))); got != shown {
			t.Errorf("%q: a plain secret shows %s, and none %s", server, got, shown)
		}
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
