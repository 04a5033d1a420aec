package pgbouncer

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// files are read in place of those of the system.
type files map[string]string

func (f files) read(path string) ([]byte, error) {
	text, ok := f[path]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(text), nil
}

// entries are what a file says, one on a line: "line section key=value".
func (f files) entries() string {
	r := readINI("a.ini", f.read)
	var b strings.Builder
	for _, it := range r.items {
		if !it.header {
			fmt.Fprintf(&b, "%s:%d %s %s=%q\n", it.at.File, it.at.Line, it.section, it.key, it.value)
		}
	}
	for _, p := range r.problems {
		fmt.Fprintln(&b, p.Error())
	}
	return b.String()
}

func TestLinesAreReadAsPgBouncerDoes(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"an entry", "[pgbouncer]\na = b", `a.ini:2 pgbouncer a="b"`},
		{"blanks around", " \t[pgbouncer]\n\n\t a\t=  b c \t\r\n", `a.ini:3 pgbouncer a="b c"`},
		{"no value", "[pgbouncer]\na =\nb=\r\n", "a.ini:2 pgbouncer a=\"\"\na.ini:3 pgbouncer b=\"\""},
		{"what looks like a comment at the end", "[pgbouncer]\na = 1 ; one # two", `a.ini:2 pgbouncer a="1 ; one # two"`},
		{"comments", "; a\n#b\n[pgbouncer]\n ; c = d\na = 1", `a.ini:5 pgbouncer a="1"`},
		{"an entry behind a header", "[pgbouncer] a = 1", `a.ini:1 pgbouncer a="1"`},
		{"a name in quotes", "[pgbouncer]\n[databases]\n'my db' = host=x\n'a\"b'=y", "a.ini:3 databases my db=\"host=x\"\na.ini:4 databases a\"b=\"y\""},
		{"letters of names", "[pgbouncer]\n[databases]\na_b.c-d* = x", `a.ini:3 databases a_b.c-d*="x"`},
		{"an equals sign in a value", "[pgbouncer]\na = b = c", `a.ini:2 pgbouncer a="b = c"`},
		{"%include without a blank", "[pgbouncer]\n%includex", `a.ini:2: expected "=" after ""; a name of other characters than letters, digits, "_", ".", "-" and "*" is put in single quotes`},
		{"a name of other letters", "[pgbouncer]\nmy db = 1", `a.ini:2: expected "=" after "my"; a name of other characters than letters, digits, "_", ".", "-" and "*" is put in single quotes`},
		{"a name in double quotes", "[pgbouncer]\n\"a\" = 1", `a.ini:2: expected "=" after ""; a name of other characters than letters, digits, "_", ".", "-" and "*" is put in single quotes`},
		{"a quote without end", "[pgbouncer]\n'a = 1\nb = 2", `a.ini:2: a name in single quotes is empty or has no end`},
		{"an empty name in quotes", "[pgbouncer]\n'' = 1", `a.ini:2: a name in single quotes is empty or has no end`},
		{"a header without end", "[pgbouncer\na = 1", `a.ini:1: "[" begins the name of a section, and no "]" ends it on this line`},
		{"a value without a section", "a = 1\n[pgbouncer]", `a.ini:1: "a" stands in no section; [pgbouncer], [databases] or [users] must come before it`},
		{"an unknown section", "[pgbouncer]\n[PgBouncer]\na = 1", `a.ini:2: unknown section [PgBouncer]; there are [pgbouncer], [databases], [users], [peers]`},
		{"no main section", "[databases]\na =", "a.ini:2 databases a=\"\"\na.ini: there is no section [pgbouncer]"},
		{"nothing", "", "a.ini: there is no section [pgbouncer]"},
		{"a zero byte", "[pgbouncer]\na = 1\nb = \x00\nc = 1", "a.ini:3: a zero byte"},
		{"a byte-order mark", "\ufeff[pgbouncer]\na = 1", "a.ini:1: the file begins with a byte-order mark, which PgBouncer does not read; save it as UTF-8 without one"},
		{"not UTF-8", "[pgbouncer]\na = \xff", `a.ini:2: "a": not UTF-8`},
		{"UTF-8", "[pgbouncer]\na = ü", `a.ini:2 pgbouncer a="ü"`},
	} {
		if got := strings.TrimSpace(files{"a.ini": c.text}.entries()); !strings.HasPrefix(got, c.want) || !strings.HasPrefix(c.want, got) && !strings.Contains(got, "there is no section") {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

func TestIncludedFilesStandWhereTheyAreIncluded(t *testing.T) {
	f := files{
		"a.ini":     "[pgbouncer]\na = 1\n%include  sub/b.ini \nd = 4\n",
		"sub/b.ini": "b = 2\n[databases]\n%include c.ini",
		"c.ini":     "c = host=x",
		"sub/c.ini": "wrong: names start at the current folder, not at the file's",
	}
	want := `a.ini:2 pgbouncer a="1"
sub/b.ini:1 pgbouncer b="2"
c.ini:1 databases c="host=x"
a.ini:4 databases d="4"
`
	if got := f.entries(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestAnIncludedFileThatIsMissingIsNamed(t *testing.T) {
	got := files{"a.ini": "[pgbouncer]\n\n%include b.ini\na = 1"}.entries()
	want := "b.ini: file does not exist\na.ini:3: %include: b.ini cannot be read\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestAnIncludedFileMustBeRegular(t *testing.T) {
	dir := t.TempDir()
	pipe, path := filepath.Join(dir, "pipe"), filepath.Join(dir, "a.ini")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, included := range []string{pipe, dir, "/dev/zero"} {
		if err := os.WriteFile(path, []byte("[pgbouncer]\n\n%include "+included+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		want := included + ": not a regular file\n" + path + ":3: %include: " + included + " cannot be read"
		for name, load := range map[string]func() error{
			"Load":   func() error { _, err := Load(path); return err },
			"Import": func() error { _, err := Import(path); return err },
		} {
			err := load()
			if err == nil || sortedLines(strings.Split(err.Error(), "\n")) != sortedLines(strings.Split(want, "\n")) {
				t.Errorf("%s: got\n%v\nwant\n%s", name, err, want)
			}
		}
	}
}

func TestIncludesHaveAnEnd(t *testing.T) {
	deep := files{"a.ini": "[pgbouncer]\n%include 1"}
	for i := 1; i <= maxDepth; i++ {
		deep[fmt.Sprint(i)] = fmt.Sprintf("a = %d\n%%include %d", i, i+1)
	}
	deep[fmt.Sprint(maxDepth)] = "a = last"
	if got := deep.entries(); !strings.HasSuffix(got, "10:1 pgbouncer a=\"last\"\n") {
		t.Errorf("%d files deep: %s", maxDepth, got)
	}
	deep[fmt.Sprint(maxDepth)] = "%include 11"
	deep["11"] = "a = 1"
	if got := deep.entries(); !strings.Contains(got, "10:1: %include: more than 10 files deep") {
		t.Errorf("a file more: %s", got)
	}
	if got := (files{"a.ini": "[pgbouncer]\n%include a.ini"}).entries(); !strings.Contains(got, "more than 10 files deep") {
		t.Errorf("of itself: %s", got)
	}
	wide := files{"a.ini": "[pgbouncer]\n" + strings.Repeat("%include b\n", maxFiles), "b": ""}
	if got := wide.entries(); !strings.Contains(got, "b: too large") {
		t.Errorf("%d files: %s", maxFiles+1, got)
	}
	wide["a.ini"] = "[pgbouncer]\n" + strings.Repeat("%include b\n", maxFiles-1)
	if got := wide.entries(); got != "" {
		t.Errorf("%d files: %s", maxFiles, got)
	}
	if got := (files{"a.ini": "[pgbouncer]\n" + strings.Repeat("#", maxFileBytes)}).entries(); !strings.Contains(got, "too large") {
		t.Errorf("a large file: %s", got)
	}
	big := files{"a.ini": "[pgbouncer]\n" + strings.Repeat("%include b\n", maxBytes/maxFileBytes), "b": strings.Repeat("#", maxFileBytes)}
	if got := big.entries(); !strings.Contains(got, "too large") {
		t.Errorf("large files: %s", got)
	}
}

func TestConnectionStringsAreReadAsPgBouncerDoes(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"  ":                           "",
		"host=a port=1":                "host[a] port[1]",
		" host = a   port=  1 ":        "host[a] port[1]",
		"a='b c' d=e":                  "a[b c] d[e]",
		"a='it''s' d=e":                "a[it's] d[e]",
		"a='b',d=e":                    "a[b] d[e]", // whatever follows the quote is skipped
		"a='b'cd=e":                    "a[b] d[e]",
		"a=b'c d=e":                    "a[b'c] d[e]",
		"a=b\tc":                       "a[b\tc]",
		"auth_query='select $1' x=y=z": "auth_query[select $1] x[y=z]",
		"a":                            "!",
		"a b=c":                        "!",
		"=a":                           "!",
		"a=":                           "!",
		"a= ":                          "!",
		"a=''":                         "!",
		"a='b":                         "!",
		"a='b''":                       "!",
		"a=b c":                        "!",
	} {
		got := ""
		pairs, err := connString(text)
		for _, p := range pairs {
			got = strings.TrimSpace(got + " " + p.key + "[" + p.value + "]")
		}
		if err != nil {
			got = "!"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestNumbersAreReadAsPgBouncerDoes(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "20": "20", "-1": "-1", "+5": "5", "0777": "511", "0x1F": "31", "-0x10": "-16", "2147483647": "2147483647",
		"": "!", "-": "!", "08": "!", "0x": "!", "1_0": "!", "0b1": "!", "1.5": "!", "20 ; twenty": "!", "2147483648": "!", "99999999999999999999": "!", "--1": "!", "10s": "!",
	} {
		n, err := number(text)
		if got := fmt.Sprint(n); err != nil && want != "!" || err == nil && got != want {
			t.Errorf("number(%q) is %s, %v, want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"0": "0", "15.0": "15", ".5": "0.5", "1e3": "1000", "+2": "2", "-0": "-0",
		"": "!", "-1": "!", "10s": "!", "inf": "!", "nan": "!", "0x10": "!", "1_0": "!", "1e999": "!",
	} {
		f, err := seconds(text)
		if got := fmt.Sprint(f); err != nil && want != "!" || err == nil && got != want {
			t.Errorf("seconds(%q) is %s, %v, want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]int64{
		"20": 20, "20x": 20, "x": 0, "-1": -1, "": 0, "+3": 3, " 4": 4, "--4": 0, "99999999999999999999": 2147483647, "1.9": 1,
	} {
		if got := loose(text); got != want {
			t.Errorf("loose(%q) is %d, want %d", text, got, want)
		}
	}
}
