package cluster

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestVersionIsReadFromWhatPostgresSays(t *testing.T) {
	for line, want := range map[string]Programs{
		"postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n": {Major: 15, Version: "15.20"},
		"postgres (PostgreSQL) 19devel\n":                        {Major: 19, Version: "19devel"},
		"postgres (PostgreSQL) 18beta1\n":                        {Major: 18, Version: "18beta1"},
	} {
		version, major, err := parseVersion(line)
		if err != nil || version != want.Version || major != want.Major {
			t.Errorf("%q: %q, %d, %v", line, version, major, err)
		}
	}
	for _, line := range []string{"", "postgres", "postgres (PostgreSQL) ", "postgres (PostgreSQL) devel"} {
		if _, _, err := parseVersion(line); err == nil {
			t.Errorf("%q was read", line)
		}
	}
}

func TestNewestFolderComesFirst(t *testing.T) {
	dirs := []string{"/usr/lib/postgresql/9.6/bin", "/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/14/bin"}
	slices.SortFunc(dirs, newestFirst)
	want := []string{"/usr/lib/postgresql/17/bin", "/usr/lib/postgresql/14/bin", "/usr/lib/postgresql/9.6/bin"}
	if !slices.Equal(dirs, want) {
		t.Error(dirs)
	}
}

func TestExplicitFolderIsTheOnlyOneTried(t *testing.T) {
	empty := t.TempDir()
	if _, err := Find(empty); err == nil || !strings.Contains(err.Error(), empty) {
		t.Errorf("an empty folder: %v", err)
	}
	if err := os.WriteFile(filepath.Join(empty, "initdb"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(empty); err == nil || !strings.Contains(err.Error(), "is not a program") {
		t.Errorf("an initdb that cannot be run: %v", err)
	}
}

func TestFindFollowsPath(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"initdb", "postgres"} {
		script := "#!/bin/sh\necho 'postgres (PostgreSQL) 99.1'\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	got, err := Find("")
	if err != nil || got != (Programs{Dir: dir, Major: 99, Version: "99.1"}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got.Path("initdb") != filepath.Join(dir, "initdb") {
		t.Error(got.Path("initdb"))
	}
}
