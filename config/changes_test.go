package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func parsed(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("config.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChangesAreEachSettingThatDiffersAndWhoCameAndWent(t *testing.T) {
	before := parsed(t, `
default_pool_size = 20
census_user = "c"
census_password = "old secret"
admin_users = ["ann"]
query_wait_timeout = "30s"
[databases.gone]
[databases.shop]
pool_size = 5
password = "old secret"
user = "web"
[databases."a b"]
[users.ann]
password = "old secret"
pool_mode = "session"
`)
	after := parsed(t, `
default_pool_size = 10
admin_users = ["ann", "bob"]
census_user = "c"
census_password = "new secret"
query_wait_timeout = 30
auth_user = "asker"
[databases.shop]
password = "new secret"
user = "web"
leak_check = 0.5
[databases.came]
[databases."a b"]
max_db_connections = 0
[users.ann]
pool_mode = "transaction"
[users.bob]
password = "new secret"
`)
	want := []Change{
		{"auth_user", Set, "", "asker", false},
		{"admin_users", Changed, "ann", "ann, bob", false},
		{"default_pool_size", Changed, "20", "10", false},
		{"census_password", Changed, "", "", true},
		{`databases."a b".max_db_connections`, Set, "", "0", false},
		{"databases.came", Added, "", "", false},
		{"databases.gone", Removed, "", "", false},
		{"databases.shop.password", Changed, "", "", true},
		{"databases.shop.pool_size", Unset, "5", "", false},
		{"databases.shop.leak_check", Set, "", "0.5", false},
		{"users.ann.password", Unset, "", "", true},
		{"users.ann.pool_mode", Changed, "session", "transaction", false},
		{"users.bob", Added, "", "", false},
	}
	got := Changes(before, after)
	if !slices.Equal(got, want) {
		for _, c := range got {
			t.Logf("%+v", c)
		}
		t.Error("these are not the changes")
	}
	if strings.Contains(fmt.Sprint(got), "secret") {
		t.Error("a secret is shown")
	}
	if again := Changes(after, after); len(again) != 0 {
		t.Errorf("a configuration differs from itself: %+v", again)
	}
}

// TestEverySettingThatDiffersIsAChange: none is forgotten, of whatever type it is.
func TestEverySettingThatDiffersIsAChange(t *testing.T) {
	everySettingDiffers(t, settings)
	everySettingDiffers(t, databaseSettings)
	everySettingDiffers(t, userSettings)
}

func everySettingDiffers[T any](t *testing.T, known []setting[T]) {
	t.Helper()
	for i := range known {
		s := &known[i]
		var raw any
		switch s.kind {
		case kindInt, kindWorkers:
			raw = s.min + 1
		case kindDuration:
			raw = fmt.Sprintf("%dns", s.min+1)
		case kindFraction:
			raw = 0.25
		case kindBool:
			raw = true
		case kindChoice, kindChoices:
			raw = s.choices[0]
		case kindMode:
			raw = "0123"
		default:
			raw = "/other"
		}
		value, err := s.parse(raw)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		var before, after T
		store(s.at(&after), value)
		if got := tableChanges(nil, nil, known, &before, &after); len(got) != 1 || got[0].Setting != s.name || got[0].Hidden != s.kind.secret() {
			t.Errorf("%s: %+v", s.name, got)
		}
	}
}
