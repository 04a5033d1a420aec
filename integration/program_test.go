package integration

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgweir/cluster/child"
)

// pgweir runs the program to its end and gives all that it wrote and its exit code.
func pgweir(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.Command(program, args...)
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	p, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
	case <-time.After(2 * time.Minute):
		p.KillGroup()
		<-p.Done()
		t.Fatalf("pgweir %s does not end; so far: %s", strings.Join(args, " "), b.String())
	}
	return b.String(), cmd.ProcessState.ExitCode()
}

// writeConfig writes a configuration into a folder of its own.
func writeConfig(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// startWeirExpectingFailure runs pgweir serve with a configuration that it
// cannot start with, and gives what it says.
func startWeirExpectingFailure(t *testing.T, config string) string {
	t.Helper()
	out, code := pgweir(t, "serve", "-c", writeConfig(t, config))
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	return out
}

// relaunch starts the program again, on the same ports, after it has ended.
func (w *weir) relaunch(t *testing.T) {
	t.Helper()
	cmd := exec.Command(program, "serve", "-c", w.ConfigPath())
	w.log = new(logBuffer)
	cmd.Stdout, cmd.Stderr = w.log, w.log
	var err error
	if w.process, err = child.Start(cmd, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "pgweir is ready again", func() bool {
		select {
		case <-w.process.Done():
			t.Fatalf("pgweir did not start again: %s", w.Log())
		default:
		}
		return strings.Contains(w.Log(), "pgweir is ready")
	})
}
