package pool

import (
	"testing"

	"pgweir/wire"
)

func TestWhichChangeOfCredentialsRevokesThoseBefore(t *testing.T) {
	login := func(passwords ...string) (s Settings) {
		s.Credentials.User = "u"
		for i, p := range passwords {
			if c := (wire.Credentials{User: "u", Password: p}); i == 0 {
				s.Credentials = c
			} else {
				s.Next = append(s.Next, c)
			}
		}
		return s
	}
	token := func(source string, passwords ...string) Settings {
		s := login(passwords...)
		s.Renews = source
		return s
	}
	other := login("a")
	other.Credentials.User = "v"
	for _, c := range []struct {
		name          string
		before, after Settings
		revoked       bool
	}{
		{"the same", login("a"), login("a"), false},
		{"another", login("a"), login("b"), true},
		{"one more", login("a"), login("a", "b"), false},
		{"in another order", login("a", "b"), login("b", "a"), false},
		{"the next left out", login("a", "b"), login("a"), true},
		{"the first left out", login("a", "b"), login("b"), true},
		{"none before", login(), login("a"), false},
		{"none after", login("a"), login(), true},
		{"another user", login("a"), other, true},
		{"a token renewed", token("x", "a"), token("x", "b"), false},
		{"a token of another source", token("x", "a"), token("y", "b"), true},
		{"a token's next left out", token("x", "a", "n"), token("x", "b"), true},
		{"from a password to a token", login("a"), token("x", "b"), true},
		{"from a token to a password", token("x", "a"), login("b"), true},
		{"from a token to the same as password", token("x", "a"), login("a"), false},
	} {
		if got := c.before.revokedBy(&c.after); got != c.revoked {
			t.Errorf("%s: revoked %v", c.name, got)
		}
	}
}

func TestTheCredentialsThatWorkedLastAreTriedFirst(t *testing.T) {
	p := &Pool{settings: Settings{
		Credentials: wire.Credentials{User: "u", ServerKey: []byte("s")},
		Next:        []wire.Credentials{{User: "u", Password: "new"}, {User: "u", ServerKey: []byte("t")}},
	}, learned: wire.Credentials{ClientKey: []byte("c"), ServerKey: []byte("s")}}
	all := p.candidates()
	if len(all) != 2 || string(all[0].ClientKey) != "c" || all[1].Password != "new" {
		t.Fatalf("%d candidates", len(all))
	}
	p.took(all[1])
	if again := p.candidates(); again[0].Password != "new" || len(again) != 2 {
		t.Error("what worked is not first")
	}
	p.took(wire.Credentials{User: "u", Password: "gone"})
	if again := p.candidates(); again[0].Password == "new" {
		t.Error("what is there no more moves others")
	}
}
