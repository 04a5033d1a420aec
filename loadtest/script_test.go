package loadtest

import (
	"strings"
	"testing"
)

var numbers = values{varClient: 7, varRandom: 123, varAid: 4, varBid: 5, varTid: 6, varDelta: -8}

// rendered reads a script and writes its statements with numbers put in.
func rendered(t *testing.T, sql string, split bool) []string {
	t.Helper()
	statements, err := readScript(sql, scriptVariables, split)
	if err != nil {
		t.Fatalf("%q: %v", sql, err)
	}
	var out []string
	for _, s := range statements {
		out = append(out, string(s.append(nil, &numbers)))
	}
	return out
}

func TestNumbersArePutInOutsideOfQuotesAndComments(t *testing.T) {
	for sql, want := range map[string]string{
		"select :random":                          "select 123",
		"select :client, :random, :random":        "select 7, 123, 123",
		":client":                                 "7",
		"select 1":                                "select 1",
		"select x::random, y :: client":           "select x::random, y :: client",
		"select ':random', \":client\"":           "select ':random', \":client\"",
		"select 'it''s :random', :random":         "select 'it''s :random', 123",
		`select E'\':random', :random`:            `select E'\':random', 123`,
		`select e'it''s\\', :random`:              `select e'it''s\\', 123`,
		`select one'\', :random --'`:              `select one'\', 123 --'`,
		"select $$:random$$, :random":             "select $$:random$$, 123",
		"select $a$ $$ :random $b$ $a$, :random":  "select $a$ $$ :random $b$ $a$, 123",
		"select $1, a$b$c, :random":               "select $1, a$b$c, 123",
		"select 1 -- :random\n, :random":          "select 1 -- :random\n, 123",
		"select 1 -- :random\r, :random":          "select 1 -- :random\r, 123",
		"select /* :random /* nested */ */ 1":     "select /* :random /* nested */ */ 1",
		"select a[1:n], a[:randoms], a[:Random]":  "select a[1:n], a[:randoms], a[:Random]",
		"select a[:random : :client]":             "select a[123 : 7]",
		"select :random; select :client;":         "select 123; select 7;",
		"copy t to stdout; select 'copy'":         "copy t to stdout; select 'copy'",
		"select stdin from copy":                  "select stdin from copy",
		"select 1e:random, ä:random, 5::int4 : 3": "select 1e123, ä123, 5::int4 : 3",
	} {
		if got := rendered(t, sql, false); len(got) != 1 || got[0] != want {
			t.Errorf("%q: %q, want %q", sql, got, want)
		}
	}
}

func TestAScriptIsCutAtItsSemicolonsToBePrepared(t *testing.T) {
	got := rendered(t, "begin;\n;-- nothing;\nselect ';', :random ; /* ; */ end ; -- that is all\n", true)
	want := []string{"begin", "\n;-- nothing;\nselect ';', 123 "[2:], " /* ; */ end "}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestVariablesBecomeParameters(t *testing.T) {
	statements, err := readScript("select :random, :client, :random, x::int", scriptVariables, true)
	if err != nil {
		t.Fatal(err)
	}
	sql, order := statements[0].parameters()
	if sql != "select $1, $2, $1, x::int" || len(order) != 2 || order[0] != varRandom || order[1] != varClient {
		t.Errorf("%q with %v", sql, order)
	}
}

func TestAScriptThatCannotBeRunIsRefused(t *testing.T) {
	for sql, want := range map[string]string{
		"":                                     "no statement",
		" ; -- nothing\n ; ":                   "no statement",
		"select 1;\nselect 'a":                 "line 2 of the script: a quoted string is not closed",
		"select E'a\\'":                        "a quoted string is not closed",
		"select \"a":                           "a quoted name is not closed",
		"select $x$ a $$":                      "a dollar-quoted string is not closed",
		"\n\n/* /* */":                         "line 3 of the script: a comment is not closed",
		"\\set x 1\nselect :x":                 `line 1 of the script: a backslash`,
		"select 1;\nCopy t (a) from STDIN;":    "line 2 of the script: COPY FROM STDIN",
		"select '\x00'":                        "NUL",
		strings.Repeat("select 1;", maxScript): "bytes",
	} {
		_, err := readScript(sql, scriptVariables, false)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", sql, err, want)
		}
	}
	if _, err := readScript("select 1"+strings.Repeat(" ", maxScript-8), scriptVariables, false); err != nil {
		t.Errorf("the longest script: %v", err)
	}
}

// unread puts a script together again from its pieces.
func unread(statements []statement) string {
	var b strings.Builder
	for _, s := range statements {
		for _, p := range s.pieces {
			b.WriteString(p.text)
			for name, v := range scriptVariables {
				if p.variable == v {
					b.WriteString(":" + name)
				}
			}
		}
	}
	return b.String()
}

func FuzzScript(f *testing.F) {
	for _, sql := range []string{
		"select :random, ':client', E'\\':random', $a$:client$a$ -- x\n /* /**/ */ ;", ":", "::", "$", "e'", "\"", ":random:client::random",
		"copy x from stdin", "\\", "1$$:random$$",
	} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		statements, err := readScript(sql, scriptVariables, false)
		if err != nil {
			return
		}
		if got := unread(statements); got != sql {
			t.Fatalf("%q has become %q", sql, got)
		}
		// Whatever it is, in quotes there is no variable in it.
		if tag := "$quoted$"; !strings.Contains(sql, "$") {
			quoted, err := readScript("select "+tag+sql+tag, scriptVariables, false)
			if err != nil || len(quoted[0].pieces) != 1 {
				t.Fatalf("%q in quotes: %v %v", sql, quoted, err)
			}
		}
		// A script that is read, and another behind it in a line of its own,
		// are read as one.
		both, err := readScript(sql+"\n;select :random", scriptVariables, false)
		if err != nil {
			t.Fatalf("%q and another: %v", sql, err)
		}
		pieces := both[0].pieces
		if last := pieces[len(pieces)-1]; last.variable != varRandom {
			t.Fatalf("%q hides what follows: %+v", sql, pieces)
		}
		if _, err := readScript(sql, scriptVariables, true); err != nil {
			t.Fatalf("%q cut into statements: %v", sql, err)
		}
	})
}
