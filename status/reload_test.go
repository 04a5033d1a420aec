package status

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestAReloadIsToldInWords(t *testing.T) {
	r := Reload{
		Changes: []Change{
			{Setting: "default_pool_size", Kind: "changed", Before: "20", After: "10"},
			{Setting: "databases.shop.pool_size", Kind: "set", After: "5"},
			{Setting: "databases.shop.pool_mode", Kind: "unset", Before: "session"},
			{Setting: "users.ann.password", Kind: "changed", Hidden: true},
			{Setting: "databases.came", Kind: "added"},
			{Setting: "server_reset_query", Kind: "changed", Before: "DISCARD ALL", After: "a\nb"},
			{Setting: "auth_query", Kind: "set", After: strings.Repeat("ä", 150)},
		},
		Pending: []Change{{Setting: "listen_port", Kind: "changed", Before: "6432", After: "1"}},
	}
	want := []string{
		"default_pool_size changed from 20 to 10",
		"databases.shop.pool_size set to 5",
		"databases.shop.pool_mode unset, was session",
		"users.ann.password changed",
		"databases.came added",
		`server_reset_query changed from DISCARD ALL to "a\nb"`,
		"auth_query set to " + strings.Repeat("ä", 100) + "...",
		"listen_port changed from 6432 to 1 at a restart only",
	}
	if got := r.Lines(); !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if got := (&Reload{}).Lines(); !slices.Equal(got, []string{"nothing has changed"}) {
		t.Errorf("of nothing: %q", got)
	}
}

func TestAReloadOfManyChangesSaysHowManyThereAre(t *testing.T) {
	r := Reload{Pending: []Change{{Setting: "workers", Kind: "changed", Before: "1", After: "2"}}}
	for i := range 1000 {
		r.Changes = append(r.Changes, Change{Setting: fmt.Sprintf("users.u%03d", i), Kind: "added"})
	}
	got := r.Lines()
	if len(got) != 102 || got[99] != "users.u099 added" || got[100] != "and 900 further changes" || !strings.HasPrefix(got[101], "workers") {
		t.Errorf("%d lines, the last %q", len(got), got[98:])
	}
}
