package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgweir/authquery"
	"pgweir/passwords"
	"pgweir/status"
)

// warnings are the lines of a check's output that warn, without the word.
func warnings(out string) (lines []string) {
	for line := range strings.Lines(out) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "warning: "); ok && !strings.HasPrefix(text, "server ") {
			lines = append(lines, text)
		}
	}
	return lines
}

func TestCheckSaysWhatPgweirHasForPgBouncersNames(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"verbose = 1", `CONFIG:1: unknown setting "verbose"; it is PgBouncer's name for what is log_level here. 0 is info, anything more is debug.`},
		{"server_check_query = 'select 1'", `CONFIG:1: unknown setting "server_check_query"; it is PgBouncer's, and pgweir has none. A backend that has gone is noticed at once by the loop that watches it, so none is asked before it is used.`},
		{"pidfile = 'x'", `CONFIG:1: unknown setting "pidfile"; it is PgBouncer's, for the process itself. With a config.toml it is the service manager's.`},
		{"[databases.a]\nconnect_query = 'x'", `CONFIG:2: databases.a: unknown setting "connect_query"; it is PgBouncer's, and pgweir has none. ALTER DATABASE ... SET, or of the role, does what most are for.`},
		{"[databases.a]\nreserve_pool = 1", `CONFIG:2: databases.a: unknown setting "reserve_pool"; it is PgBouncer's name for what is reserve_pool_size here. PgBouncer's old name.`},
		{"[user.a]\npool_size = 1", `CONFIG:1: unknown table [user]; did you mean [users.NAME]?`},
		{"[users.a]\nhost = 'x'", `CONFIG:2: users.a: unknown setting "host"; it belongs in a [databases.NAME]`},
	} {
		path := writeConfig(t, c.text)
		var out bytes.Buffer
		ck := checker{out: &out}
		if err := ck.run(context.Background(), path); !errors.Is(err, errCheckFailed) {
			t.Errorf("%s: %v", c.text, err)
		}
		if got, want := strings.TrimSpace(out.String()), strings.ReplaceAll(c.want, "CONFIG", path); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestCheckWarnsOfGeneralSettingsThatEndedUpInATable(t *testing.T) {
	path := writeConfig(t, `pool_mode = "session"

[databases.app]
host = "10.0.0.5"
server_lifetime = "1h"

# pool_mode is at the top too, so this one is meant
pool_mode = "transaction"
max_db_connections = 5
pool_size = 3

[users.ann]
password = "x"

max_user_connections = 4
[users.bob]
max_user_connections = 4
`)
	got := warnings(checkOutput(t, path, &scriptedServer{limits: status.ServerLimits{MaxConnections: 100}}))
	want := []string{
		path + ":9: max_db_connections stands in [databases.app] and holds for that alone; if it is meant for all, it belongs at the top of the file, before the first [table]",
		path + ":15: max_user_connections stands in [users.ann] and holds for that alone; if it is meant for all, it belongs at the top of the file, before the first [table]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCheckWarnsOfConsoleUsersWhoCannotLogIn(t *testing.T) {
	const users = "admin_users = ['ann', 'bob']\nstats_users = 'carl'\nauth_file = 'users.txt'\n"
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", []string{`admin_users: nobody can log in as "bob": no secret of that user is known`, `stats_users: nobody can log in as "carl": no secret of that user is known`}},
		{"[users.bob]\npassword = 'x'\n[users.carl]\npool_mode = 'session'", []string{`stats_users: nobody can log in as "carl": no secret of that user is known`}},
		{"auth_type = 'trust'", nil},
		{"auth_type = 'hba'\nauth_hba_file = 'md5.conf'", []string{`admin_users: nobody can log in as "bob": no secret of that user is known`, `stats_users: nobody can log in as "carl": no secret of that user is known`}},
		{"auth_type = 'hba'\nauth_hba_file = 'trust.conf'", nil},
		{"auth_user = 'ann'\n[databases.'*']", []string{
			`admin_users: nobody can log in as "bob": no secret of that user is known, and PostgreSQL is asked about users of the console only if auth_dbname is set`,
			`stats_users: nobody can log in as "carl": no secret of that user is known, and PostgreSQL is asked about users of the console only if auth_dbname is set`}},
	} {
		path := writeConfig(t, users+c.text, "users.txt", "\"ann\" \"x\"\n",
			"md5.conf", "host all all all md5\nlocal all all reject\n", "trust.conf", "host all all all md5\nlocal all all trust\n")
		var out bytes.Buffer
		ck := checker{out: &out, ask: (&scriptedServer{}).ask, tryQuery: func(context.Context, authquery.Source, passwords.List, string) error { return nil }}
		if err := ck.run(context.Background(), path); err != nil {
			t.Fatalf("%v: %s", err, &out)
		}
		got := slices.DeleteFunc(warnings(out.String()), func(line string) bool { return !strings.Contains(line, "nobody can log in as") })
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", c.text, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

func TestCheckWarnsOfPortsThatAreTaken(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.7000"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	path := writeConfig(t, "listen_addr = '127.0.0.1, ::1'\nlisten_port = 7000\nunix_socket_dir = '"+dir+"'")
	var out bytes.Buffer
	ck := checker{out: &out, taken: func(at netip.AddrPort) bool { return at.Addr().Is4() }}
	if err := ck.run(context.Background(), path); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"no [databases.NAME]: clients can reach the console only",
		"listen_port: a program listens on 127.0.0.1:7000 already; that may be a running pgweir",
		"unix_socket_dir: a program listens on " + filepath.Join(dir, ".s.PGSQL.7000") + " already; that may be a running pgweir",
		"http_listen: a program listens on 127.0.0.1:9127 already; that may be a running pgweir, or pgbouncer_exporter, whose port it is too",
	}
	if got := warnings(out.String()); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCheckWarnsOfASocketFolderThatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	const always = "no [databases.NAME]: clients can reach the console only"
	for folder, want := range map[string][]string{
		dir:           {always},
		"":            {always},
		dir + "/none": {always, "unix_socket_dir: " + dir + "/none: no such file or directory; a start needs the folder, and the right to write to it"},
	} {
		path := writeConfig(t, "http_listen = ''\nunix_socket_dir = '"+folder+"'")
		var out bytes.Buffer
		ck := checker{out: &out, taken: func(netip.AddrPort) bool { return false }}
		if err := ck.run(context.Background(), path); err != nil {
			t.Fatal(err, &out)
		}
		if got := warnings(out.String()); !slices.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", folder, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestAPortIsTakenWhileSomebodyListens(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		free := false
		for i := 0; i < 10 && !free; i++ { // somebody else may take the one that was left
			l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
			if err != nil {
				t.Fatal(err)
			}
			at := l.Addr().(*net.TCPAddr).AddrPort()
			if !portTaken(at) {
				t.Errorf("%s is not taken, and somebody listens", at)
			}
			l.Close()
			free = !portTaken(at)
		}
		if !free {
			t.Errorf("every port of %s is taken", host)
		}
	}
}

func TestCheckReadsAPgBouncerINI(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pooler.conf") // its content says what it is
	text := "[databases]\napp = host=10.0.0.5 user=app application_name=x\n[pgbouncer]\nauth_file = " + dir + "/users.txt\nlisten_addr = 127.0.0.1\nunix_socket_dir =\npool_mode = transaction\nserver_round_robin = 1\npkt_buf = 4096\n"
	for name, text := range map[string]string{path: text, dir + "/users.txt": "\"app\" \"x\"\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := checkOutput(t, path, &scriptedServer{limits: status.ServerLimits{MaxConnections: 100}})
	if !strings.Contains(out, "app: app on 10.0.0.5:5432, transaction mode, size 20, one pool, user app") {
		t.Error(out)
	}
	got := strings.Join(warnings(out), "\n")
	for _, want := range []string{
		path + ":2: databases.app.application_name: Has no counterpart. Clients have their own names, and pgweir",
		path + ":8: server_round_robin: Has no counterpart.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no warning %q in\n%s", want, out)
		}
	}
	if strings.Contains(got, "pkt_buf") {
		t.Error("it warns of a setting at its default")
	}
}
