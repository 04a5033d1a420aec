package main

import (
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func parse(t *testing.T, vars map[string]string, args ...string) options {
	t.Helper()
	opts, err := parseOptions(args, func(name string) string { return vars[name] }, io.Discard)
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return opts
}

func worksOf(opts options) (names []string) {
	for _, w := range opts.works {
		names = append(names, w.name)
	}
	return names
}

func TestOptionsNameTheWorks(t *testing.T) {
	opts := parse(t, nil, "-work", "idle,packages,bulk", "-rounds", "2", "-seconds", "0.5")
	if got := worksOf(opts); !slices.Equal(got, []string{"idle", "bulk"}) || !opts.packages || opts.rounds != 2 || opts.duration != 500*time.Millisecond {
		t.Errorf("got %q, %+v", got, opts)
	}
	usual, all := worksOf(parse(t, nil)), parse(t, nil, "-work", "all")
	if !slices.Contains(usual, "crowd10000") || slices.Contains(usual, "storm") {
		t.Errorf("usual: %q", usual)
	}
	if len(all.works) != len(works()) || !all.packages {
		t.Errorf("all: %q", worksOf(all))
	}
	if first := firstSpecial(); !slices.Equal(usual, workNames()[:slices.Index(workNames(), first)]) {
		t.Errorf("the usual works are not those before %s: %q", first, usual)
	}
}

func TestTheTableOfWorksIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range works() {
		if w.name == "" || seen[w.name] || w.title == "" || w.each == "" || len(w.figures) == 0 || w.run == nil {
			t.Errorf("%+v", w)
		}
		seen[w.name] = true
		keys := map[string]bool{}
		for _, f := range w.figures {
			if f.key == "" || f.head == "" || keys[f.key] {
				t.Errorf("%s: %+v", w.name, f)
			}
			keys[f.key] = true
		}
	}
}

func TestThePageOfBenchmarksHasAllWorks(t *testing.T) {
	page, err := os.ReadFile("../docs/benchmarks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range workNames() {
		if !regexp.MustCompile(`(?m)^\|[^|]*` + "`" + name + "`").Match(page) {
			t.Errorf("docs/benchmarks.md has no row of %s", name)
		}
	}
}

func TestOptionsRefuseWhatIsUnknownOrOutOfRange(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-work", "simple2"}, "simple32"},
		{[]string{"-rounds", "0"}, "-rounds"},
		{[]string{"-rounds", "1001"}, "-rounds"},
		{[]string{"-seconds", "0.05"}, "-seconds"},
		{[]string{"-seconds", "3601"}, "-seconds"},
		{[]string{"-seconds", "NaN"}, "-seconds"},
		{[]string{"surplus"}, "surplus"},
		{[]string{"-nonsense"}, "nonsense"},
		{[]string{"-pgweir", "a=/x", "-pgweir", "a=/y"}, `"a"`},
		{[]string{"-pgweir", "pgbouncer=/x"}, `"pgbouncer"`},
		{[]string{"-pgweir", "a/b=/x"}, "letters"},
		{[]string{"-pgweir", "a="}, "no program"},
		{[]string{"-variant", "a@old:workers=1"}, `"old"`},
		{[]string{"-variant", "workers=1"}, "NAME:SETTING=VALUE"},
		{[]string{"-variant", "a:"}, "NAME:SETTING=VALUE"},
		{[]string{"-variant", "a:workers"}, "SETTING=VALUE"},
		{[]string{"-variant", "a:Workers=1"}, "SETTING=VALUE"},
		{[]string{"-variant", "pgweir:workers=1"}, `"pgweir"`},
		{[]string{"-yardstick", "nobody"}, `"nobody"`},
	} {
		_, err := parseOptions(c.args, func(string) string { return "" }, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.args, err, c.want)
		}
	}
}

func TestAFlagGoesBeforeTheVariableOfAPooler(t *testing.T) {
	vars := map[string]string{"PGBOUNCER": "/by/variable", "PGDOG": "/dog", "ODYSSEY": "/odyssey", "PG_DOORMAN": "/doorman"}
	opts := parse(t, vars, "-pgbouncer", "/by/flag")
	want := map[string]string{"pgbouncer": "/by/flag", "pgdog": "/dog", "odyssey": "/odyssey", "pg_doorman": "/doorman"}
	for name, path := range want {
		if opts.others[name] != path {
			t.Errorf("%s is %q, want %q", name, opts.others[name], path)
		}
	}
	if got, err := pgbouncer.find("none"); got != "" || err != nil {
		t.Errorf("none is %q, %v", got, err)
	}
	if got, err := pgdog.find(""); got != "" || err != nil {
		t.Errorf("a pooler that nobody names is %q, %v", got, err)
	}
	if _, err := pgdog.find("/nowhere/pgdog"); err == nil || !strings.Contains(err.Error(), "-pgdog") {
		t.Errorf("one that is not there: %v", err)
	}
}

func TestEachPgweirIsMeasuredAsItIsAndInItsVariants(t *testing.T) {
	names := func(args ...string) (names []string) {
		for _, p := range weirs(parse(t, nil, args...)) {
			names = append(names, p.name)
		}
		return names
	}
	for _, c := range []struct{ args, want []string }{
		{nil, []string{"pgweir"}},
		{[]string{"-pgweir", "/x"}, []string{"pgweir"}},
		{[]string{"-variant", "uring:io_engine=io_uring"}, []string{"pgweir", "uring"}},
		{[]string{"-pgweir", "old=/x", "-pgweir", "new=/y", "-variant", "two:workers=2", "-variant", "uring@new:io_engine=io_uring"},
			[]string{"old", "old-two", "new", "new-two", "uring"}},
	} {
		if got := names(c.args...); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.args, got, c.want)
		}
	}
}

func TestVariantsHaveTheirValuesInTOML(t *testing.T) {
	v, err := parseVariant(`v:session_state=off,workers=2,leak_check=0.5,log_connections=true,listen_addr=["a", "b"],unix_socket_dir="",query_timeout=30s,a='x,y',b=say "x"`)
	if err != nil {
		t.Fatal(err)
	}
	want := []setting{
		{"session_state", `"off"`}, {"workers", "2"}, {"leak_check", "0.5"}, {"log_connections", "true"}, {"listen_addr", `["a", "b"]`},
		{"unix_socket_dir", `""`}, {"query_timeout", `"30s"`}, {"a", `'x,y'`}, {"b", `"say \"x\""`},
	}
	if !slices.Equal(v.settings, want) {
		t.Errorf("got %q", v.settings)
	}
	got := override([]setting{{"workers", `"auto"`}, {"x", "1"}}, []setting{{"workers", "2"}, {"y", "3"}})
	if !slices.Equal(got, []setting{{"workers", "2"}, {"x", "1"}, {"y", "3"}}) {
		t.Errorf("overridden: %q", got)
	}
}
