package pgbouncer

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"pgweir/config"
)

var update = flag.Bool("update", false, "rewrite the tables in docs/migration.md, and the golden files")

const docsPath = "../docs/migration.md"

var docsTable = regexp.MustCompile(`(?s)<!-- table: \[(\w+)\] -->\n(.*?)<!-- end -->`)

func TestTheTablesOfThePageAreTheSettings(t *testing.T) {
	data, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	want := docsTable.ReplaceAllStringFunc(string(data), func(found string) string {
		name := docsTable.FindStringSubmatch(found)[1]
		seen[name]++
		for i := range tables {
			if tables[i].name == name {
				return fmt.Sprintf("<!-- table: [%s] -->\n%s<!-- end -->", name, documented(&tables[i]))
			}
		}
		t.Errorf("%s has a table [%s], which is no section of PgBouncer's", docsPath, name)
		return found
	})
	for _, s := range tables {
		if seen[s.name] != 1 {
			t.Errorf("%s has %d tables [%s]", docsPath, seen[s.name], s.name)
		}
	}
	if want == string(data) || t.Failed() {
		return
	}
	if !*update {
		t.Fatalf("the tables in %s are not those of the settings; go test ./pgbouncer -update rewrites them", docsPath)
	}
	if err := os.WriteFile(docsPath, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func documented(sec *section) string {
	var b strings.Builder
	b.WriteString("| setting | there | here | remarks |\n|---|---|---|---|\n")
	for i := range sec.settings {
		s := &sec.settings[i]
		def := ""
		if s.def != "" {
			def = "`" + s.def + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", s.name, def, s.here(), cell(s.note))
	}
	return b.String()
}

// here is what pgweir has for a setting, with its default if that is another.
func (s *setting) here() string {
	switch s.fate {
	case same, renamed:
		text := "the same"
		if s.fate == renamed {
			text = s.to
		}
		if def, ok := config.DefaultOf(s.target()); ok && s.written {
			if def == "" {
				def = `""`
			}
			text += ", default `" + def + "`"
		}
		return text
	case process:
		return "in a pgbouncer.ini only"
	case later:
		return "not yet, ignored"
	case ignored:
		return "ignored"
	}
	return "refused"
}

func cell(text string) string { return strings.NewReplacer("|", `\|`, "*", `\*`).Replace(text) }

// A row of the table says whether pgweir has a setting; config knows better.
func TestTheTableKnowsWhatConfigKnows(t *testing.T) {
	for _, sec := range tables {
		for i := range sec.settings {
			s := &sec.settings[i]
			where := "[" + sec.name + "] " + s.name
			switch known := config.Known(sec.table, s.target()) && sec.name != "peers"; {
			case s.fate <= renamed && !known:
				t.Errorf("%s: config has no %s", where, s.target())
			case s.fate == later && known:
				t.Errorf("%s: config has %s now: take `later` off its row", where, s.target())
			case (s.fate == ignored || s.fate == refused || s.fate == process) && known:
				t.Errorf("%s: config has %s, and the row says that there is none", where, s.target())
			}
			if s.fate >= process && s.note == "" && s.fate != later {
				t.Errorf("%s: has no counterpart, and no reason", where)
			}
			if s.written && sec.name != "pgbouncer" {
				t.Errorf("%s: only defaults of [pgbouncer] are written out", where)
			}
		}
	}
}

// Every default of PgBouncer's that is another than pgweir's is written out, and no other.
func TestDefaultsAreWrittenWhereTheyDiffer(t *testing.T) {
	for i := range general {
		s := &general[i]
		if s.fate > renamed || s.name == "auth_query" { // its text is not the same, its meaning is
			continue
		}
		tr := &translator{folder: "/", set: map[string]string{}}
		value, err := s.parse(s.def)
		if err == nil {
			value, _, err = tr.convert(s, s.def, value)
		}
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		var tree config.Tree
		tree.Set(value, config.Place{}, s.target())
		c, err := config.FromTree(&tree)
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		for _, row := range c.Settings() {
			if row.Key == s.target() && (row.Value != row.Default) != s.written {
				t.Errorf("%s: PgBouncer's default is %q, pgweir's is %q, and written is %v", s.name, row.Value, row.Default, s.written)
			}
		}
	}
}

func TestTheSettingsStandInOrder(t *testing.T) {
	for _, sec := range tables {
		for i := 1; i < len(sec.settings); i++ {
			if sec.settings[i-1].name >= sec.settings[i].name {
				t.Errorf("[%s]: %s stands before %s", sec.name, sec.settings[i-1].name, sec.settings[i].name)
			}
		}
	}
}
