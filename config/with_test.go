package config

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestWithChangesOneSettingAsTheFileWould(t *testing.T) {
	c, err := Parse("config.toml", []byte("query_wait_timeout = 5\nserver_reset_query = '$${X}'\n[databases.app]\nhost = '/s'\n[users.ann]\npassword = 'x'\n"))
	if err != nil {
		t.Fatal(err)
	}
	with := func(key, value string) *Config {
		t.Helper()
		changed, name, err := c.With(key, value)
		if err != nil || name != key {
			t.Fatalf("%s: %q %v", key, name, err)
		}
		return changed
	}
	if n := with("default_pool_size", "7"); n.DefaultPoolSize != 7 || n.QueryWaitTimeout != 5*time.Second || n.ServerResetQuery != "${X}" || n.Databases["app"] == nil {
		t.Errorf("%+v", n)
	}
	if n := with("query_wait_timeout", "1m"); n.QueryWaitTimeout != time.Minute {
		t.Error(n.QueryWaitTimeout)
	}
	if n := with("log_connections", "false"); n.LogConnections {
		t.Error("a boolean is not changed")
	}
	if n := with("server_reset_query", "${HOME} $${HOME}"); n.ServerResetQuery != "${HOME} $${HOME}" {
		t.Error(n.ServerResetQuery) // no variable is looked up
	}
	again, _, err := with("default_pool_size", "7").With("min_pool_size", "3")
	if err != nil || again.DefaultPoolSize != 7 || again.MinPoolSize != 3 {
		t.Errorf("two changes: %v", err)
	}
	if c.DefaultPoolSize != 20 || c.QueryWaitTimeout != 5*time.Second {
		t.Error("the configuration itself has changed")
	}
}

func TestWithRefusesWhatCannotBeChanged(t *testing.T) {
	c, err := Parse("config.toml", []byte("[databases.app]\nhost = '/s'\n"))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]error{"listen_port": ErrAtRestart, "census_password": ErrSecret, "auth_ldap_options": ErrSecret, "auth_hba_file": ErrSecret, "resolv_conf": ErrSecret} {
		if _, _, err := c.With(key, "secret"); !errors.Is(err, want) || strings.Contains(err.Error(), `"secret"`) {
			t.Errorf("%s: %v", key, err)
		}
	}
	for _, s := range [][3]string{
		{"default_poolsize", "1", `unknown setting "default_poolsize"; did you mean "default_pool_size"?`},
		{"pool_size", "1", `unknown setting "pool_size"; it belongs in a [databases.NAME] of the file`},
		{"", "1", `unknown setting ""; SHOW CONFIG lists them`},
		{"databases", "x", "unknown setting"},
		{"default_pool_size", "0", "default_pool_size: 0 is out of range"},
		{"default_pool_size", "${HOME}", "default_pool_size: "},
		{"min_pool_size", "-1", "min_pool_size: "},
	} {
		if _, _, err := c.With(s[0], s[1]); err == nil || !strings.Contains(err.Error(), s[2]) {
			t.Errorf("%s = %s: %v", s[0], s[1], err)
		}
	}
}
