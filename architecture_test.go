// Package main_test keeps the house in order: which package may import which,
// what docs/architecture.md says of them, and that each says for itself what it
// knows. It knows the tree as `go list` shows it and the text of that page, and
// must not know what any package does: it imports nothing of ours.
package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
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

// imports is the direction in which imports run: for each package, by its
// folder, those of ours that it may import. A folder that is not here may
// import nothing of ours, and a new one fails a test until it is.
var imports = map[string][]string{
	".":             {},
	"wire":          {},
	"config":        {},
	"status":        {},
	"loop":          {},
	"cluster/child": {},
	"auth":          {"wire"},
	"pool":          {"wire"},
	"session":       {"wire"},
	"console":       {"status", "wire"},
	"web":           {"status"},
	"proxy":         {"auth", "config", "loop", "pool", "session", "status", "wire"},
	"cluster":       {"cluster/child"},
	"demo":          {"cluster", "cluster/child"},
	"cmd/pgweir": {"auth", "cluster", "cluster/child", "config", "console", "demo", "loop", "pool", "proxy",
		"session", "status", "web", "wire"},
	"integration": {"cluster"},
}

// pure are the packages that do no I/O, start nothing and read no clock; so
// they have no use for these.
var (
	pure   = []string{"wire", "session", "auth"}
	impure = []string{"bufio", "context", "io", "log", "log/slog", "net", "net/http", "os", "os/exec", "os/signal",
		"runtime", "syscall", "time", "golang.org/x/sys/unix"}
)

// libraries are the packages of ours that a library is for; others may not
// import it. Those that are not here are no concern of the house.
var libraries = map[string][]string{
	"github.com/jackc/pgproto3/v2":         {"wire"},
	"github.com/jackc/puddle/v2":           {"pool"},
	"github.com/pelletier/go-toml/v2":      {"config"},
	"github.com/prometheus/client_golang":  {"web"},
	"github.com/prometheus/procfs":         {"proxy", "cluster", "demo"},
	"github.com/spf13/cobra":               {"cmd/pgweir"},
	"github.com/jackc/pgx/v5":              {"cmd/pgweir", "cluster", "demo"},
	"github.com/xdg-go/stringprep":         {"wire"},
	"golang.org/x/sys":                     {"loop", "proxy", "cmd/pgweir", "cluster", "cluster/child", "demo"},
	"golang.org/x/term":                    {"cmd/pgweir", "demo"},
	"github.com/prometheus/client_model":   {},
	"github.com/jackc/pgx/v5/pgproto3":     {},
	"github.com/jackc/pgx/v5/pgxpool":      {},
	"github.com/jackc/pgproto3/v2/example": {},
}

// listed is what `go list -json` says of a package.
type listed struct {
	ImportPath, Dir, Doc                            string
	Imports, TestImports, XTestImports              []string
	GoFiles, TestGoFiles, XTestGoFiles, CgoFiles    []string
	IgnoredGoFiles                                  []string
}

// folder is the package's place in the tree, "." for its root.
func (p *listed) folder() string {
	if p.ImportPath == module {
		return "."
	}
	return strings.TrimPrefix(p.ImportPath, module+"/")
}
