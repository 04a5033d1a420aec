package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestAPIDFileIsTakenFromNoProcessThatRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	own := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		has   string
		taken bool
	}{
		{own + "\n", true}, // of a container that is started again
		{"2147483646\n", true},
		{"1\n", false},
		{"-1\n", false},
		{"0\n", false},
		{"", false},
		{"something else", false},
	} {
		if err := os.WriteFile(path, []byte(c.has), 0o600); err != nil {
			t.Fatal(err)
		}
		remove, err := writePID(path)
		if (err == nil) != c.taken {
			t.Errorf("a pidfile with %q: %v", c.has, err)
		}
		data, readErr := os.ReadFile(path)
		if readErr != nil {
			t.Fatal(readErr)
		}
		if err != nil {
			if string(data) != c.has {
				t.Errorf("the pidfile with %q has %q", c.has, data)
			}
			continue
		}
		if strings.TrimSpace(string(data)) != own {
			t.Errorf("the pidfile has %q", data)
		}
		if remove(); !errors.Is(exists(path), fs.ErrNotExist) {
			t.Errorf("the pidfile is still there")
		}
	}
}

func exists(path string) error {
	_, err := os.Stat(path)
	return err
}
