package integration

import (
	"testing"
)

func TestSetOnDatabasePgbouncerTakesPgBouncersNamesAndValues(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	console := connect(t, w.Console("dbname=pgbouncer"))
	own := connect(t, w.Console())
	for _, c := range []struct{ sql, key, shown, ours, value string }{
		{"set query_wait_timeout = 31", "query_wait_timeout", "31", "query_wait_timeout", "31s"},
		{"set query_wait_timeout = '1m'", "query_wait_timeout", "60", "query_wait_timeout", "60s"}, // as pgweir writes it
		{"set autodb_idle_timeout = 1.5", "autodb_idle_timeout", "1.5", "pool_idle_timeout", "1.5s"},
		{"set verbose = 1", "verbose", "1", "log_level", "debug"},
		{"set verbose = 0", "verbose", "0", "log_level", "info"},
		{"set log_connections = 0", "log_connections", "0", "log_connections", "false"},
		{"set default_pool_size = 0", "default_pool_size", "0", "default_pool_size", "262143"},
		{"set default_pool_size = 7", "default_pool_size", "7", "default_pool_size", "7"},
		{"set min_pool_size = 2", "min_pool_size", "2", "min_pool_size", "2"},
		{"set tcp_user_timeout = 1500", "tcp_user_timeout", "1500", "tcp_user_timeout", "1.5s"},
		{"set stats_users = 'ann, bob'", "stats_users", "ann, bob", "stats_users", "ann, bob"},
		{"set pool_mode = 'SESSION'", "pool_mode", "session", "pool_mode", "session"},
		{"set suspend_timeout = 3", "suspend_timeout", "3", "suspend_timeout", "3s"},
	} {
		must(t, console, c.sql)
		if got := rowOf(t, show(t, console, "show config"), "key", c.key)["value"]; got != c.shown {
			t.Errorf("%s: %s is %q, want %q", c.sql, c.key, got, c.shown)
		}
		if got := rowOf(t, show(t, own, "show config"), "key", c.ours)["value"]; got != c.value {
			t.Errorf("%s: %s is %q, want %q", c.sql, c.ours, got, c.value)
		}
	}
	must(t, console, "set session_state = 'pin'") // pgweir's own
	for _, sql := range []string{"set no_such = 1", "set sbuf_loopcnt = 7", "set query_wait_timeout = 'soon'", "set auth_type = 'pam'", "set listen_port = 7"} {
		if err := runSQL(t.Context(), console, sql); sqlState(err) != "08P01" {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if err := runSQL(t.Context(), own, "set verbose = 1"); sqlState(err) != "22023" {
		t.Errorf("on pgweir: %v", err)
	}
}

func TestCloseNeededIsOneOfBackendsThatAreClosedWhenTheyAreGivenBack(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	console := connect(t, w.Console())
	client := connect(t, w.DSN())
	must(t, client, "begin")
	needed := func() string {
		return rowOf(t, show(t, console, "show servers"), "database", w.DB)["close_needed"]
	}
	if got := needed(); got != "0" {
		t.Errorf("close_needed is %s", got)
	}
	must(t, console, "RECONNECT")
	if got := needed(); got != "1" {
		t.Errorf("after RECONNECT close_needed is %s", got)
	}
	leaves := func() string {
		return rowOf(t, show(t, console, "show clients"), "database", w.DB)["close_needed"]
	}
	if got := leaves(); got != "0" {
		t.Errorf("the client's close_needed is %s", got)
	}
	must(t, console, "RECONNECT_CLIENTS "+w.DB)
	eventually(t, "the client is to leave when it is at rest", func() bool { return leaves() == "1" })
	must(t, client, "commit")
	eventually(t, "it has left", func() bool {
		for _, row := range show(t, console, "show clients") {
			if row["database"] == w.DB {
				return false
			}
		}
		return true
	})
}
