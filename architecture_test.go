// Package main_test keeps the house in order: which package may import what,
// that docs/architecture.md has them all and points at nothing that is not
// there, and that each package says for itself what it knows. It knows the tree
// as the go command lists it, and must not know what a package does: it imports
// nothing of ours.
package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	module       = "pgweir"
	architecture = "docs/architecture.md"
)

// imports is the direction in which imports run: for each folder, the packages
// of ours that it may import. A folder that is not here fails the test.
var imports = map[string][]string{
	".":                {},
	"wire":             {},
	"spelling":         {},
	"amount":           {},
	"fault":            {},
	"config":           {"fault", "spelling"},
	"status":           {},
	"loop":             {"uring"},
	"uring":            {},
	"passwords":        {},
	"asking":           {},
	"dns":              {},
	"cluster/child":    {},
	"auth":             {"wire"},
	"auth/hba":         {"fault", "spelling"},
	"auth/ldap":        {"auth/hba"},
	"authquery":        {"asking", "auth", "passwords"},
	"pool":             {"wire"},
	"session":          {"session/follow", "session/pipeline", "session/proof", "wire"},
	"session/follow":   {"wire"},
	"session/pipeline": {},
	"session/proof":    {"wire"},
	"console":          {"spelling", "wire", "status"},
	"web":              {"amount", "status"},
	"secrets":          {"config"},
	"pgbouncer":        {"config"},
	"proxy":            {"auth", "auth/hba", "auth/ldap", "authquery", "config", "dns", "health", "loop", "passwords", "pool", "proctable", "secrets", "session", "session/follow", "sizing", "status", "throttle", "wire"},
	"throttle":         {},
	"proctable":        {},
	"health":           {"amount", "status"},
	"telemetry":        {"status"},
	"sizing":           {"amount", "config", "status"},
	"census":           {"asking", "health", "passwords", "proctable", "status"},
	"loadtest":         {"amount", "proctable", "spelling"},
	"top":              {"status", "top/quiet"},
	"top/quiet":        {},
	"cluster":          {"cluster/child"},
	"ldaptest":         {},
	"demo":             {"amount", "cluster", "cluster/child", "proctable"},
	"cmd/pgweir":       {anything},
	"integration":      {"cluster", "cluster/child", "ldaptest"},
	"bench":            {"cluster", "cluster/child"},
}

const anything = "*"

// blackBox are the folders whose tests, too, keep to imports: they are outside
// of the program that they test.
var blackBox = []string{".", "integration", "bench"}

// pure are the packages that do no I/O, start no goroutine and read no clock,
// and forbidden is what they could do it with.
var (
	pure      = []string{"wire", "session", "session/follow", "session/pipeline", "session/proof", "auth", "auth/hba", "status", "health", "sizing", "throttle", "amount"}
	forbidden = []string{"bufio", "context", "io", "log", "net", "os", "runtime", "syscall", "golang.org/x/sys"}
)

// values are packages under those forbidden of which a pure one may use the
// types: addresses as values, and the error of a file that is not there.
var values = []string{"net/netip", "io/fs"}

// homes are the packages that a library is for: no other knows of it, so that
// it can be replaced in one place.
var homes = map[string][]string{
	"github.com/jackc/pgproto3/v2":            {"wire"},
	"github.com/xdg-go/stringprep":            {"wire"},
	"github.com/jackc/puddle/v2":              {"pool"},
	"github.com/pelletier/go-toml/v2":         {"config"},
	"github.com/pires/go-proxyproto":          {"wire"},
	"github.com/prometheus/client_golang":     {"web", "telemetry"},
	"go.opentelemetry.io":                     {"telemetry"},
	"github.com/go-logr/logr":                 {"telemetry"},
	"github.com/prometheus/procfs":            {"proctable"},
	"github.com/spf13/cobra":                  {"cmd/pgweir"},
	"github.com/jackc/pgx/v5":                 {"cmd/pgweir", "demo", "census", "loadtest", "top", "authquery", "asking"},
	"github.com/chromedp":                     {"integration"},
	"github.com/lib/pq":                       {"integration"},
	"github.com/go-ldap/ldap/v3":              {"auth/ldap"},
	"github.com/jimlambrt/gldap":              {"ldaptest"},
	"github.com/hashicorp/go-hclog":           {"ldaptest"},
	"github.com/HdrHistogram/hdrhistogram-go": {"bench", "loadtest"},
	"github.com/charmbracelet/bubbletea":      {"top"},
	"github.com/charmbracelet/lipgloss":       {"top"},
}

// listed is what `go list -json` says of a package.
type listed struct {
	ImportPath, Dir, Doc                   string
	Imports, TestImports, XTestImports     []string
	GoFiles, TestGoFiles, XTestGoFiles     []string
	CgoFiles, IgnoredGoFiles, InvalidFiles []string
}

