package hba

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
)

func TestAllProblemsAreToldWithFileAndLine(t *testing.T) {
	_, err := Load("conf/pg_hba.conf", tree{
		"conf/pg_hba.conf": "hots all all all trust\nlocal /( /a\\b \\\n  truts\ninclude sub/more.conf\nlocal all @who peer map\n" +
			"include_dir none\nhost all all 10/8 trust\nhost all all all ldap ldapsrever=x\ninclude a b c\n" +
			"hostssl all all all trust clientcert=verify_ca clientname=cn mpa=x\nlocal all\x00all trust\n",
		"conf/sub/more.conf": "\ufeff# fine\nhost all all 1.2.3.4 trust\nhost all all",
		"conf/who":           "bob\n\"ann",
	}.files())
	want := `conf/who:2: a double quote is not closed on this line
conf/pg_hba.conf:6: could not open directory "conf/none": file does not exist
conf/pg_hba.conf:11: the line holds a NUL byte; the file must be plain text in UTF-8 or ASCII
conf/pg_hba.conf:1: invalid connection type "hots"; did you mean "host"?
conf/pg_hba.conf:2: invalid regular expression "(": missing closing )
conf/pg_hba.conf:2: invalid regular expression "a\\b": pgweir does not have PostgreSQL's \b
conf/pg_hba.conf:2: invalid authentication method "truts"; did you mean "trust"?
conf/sub/more.conf:2: invalid IP mask "trust"
conf/sub/more.conf:3: end-of-line before IP address specification
conf/pg_hba.conf:7: invalid IP address "10": an IPv4 address is four numbers without leading zeros
conf/pg_hba.conf:8: unrecognized authentication option name: "ldapsrever"; did you mean "ldapserver"?
conf/pg_hba.conf:9: include takes one name and nothing else
conf/pg_hba.conf:10: invalid value for clientcert: "verify_ca"; did you mean "verify-ca"?
conf/pg_hba.conf:10: invalid value for clientname: "cn"; it is CN or DN
conf/pg_hba.conf:10: unrecognized authentication option name: "mpa"; did you mean "map"?`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}

