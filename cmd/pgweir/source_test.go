package main

import (
	"slices"
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
