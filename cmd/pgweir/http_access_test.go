package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// found is where HTTP is asked for, or the error of not finding it.
func found(a httpAccess) string {
	if err := a.find(); err != nil {
		return err.Error()
	}
	return a.url
}

func TestTheRunningPgweirIsFoundByItsConfiguration(t *testing.T) {
	t.Chdir(t.TempDir())
	if got := found(httpAccess{config: "config.toml"}); got != usualHTTP {
		t.Errorf("with no configuration: %q", got)
	}
	if got := found(httpAccess{config: "config.toml", configGiven: true}); !strings.Contains(got, "config.toml") || got == usualHTTP {
		t.Errorf("with one that is not there: %q", got)
	}
	if err := os.WriteFile("config.toml", []byte("http_listen = '127.0.0.1:8'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := found(httpAccess{config: "config.toml"}); got != "http://127.0.0.1:8" {
		t.Errorf("%q", got)
	}
	if got := found(httpAccess{config: "config.toml", url: "http://x"}); got != "http://x" {
		t.Errorf("%q", got)
	}
	for listen, want := range map[string]string{
		"127.0.0.1:9127": "http://127.0.0.1:9127",
		":9200":          "http://127.0.0.1:9200",
		"0.0.0.0:9200":   "http://127.0.0.1:9200",
		"[::]:9200":      "http://[::1]:9200",
		"[::1]:80":       "http://[::1]:80",
		"metrics.lan:1":  "http://metrics.lan:1",
	} {
		text := "http_insecure = true\nhttp_listen = '" + listen + "'"
		if got := found(httpAccess{config: writeConfig(t, text), configGiven: true}); got != want {
			t.Errorf("http_listen %s: %s, want %s", listen, got, want)
		}
	}
	for config, want := range map[string]string{
		"http_listen = ''":            "http_listen is empty",
		"http_listen = '127.0.0.1:0'": "--url",
		"listen_prt = 1":              "listen_port",
	} {
		if got := found(httpAccess{config: writeConfig(t, config)}); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %q", config, got, want)
		}
	}
}

func TestTheBestTokenThatMayBeReadIsUsed(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	reader, admin, other := strings.Repeat("r", 20), strings.Repeat("a", 20), strings.Repeat("o", 20)
	write("readers", "# first the new one\n\n  "+reader+"\n"+other+"\n")
	write("admins", admin)
	for text, want := range map[string]string{
		"":                            "",
		"http_token_file = 'readers'": reader,
		"http_token_file = 'readers'\nhttp_admin_token_file = 'admins'": admin,
	} {
		a := httpAccess{config: write("config.toml", text)}
		if err := a.find(); err != nil || a.token != want {
			t.Errorf("%q: %q, %v", text, a.token, err)
		}
		a = httpAccess{config: a.config, tokenFile: write("own", other)}
		if err := a.find(); err != nil || a.token != other {
			t.Errorf("%q with --token-file: %q, %v", text, a.token, err)
		}
	}
	for _, bad := range []httpAccess{
		{url: usualHTTP, tokenFile: filepath.Join(dir, "none")}, {url: usualHTTP, tokenFile: write("short", "short")},
		{url: usualHTTP, ca: write("empty", "")}, {url: usualHTTP, cert: "empty"},
	} {
		if err := bad.find(); err == nil || !strings.Contains(err.Error(), "-file") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
