package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster/child"
)

// poolSizeIs waits until default_pool_size has a value.
func poolSizeIs(t *testing.T, console *pgx.Conn, want string) {
	t.Helper()
	eventually(t, "default_pool_size is "+want, func() bool {
		return rowOf(t, show(t, console, "show config"), "key", "default_pool_size")["value"] == want
	})
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWatchedFilesAreReadAgainWhenTheyChange(t *testing.T) {
	t.Parallel()
	with := func(size string) weirOptions {
		return weirOptions{
			Top:   "watch_config = true\nauth_type = \"hba\"\nauth_hba_file = \"hba.conf\"\nauth_file = \"users.txt\"\ndefault_pool_size = " + size,
			Files: map[string]string{"hba.conf": "include more.conf\n", "more.conf": "local all all trust\nhost all all all trust\n", "users.txt": "\"ann\" \"one\"\n"},
		}
	}
	w := startWeir(t, with("5"))
	console := connect(t, w.Console())
	t.Run("renamed into place", func(t *testing.T) {
		w.Rewrite(t, with("6"))
		poolSizeIs(t, console, "6")
	})
	t.Run("written in place, with files that it names", func(t *testing.T) {
		writeFile(t, filepath.Join(w.Dir, "more.conf"), "local all all trust\nhost all postgres all trust\n")
		writeFile(t, filepath.Join(w.Dir, "users.txt"), "\"ann\" \"two\"\n")
		writeFile(t, w.ConfigPath(), w.config(with("7")))
		poolSizeIs(t, console, "7")
		w.Says(t, "change=\"auth_file.ann.password changed\"", 1)
		w.Says(t, "change=\"auth_hba_file.lines changed\"", 1)
	})
	t.Run("a bad file is told of once", func(t *testing.T) {
		writeFile(t, filepath.Join(w.Dir, "more.conf"), "host all\n")
		w.Says(t, "reload failed", 1)
		writeFile(t, w.ConfigPath(), "no_such = 1\n"+w.config(with("7")))
		w.Says(t, "reload failed", 2)
		writeFile(t, filepath.Join(w.Dir, "more.conf"), "local all all trust\nhost all all all trust\n")
		writeFile(t, w.ConfigPath(), w.config(with("8")))
		poolSizeIs(t, console, "8")
		w.Says(t, "change=\"default_pool_size changed from 7 to 8\"", 1)
		w.Says(t, "reload failed", 2)
	})
	t.Run("what RELOAD has taken is not taken again", func(t *testing.T) {
		w.Rewrite(t, with("9"))
		must(t, console, "RELOAD")
		w.Rewrite(t, with("10"))
		poolSizeIs(t, console, "10")
	})
	t.Run("until it is turned off", func(t *testing.T) {
		off := with("11")
		off.Top = strings.Replace(off.Top, "watch_config = true", "watch_config = false", 1)
		w.Rewrite(t, off)
		poolSizeIs(t, console, "11")
		w.Says(t, "change=\"watch_config changed from true to false\"", 1)
		if strings.Contains(w.Log(), "nothing has changed\"\n") {
			t.Error("it has reloaded for nothing")
		}
	})
}

// TestAConfigMapIsWatched: Kubernetes puts files in a folder of their own, to which the
// link ..data leads, and replaces that link.
func TestAConfigMapIsWatched(t *testing.T) {
	t.Parallel()
	opts := weirOptions{Top: "watch_config = true\ndefault_pool_size = 5"}
	w := startWeir(t, opts)
	console := connect(t, w.Console())
	publish := func(version, text string) {
		t.Helper()
		folder := filepath.Join(w.Dir, version)
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(folder, "config.toml"), text)
		if err := os.Symlink(version, filepath.Join(w.Dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(w.Dir, "..data_tmp"), filepath.Join(w.Dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	publish("..one", w.config(opts))
	if err := os.Symlink(filepath.Join("..data", "config.toml"), filepath.Join(w.Dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(w.Dir, "link"), w.ConfigPath()); err != nil {
		t.Fatal(err)
	}
	opts.Top = "watch_config = true\ndefault_pool_size = 6"
	publish("..two", w.config(opts))
	poolSizeIs(t, console, "6")
	opts.Top = "watch_config = true\ndefault_pool_size = 7"
	publish("..three", w.config(opts))
	poolSizeIs(t, console, "7")
}

// TestAPgbouncerIniIsWatchedWithWhatItIncludes: --watch does it, as the file has no
// setting for that.
func TestAPgbouncerIniIsWatchedWithWhatItIncludes(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("/tmp", "weir-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ini, included := filepath.Join(dir, "pgbouncer.ini"), filepath.Join(dir, "sizes.ini")
	writeFile(t, ini, "[databases]\n* = host=/nowhere\n[pgbouncer]\nauth_type = trust\nlisten_addr =\nunix_socket_dir = "+dir+"\n%include "+included+"\n")
	writeFile(t, included, "default_pool_size = 7\n")
	log := new(logBuffer)
	cmd := exec.Command(program, "serve", "--watch", ini)
	cmd.Stderr = log
	p, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(syscall.SIGTERM, stopDeadline); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(log.tail(3 << 10))
		}
	})
	says := func(text string) {
		t.Helper()
		eventually(t, "the log says "+text, func() bool { return strings.Contains(log.String(), text) })
	}
	says("pgweir is ready")
	writeFile(t, included, "default_pool_size = 9\nautodb_idle_timeout = 60\n")
	says("change=\"default_pool_size changed from 7 to 9\"")
	says("change=\"pool_idle_timeout changed from 3600s to 60s\"")
}
