package hba

import (
	"strings"
	"testing"
)

const mapsText = `# map system database
m bob bobby
m "John Smith" john
m "all" "all"
m root all
m boss +staff
m clerk "+staff"
m ops /^app_
m ALICE alice
m /^(.*)@example\.com$ \1
m /^([^@]*)@(.*)$ "\1_\1@"
m /^guest guest ignored words
m \1 \1
other bob all
re /^(admin|administrator) \1
re administrator admin
opt /^x(y)?$ \1
opt x z
lit /^(.*)$ x\1
`

func TestMapsSayWhoMayActAsWhom(t *testing.T) {
	ms := mustMaps(t, mapsText)
	member := groups("ann staff")
	for _, c := range []struct {
		name, system, user string
		want               bool
	}{
		{"m", "bob", "bobby", true},
		{"m", "bob", "bob", false},
		{"m", "Bob", "bobby", false},
		{"m", "John Smith", "john", true},
		{"m", "all", "all", true},
		{"m", "all", "bob", false},
		{"m", "root", "anybody", true},
		{"m", "boss", "ann", true},
		{"m", "boss", "bob", false},
		{"m", "boss", "staff", true},
		{"m", "clerk", "ann", false},
		{"m", "clerk", "+staff", true},
		{"m", "ops", "app_1", true},
		{"m", "ops", "my_app_1", false},
		{"m", "alice", "alice", false},
		{"m", "eve@example.com", "eve", true},
		{"m", "all@example.com", "eve", false},
		{"m", "+staff@example.com", "ann", false},
		{"m", "/.@example.com", "ann", false},
		{"m", "eve@example.org", "eve", false},
		{"m", "eve@example.org", `eve_\1@`, true}, // PostgreSQL replaces the first \1 only
		{"m", "guests", "guest", true},
		{"m", `\1`, `\1`, true},
		{"m", "x", `\1`, false},
		{"other", "bob", "x", true},
		{"none", "bob", "bob", false},
		{"", "bob", "bob", true},
		{"", "bob", "bobby", false},
		{"re", "admin", "admin", true},
		{"re", "administrator", "admin", false}, // PostgreSQL's \1 is administrator
		{"re", "administrator", "administrator", false},
		{"opt", "xy", "y", true},
		{"opt", "x", "z", false}, // an error of PostgreSQL's, which ends the search
		{"opt", "x", "", false},
		{"lit", "", "x", true},
	} {
		if got := ms.Map(c.name, c.system, c.user, member); got != c.want {
			t.Errorf("map %q, %q as %q: %v", c.name, c.system, c.user, got)
		}
		if got := mustMaps(t, ms.String()).Map(c.name, c.system, c.user, member); got != c.want {
			t.Errorf("printed and read again: map %q, %q as %q: %v", c.name, c.system, c.user, got)
		}
	}
	if !ms.Has("other") || ms.Has("none") || !ms.AsksMembers("lit") && !ms.AsksMembers("m") {
		t.Error("maps or members are not as they are in the file")
	}
}

func TestAMapAllowsNothingThatIsNotKnown(t *testing.T) {
	ms := mustMaps(t, "m boss +staff")
	if ms.Map("m", "boss", "ann", nil) || ms.Map("m", "boss", "ann", groups("ann ?")) {
		t.Error("membership is not known, and it is allowed")
	}
	if mustMaps(t, "m boss \"+staff\"\nm all all").AsksMembers("m") {
		t.Error("no line hangs on members")
	}
}

func TestProblemsOfMapsAreAllTold(t *testing.T) {
	_, err := LoadMaps("pg_ident.conf", tree{
		"pg_ident.conf": "m a\nm a,b c\nm /( /)\ninclude more\nm /x \\1\ninclude gone\n",
		"more":          "\nm a \"b\n",
	}.files())
	want := `more:2: a double quote is not closed on this line
pg_ident.conf:6: could not open file "gone": open gone: file does not exist
pg_ident.conf:1: end-of-line before map name, system user and database user
pg_ident.conf:2: multiple values in ident field
pg_ident.conf:3: invalid regular expression "(": missing closing )
pg_ident.conf:3: invalid regular expression ")": unexpected )
pg_ident.conf:5: regular expression "x" has no subexpressions as requested by backreference in "\\1"`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	if strings.Count(want, "\n")+1 != len(problemsOf(t, err)) {
		t.Errorf("%d problems", len(problemsOf(t, err)))
	}
}
