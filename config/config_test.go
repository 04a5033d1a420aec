package config

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	c, err := Parse("config.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAnEmptyFileGivesTheDefaults(t *testing.T) {
	got := mustParse(t, "")
	want := &Config{
		Path:                     "config.toml",
		ListenAddr:               []string{"127.0.0.1"},
		ListenPort:               6432,
		ListenBacklog:            4096,
		UnixSocketDir:            "/tmp",
		UnixSocketMode:           0o777,
		HTTPListen:               "127.0.0.1:9127",
		MaxClientConn:            10000,
		MaxLogins:                1000,
		LoginFailureDelay:        100 * time.Millisecond,
		LoginFailureDelayMax:     5 * time.Second,
		Workers:                  0,
		AuthType:                 "md5",
		PoolMode:                 "session",
		DefaultPoolSize:          20,
		ReservePoolTimeout:       5 * time.Second,
		ServerResetQuery:         "DISCARD ALL",
		SessionState:             "track",
		Listen:                   "share",
		QueryWaitTimeout:         2 * time.Minute,
		ClientLoginTimeout:       time.Minute,
		ClientMessageTimeout:     30 * time.Second,
		ServerIdleTimeout:        10 * time.Minute,
		PoolIdleTimeout:          time.Hour,
		ServerLifetime:           time.Hour,
		ServerConnectTimeout:     15 * time.Second,
		ServerLoginRetry:         15 * time.Second,
		SuspendTimeout:           10 * time.Second,
		ShutdownTimeout:          30 * time.Second,
		DNSMaxTTL:                15 * time.Second,
		TCPKeepAlive:             true,
		TCPKeepIdle:              time.Minute,
		TCPKeepIntvl:             15 * time.Second,
		TCPKeepCnt:               4,
		ClientTLSSSLMode:         "disable",
		ServerTLSSSLMode:         "prefer",
		IOEngine:                 "auto",
		ServerChannelBinding:     "prefer",
		ServerTLSNegotiation:     "postgres",
		ClientTLSProtocols:       []string{"secure"},
		ServerTLSProtocols:       []string{"secure"},
		ClientTLSCiphers:         "default",
		ServerTLSCiphers:         "default",
		ClientTLSOffer:           TLSOffer{Min: tls.VersionTLS12, Max: tls.VersionTLS13},
		ServerTLSOffer:           TLSOffer{Min: tls.VersionTLS12, Max: tls.VersionTLS13},
		ServerMaxProtocolVersion: "latest", MaxReplicationConnections: 10, CancelWaitTimeout: 10 * time.Second,
		ServerAuthMethods: []string{"trust", "password", "md5", "scram-sha-256"},
		LogLevel:          "info",
		LogFormat:         "text",
		LogConnections:    true,
		LogDisconnections: true,
		StatsPeriod:       time.Minute,
		Databases:         map[string]*Database{},
		Users:             map[string]*User{},

		PoolWeight:      1,
		QueryWaitNotify: 5 * time.Second,

		AuthQuery:              defaultAuthQuery,
		PasswordCommandTTL:     10 * time.Minute,
		PasswordCommandTimeout: 10 * time.Second,
		AuthQueryTTL:           30 * time.Second,
		AuthQueryStale:         5 * time.Minute,
		MaxPreparedStatements:  200,
		CensusInterval:         5 * time.Second,
		CensusDatabase:         "postgres",
		lines:                  lineIndex{},
		tree:                   &treeOf{map[string]any{}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestValuesCanBeWrittenInEachOfTheirForms(t *testing.T) {
	for _, tc := range []struct {
		text string
		get  func(*Config) any
		want any
	}{
		{`listen_addr = ["10.0.0.1", "::1", "fe80::1%eth0"]`, func(c *Config) any { return c.ListenAddr }, []string{"10.0.0.1", "::1", "fe80::1%eth0"}},
		{`listen_addr = " 10.0.0.1 ,db-1.example.com,, "`, func(c *Config) any { return c.ListenAddr }, []string{"10.0.0.1", "db-1.example.com"}},
		{`listen_addr = "*"`, func(c *Config) any { return c.ListenAddr }, []string{"*"}},
		{`listen_addr = ""`, func(c *Config) any { return c.ListenAddr }, []string(nil)},
		{`listen_addr = []`, func(c *Config) any { return c.ListenAddr }, []string(nil)},
		{`listen_port = 0`, func(c *Config) any { return c.ListenPort }, 0},
		{`listen_port = 0x10`, func(c *Config) any { return c.ListenPort }, 16},
		{`http_listen = ""`, func(c *Config) any { return c.HTTPListen }, ""},
		{"http_insecure = true\nhttp_listen = \":0\"", func(c *Config) any { return c.HTTPListen }, ":0"},
		{`http_listen = "[::1]:80"`, func(c *Config) any { return c.HTTPListen }, "[::1]:80"},
		{`unix_socket_dir = ""`, func(c *Config) any { return c.UnixSocketDir }, ""},
		{`unix_socket_mode = "770"`, func(c *Config) any { return int(c.UnixSocketMode) }, 0o770},
		{`workers = "auto"`, func(c *Config) any { return c.Workers }, 0},
		{`io_engine = "epoll"`, func(c *Config) any { return c.IOEngine }, "epoll"},
		{`workers = 256`, func(c *Config) any { return c.Workers }, 256},
		{`query_wait_timeout = "1h30m"`, func(c *Config) any { return c.QueryWaitTimeout }, 90 * time.Minute},
		{`query_wait_timeout = "250ms"`, func(c *Config) any { return c.QueryWaitTimeout }, 250 * time.Millisecond},
		{`query_wait_timeout = 7`, func(c *Config) any { return c.QueryWaitTimeout }, 7 * time.Second},
		{`query_wait_timeout = 0.5`, func(c *Config) any { return c.QueryWaitTimeout }, 500 * time.Millisecond},
		{`query_wait_timeout = "7"`, func(c *Config) any { return c.QueryWaitTimeout }, 7 * time.Second},
		{`query_wait_timeout = 0`, func(c *Config) any { return c.QueryWaitTimeout }, time.Duration(0)},
		{`query_wait_timeout = "8760h"`, func(c *Config) any { return c.QueryWaitTimeout }, 8760 * time.Hour},
		{`leak_check = 0.05`, func(c *Config) any { return c.LeakCheck }, 0.05},
		{`leak_check = "0.05"`, func(c *Config) any { return c.LeakCheck }, 0.05},
		{`leak_check = 1`, func(c *Config) any { return c.LeakCheck }, 1.0},
		{`leak_check = 0.0`, func(c *Config) any { return c.LeakCheck }, 0.0},
		{`max_prepared_statements = 0`, func(c *Config) any { return c.MaxPreparedStatements }, 0},
		{`server_auth_methods = "scram-sha-256"`, func(c *Config) any { return c.ServerAuthMethods }, []string{"scram-sha-256"}},
		{`server_auth_methods = ["md5", "scram-sha-256-plus"]`, func(c *Config) any { return c.ServerAuthMethods }, []string{"md5", "scram-sha-256-plus"}},
		{`server_channel_binding = "require"`, func(c *Config) any { return c.ServerChannelBinding }, "require"},
		{`session_state = "off"`, func(c *Config) any { return c.SessionState }, "off"},
		{`listen = "reject"`, func(c *Config) any { return c.Listen }, "reject"},
		{`log_connections = false`, func(c *Config) any { return c.LogConnections }, false},
		{`log_connections = 0`, func(c *Config) any { return c.LogConnections }, false},
		{`log_connections = 1`, func(c *Config) any { return c.LogConnections }, true},
		{`ignore_startup_parameters = "Extra_Float_Digits, options"`, func(c *Config) any { return c.IgnoreStartupParameters }, []string{"extra_float_digits", "options"}},
		{"\ufeffpool_mode = 'statement'", func(c *Config) any { return c.PoolMode }, "statement"},
		{"pool_mode = 'statement'\r\nlisten_port = 1\r\n", func(c *Config) any { return c.ListenPort }, 1},
	} {
		if got := tc.get(mustParse(t, tc.text)); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: got %#v, want %#v", tc.text, got, tc.want)
		}
	}
}

func TestADatabaseHasWhatItsTableSays(t *testing.T) {
	c := mustParse(t, `
[databases.app]
host = "10.0.0.5,10.0.0.6"
load_balance_hosts = "disable"
port = 5433
dbname = "production"
user = "owner"
password = "it's"
pool_size = 7
min_pool_size = 0
reserve_pool_size = 2
pool_mode = "statement"
max_db_connections = 0
server_lifetime = 0
session_state = "pin"
listen = "reject"
max_prepared_statements = 0
max_pinned = 2
leak_check = 0.5
[databases]
inline = { host = "/run/pg" }
[users.alice]
password = "SCRAM-SHA-256$x"
pool_mode = "session"
pool_size = 3
max_user_connections = 0
session_state = "off"
listen = "pin"
max_pinned = 0
`)
	seven, zero, two, three, never, half := 7, 0, 2, 3, time.Duration(0), 0.5
	wantDatabases := map[string]*Database{
		"app": {Name: "app", Host: "10.0.0.5,10.0.0.6", Port: 5433, LoadBalanceHosts: "disable", DBName: "production", User: "owner", Passwords: Passwords{Password: "it's"},
			PoolSize: &seven, MinPoolSize: &zero, ReservePoolSize: &two, PoolMode: "statement", MaxDBConnections: &zero, ServerLifetime: &never,
			SessionState: "pin", Listen: "reject", MaxPreparedStatements: &zero, MaxPinned: &two, LeakCheck: &half},
		"inline": {Name: "inline", Host: "/run/pg", Port: 5432, LoadBalanceHosts: "round-robin", DBName: "inline"},
	}
	if !reflect.DeepEqual(c.Databases, wantDatabases) {
		t.Errorf("databases %+v", c.Databases)
	}
	wantUsers := map[string]*User{"alice": {Name: "alice", Passwords: Passwords{Password: "SCRAM-SHA-256$x"}, PoolMode: "session", PoolSize: &three, MaxUserConnections: &zero,
		SessionState: "off", Listen: "pin", MaxPinned: &zero}}
	if !reflect.DeepEqual(c.Users, wantUsers) {
		t.Errorf("users %+v", c.Users)
	}
}

func TestRelativePathsStartAtTheConfigurationsFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secrets", "users.txt"), "\"alice\" \"x\"\n")
	path := filepath.Join(dir, "config.toml")
	write(t, path, "auth_file = 'secrets/users.txt'\nunix_socket_dir = '.'\n")
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "secrets/users.txt"); c.AuthFile != want {
		t.Errorf("auth_file is %s, not %s", c.AuthFile, want)
	}
	if string(c.AuthFileData) != "\"alice\" \"x\"\n" {
		t.Errorf("auth_file's data: %q", c.AuthFileData)
	}
	if c.UnixSocketDir != dir {
		t.Errorf("unix_socket_dir is %s, not %s", c.UnixSocketDir, dir)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSettingsShowsEachValueAsOneWouldWriteIt(t *testing.T) {
	rows := mustParse(t, `
listen_addr = ["10.0.0.1", "::1"]
workers = 3
unix_socket_mode = "0700"
query_wait_timeout = "1h"
server_connect_timeout = "20500us"
server_login_retry = 0.25
log_connections = 0
listen = "pin"
max_pinned = 3
leak_check = 0.050
`).Settings()
	byKey := map[string]Row{}
	for _, row := range rows {
		if _, twice := byKey[row.Key]; twice {
			t.Errorf("%s comes twice", row.Key)
		}
		byKey[row.Key] = row
	}
	for _, want := range []Row{
		{"listen_addr", "10.0.0.1, ::1", "127.0.0.1", false},
		{"workers", "3", "auto", false},
		{"unix_socket_mode", "0700", "0777", false},
		{"query_wait_timeout", "3600s", "120s", true},
		{"server_connect_timeout", "20.5ms", "15s", true},
		{"server_login_retry", "0.25s", "15s", true},
		{"log_connections", "false", "true", true},
		{"log_format", "text", "text", false},
		{"max_client_conn", "10000", "10000", true},
		{"session_state", "track", "track", true},
		{"listen", "pin", "share", true},
		{"max_prepared_statements", "200", "200", true},
		{"max_pinned", "3", "0", true},
		{"leak_check", "0.05", "0", true},
		{"admin_users", "", "", true},
	} {
		if got := byKey[want.Key]; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if rows[0].Key != "listen_addr" || rows[len(rows)-1].Key != "log_query_text" {
		t.Errorf("from %s to %s", rows[0].Key, rows[len(rows)-1].Key)
	}
	var restart []string
	for _, row := range rows {
		if !row.Changeable {
			restart = append(restart, row.Key)
		}
	}
	if want := []string{"listen_addr", "listen_port", "listen_backlog", "unix_socket_dir", "unix_socket_mode", "workers", "io_engine",
		"http_listen", "http_hosts", "http_tls_cert_file", "http_tls_key_file", "http_tls_ca_file", "http_token_file", "http_admin_token_file", "http_insecure", "log_format"}; !reflect.DeepEqual(restart, want) {
		t.Errorf("changeable at a restart only: %v, want %v", restart, want)
	}
}

func TestEachSettingHasAFieldOfItsOwn(t *testing.T) {
	seen := map[any]string{}
	check := func(name string, field any) {
		if before, twice := seen[field]; twice {
			t.Errorf("%s and %s have the same field", before, name)
		}
		seen[field] = name
	}
	c, d, u := &Config{}, &Database{}, &User{}
	for i := range settings {
		check(settings[i].name, settings[i].at(c))
	}
	for i := range databaseSettings {
		check("databases."+databaseSettings[i].name, databaseSettings[i].at(d))
	}
	for i := range userSettings {
		check("users."+userSettings[i].name, userSettings[i].at(u))
	}
}

func TestNearestFindsSlipsAndNothingElse(t *testing.T) {
	candidates := names(settings)
	for name, want := range map[string]string{
		"default_pool_sise":       "default_pool_size",
		"defaultpoolsize":         "default_pool_size",
		"pool-mode":               "pool_mode",
		"max_client_connections":  "max_client_conn",
		"server_idle":             "server_idle_timeout",
		"query_timeot":            "query_timeout",
		"disable_pqexec":          "",
		"x":                       "",
		"":                        "",
		"server_tls_sslmodus":     "server_tls_sslmode",
		"http_lsiten":             "http_listen",
		"listen_prot":             "listen_port",
		"listen_addresses":        "listen_addr",
		"lisen":                   "listen",
		"session_stat":            "session_state",
		"max_prepared_statment":   "max_prepared_statements",
		"logfile":                 "",
		"tcp_keepidel":            "tcp_keepidle",
		"application_name_add_ho": "application_name_add_host",
		"track_extra_parameters":  "",
	} {
		if got := nearest(name, candidates); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestPgBouncersNameOfASettingIsAccepted(t *testing.T) {
	for text, want := range map[string]time.Duration{"autodb_idle_timeout = 7": 7 * time.Second, "pool_idle_timeout = '0'": 0} {
		c, err := Parse("config.toml", []byte(text))
		if err != nil || c.PoolIdleTimeout != want {
			t.Errorf("%s: %v, %v", text, c.PoolIdleTimeout, err)
		}
	}
}
