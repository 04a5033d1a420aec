package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestWhereTopAsks(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:9127": "http://127.0.0.1:9127",
		":9200":          "http://127.0.0.1:9200",
		"0.0.0.0:9200":   "http://127.0.0.1:9200",
		"[::]:9200":      "http://[::1]:9200",
		"[::1]:80":       "http://[::1]:80",
		"metrics.lan:1":  "http://metrics.lan:1",
	} {
		got, err := httpOf(writeConfig(t, "http_listen = '"+listen+"'"), true)
		if err != nil || got != want {
			t.Errorf("http_listen %s: %s, %v, want %s", listen, got, err, want)
		}
	}
	for config, want := range map[string]string{
		"http_listen = ''":            "http_listen is empty",
		"http_listen = '127.0.0.1:0'": "--url",
		"listen_prt = 1":              "listen_port",
	} {
		if got, err := httpOf(writeConfig(t, config), false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %s, %v, want %q", config, got, err, want)
		}
	}
	none := filepath.Join(t.TempDir(), "none.toml")
	if got, err := httpOf(none, false); err != nil || got != usualHTTP {
		t.Errorf("without a file: %s, %v", got, err)
	}
	if _, err := httpOf(none, true); err == nil || !strings.Contains(err.Error(), "none.toml") {
		t.Errorf("a file that was named and is not there: %v", err)
	}
}