// folder is the package's place in the tree, "." for its root.
func (p *listed) folder() string {
	if p.ImportPath == module {
		return "."
	}
	return strings.TrimPrefix(p.ImportPath, module+"/")
}

// lists are what list has found, by system.
var lists = map[string][]*listed{}

// list asks the go command for all packages, as they are on one system.
func list(t *testing.T, goos string) []*listed {
	t.Helper()
	if lists[goos] != nil {
		return lists[goos]
	}
	cmd := exec.Command("go", "list", "-json", "./...")
	cmd.Env = append(os.Environ(), "GOOS="+goos)
	data, err := cmd.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			t.Fatalf("go list: %v\n%s", err, failed.Stderr)
		}
		t.Fatal(err)
	}
	for d := json.NewDecoder(strings.NewReader(string(data))); ; {
		p := new(listed)
		if err := d.Decode(p); err == io.EOF {
			return lists[goos]
		} else if err != nil {
			t.Fatal(err)
		}
		lists[goos] = append(lists[goos], p)
	}
}

func within(path, tree string) bool { return path == tree || strings.HasPrefix(path, tree+"/") }

// breaches is what is wrong with the imports of a package.
func breaches(p *listed) (out []string) {
	folder := p.folder()
	allowed, known := imports[folder]
	if !known {
		return []string{"is not in the table of imports, so nobody has said what it may import"}
	}
	seen := p.Imports
	if slices.Contains(blackBox, folder) {
		seen = slices.Concat(p.Imports, p.TestImports, p.XTestImports)
	}
	for _, path := range seen {
		if ours, ok := strings.CutPrefix(path, module+"/"); ok &&
			!slices.Contains(allowed, ours) && !slices.Contains(allowed, anything) {
			out = append(out, fmt.Sprintf("may not import %s (it may: %q)", ours, allowed))
		}
	}
	for _, path := range p.Imports {
		for library, at := range homes {
			if within(path, library) && !slices.Contains(at, folder) {
				out = append(out, fmt.Sprintf("may not import %s, which is for %q only", path, at))
			}
		}
		if !slices.Contains(pure, folder) {
			continue
		}
		for _, tree := range forbidden {
			if within(path, tree) && !slices.Contains(values, path) {
				out = append(out, "does no I/O, starts no goroutine and reads no clock, but imports "+path)
			}
		}
	}
	if len(p.CgoFiles) > 0 {
		out = append(out, "uses cgo")
	}
	return out
}

func TestImportsRunOneWay(t *testing.T) {
	for _, goos := range []string{"linux", "darwin"} {
		found := map[string]bool{}
		for _, p := range list(t, goos) {
			found[p.folder()] = true
			for _, b := range breaches(p) {
				t.Errorf("%s, on %s: %s", p.folder(), goos, b)
			}
		}
		for folder := range imports {
			if !found[folder] {
				t.Errorf("%s is in the table of imports, but not in the tree", folder)
			}
		}
	}
}

func TestABreachOfTheImportsIsSeen(t *testing.T) {
	for _, c := range []struct {
		p    listed
		want string // "" for none
	}{
		{listed{ImportPath: "pgweir/wire", Imports: []string{"strings", "pgweir/status"}}, "may not import status"},
		{listed{ImportPath: "pgweir/session", Imports: []string{"pgweir/wire", "pgweir/pool"}}, "may not import pool"},
		{listed{ImportPath: "pgweir/session", Imports: []string{"pgweir/wire"}, TestImports: []string{"pgweir/cluster"}}, ""},
		{listed{ImportPath: "pgweir/session", Imports: []string{"net/http"}}, "does no I/O"},
		{listed{ImportPath: "pgweir/auth/hba", Imports: []string{"net"}}, "does no I/O"},
		{listed{ImportPath: "pgweir/auth/hba", Imports: []string{"net/netip"}}, ""},
		{listed{ImportPath: "pgweir/loop", Imports: []string{"net", "os", "time"}}, ""},
		{listed{ImportPath: "pgweir/cluster", Imports: []string{"pgweir/cluster/child"}}, ""},
		{listed{ImportPath: "pgweir/integration", XTestImports: []string{"pgweir/proxy"}}, "may not import proxy"},
		{listed{ImportPath: "pgweir/integration", TestImports: []string{"pgweir/cluster", "github.com/jackc/pgx/v5"}}, ""},
		{listed{ImportPath: "pgweir/cmd/pgweir", Imports: []string{"pgweir/proxy", "github.com/spf13/cobra"}}, ""},
		{listed{ImportPath: "pgweir/proxy", Imports: []string{"github.com/jackc/puddle/v2"}}, "which is for"},
		{listed{ImportPath: "pgweir/proxy", Imports: []string{"github.com/jackc/pgx/v5/pgconn"}}, "which is for"},
		{listed{ImportPath: "pgweir/nowhere"}, "not in the table"},
		{listed{ImportPath: "pgweir/loop", CgoFiles: []string{"x.go"}}, "cgo"},
	} {
		got := strings.Join(breaches(&c.p), "; ")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s with %q: %q, want %q", c.p.ImportPath, c.p.Imports, got, c.want)
		}
	}
}

