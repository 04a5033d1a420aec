// Package test installs what `make dist` has built, as an operator would, and runs it
// in front of a real PostgreSQL. It needs root and Debian: roots of systems are made
// of this machine's own packages, in a network of its own, where nothing else listens.
package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// dist is the folder that has been built.
var dist string

// pg is on port 5432, where the packaged configuration looks for it.
var pg *server

const (
	insideVar = "PGWEIR_DIST_INSIDE"
	patience  = 30 * time.Second
)

func TestMain(m *testing.M) {
	if os.Getenv(insideVar) == "" {
		os.Exit(inside())
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// inside runs this program once more, with networks and mounts of its own.
func inside() int {
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideVar+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		fmt.Fprintln(os.Stderr, "these tests need root on Linux:", err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}

func run(m *testing.M) (code int, err error) {
	if err := errors.Join(raiseLoopback(), syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")); err != nil {
		return 1, err
	}
	if dist, err = filepath.Abs("../../dist"); err != nil {
		return 1, err
	}
	if _, err := os.Stat(filepath.Join(dist, "SHA256SUMS")); err != nil {
		return 1, fmt.Errorf("run make dist first: %w", err)
	}
	if pg, err = startServer(); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, pg.close()) }()
	if out, err := exec.Command("psql", "-h", pg.SocketDir, "-U", "postgres", "-c", "create role app login password 'secret'").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("%w: %s", err, out)
	}
	return m.Run(), nil
}

func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// built is the one file of dist that a pattern means.
func built(t *testing.T, pattern string) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dist, pattern))
	if err != nil || len(paths) != 1 {
		t.Fatalf("%s is %q (%v), want one file", pattern, paths, err)
	}
	return paths[0]
}

// must runs a command that has to end with 0, and gives what it wrote.
func must(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// eventually waits for what ends without an error, and tells of the last one.
func eventually(t *testing.T, what string, try func() ([]byte, error)) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		out, err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s: %v: %s", patience, what, err, out)
		}
	}
}

// asks has psql ask for the one row 1 with the password of app.
func asks(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("psql", append([]string{"-U", "app", "-d", "postgres", "-Atc", "select 41 + 1"}, args...)...)
	cmd.Env = append(os.Environ(), "PGPASSWORD=secret")
	if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "42" {
		t.Errorf("psql %q: %v: %s", args, err, out)
	}
}
