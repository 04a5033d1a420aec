package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestTheCommandLineGoesBeforeTheFile, also when a setting is changed afterwards.
func TestTheCommandLineGoesBeforeTheFile(t *testing.T) {
	s := newSource(writeConfig(t, "log_level = \"warn\"\n"))
	s.watch, s.verbose = true, true
	c, err := s.load()
	if err != nil {
		t.Fatal(err)
	}
	changed, _, err := c.With("default_pool_size", "7")
	if err != nil {
		t.Fatal(err)
	}
	if c.LogLevel != "debug" || !c.WatchConfig || changed.LogLevel != "debug" || !changed.WatchConfig || changed.DefaultPoolSize != 7 {
		t.Errorf("%s %v, then %s %v", c.LogLevel, c.WatchConfig, changed.LogLevel, changed.WatchConfig)
	}
}

func TestTheFileOfResolvConfIsWatched(t *testing.T) {
	path := writeConfig(t, "nameserver 127.0.0.1\n")
	c, err := newSource(writeConfig(t, "resolv_conf = \""+path+"\"\n")).load()
	if err != nil {
		t.Fatal(err)
	}
	if got := namedFiles(c); !slices.Contains(got, path) {
		t.Errorf("watched are %v", got)
	}
}

func TestAPipeIsReadOnceAndNotWaitedForAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	go os.WriteFile(path, []byte("default_pool_size = 7\n"), 0)
	s := newSource(path)
	if c, err := s.load(); err != nil || c.DefaultPoolSize != 7 {
		t.Fatalf("the first time: %v", err)
	}
	if _, err := s.load(); err == nil || !strings.Contains(err.Error(), "it cannot be read again") {
		t.Errorf("the second time: %v", err)
	}
}
