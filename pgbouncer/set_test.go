package pgbouncer

import (
	"strings"
	"testing"

	"pgweir/config"
)

func TestSettingIsPgBouncersNameAndValueInPgweirs(t *testing.T) {
	for _, c := range []struct{ name, value, ownName, ownValue string }{
		{"query_wait_timeout", "31", "query_wait_timeout", "31s"},
		{"query_wait_timeout", "31s", "query_wait_timeout", "31s"},
		{"server_connect_timeout", "0", "server_connect_timeout", "31536000s"},
		{"autodb_idle_timeout", "60", "pool_idle_timeout", "60s"},
		{"verbose", "2", "log_level", "debug"},
		{"log_connections", "0", "log_connections", "false"},
		{"log_connections", "true", "log_connections", "true"},
		{"max_db_connections", "-1", "max_db_connections", "0"},
		{"admin_users", "a,b c", "admin_users", "a, b, c"},
		{"session_state", "pin", "session_state", "pin"},
		{"no_such", "1", "no_such", "1"},
	} {
		name, value, err := Setting(c.name, c.value)
		if err != nil || name != c.ownName || value != c.ownValue {
			t.Errorf("%s = %s is %s = %s, %v", c.name, c.value, name, value, err)
		}
	}
	for _, name := range []string{"sbuf_loopcnt", "logfile", "disable_pqexec"} {
		if _, _, err := Setting(name, "1"); err == nil || !strings.Contains(err.Error(), `"`+name+`" cannot be set: PgBouncer's`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEverySettingMayBeSetToItsDefault: config takes what comes of it, but where it
// refuses a change at all.
func TestEverySettingMayBeSetToItsDefault(t *testing.T) {
	base, err := config.Parse("config.toml", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range general {
		s := &general[i]
		if s.fate >= process || s.def == "" {
			continue
		}
		name, value, err := Setting(s.name, s.def)
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		if _, _, err := base.With(name, value); err != nil && !strings.Contains(err.Error(), config.ErrAtRestart.Error()) {
			t.Errorf("%s = %s: %v", name, value, err)
		}
	}
}

func TestWhatIsNoBooleanIsRefusedInPgBouncersWords(t *testing.T) {
	for value, good := range map[string]bool{"0": true, "1": true, "2": true, "true": true, "false": true, "on": false, "maybe": false} {
		_, _, err := Setting("log_connections", value)
		want := `log_connections: must be 1 or 0, not "` + value + `"`
		if good && err != nil || !good && (err == nil || err.Error() != want) {
			t.Errorf("%s: %v", value, err)
		}
	}
}
