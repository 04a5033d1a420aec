package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Programs is an installed PostgreSQL: the folder that holds at least initdb
// and postgres.
type Programs struct {
	Dir     string // absolute
	Major   int    // 15
	Version string // "15.20", as `postgres --version` has it
}

// Path is the full path of one of the programs.
func (p Programs) Path(name string) string { return filepath.Join(p.Dir, name) }

// Find looks for PostgreSQL's server programs: in pgBin alone if that is
// given, otherwise in PATH, where pg_config points, and in the folders where
// Debian, RPM systems, Homebrew and Postgres.app put them, the newest version
// first. The error says where it looked and what to install.
func Find(pgBin string) (Programs, error) {
	if pgBin != "" {
		p, err := inspect(pgBin)
		if err != nil {
			return Programs{}, fmt.Errorf("no usable PostgreSQL programs in %s: %w", pgBin, err)
		}
		return p, nil
	}
	candidates, looked := places()
	for _, dir := range candidates {
		if p, err := inspect(dir); err == nil {
			return p, nil
		}
	}
	return Programs{}, fmt.Errorf("PostgreSQL's server programs (initdb, postgres) were not found.\nLooked in: %s.\n%s",
		strings.Join(looked, ", "), installHint())
}

// places lists the folders to try, best first, and how to name the places
// that were searched.
func places() (dirs, looked []string) {
	looked = append(looked, "PATH")
	if path, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	looked = append(looked, "pg_config --bindir")
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range patterns() {
		looked = append(looked, pattern)
		found, _ := filepath.Glob(pattern) // the only error is a bad pattern
		slices.SortFunc(found, newestFirst)
		dirs = append(dirs, found...)
	}
	return dirs, looked
}

func patterns() []string {
	if runtime.GOOS == "darwin" {
		return []string{
			"/opt/homebrew/opt/postgresql@*/bin",
			"/usr/local/opt/postgresql@*/bin",
			"/Applications/Postgres.app/Contents/Versions/*/bin",
		}
	}
	return []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/usr/local/pgsql/bin",
	}
}

func installHint() string {
	if runtime.GOOS == "darwin" {
		return "Install them with: brew install postgresql@17 (or Postgres.app), or name their folder with --pg-bin."
	}
	return "Install the package postgresql (Debian, Ubuntu) or postgresql-server (RPM systems), or name their folder with --pg-bin."
}

// newestFirst orders folders by the numbers in their names, highest first, so
// that 17 comes before 9.6.
func newestFirst(a, b string) int {
	return cmp.Or(slices.Compare(numbers(b), numbers(a)), strings.Compare(a, b))
}

func numbers(path string) []int {
	var ns []int
	for _, f := range strings.FieldsFunc(path, func(r rune) bool { return r < '0' || r > '9' }) {
		if n, err := strconv.Atoi(f); err == nil {
			ns = append(ns, n)
		}
	}
	return ns
}

// inspect tells whether dir holds what is needed, and of which version it is.
func inspect(dir string) (Programs, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Programs{}, err
	}
	for _, name := range []string{"initdb", "postgres"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			return Programs{}, err
		}
		if info.IsDir() || info.Mode()&0o111 == 0 {
			return Programs{}, fmt.Errorf("%s is not a program", filepath.Join(dir, name))
		}
	}
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return Programs{}, fmt.Errorf("postgres --version: %w", withStderr(err))
	}
	version, major, err := parseVersion(string(out))
	if err != nil {
		return Programs{}, err
	}
	return Programs{Dir: dir, Major: major, Version: version}, nil
}

// parseVersion reads "postgres (PostgreSQL) 15.20 (Debian …)" and "… 19devel".
func parseVersion(line string) (version string, major int, err error) {
	_, rest, ok := strings.Cut(line, "(PostgreSQL) ")
	if fields := strings.Fields(rest); ok && len(fields) > 0 {
		version = fields[0]
		end := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(version)
		}
		if major, err = strconv.Atoi(version[:end]); err == nil {
			return version, major, nil
		}
	}
	return "", 0, fmt.Errorf("postgres --version said %q", strings.TrimSpace(line))
}

// withStderr adds what a program wrote before it failed.
func withStderr(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	return err
}