// The table of imports itself must not go round in circles, or "one way" would
// mean nothing.
func TestTheTableOfImportsHasNoCircle(t *testing.T) {
	var walk func(folder string, above []string)
	walk = func(folder string, above []string) {
		if slices.Contains(above, folder) {
			t.Fatalf("a circle: %s", strings.Join(append(above, folder), " → "))
		}
		for _, next := range imports[folder] {
			walk(next, append(slices.Clone(above), folder))
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(imports)) {
		walk(folder, nil)
	}
}

func TestEveryPackageSaysWhatItKnows(t *testing.T) {
	for _, p := range list(t, "linux") {
		doc := p.Doc // of the program's files; a package of tests alone has none there
		for _, file := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
			if len(p.GoFiles) > 0 || doc != "" {
				break
			}
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc != nil {
				doc = f.Doc.Text()
			}
		}
		if !strings.HasPrefix(doc, "Package ") && !strings.HasPrefix(doc, "Command ") {
			t.Errorf("%s has no package comment", p.folder())
		}
	}
}

func TestTheArchitecturePageNamesEveryPackage(t *testing.T) {
	page := read(t, architecture)
	for _, p := range list(t, "linux") {
		if folder := p.folder(); folder != "." && !strings.Contains(page, "| `"+folder+"` |") {
			t.Errorf("%s has no row for `%s`", architecture, folder)
		}
	}
}

var (
	// A place in the code is written as `folder/file.go`, or with the
	// functions, methods and types meant as `folder/file.go: name, name`.
	place = regexp.MustCompile("`((?:[a-z]+/)+[a-z0-9_]+\\.go)(?:: ([A-Za-z0-9_, ]+))?`")
	test  = regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)`")
)

// lost is what a page points at and the tree does not have.
func lost(page string, file func(string) (string, error), tests map[string]bool) (out []string) {
	for _, m := range place.FindAllStringSubmatch(page, -1) {
		source, err := file(m[1])
		if err != nil {
			out = append(out, m[1])
			continue
		}
		for name := range strings.SplitSeq(m[2], ", ") {
			declared := regexp.MustCompile(`(?m)^(func (\([^)]*\) )?|type |var |const |\t)` + name + `\b`)
			if name != "" && !declared.MatchString(source) {
				out = append(out, m[1]+": "+name)
			}
		}
	}
	for _, m := range test.FindAllStringSubmatch(page, -1) {
		if !tests[m[1]] {
			out = append(out, m[1])
		}
	}
	return out
}

func TestThePagesPointAtWhatIsThere(t *testing.T) {
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)\(`)
	for _, p := range list(t, "linux") {
		for _, file := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
			for _, m := range declared.FindAllStringSubmatch(read(t, filepath.Join(p.Dir, file)), -1) {
				tests[m[1]] = true
			}
		}
	}
	file := func(path string) (string, error) {
		data, err := os.ReadFile(filepath.FromSlash(path))
		return string(data), err
	}
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	decisions, err := filepath.Glob("docs/decisions/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range slices.Concat(pages, decisions, []string{"README.md", "CONTRIBUTING.md"}) {
		for _, l := range lost(read(t, page), file, tests) {
			t.Errorf("%s points at %s, which is not there", page, l)
		}
	}
}

func TestAPointerToNothingIsSeen(t *testing.T) {
	file := func(path string) (string, error) {
		if path != "a/b.go" {
			return "", os.ErrNotExist
		}
		return "package a\n\nfunc (x *T) method() {}\n\ntype T struct{}\n", nil
	}
	page := "`a/b.go`, `a/b.go: method, T`, `TestThere`; not `a/c.go`, `a/b.go: method, gone`, `TestGone`"
	got := lost(page, file, map[string]bool{"TestThere": true})
	if want := []string{"a/c.go", "a/b.go: gone", "TestGone"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)

func TestLinksBetweenThePagesLeadSomewhere(t *testing.T) {
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md"} {
		pages, err := filepath.Glob(pattern)
		if err != nil || len(pages) == 0 {
			t.Fatalf("no page is %s: %v", pattern, err)
		}
		for _, page := range pages {
			for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
				if _, err := os.Stat(filepath.Join(filepath.Dir(page), filepath.FromSlash(m[1]))); err != nil {
					t.Errorf("%s has a link to %s: %v", page, m[1], err)
				}
			}
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
