package proxy

import (
	"fmt"
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
	const setting = "config.toml: auth_hba_file: "
	for file, want := range map[string]string{
		pipe:  setting + pipe + `: could not open file "` + pipe + `": not a regular file`,
		lines: lines + `:1: could not open file "` + pipe + `": not a regular file`,
		dir:   setting + dir + `: could not open file "` + dir + `": not a regular file`,
		// The system's words come without the place, which stands ahead of them.
		lines + "x": setting + lines + `x: could not open file "` + lines + `x": no such file or directory`,
	} {
		if _, err := NewAccess(&config.Config{Path: "config.toml", AuthType: "hba", AuthHBAFile: file}); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestWhatIsWrongWithAMapIsSaidOnce(t *testing.T) {
	dir := t.TempDir()
	lines, maps := filepath.Join(dir, "pg_hba.conf"), filepath.Join(dir, "pg_ident.conf")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(lines, "local all all peer map=m\n")
	for text, want := range map[string]string{
		"m root\n":      maps + ":1: end-of-line before map name, system user and database user",
		"n root app\n":  lines + `:1: there is no map "m": auth_ident_file has none of this name`,
		"m root +app\n": maps + ":1: groups (+role, samerole) can be known only with auth_user",
		"m root app\n":  "<nil>",
	} {
		write(maps, text)
		_, err := NewAccess(&config.Config{AuthType: "hba", AuthHBAFile: lines, AuthIdentFile: maps})
		if got := fmt.Sprint(err); got != want {
			t.Errorf("%s%s, want %s", text, got, want)
		}
	}
}
