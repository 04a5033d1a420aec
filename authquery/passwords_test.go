package authquery

import (
	"slices"
	"sync"
	"testing"

	"pgweir/asking"
	"pgweir/passwords"
)

// secretive is a bench whose server wants a password, and a function that sets those
// that are known.
func secretive(t *testing.T, password string) (b *bench, know func(...string)) {
	b = newBench(t)
	b.server.password = password
	var mu sync.Mutex
	var known []string
	b.opts.Passwords = func(Source) passwords.List {
		mu.Lock()
		defer mu.Unlock()
		return passwords.List{Known: slices.Clone(known)}
	}
	return b, func(list ...string) {
		mu.Lock()
		defer mu.Unlock()
		known = list
	}
}

// shown are the passwords that the server was shown.
func (b *bench) shown(t *testing.T, want ...string) {
	t.Helper()
	b.server.set(func(s *fakeServer) {
		if !slices.Equal(s.shown, want) {
			t.Errorf("tried %q, want %q", s.shown, want)
		}
		s.shown = nil
	})
}

func TestAnswersAndTheConnectionOutliveANewPassword(t *testing.T) {
	b, know := secretive(t, "one")
	know("one")
	b.server.secrets["ann"] = "hers"
	before := b.is(t, "ann", "hers")
	know("two")
	b.server.set(func(s *fakeServer) { s.password = "two" })
	if after := b.is(t, "ann", "hers"); after.Serial != before.Serial {
		t.Error("the answer was forgotten")
	}
	b.is(t, "bob", "")
	b.questionsAre(t, 2)
	b.shown(t, "one")
	if s := b.Stats(); len(s.Sources) != 1 || b.server.connections() != 1 {
		t.Errorf("%d sources, %d connections", len(s.Sources), b.server.connections())
	}
}

// TestARefusalPausesOnlyForPasswordsThatWereRefused: meanwhile old answers serve.
func TestARefusalPausesOnlyForPasswordsThatWereRefused(t *testing.T) {
	b, know := secretive(t, "one")
	know("one")
	b.server.secrets["ann"] = "hers"
	b.is(t, "ann", "hers")
	b.shown(t, "one")
	b.Vacate(source.Server, []string{source.Database})
	eventually(t, "the connection is closed", func() bool { return b.server.connections() == 0 })
	b.server.set(func(s *fakeServer) { s.password = "three" })
	b.pass(t, limits.TTL)
	b.is(t, "ann", "hers")
	know("one", "two")
	b.pass(t, restTime)
	b.is(t, "ann", "hers")
	b.pass(t, restTime)
	b.is(t, "ann", "hers")
	b.pass(t, restTime)
	b.shown(t, "one", "one", "two")
	know("two", "three")
	b.server.set(func(s *fakeServer) { s.secrets["carl"] = "his" })
	b.is(t, "carl", "his")
	b.shown(t, "two", "three")
}

func TestTheSourceOfThePasswordIsAskedForANewerOne(t *testing.T) {
	b := newBench(t)
	b.server.password, b.server.secrets["ann"] = "two", "hers"
	b.opts.Passwords = func(Source) passwords.List {
		return passwords.List{Known: []string{"one"}, Renew: func() (string, bool) { return "two", true }}
	}
	b.is(t, "ann", "hers")
	b.shown(t, "one", "two")
	b.server.set(func(s *fakeServer) { s.password = "three" })
	b.Vacate(source.Server, []string{source.Database})
	eventually(t, "the connection is closed", func() bool { return b.server.connections() == 0 })
	if _, err := b.ask(t, "bob"); asking.SQLState(err) != "28P01" {
		t.Error(err)
	}
}
