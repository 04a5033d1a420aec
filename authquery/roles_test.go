package authquery

import (
	"context"
	"errors"
	"maps"
	"testing"
)

// rolesOf is what the made-up server says of users' roles.
var rolesOf = map[string]map[string]bool{"ann": setOf("ann", "staff", "people"), "bob": setOf("bob"), "nobody": {}}

func setOf(roles ...string) map[string]bool {
	all := map[string]bool{}
	for _, role := range roles {
		all[role] = true
	}
	return all
}

func (c *fakeConn) roles(ctx context.Context, name string) (map[string]bool, error) {
	if _, err := c.ask(ctx, "", "roles of "+name); err != nil {
		return nil, err
	}
	return rolesOf[name], nil
}

// roles asks, and compares.
func (b *bench) roles(t *testing.T, name string, want ...string) {
	t.Helper()
	got := make(chan told, 1)
	b.put(Question{Source: source, Name: name, Roles: true, Limits: limits}, got)
	if one := <-got; one.err != nil || one.answer.Roles == nil || !maps.Equal(one.answer.Roles, setOf(want...)) || one.answer.User != nil {
		t.Errorf("%s: %v, %v, want %v", name, one.answer.Roles, one.err, want)
	}
}

func TestRolesAreAskedOverTheSameConnectionAndKept(t *testing.T) {
	b := newBench(t)
	b.server.secrets["ann"] = "one"
	b.is(t, "ann", "one")
	for range 2 {
		b.roles(t, "ann", "ann", "staff", "people")
		b.roles(t, "bob", "bob")
		b.roles(t, "nobody")
	}
	b.is(t, "ann", "one")
	b.questionsAre(t, 4)
	if b.server.opened != 1 {
		t.Errorf("%d connections", b.server.opened)
	}
	if c := b.Stats().Cached; c.Plain != 1 || c.Unknown != 0 {
		t.Errorf("%+v are kept as users with secrets", c)
	}
	b.pass(t, limits.TTL)
	b.roles(t, "ann", "ann", "staff", "people")
	b.roles(t, "nobody")
	b.questionsAre(t, 6)
}

func TestWithoutAnAnswerNobodysRolesAreKnown(t *testing.T) {
	b := newBench(t)
	b.roles(t, "ann", "ann", "staff", "people")
	b.server.set(func(s *fakeServer) { s.away = errAway })
	b.pass(t, limits.TTL)
	b.roles(t, "ann", "ann", "staff", "people") // an older answer serves
	got := make(chan told, 1)
	b.put(Question{Source: source, Name: "bob", Roles: true, Limits: limits}, got)
	if one := <-got; !errors.Is(one.err, errAway) || one.answer.Roles != nil {
		t.Errorf("%v, %v", one.answer.Roles, one.err)
	}
}
