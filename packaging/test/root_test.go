package test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// wanted are the essential packages of a clean root that ours meets, and passwd; what
// they depend on comes with them.
var wanted = []string{"base-files", "base-passwd", "dash", "bash", "coreutils", "dpkg", "tar", "sed", "grep", "debianutils", "diffutils", "libc-bin", "init-system-helpers", "perl-base", "passwd", "login"}

// cleanRoot is a Debian without pgweir: this machine's own packages, as they were
// before anybody configured them, and their part of dpkg's database.
func cleanRoot(t *testing.T) string {
	t.Helper()
	root := rootFolder(t)
	for _, dir := range []string{"etc", "dev", "proc", "run", "tmp", "root", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/alternatives", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"bin", "sbin", "lib", "lib64"} {
		if to, err := os.Readlink("/" + name); err == nil { // as the machine has them merged
			if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	packages := closure(t)
	copyPackages(t, root, packages)
	copyDatabase(t, root, packages)
	for from, to := range map[string]string{"passwd": "/usr/share/base-passwd/passwd.master", "group": "/usr/share/base-passwd/group.master"} {
		must(t, "cp", to, filepath.Join(root, "etc", from))
	}
	must(t, "mknod", "-m", "666", filepath.Join(root, "dev/null"), "c", "1", "3")
	must(t, "chroot", root, "/sbin/ldconfig")
	if err := syscall.Mount("proc", filepath.Join(root, "proc"), "proc", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(filepath.Join(root, "proc"), 0); err != nil {
			t.Error(err)
		}
	})
	return root
}

// rootFolder is a folder that users other than root get into.
func rootFolder(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{root, filepath.Dir(root)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// packageName is the first name of a dependency: of alternatives, and without versions.
var packageName = regexp.MustCompile(`^\s*([a-z0-9][a-z0-9+.-]*)`)

// closure is wanted with all that it depends on.
var closure = func() func(t *testing.T) []string {
	var once sync.Once
	var all []string
	return func(t *testing.T) []string {
		t.Helper()
		once.Do(func() {
			seen := map[string]bool{}
			for queue := wanted; len(queue) > 0; queue = queue[1:] {
				name := queue[0]
				if seen[name] {
					continue
				}
				seen[name] = true
				out, err := exec.Command("dpkg-query", "-W", "-f", "${db:Status-Status}\t${Pre-Depends}, ${Depends}\n", name).Output()
				if err != nil || !strings.HasPrefix(string(out), "installed\t") {
					continue // virtual: another has it
				}
				all = append(all, name)
				_, depends, _ := strings.Cut(strings.TrimSpace(string(out)), "\t")
				for _, d := range strings.Split(depends, ",") {
					if m := packageName.FindStringSubmatch(d); m != nil {
						queue = append(queue, m[1])
					}
				}
			}
		})
		return all
	}
}()

func copyPackages(t *testing.T, root string, packages []string) {
	t.Helper()
	var list bytes.Buffer
	for path := range strings.Lines(must(t, "dpkg", append([]string{"-L"}, packages...)...)) {
		path = strings.TrimSpace(path)
		if !strings.HasPrefix(path, "/") || path == "/." || regexp.MustCompile(`^/usr/share/(doc|man|locale|info|bash-completion)/`).MatchString(path) {
			continue
		}
		info, err := os.Lstat(path)
		if err != nil || info.IsDir() && path != "/tmp" && strings.Count(path, "/") == 1 {
			continue
		}
		fmt.Fprintln(&list, strings.TrimPrefix(path, "/"))
	}
	cmd := exec.Command("sh", "-c", `tar -C / --no-recursion -cf - -T - | tar -C "$0" --keep-directory-symlink -xpf -`, root)
	cmd.Stdin = &list
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("copying packages: %v\n%s", err, out)
	}
}

// copyDatabase tells dpkg what is installed in the root.
func copyDatabase(t *testing.T, root string, packages []string) {
	t.Helper()
	db := filepath.Join(root, "var/lib/dpkg")
	status := must(t, "dpkg-query", append([]string{"-s"}, packages...)...)
	// dpkg-query lays a line of dashes between packages.
	status = regexp.MustCompile(`(?m)^---$`).ReplaceAllString(status, "")
	for name, text := range map[string]string{"status": status + "\n", "available": "", "diversions": "", "statoverride": ""} {
		if err := os.WriteFile(filepath.Join(db, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range packages {
		for _, pattern := range []string{name + ".list", name + ":*.list", name + ".md5sums", name + ":*.md5sums"} {
			paths, _ := filepath.Glob("/var/lib/dpkg/info/" + pattern)
			for _, path := range paths {
				must(t, "cp", path, filepath.Join(db, "info"))
			}
		}
	}
	must(t, "sh", "-c", `cp /var/lib/dpkg/info/format "$0"`, filepath.Join(db, "info"))
}

// who is a user and a group of a root.
type who struct{ uid, gid uint32 }

// userOf finds a user in a root's own files.
func userOf(t *testing.T, root, name string) who {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + name + `:[^:]*:(\d+):(\d+):`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("there is no user %s: %s", name, text)
	}
	var w who
	fmt.Sscan(string(m[1]), &w.uid)
	fmt.Sscan(string(m[2]), &w.gid)
	return w
}

// in is a command in a root, as somebody and with nothing else in its environment.
func (w who) in(root string, env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Path, cmd.Err = args[0], nil
	cmd.Dir, cmd.Env = "/", append([]string{"PATH=/usr/bin:/usr/sbin:/bin"}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot: root, Credential: &syscall.Credential{Uid: w.uid, Gid: w.gid}, Pdeathsig: syscall.SIGKILL,
	}
	return cmd
}

// does runs a command in a root to its end, which has to be good.
func (w who) does(t *testing.T, root string, args ...string) string {
	t.Helper()
	out, err := w.in(root, nil, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// service is a pgweir that runs in a root.
type service struct {
	cmd  *exec.Cmd
	log  bytes.Buffer
	done chan error
}

func start(t *testing.T, cmd *exec.Cmd) *service {
	t.Helper()
	s := &service{cmd: cmd, done: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.done <- cmd.Wait() }()
	t.Cleanup(func() { cmd.Process.Kill() })
	return s
}

// ends tells it to, and wants a good end.
func (s *service) ends(t *testing.T, by syscall.Signal) {
	t.Helper()
	s.cmd.Process.Signal(by)
	select {
	case err := <-s.done:
		if err != nil {
			t.Errorf("it ends with %v: %s", err, s.log.String())
		}
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
}

// healthy waits until `pgweir health`, run in the same root, says so.
func (w who) healthy(t *testing.T, root string, args ...string) {
	t.Helper()
	eventually(t, strings.Join(args, " "), func() ([]byte, error) { return w.in(root, nil, args...).CombinedOutput() })
}
