package pgbouncer

import (
	"os"
	"slices"
	"strings"
	"testing"

	"pgweir/config"
)

// TestSettingsAreShownAsPgBouncerShowsThem: testdata/show_config.txt is what
// PgBouncer 1.25.2 says on SHOW CONFIG, served with testdata/show_config.ini.
func TestSettingsAreShownAsPgBouncerShowsThem(t *testing.T) {
	text, err := os.ReadFile("testdata/show_config.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "|")
		want[key] = rest[:strings.LastIndexByte(rest, '|')] // what a RELOAD changes is another matter here
	}
	loaded, err := Load("testdata/show_config.ini")
	if err != nil {
		t.Fatal(err)
	}
	rows := Shown(loaded.Config.Settings())
	for _, row := range rows {
		got := row.Value + "|" + row.Default
		if row.Key == "auth_query" {
			continue // the same, with all names in full
		}
		if got != want[row.Key] {
			t.Errorf("%s is shown as %q, in PgBouncer as %q", row.Key, got, want[row.Key])
		}
	}
	if !slices.IsSortedFunc(rows, func(a, b config.Row) int { return strings.Compare(a.Key, b.Key) }) {
		t.Error("they are not in the order of their names")
	}
	seen := func(name string) bool {
		return slices.ContainsFunc(rows, func(r config.Row) bool { return r.Key == name })
	}
	for i := range general {
		if s := &general[i]; s.fate <= renamed && !seen(s.name) {
			t.Errorf("%s is missing", s.name)
		}
	}
}
