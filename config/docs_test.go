package config

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the tables in docs/configuration.md")

const (
	docsPath    = "../docs/configuration.md"
	examplePath = "../config.toml"
)

var docsTable = regexp.MustCompile(`(?s)<!-- table: ([^\n]*) -->\n(.*?)<!-- end -->`)

func TestTheDocumentationsTablesAreThoseOfTheSettings(t *testing.T) {
	data, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	want := docsTable.ReplaceAllStringFunc(string(data), func(found string) string {
		group := docsTable.FindStringSubmatch(found)[1]
		if seen[group] {
			t.Errorf("%q stands twice in %s", group, docsPath)
		}
		seen[group] = true
		table := documentedTable(group)
		if table == "" {
			t.Errorf("%s has a table %q, which is no group of settings", docsPath, group)
		}
		return fmt.Sprintf("<!-- table: %s -->\n%s<!-- end -->", group, table)
	})
	for _, group := range documentedGroups() {
		if !seen[group] {
			t.Errorf("%s has no table %q", docsPath, group)
		}
	}
	if want == string(data) || t.Failed() {
		return
	}
	if !*update {
		t.Fatalf("the tables in %s are not those of the settings; go test ./config -update rewrites them", docsPath)
	}
	if err := os.WriteFile(docsPath, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func documentedGroups() []string {
	groups := []string{"[databases.NAME]", "[users.NAME]"}
	for i := range settings {
		if g := settings[i].group; g != groups[len(groups)-1] {
			groups = append(groups, g)
		}
	}
	return groups
}

func documentedTable(group string) string {
	switch group {
	case "[databases.NAME]":
		return tableRows(databaseSettings, "", false)
	case "[users.NAME]":
		return tableRows(userSettings, "", false)
	}
	return tableRows(settings, group, true)
}

// tableRows is the table of the settings of one group; "" if there are none.
func tableRows[T any](list []setting[T], group string, reload bool) string {
	rows := ""
	for i := range list {
		s := &list[i]
		if s.group != group {
			continue
		}
		kind := s.kind.String()
		span := s.span()
		if len(s.choices) > 0 {
			span = strings.Join(s.choices, ", ")
		}
		rows += fmt.Sprintf("| `%s` | %s | %s | %s | %s |", s.name, kind, defaultInTOML(&s.spec), span, s.doc)
		if reload && s.restart {
			rows += " restart |"
		} else if reload {
			rows += " yes |"
		}
		rows += "\n"
	}
	if rows == "" {
		return ""
	}
	if reload {
		return "| setting | type | default | range | meaning | reload |\n|---|---|---|---|---|---|\n" + rows
	}
	return "| setting | type | default | range | meaning |\n|---|---|---|---|---|\n" + rows
}

func defaultInTOML(s *spec) string {
	switch def := s.def.(type) {
	case nil:
		return ""
	case string:
		if s.kind == kindList && def == "" {
			return "`[]`"
		}
		return fmt.Sprintf("`%q`", def)
	default:
		return fmt.Sprintf("`%v`", def)
	}
}

var (
	// A line with ## shows what cannot stand beside another line, or needs a file.
	exampleKey   = regexp.MustCompile(`(?m)^(#{0,2})([a-z0-9_]+) = .*$`)
	exampleTable = regexp.MustCompile(`(?m)^#?\[`)
)

func TestTheExampleLoads(t *testing.T) {
	c, err := Load(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	if c.PoolMode != "transaction" {
		t.Errorf("pool_mode is %q", c.PoolMode)
	}
	db, ok := c.Database("anything")
	if !ok || db.Host != "127.0.0.1" || db.DBName != "anything" {
		t.Errorf("database %+v, %v", db, ok)
	}
	for _, row := range c.Settings() {
		if row.Value != row.Default && row.Key != "pool_mode" {
			t.Errorf("%s is %q, not its default", row.Key, row.Value)
		}
	}
}

func TestTheExampleShowsEverySettingWithItsDefault(t *testing.T) {
	data, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	parts := regexp.MustCompile(`(?m)^#?\[(databases\.app|users\.alice)\]$`).Split(text, -1)
	if len(parts) != 3 {
		t.Fatalf("%s has %d parts where 3 were to be: the top, [databases.app] and [users.alice]", examplePath, len(parts))
	}
	top := parts[0][:exampleTable.FindStringIndex(parts[0])[0]]
	mentioned(t, "the top", top, names(settings))
	mentioned(t, "[databases.app]", parts[1], names(databaseSettings))
	mentioned(t, "[users.alice]", parts[2], names(userSettings))

	// With every example line in force, all must be valid, and the top the defaults.
	active := regexp.MustCompile(`(?m)^#(\[|[a-z0-9_]+ = )`).ReplaceAllString(text, "$1")
	c, err := Parse(examplePath, []byte(active))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range c.Settings() {
		if row.Value != row.Default && row.Key != "pool_mode" {
			t.Errorf("the example shows %s = %s, and the default is %s", row.Key, row.Value, row.Default)
		}
	}
	if c.Databases["app"] == nil || c.Users["alice"] == nil {
		t.Errorf("databases %v, users %v", c.Databases, c.Users)
	}
}

// mentioned checks that text has a line for each name once, and for no other.
func mentioned(t *testing.T, where, text string, names []string) {
	t.Helper()
	count := map[string]int{}
	for _, found := range exampleKey.FindAllStringSubmatch(text, -1) {
		count[found[2]]++
	}
	for _, name := range names {
		if count[name] != 1 {
			t.Errorf("%s of %s shows %s %d times", where, examplePath, name, count[name])
		}
		delete(count, name)
	}
	for name := range count {
		t.Errorf("%s of %s shows %s, which is no setting there", where, examplePath, name)
	}
}
