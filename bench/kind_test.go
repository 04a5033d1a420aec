package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// confs are a configuration in all that works ask for.
func confs() map[string]*conf {
	base := conf{dir: "/run/files", socketDir: "/run/sockets", port: 16432, server: 15432, user: "boss", pool: 40, version: "1.25.2"}
	scram, tls, unix := base, base, base
	scram.secret = "SCRAM-SHA-256$4096:c2FsdA==$a:b"
	tls.cert, tls.key = "/run/bench.crt", "/run/bench.key"
	unix.unix = true
	return map[string]*conf{"plain": &base, "scram": &scram, "tls": &tls, "unix": &unix}
}

// The text of every pooler's configuration says what was asked for, and nothing of what
// was not.
func TestConfigurationsSayWhatTheWorksAskFor(t *testing.T) {
	for _, k := range append([]*kind{pgweir}, otherKinds...) {
		for name, c := range confs() {
			if c.unix && !k.unix {
				continue
			}
			text := ""
			for _, file := range k.files(c) {
				text += file
			}
			for what, want := range map[string]bool{
				"16432": true, "15432": true, "40": true, "transaction": true, "boss": true,
				"/run/bench.crt": name == "tls", "/run/bench.key": name == "tls",
				"trust":        name != "scram" && k != odyssey,
				"/run/sockets": name == "unix",
			} {
				if strings.Contains(text, what) != want {
					t.Errorf("%s, %s: %q there: %v\n%s", k.name, name, what, !want, text)
				}
			}
		}
	}
}

func TestConfigurationsInTOMLAreTOML(t *testing.T) {
	for _, k := range []*kind{pgweir, pgdog, doorman} {
		for name, c := range confs() {
			for file, text := range k.files(c) {
				var v map[string]any
				if err := toml.Unmarshal([]byte(text), &v); err != nil {
					t.Errorf("%s, %s: %s: %v\n%s", k.name, name, file, err, text)
				}
			}
		}
	}
}

func TestPgweirsSettingsAreThoseOfTheVariant(t *testing.T) {
	c := confs()["plain"]
	c.settings = []setting{{"default_pool_size", "7"}, {"session_state", `"off"`}}
	text := weirConfig(c)
	if strings.Count(text, "default_pool_size") != 1 || !strings.Contains(text, "default_pool_size = 7\n") || !strings.Contains(text, "session_state = \"off\"\n") {
		t.Error(text)
	}
}

func TestPgBouncerIsAskedOnlyForWhatItsVersionHas(t *testing.T) {
	for version, want := range map[string]bool{"PgBouncer 1.18.0": false, "PgBouncer 1.21.0": true, "PgBouncer 1.25.2": true, "PgBouncer 2.0": true, "unknown": true} {
		c := confs()["plain"]
		c.version = version
		if got := strings.Contains(bouncerConfig(c), "max_prepared_statements"); got != want {
			t.Errorf("%s: %v", version, got)
		}
	}
}

func TestAWorkThatNeedsMoreDescriptorsThanThereAreSaysSo(t *testing.T) {
	p := &pooler{kind: pgdog}
	b := &bench{descriptors: 1024}
	w, _ := workNamed("crowd10000")
	if err := b.able(w, p); err == nil || !strings.Contains(err.Error(), "10500") || !strings.Contains(err.Error(), "1024") {
		t.Errorf("%v", err)
	}
	b.descriptors = 10_500
	if err := b.able(w, p); err != nil {
		t.Errorf("%v", err)
	}
	fair, _ := workNamed("fair2")
	if err := b.able(fair, p); err == nil || !strings.Contains(err.Error(), "PgDog") {
		t.Errorf("a cap over pools: %v", err)
	}
}

func TestKeysOfASaltThatThePoolerChoseAreDerived(t *testing.T) {
	k, err := newSCRAMKeys()
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.FieldsFunc(k.secret, func(r rune) bool { return r == '$' || r == ':' })
	if same, err := k.fit(parts[2], parts[1]); err != nil || same != k {
		t.Errorf("its own salt: %p for %p, %v", same, k, err)
	}
	other, err := k.fit("c2FsdHNhbHQ=", "1000")
	if err != nil || other == k || fmt.Sprintf("%x", other.stored) == fmt.Sprintf("%x", k.stored) {
		t.Errorf("another salt: %v", err)
	}
	for _, bad := range [][2]string{{"not base64!", "1"}, {"c2FsdA==", "0"}, {"c2FsdA==", "100001"}, {"c2FsdA==", "x"}} {
		if _, err := k.fit(bad[0], bad[1]); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
