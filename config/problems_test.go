package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// problemsOf parses text and returns what is wrong with it, with the lines.
func problemsOf(t *testing.T, text string) string {
	t.Helper()
	c, err := Parse("config.toml", []byte(text))
	if err == nil {
		return ""
	}
	if c != nil {
		t.Errorf("a configuration came back together with the error %v", err)
	}
	var problems Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("the error is a %T: %v", err, err)
	}
	return err.Error()
}

func TestEachProblemIsNamedWithItsLine(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"syntax", "listen_port = 6432\npool_mode = \n", `config.toml:2: unexpected character U+000A at start of value`},
		{"a text without quotes", "pool_mode = session", `config.toml:1: unexpected character at start of value; a text stands in quotes, as in pool_mode = "session"`},
		{"a text without quotes that begins as true does", "\npool_mode = transaction", `config.toml:2: expected keyword "true"; a text stands in quotes, as in pool_mode = "session"`},
		{"an address without quotes", "listen_addr = 127.0.0.1", `config.toml:1: expected newline; a text stands in quotes, as in pool_mode = "session"`},
		{"a duration without quotes", "query_timeout=5s", `config.toml:1: strings must be quoted; a text stands in quotes, as in pool_mode = "session"`},
		{"a comment of an ini file", "listen_port = 1\n ; a comment", `config.toml:2: invalid character at start of key; a comment begins with #`},
		{"a table's name without quotes", "[databases.*]", `config.toml:1: invalid character at start of key; a name with other characters than letters, digits, "_" and "-" stands in quotes, as in [databases."*"]`},
		{"a number and more", "listen_port = 1 2", `config.toml:1: expected newline`},
		{"not UTF-8", "\xff = 1", `config.toml:1: invalid character at start of key`},
		{"a key twice", "listen_port = 1\nlisten_port = 2\n", `config.toml:2: key listen_port is already defined`},
		{"a table twice", "[users.a]\n\n[users.a]\n", `config.toml:3: table a already exists`},

		{"a slip", "\ndefault_pol_size = 3", `config.toml:2: unknown setting "default_pol_size"; did you mean "default_pool_size"?`},
		{"a setting under both of its names", "pool_idle_timeout = 3\nautodb_idle_timeout = 3", `config.toml:2: autodb_idle_timeout is another name for pool_idle_timeout, which is set as well`},
		{"PgBouncer's name below a table", "[databases.app]\nautodb_idle_timeout = 3", `config.toml:2: databases.app: unknown setting "autodb_idle_timeout"; it belongs at the top of the file, before the first [table]`},
		{"swapped letters", "lisent_port = 3", `config.toml:1: unknown setting "lisent_port"; did you mean "listen_port"?`},
		{"upper case", "LISTEN_PORT = 3", `config.toml:1: unknown setting "LISTEN_PORT"; did you mean "listen_port"?`},
		{"nothing near", "verbose = 3", `config.toml:1: unknown setting "verbose"`},
		{"a long key", strings.Repeat("x", 100) + " = 3", `config.toml:1: unknown setting "` + strings.Repeat("x", 60) + `"…`},
		{"a database's setting at the top", "dbname = 'x'", `config.toml:1: unknown setting "dbname"; it belongs in a [databases.NAME]`},
		{"a general setting in a database", "[databases.app]\nlisten_port = 3", `config.toml:2: databases.app: unknown setting "listen_port"; it belongs at the top of the file, before the first [table]`},
		{"a general setting in a user", "[users.app]\nauth_file = 'x'", `config.toml:2: users.app: unknown setting "auth_file"; it belongs at the top of the file, before the first [table]`},
		{"a general setting in [databases]", "[databases]\nlisten_port = 3", `config.toml:2: listen_port stands in the table [databases]; it belongs at the top of the file, before the first [table]`},
		{"a user's setting in a database", "[databases.app]\nmax_user_connections = 3", `config.toml:2: databases.app: unknown setting "max_user_connections"; it belongs at the top of the file, before the first [table]`},
		{"a database's setting in a user", "[users.app]\nhost = 'x'", `config.toml:2: users.app: unknown setting "host"; it belongs in a [databases.NAME]`},
		{"a slip in a database", "[databases.app]\n\nhots = 'x'", `config.toml:3: databases.app: unknown setting "hots"; did you mean "host"?`},
		{"a slip in a user", "[users.app]\npasword = 'x'", `config.toml:2: users.app: unknown setting "pasword"; did you mean "password"?`},
		{"a slip in an inline table", "[databases]\napp = { host = 'x', prot = 1 }", `config.toml:2: databases.app: unknown setting "prot"; did you mean "port"?`},
		{"a slip in a dotted key", "\nusers.app.pool_siz = 1", `config.toml:2: users.app: unknown setting "pool_siz"; did you mean "pool_size"?`},
		{"a table's slip", "[database.app]\nhost = 'x'", `config.toml:1: unknown table [database]; did you mean [databases.NAME]?`},
		{"an unknown table", "[things]\nx = 1", `config.toml:1: unknown table [things]; there are [databases.NAME] and [users.NAME]`},
		{"PgBouncer's own section", "[pgbouncer]\nlisten_port = 1", `config.toml:1: unknown table [pgbouncer]; these settings stand at the top of the file, under no [table]`},
		{"an array of databases", "[[databases]]\nhost = 'x'", `config.toml:1: databases: must be tables, one [databases.NAME] for each database`},
		{"users as a string", "users = 'alice'", `config.toml:1: users: must be tables, one [users.NAME] for each user`},
		{"PgBouncer's connection string", "[databases]\napp = 'host=x'", `config.toml:2: databases.app: must be a table; write [databases.app] and its settings below it`},
		{"a database without a name", "[databases.'']", `config.toml:1: databases."": not a name that PostgreSQL could know`},
		{"the console's name", "[databases.pgbouncer]", `config.toml:1: databases.pgbouncer: this name is the admin console's; no database can bear it`},
		{"the console's other name", "[databases]\npgweir = {}", `config.toml:2: databases.pgweir: this name is the admin console's; no database can bear it`},

		{"an unknown way to log in", "server_auth_methods = 'md5, none'", `config.toml:1: server_auth_methods: "none" is not known; it is one of trust, password, md5, scram-sha-256, scram-sha-256-plus`},
		{"no way to log in", "server_auth_methods = []", `config.toml:1: server_auth_methods: names none of trust, password, md5, scram-sha-256, scram-sha-256-plus`},
		{"no list of ways", "server_auth_methods = 1", `config.toml:1: server_auth_methods: must be a list of strings, not 1`},
		{"binding without TLS", "server_channel_binding = 'require'\nserver_tls_sslmode = 'disable'", `config.toml:1: server_channel_binding: "require" needs TLS, and server_tls_sslmode is "disable"`},
		{"binding without SCRAM", "server_channel_binding = 'require'\nserver_auth_methods = 'md5'", `config.toml:1: server_channel_binding: "require" needs "scram-sha-256-plus" among server_auth_methods`},
		{"no binding where nothing else may be", "server_channel_binding = 'disable'\nserver_auth_methods = 'scram-sha-256-plus'", `config.toml:1: server_channel_binding: "disable" leaves no way to log in, as server_auth_methods is "scram-sha-256-plus"`},

		{"a number out of range", "listen_port = 70000", `config.toml:1: listen_port: 70000 is out of range (0 to 65535)`},
		{"a negative number", "max_db_connections = -1", `config.toml:1: max_db_connections: -1 is out of range (0 to 262143)`},
		{"a size of 0", "default_pool_size = 0", `config.toml:1: default_pool_size: 0 is out of range (1 to 262143)`},
		{"a number out of range in a table", "[databases.\"my app\"]\nport = 0", `config.toml:2: databases."my app".port: 0 is out of range (1 to 65535)`},
		{"a string for a number", "listen_port = '6432'", `config.toml:1: listen_port: must be a whole number, not "6432"`},
		{"a fraction for a number", "listen_port = 1.5", `config.toml:1: listen_port: must be a whole number, not 1.5`},
		{"a table for a number", "[databases.app.port]\nx = 1", `config.toml:1: databases.app.port: must be a whole number, not a table`},
		{"a date for a number", "listen_port = 2024-01-01", `config.toml:1: listen_port: must be a whole number, not a date or time`},
		{"no workers", "workers = 0", `config.toml:1: workers: 0 is out of range (1 to 256, or "auto")`},
		{"an unknown word for workers", "workers = 'all'", `config.toml:1: workers: must be "auto" or a whole number, not "all"`},
		{"no duration", "query_wait_timeout = 'soon'", `config.toml:1: query_wait_timeout: "soon" is not a duration; write "30s", "5m", "1h" or a number of seconds`},
		{"a negative duration", "query_wait_timeout = '-1s'", `config.toml:1: query_wait_timeout: -1s is out of range (0s to 31536000s)`},
		{"a negative number of seconds", "query_wait_timeout = -1", `config.toml:1: query_wait_timeout: -1 is out of range (0s to 31536000s)`},
		{"no number of seconds", "query_wait_timeout = nan", `config.toml:1: query_wait_timeout: NaN is out of range (0s to 31536000s)`},
		{"endless seconds", "query_wait_timeout = '1e400'", `config.toml:1: query_wait_timeout: "1e400" is not a duration; write "30s", "5m", "1h" or a number of seconds`},
		{"too short a duration", "server_connect_timeout = 0", `config.toml:1: server_connect_timeout: 0 is out of range (0.01s to 31536000s)`},
		{"a boolean for a duration", "query_wait_timeout = true", `config.toml:1: query_wait_timeout: must be a duration such as "30s" or a number of seconds, not true`},
		{"too large a fraction", "leak_check = 1.5", `config.toml:1: leak_check: 1.5 is out of range (0 to 1)`},
		{"a fraction in percent", "[databases.app]\nleak_check = 5", `config.toml:2: databases.app.leak_check: 5 is out of range (0 to 1)`},
		{"a negative fraction", "leak_check = -0.1", `config.toml:1: leak_check: -0.1 is out of range (0 to 1)`},
		{"no fraction", "leak_check = nan", `config.toml:1: leak_check: NaN is out of range (0 to 1)`},
		{"a word for a fraction", "leak_check = 'always'", `config.toml:1: leak_check: "always" is not a number; write one such as 0.05`},
		{"a boolean for a fraction", "leak_check = true", `config.toml:1: leak_check: must be a number such as 0.05, not true`},
		{"too many prepared statements", "max_prepared_statements = 100001", `config.toml:1: max_prepared_statements: 100001 is out of range (0 to 100000)`},
		{"a negative bound", "[users.a]\nmax_pinned = -1", `config.toml:2: users.a.max_pinned: -1 is out of range (0 to 262143)`},
		{"an unknown way with session state", "session_state = 'replay'", `config.toml:1: session_state: "replay" is not known; it is one of track, pin, off`},
		{"an unknown way to listen", "[users.a]\nlisten = 'on'", `config.toml:2: users.a.listen: "on" is not known; it is one of share, pin, reject`},
		{"a database's setting of session state in a user", "[users.a]\nleak_check = 1", `config.toml:2: users.a: unknown setting "leak_check"; it belongs at the top of the file, before the first [table]`},
		{"a word for a boolean", "log_connections = 'yes'", `config.toml:1: log_connections: must be true or false, not "yes"`},
		{"a number for a boolean", "log_connections = 2", `config.toml:1: log_connections: 2 is neither true nor false`},
		{"an unknown word", "pool_mode = 'transactional'", `config.toml:1: pool_mode: "transactional" is not known; it is one of session, transaction, statement`},
		{"a number for a word", "pool_mode = 1", `config.toml:1: pool_mode: must be a string, not 1`},
		{"a number for text", "server_reset_query = 1", `config.toml:1: server_reset_query: must be a string, not 1`},
		{"a zero byte", `server_reset_query = "a\u0000b"`, `config.toml:1: server_reset_query: "a\x00b" holds a zero byte`},
		{"a zero byte in a list", `admin_users = ["a\u0000b"]`, `config.toml:1: admin_users: "a\x00b" holds a zero byte`},
		{"a number for a list", "admin_users = 1", `config.toml:1: admin_users: must be a list of strings, not 1`},
		{"a number in a list", "admin_users = ['a', 1]", `config.toml:1: admin_users: must be a list of strings; 1 in it is none`},
		{"a number for a file mode", "unix_socket_mode = 777", `config.toml:1: unix_socket_mode: must be a string of octal digits such as "0770", not 777`},
		{"no file mode", "unix_socket_mode = '0789'", `config.toml:1: unix_socket_mode: "0789" is not a file mode; write octal digits such as "0770"`},
		{"too large a file mode", "unix_socket_mode = '4777'", `config.toml:1: unix_socket_mode: "4777" is out of range ("0000" to "0777")`},

		{"an address with a port", "listen_addr = '*, 10.0.0.1:6432'", `config.toml:1: listen_addr: "10.0.0.1:6432" is not an address, a name or "*" (the port is listen_port's)`},
		{"a long socket path", "unix_socket_dir = '/" + strings.Repeat("d", 100) + "'", `config.toml:1: unix_socket_dir: the socket's path would have 115 bytes, and the system takes 107 at most`},
		{"a long name of a socket", "unix_socket_dir = '@" + strings.Repeat("d", 100) + "'", `config.toml:1: unix_socket_dir: the socket's path would have 115 bytes, and the system takes 107 at most`},
		{"names that PostgreSQL cuts to one", "[users." + strings.Repeat("x", 63) + "]\n[users." + strings.Repeat("x", 64) + "]", `config.toml:2: users.` + strings.Repeat("x", 64) + `: PostgreSQL cuts the name at 63 bytes, and then there is another of that name`},
		{"milliseconds of PgBouncer's", "tcp_user_timeout = 30000", `config.toml:1: tcp_user_timeout: 30000 is out of range (0s to 3600s)`},
		{"more logins of an address than of all", "max_logins = 10\nmax_logins_per_address = 11", `config.toml:2: max_logins_per_address: 11 is more than max_logins, 10`},
		{"a delay above its maximum", "login_failure_delay = '6s'", `config.toml:1: login_failure_delay: login_failure_delay, 6s, is more than login_failure_delay_max, 5s; a login_failure_delay of 0 is none`},
		{"a maximum below its delay", "login_failure_delay_max = 0", `config.toml:1: login_failure_delay_max: login_failure_delay, 100ms, is more than login_failure_delay_max, 0s; a login_failure_delay of 0 is none`},
		{"HTTP without a port", "http_listen = 'localhost'", `config.toml:1: http_listen: "localhost" is not an address and a port such as "127.0.0.1:9127"`},
		{"HTTP with a large port", "http_listen = ':99999'", `config.toml:1: http_listen: ":99999" is not an address and a port such as "127.0.0.1:9127"`},
		{"an empty host among several", "[databases.app]\nhost = 'a,,b'", `config.toml:2: databases.app.host: "a,,b" has an empty entry; hosts stand with one comma between two`},
		{"a comma behind the last host", "[databases.app]\nhost = 'a,'", `config.toml:2: databases.app.host: "a," has an empty entry; hosts stand with one comma between two`},
		{"a host of blanks", "[databases.app]\nhost = ' '", `config.toml:2: databases.app.host: " " names no host`},
		{"one of several hosts", "[databases.app]\nhost = 'a,b:5432'", `config.toml:2: databases.app.host: "b:5432" is not a name, an address or a folder beginning with "/"`},
		{"a balancing that there is not", "[databases.app]\nload_balance_hosts = 'round_robin'", `config.toml:2: databases.app.load_balance_hosts: "round_robin" is not known; it is one of round-robin, disable`},
		{"a password without a user", "[databases.app]\npassword = 'x'", `config.toml:2: databases.app.password: set without user, whose password it is`},
		{"any without a user", "auth_type = 'any'\n[databases.app]\n[databases.b]\nuser='b'", `config.toml:2: databases.app: needs a user, as auth_type is "any"`},
		{"a minimum above the size", "min_pool_size = 21", `config.toml:1: min_pool_size: 21 is more than default_pool_size, 20`},
		{"a database's minimum above its size", "[databases.app]\npool_size = 5\nmin_pool_size = 6", `config.toml:3: databases.app.min_pool_size: 6 is more than pool_size, 5`},
		{"a census without a pause", "census_interval = '50ms'", `config.toml:1: census_interval: 50ms is less than 200ms`},
		{"a password of nobody", "census_password = 'x'", `config.toml:1: census_password: set without census_user, whose password it is`},
		{"a database's minimum above the general size", "[databases.app]\nmin_pool_size = 30", `config.toml:2: databases.app.min_pool_size: 30 is more than default_pool_size, 20`},

		{"no auth_file", "\nauth_file = '/nowhere/users.txt'", `config.toml:2: auth_file: /nowhere/users.txt: no such file or directory`},
		{"a path that would break the line", "auth_file = \"/no\\nwhere\"", `config.toml:1: auth_file: "/no\nwhere": no such file or directory`},
		{"a folder for an auth_file", "auth_file = '/'", `config.toml:1: auth_file: /: not a regular file`},
		{"a device for an auth_file", "auth_file = '/dev/zero'", `config.toml:1: auth_file: /dev/zero: not a regular file`},
		{"TLS without files", "client_tls_sslmode = 'require'", `config.toml:1: client_tls_sslmode: "require" needs client_tls_cert_file and client_tls_key_file`},
		{"a key without a certificate", "client_tls_key_file = 'k'", `config.toml:1: client_tls_key_file: set without client_tls_cert_file`},
		{"a certificate without a key", "server_tls_cert_file = 'c'", `config.toml:1: server_tls_cert_file: set without server_tls_key_file`},
		{"no roots", "server_tls_ca_file = '/nowhere/ca'", `config.toml:1: server_tls_ca_file: /nowhere/ca: no such file or directory`},
		{"neither certificate nor key", "server_tls_cert_file = '/nowhere/c'\nserver_tls_key_file = '/nowhere/k'",
			"config.toml:1: server_tls_cert_file: /nowhere/c: no such file or directory\n" +
				"config.toml:2: server_tls_key_file: /nowhere/k: no such file or directory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := problemsOf(t, tc.text); got != tc.want {
				t.Errorf("\ngot  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestAllProblemsComeAtOnceInOrderOfLines(t *testing.T) {
	got := problemsOf(t, `
listen_port = 70000
default_pol_size = 3

[databases.b]
port = 0
[databases.a]
port = "x"
hst = "y"
[users.c]
pool_size = 0
`)
	want := strings.Join([]string{
		`config.toml:2: listen_port: 70000 is out of range (0 to 65535)`,
		`config.toml:3: unknown setting "default_pol_size"; did you mean "default_pool_size"?`,
		`config.toml:6: databases.b.port: 0 is out of range (1 to 65535)`,
		`config.toml:8: databases.a.port: must be a whole number, not "x"`,
		`config.toml:9: databases.a: unknown setting "hst"; did you mean "host"?`,
		`config.toml:11: users.c.pool_size: 0 is out of range (1 to 262143)`,
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLoadSaysWhichFileIsMissing(t *testing.T) {
	_, err := Load("/nowhere/config.toml")
	if want := "/nowhere/config.toml: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
	dir := t.TempDir()
	if _, err := Load(dir); err == nil || err.Error() != dir+": is a directory" {
		t.Errorf("loading a folder: %v", err)
	}
}

func TestAHugeFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(strings.Repeat("#", maxConfigBytes+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || err.Error() != path+": larger than 4194304 bytes" {
		t.Errorf("got %v", err)
	}
}

func TestAPipeForAnAuthFileDoesNotHangTheReload(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "users")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	want := "config.toml:1: auth_file: " + pipe + ": not a regular file"
	if got := problemsOf(t, "auth_file = '"+pipe+"'"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