func TestEveryRefusedMethodSaysWhy(t *testing.T) {
	for name, why := range refused {
		_, err := Load("x", tree{"x": "host all all all " + name}.files())
		want := fmt.Sprintf("x:1: authentication method %q is not supported: %s", name, why)
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestAnOptionOutOfPlaceNamesItsMethods(t *testing.T) {
	for name, o := range options {
		_, err := Load("x", tree{"x": "local all all trust " + name + "=hunter2"}.files())
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), o.words) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFileWithoutLinesIsWrongForRulesAndFineForMaps(t *testing.T) {
	empty := tree{"x": "# nothing\n\n"}
	if _, err := Load("x", empty.files()); err == nil || err.Error() != "x: the file contains no entries" {
		t.Error(err)
	}
	if ms, err := LoadMaps("x", empty.files()); err != nil || ms.Has("m") {
		t.Error(err)
	}
	if _, err := Load("gone", empty.files()); err == nil || !strings.HasPrefix(err.Error(), `gone: could not open file "gone"`) {
		t.Error(err)
	}
	if _, err := LoadMaps("gone", empty.files()); err == nil {
		t.Error("no error")
	}
}

func TestIncludesAreReadInPlace(t *testing.T) {
	files := tree{
		"/etc/pg/hba":            "local a all peer\ninclude_dir parts\ninclude_if_exists gone\ninclude /abs\nlocal z all peer\n",
		"/etc/pg/parts/2.conf":   "local c @../names peer\n",
		"/etc/pg/parts/10.conf":  "local b all peer\n",
		"/etc/pg/parts/.no.conf": "wrong\n",
		"/etc/pg/parts/no":       "wrong\n",
		"/etc/pg/names":          "bob # the builder\n\"a b\",@more\n",
		"/etc/pg/more":           "+x",
		"/abs":                   "local d all peer",
	}
	rs, err := Load("/etc/pg/hba", files.files())
	if err != nil {
		t.Fatal(err)
	}
	want := "local a all peer\nlocal b all peer\nlocal c bob,\"a b\",+x peer\nlocal d all peer\nlocal z all peer\n"
	if rs.String() != want {
		t.Errorf("%s, want %s", rs, want)
	}
	if r := rs.List()[2]; r.File != "/etc/pg/parts/2.conf" || r.Line != 1 || r.Text != "local c @../names peer" {
		t.Errorf("%s:%d: %s", r.File, r.Line, r.Text)
	}
}

// chain makes files that name one another by a line, so many deep under the
// first.
func chain(line string, depth int) tree {
	files := tree{fmt.Sprint(depth): "local all all peer\n"}
	for i := range depth {
		files[fmt.Sprint(i)] = strings.ReplaceAll(line, "NEXT", fmt.Sprint(i+1))
	}
	return files
}

func TestTheBoundsHold(t *testing.T) {
	for _, word := range []string{"include NEXT\n", "local all @NEXT peer\n"} {
		if _, err := Load("0", chain(word, MaxDepth).files()); err != nil {
			t.Errorf("%s: %v", word, err)
		}
		if _, err := Load("0", chain(word, MaxDepth+1).files()); err == nil || !strings.Contains(err.Error(), "maximum nesting depth exceeded") {
			t.Errorf("%s: %v", word, err)
		}
	}
	rule := "local all all peer\n"
	for _, c := range []struct {
		files tree
		want  string
	}{
		{tree{"x": strings.Repeat(rule, MaxRules)}, ""},
		{tree{"x": strings.Repeat(rule, MaxRules+1)}, "x:10001: there are more than 10000 lines"},
		{tree{"x": "local all " + strings.Repeat("a", MaxToken) + " peer"}, ""},
		{tree{"x": "local all " + strings.Repeat("a", MaxToken+1) + " peer"}, "x:1: a word is longer than 10239 bytes"},
		{tree{"x": strings.Repeat("#", MaxBytes+1)}, "x: could not read file \"x\": the files are larger"},
		{tree{"x": strings.Repeat("include y\n", 3) + rule, "y": strings.Repeat("#", MaxBytes/2)}, "x:2: could not read file"},
		{tree{"x": strings.Repeat("include x\n", 3)}, "maximum nesting depth"},
		{tree{"x": strings.Repeat("include y\n", MaxFiles) + rule, "y": ""}, "x:1000: could not open file \"y\": more than 1000 files"},
		{tree{"x": strings.Repeat("a\n", maxProblems+1)}, "more problems"},
		{tree{"x": "local all /" + strings.Repeat("a{250}", 50) + " peer"}, "too large"},
		{tree{"x": "local all /(a{250}){4}{1}|((a{30}){30}){30} peer"}, "invalid regular expression"},
		{tree{"x": strings.Repeat("local all /"+strings.Repeat("a{200}", 40)+" peer\n", 150)}, "too large"},
	} {
		_, err := Load("x", c.files.files())
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q: %.200v, want %q", c.files["x"], err, c.want)
		}
		var problems Problems
		if errors.As(err, &problems) && len(problems) > maxProblems+1 {
			t.Errorf("%.40q: %d problems", c.files["x"], len(problems))
		}
	}
}

func TestSuggestionsAreNear(t *testing.T) {
	for word, want := range map[string]string{
		"hots": "host", "HOSTSSL": "hostssl", "locla": "local", "scram-sha256": "scram-sha-256", "pear": "peer",
		"clientcerts": "clientcert", "xyz": "", "": "", "a": "",
	} {
		known := append(append([]string{}, connTypes...), methods...)
		for name := range maps.Keys(options) {
			known = append(known, name)
		}
		got := suggestion(word, known)
		if want != "" && got != fmt.Sprintf("; did you mean %q?", want) || want == "" && got != "" {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
}

func TestForeignRegularExpressionsAreRefused(t *testing.T) {
	l := &loader{}
	for _, p := range []string{`\b`, `\B`, `\m`, `\y`, `\Z`, `\z`, `a\12`, `\x41`, `\pL`, `\Qa\E`, `[\b]`, `[[.a.]]`, `[[=a=]]`, `[[:<:]]`,
		`(?=a)`, `(?!a)`, `(?P<n>a)`, `(?m)a`, `a(?i)b`, `a{1`, `a{256}`, `a{1,300}`, `***=a`, `a\`, `[a`, `(`, `[[:alpha`, "\xff"} {
		if _, err := l.compile(p); err == nil {
			t.Errorf("%q is taken", p)
		}
	}
	for p, of := range map[string]string{
		"": "x", `a.c`: "a\nc", `^a$`: "a", `(?i)^ABC$`: "abc", `^(?:a|b)+$`: "abba", `^[]a]+$`: "]a", `^[^]a]$`: "b", `^\d{1,2}$`: "42",
		`^a{,5}$`: "a{,5}", `^[\d]+$`: "12", `[[:digit:][:space:]]`: "1", `^a\.b\_$`: "a.b_", `b`: "abc",
	} {
		re, err := l.compile(p)
		if err != nil || !re.MatchString(of) {
			t.Errorf("%q: %v, or it does not match %q", p, err, of)
		}
	}
	if re, err := l.compile("^a$"); err != nil || re.MatchString("a\n") || re.MatchString("b\na") {
		t.Error("lines are matched, not the whole")
	}
}
