package test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

const (
	program    = "/usr/bin/pgweir"
	configPath = "/etc/pgweir/config.toml"
	userApp    = "\n[users.app]\npassword = \"secret\"\n"
)

var superuser = who{0, 0}

func TestTheDebIsInstalledServesAndGoes(t *testing.T) {
	root := cleanRoot(t)
	must(t, "cp", built(t, "pgweir_*_"+runtime.GOARCH+".deb"), filepath.Join(root, "pgweir.deb"))
	superuser.does(t, root, "/usr/bin/dpkg", "-i", "/pgweir.deb")
	user := userOf(t, root, "pgweir")
	ownedBy(t, root+configPath, 0o640, who{0, user.gid})
	serves(t, root, user)

	// What the administrator has changed stays as it is.
	if err := os.Chmod(root+configPath, 0o600); err != nil {
		t.Fatal(err)
	}
	superuser.does(t, root, "/usr/bin/dpkg", "-i", "/pgweir.deb")
	ownedBy(t, root+configPath, 0o600, who{0, user.gid})
	if text := read(t, root+configPath); !strings.HasSuffix(text, userApp) {
		t.Error("the changed configuration was replaced")
	}
	superuser.does(t, root, "/usr/bin/dpkg", "-r", "pgweir")
	if _, err := os.Stat(root + configPath); err != nil {
		t.Error("a removal took the configuration along")
	}
	superuser.does(t, root, "/usr/bin/dpkg", "-P", "pgweir")
	for _, path := range []string{"/etc/pgweir", program, "/usr/share/doc/pgweir"} {
		if _, err := os.Stat(root + path); err == nil {
			t.Errorf("%s is left behind", path)
		}
	}
	if out := superuser.does(t, root, "/usr/bin/dpkg", "--audit"); out != "" {
		t.Errorf("dpkg: %s", out)
	}
}

func TestTheRpmIsInstalledServesAndGoes(t *testing.T) {
	root := cleanRoot(t)
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	file := built(t, "pgweir-*."+arch+".rpm")
	if out := must(t, "rpm", "-qpR", file); !strings.Contains(out, "/usr/sbin/useradd") {
		t.Errorf("it asks for nobody who makes the user: %s", out)
	}
	// The root is Debian's, whose packages rpm does not know.
	must(t, "rpm", "--root", root, "-i", "--nodeps", file)
	user := userOf(t, root, "pgweir")
	ownedBy(t, root+configPath, 0o640, who{0, user.gid})
	if out := must(t, "rpm", "--root", root, "-V", "--nodeps", "pgweir"); strings.TrimSpace(out) != "" {
		t.Errorf("what is there is not what was packed: %s", out)
	}
	serves(t, root, user)
	must(t, "rpm", "--root", root, "-e", "pgweir")
	if text := read(t, root+configPath+".rpmsave"); !strings.HasSuffix(text, userApp) {
		t.Error("the changed configuration was not kept")
	}
	if _, err := os.Stat(root + program); err == nil {
		t.Error("the program is left behind")
	}
}

// serves runs what is installed, as the unit does, with the packaged configuration and
// one user more.
func serves(t *testing.T, root string, user who) {
	t.Helper()
	for _, name := range []string{"README.md", "docs/install.md", "docs/sql/auth-query.sql", "docs/sql/monitoring-role.sql"} {
		if _, err := os.Stat(filepath.Join(root, "usr/share/doc/pgweir", name)); err != nil {
			t.Error(err)
		}
	}
	if out := user.does(t, root, program, "version"); !strings.HasPrefix(out, "pgweir ") {
		t.Errorf("version: %s", out)
	}
	if out := user.does(t, root, program, "check", "-c", configPath); !strings.Contains(out, configPath+": ok") {
		t.Errorf("check: %s", out)
	}
	f, err := os.OpenFile(root+configPath, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(userApp); err != nil {
		t.Fatal(err)
	}
	runtimeDir := filepath.Join(root, "run", unit(t, "RuntimeDirectory"))
	if err := os.MkdirAll(runtimeDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(runtimeDir, int(user.uid), int(user.gid)); err != nil {
		t.Fatal(err)
	}
	s := start(t, user.in(root, nil, strings.Fields(unit(t, "ExecStart"))...))
	user.healthy(t, root, program, "health", "-c", configPath)
	asks(t, "-h", "127.0.0.1", "-p", "6432")
	asks(t, "-h", runtimeDir, "-p", "6432")
	s.ends(t, syscall.SIGTERM)
}

// unit is the value of a setting of the packaged unit.
func unit(t *testing.T, name string) string {
	t.Helper()
	for line := range strings.Lines(read(t, "../files/pgweir.service")) {
		if value, ok := strings.CutPrefix(line, name+"="); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("the unit has no %s", name)
	return ""
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func ownedBy(t *testing.T, path string, mode os.FileMode, by who) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	s := info.Sys().(*syscall.Stat_t)
	if info.Mode().Perm() != mode || s.Uid != by.uid || s.Gid != by.gid {
		t.Errorf("%s is %s of %d:%d, want %s of %d:%d", path, info.Mode(), s.Uid, s.Gid, mode, by.uid, by.gid)
	}
}
