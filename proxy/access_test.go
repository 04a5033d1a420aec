package proxy

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"pgweir/config"
)

func TestAPipeForAFileOfLinesDoesNotHangTheReload(t *testing.T) {
	dir := t.TempDir()
	pipe, lines := filepath.Join(dir, "pipe"), filepath.Join(dir, "pg_hba.conf")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lines, []byte("include pipe\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		pipe:  pipe + `: could not open file "` + pipe + `": not a regular file`,
		lines: lines + `:1: could not open file "` + pipe + `": not a regular file`,
		dir:   dir + `: could not open file "` + dir + `": not a regular file`,
		// The place is said once.
		lines + "x": lines + `x: could not open file "` + lines + `x": no such file or directory`,
	} {
		if _, err := NewAccess(&config.Config{AuthType: "hba", AuthHBAFile: file}); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
