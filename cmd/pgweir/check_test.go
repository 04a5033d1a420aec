package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"pgweir/authquery"
	"pgweir/cluster"
	"pgweir/config"
	"pgweir/passwords"
	"pgweir/status"
)

// writeConfig makes a config.toml, and the files that come with it (name, text, ...).
func writeConfig(t *testing.T, text string, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	files = append(files, "config.toml", text)
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "config.toml")
}

// scriptedServer answers every login alike, and notes them.
type scriptedServer struct {
	limits status.ServerLimits
	errs   []error // for the first logins
	asked  []serverLogin
}

func (s *scriptedServer) ask(_ context.Context, login serverLogin) (status.ServerLimits, error) {
	s.asked = append(s.asked, login)
	if n := len(s.asked); n <= len(s.errs) {
		return status.ServerLimits{}, s.errs[n-1]
	}
	return s.limits, nil
}

func checkOutput(t *testing.T, path string, server *scriptedServer) string {
	t.Helper()
	var out bytes.Buffer
	ck := checker{out: &out, ask: server.ask}
	if err := ck.run(context.Background(), path); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	return out.String()
}

func TestCheckPrintsEveryProblemAndFails(t *testing.T) {
	for _, tc := range []struct {
		text, authFile, want string
	}{
		{"listen_port = 70000\nlisten_prt = 1", "", `CONFIG:1: listen_port: 70000 is out of range (0 to 65535)
CONFIG:2: unknown setting "listen_prt"; did you mean "listen_port"?
`},
		{"auth_file = 'users.txt'", "\"alice\" \"x\"\nbob\n", `CONFIG:1: auth_file: DIR/users.txt:2: expected the user name in double quotes
`},
		{"[users.alice]\npool_size = 1\npassword = 'SCRAM-SHA-256$nonsense'", "", `CONFIG:3: users.alice.password: user "alice": `},
		{"[users.alice]\npassword = 'x'\n\npassword_next = 'SCRAM-SHA-256$nonsense'", "", `CONFIG:4: users.alice.password_next: user "alice": `},
		{"[users.alice]\npassword = 'x'\n\npassword_next_file = 'users.txt'", "SCRAM-SHA-256$nonsense", `CONFIG:4: users.alice.password_next_file: user "alice": `},
		{"[users.alice]\n\npassword_file = 'users.txt'", "SCRAM-SHA-256$nonsense", `CONFIG:3: users.alice.password_file: user "alice": `},
		{"[users.alice]\n\npassword_command = ['/bin/echo', 'SCRAM-SHA-256$nonsense']", "", `CONFIG:3: users.alice.password_command: user "alice": `},
		{"[users." + strings.Repeat("a", 70) + "]\npassword = 'SCRAM-SHA-256$nonsense'", "", "CONFIG:2: users." + strings.Repeat("a", 63) + ".password: "},
		{"auth_type = 'ldap'\nauth_ldap_options = 'ldapserver=a'", "", "CONFIG:2: auth_ldap_options: "},
		{"auth_type = 'hba'\nauth_hba_file = 'none'\nauth_ident_file = 'none too'", "", `CONFIG:2: auth_hba_file: DIR/none: could not open file "DIR/none": no such file or directory
CONFIG:3: auth_ident_file: DIR/none too: could not open file "DIR/none too": no such file or directory
`},
		{"pool_mod = 'x'\nauth_type = 'hba'\nauth_file = 'users.txt'\nauth_hba_file = 'users.txt'", "other", `CONFIG:1: unknown setting "pool_mod"; did you mean "pool_mode"?
CONFIG:3: auth_file: DIR/users.txt:1: expected the user name in double quotes
DIR/users.txt:1: invalid connection type "other"
`},
		{"auth_type = 'hba'\nlisten_port = 70000", "", `CONFIG:1: auth_type: `},
	} {
		path := writeConfig(t, tc.text, "users.txt", tc.authFile)
		var out bytes.Buffer
		cmd := newCheckCmd()
		cmd.SetArgs([]string{"-c", path})
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		if err := cmd.Execute(); !errors.Is(err, errCheckFailed) {
			t.Errorf("%s: the error is %v", tc.text, err)
		}
		want := strings.NewReplacer("CONFIG", path, "DIR", filepath.Dir(path)).Replace(tc.want)
		if !strings.HasPrefix(out.String(), want) || strings.Contains(out.String(), "nonsense") {
			t.Errorf("got\n%swant\n%s", &out, want)
		}
	}
}

func TestCheckSummarisesWhatItRead(t *testing.T) {
	path := writeConfig(t, `
listen_addr = "127.0.0.1, ::1"
unix_socket_dir = "/run/pgweir"
auth_file = "users.txt"
pool_mode = "transaction"
[databases.app]
host = "10.0.0.5"
user = "owner"
pool_size = 30
[databases."*"]
host = "10.0.0.5"
pool_mode = "session"
[users.bob]
`, "users.txt", "\"alice\" \"x\"\n")
	want := path + `: ok
listens on: 127.0.0.1 port 6432, ::1 port 6432, /run/pgweir/.s.PGSQL.6432
HTTP on: 127.0.0.1:9127
clients: at most 10000, auth_type md5, users known: 2
databases:
  *: the name asked for on 10.0.0.5:5432, session mode, size 20, a pool for each user
  app: app on 10.0.0.5:5432, transaction mode, size 30, one pool, user owner
server 10.0.0.5:5432: the pools can open 70 backends
  *: 2 users × 20 = 40
  app: owner 30
  and more where a database or user that is not named here gets a pool of its own
`
	if got := checkOutput(t, path, &scriptedServer{limits: status.ServerLimits{MaxConnections: 100}}); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestCheckWarnsWhereNobodyCanBeServed(t *testing.T) {
	got := checkOutput(t, writeConfig(t, "listen_addr=''\nunix_socket_dir=''\nhttp_listen=''"), &scriptedServer{})
	for _, want := range []string{
		"listens on: nothing: no client can connect (listen_addr and unix_socket_dir are empty)\n",
		"warning: no [databases.NAME]: clients can reach the console only\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "HTTP") {
		t.Errorf("HTTP in\n%s", got)
	}
}

func TestCheckWarnsOfAnAddressThatCannotBeListenedOn(t *testing.T) {
	got := checkOutput(t, writeConfig(t, "listen_addr='127.0.0.1, 192.0.2.1'\nhttp_listen=''"), &scriptedServer{})
	if !strings.Contains(got, "config.toml: ok\n") || !strings.Contains(got, "warning: listen_addr: listen tcp4 192.0.2.1:0: bind: ") {
		t.Error(got)
	}
}

func TestCheckWarnsWhenThePoolsAddUpToMoreThanTheServerGives(t *testing.T) {
	path := writeConfig(t, "[databases.app]\nhost='db'\nuser='app'\npool_size=60\n[databases.web]\nhost='db'\nuser='web'\npool_size=40\n")
	for _, tc := range []struct {
		limits status.ServerLimits
		want   []string
	}{
		{status.ServerLimits{MaxConnections: 103, SuperuserReserved: 3}, nil},
		{status.ServerLimits{MaxConnections: 100, SuperuserReserved: 3, Reserved: 2}, []string{
			"warning: server db:5432: the pools can open 100 backends, but it gives 95 (max_connections 100 − superuser_reserved_connections 3 − reserved_connections 2)"}},
		{status.ServerLimits{MaxConnections: 2, SuperuserReserved: 3}, []string{
			"warning: server db:5432: the pools can open 100 backends, but it gives 0 (max_connections 2 − superuser_reserved_connections 3 − reserved_connections 0)"}},
		{status.ServerLimits{MaxConnections: 200, Roles: map[string]int{"app": 59, "web": 40, "other": 0}, Databases: map[string]int{"web": 10, "app": 60, "x": 0}}, []string{
			`warning: server db:5432: the pools of user "app" can open 60 backends, but the role has CONNECTION LIMIT 59`,
			`warning: server db:5432: the pools of database "web" can open 40 backends, but it has CONNECTION LIMIT 10`}},
	} {
		var got []string
		for line := range strings.Lines(checkOutput(t, path, &scriptedServer{limits: tc.limits})) {
			if strings.HasPrefix(line, "warning:") {
				got = append(got, strings.TrimSpace(line))
			}
		}
		if !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%+v: got %q, want %q", tc.limits, got, tc.want)
		}
	}
}

func TestCheckTriesTheNextUserButNotADeadServerAgain(t *testing.T) {
	path := writeConfig(t, "[databases.app]\nhost='db'\n[users.alice]\npassword='x'\n[users.bob]\npassword='y'\n[users.carol]\npassword='md5"+strings.Repeat("0", 32)+"'")
	refused := errors.New("as user: refused")

	server := &scriptedServer{errs: []error{refused}, limits: status.ServerLimits{MaxConnections: 1}}
	if got := checkOutput(t, path, server); !strings.Contains(got, "but it gives 1 ") {
		t.Errorf("got\n%s", got)
	}
	if len(server.asked) != 2 || server.asked[0].user != "alice" || server.asked[0].password != "x" || server.asked[1].user != "bob" {
		t.Errorf("asked as %+v", server.asked)
	}

	server = &scriptedServer{errs: []error{refused, refused, refused}}
	if got := checkOutput(t, path, server); !strings.Contains(got, "warning: server db:5432: not compared with its max_connections: as user: refused\n") {
		t.Errorf("got\n%s", got)
	}
	if len(server.asked) != 2 {
		t.Errorf("asked as %+v", server.asked)
	}

	dead := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	server = &scriptedServer{errs: []error{fmt.Errorf("no: %w", dead)}}
	checkOutput(t, path, server)
	if len(server.asked) != 1 {
		t.Errorf("a dead server was asked %d times", len(server.asked))
	}
}

func TestCheckSaysWhenItKnowsNoPassword(t *testing.T) {
	path := writeConfig(t, "[databases.app]\nhost='db'\n[users.carol]\npassword='md5"+strings.Repeat("0", 32)+"'")
	got := checkOutput(t, path, &scriptedServer{})
	if want := "not compared with its max_connections: no user with a plain-text password is known\n"; !strings.Contains(got, want) {
		t.Errorf("got\n%s", got)
	}
}

func TestServerLoginsPrefersADatabasesOwnUser(t *testing.T) {
	c, err := config.Parse("config.toml", []byte("[databases.a]\nhost='db'\n[databases.b]\nhost='db'\nuser='owner'\ndbname='real'\n[databases.'*']\nhost='db'"))
	if err != nil {
		t.Fatal(err)
	}
	users := map[string]string{"alice": "x", "owner": "secret"}
	var got []string
	for _, login := range serverLogins(c, &c.Demand(sorted(users))[0], users) {
		got = append(got, login.user+":"+login.password+"@"+login.host+"/"+login.dbname)
	}
	if want := []string{"owner:secret@db/real", "alice:x@db/postgres", "owner:secret@db/postgres"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestConnStringSurvivesAnyPassword(t *testing.T) {
	login := serverLogin{host: "/run/pg", port: 5433, user: "o'neill", password: `a'b\c d`, dbname: "my db", tls: serverTLS{Mode: "require", CA: "/ca"}}
	cfg, err := pgx.ParseConfig(login.connString())
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Host != "/run/pg" || cfg.Port != 5433 || cfg.User != "o'neill" || cfg.Password != `a'b\c d` || cfg.Database != "my db" {
		t.Errorf("%+v", cfg.Config)
	}
}

func TestCheckAndCensusLogInAsThePoolsMay(t *testing.T) {
	for text, want := range map[string][2]string{
		"": {"", "prefer"},
		"server_auth_methods = 'scram-sha-256'\nserver_channel_binding = 'disable'": {"scram-sha-256", "disable"},
		"server_auth_methods = 'trust, md5, scram-sha-256-plus'":                    {"none,md5,scram-sha-256", "prefer"},
		"server_auth_methods = 'scram-sha-256-plus'":                                {"scram-sha-256", "require"},
		"server_auth_methods = 'scram-sha-256-plus, scram-sha-256'":                 {"scram-sha-256", "prefer"},
	} {
		c, err := config.Parse("config.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := pgx.ParseConfig(serverLogin{host: "db", port: 1, auth: serverAuthOf(c)}.connString())
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]string{cfg.RequireAuth, cfg.ChannelBinding}; got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestAskServerReadsTheLimitsOfARealServer(t *testing.T) {
	programs, err := cluster.Find("")
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	pg, err := cluster.Start(ctx, programs, cluster.Options{Settings: map[string]string{"max_connections": "17", "superuser_reserved_connections": "4"}})
	if err != nil {
		t.Fatal(err)
	}
	defer pg.Close()
	conn, err := pgx.Connect(ctx, pg.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`create role app login connection limit 5`,
		`create role boss superuser login connection limit 5`,
		`create database shop connection limit 7`,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	conn.Close(ctx)

	for _, host := range []string{"127.0.0.1", pg.SocketDir} {
		login := serverLogin{host: host, port: pg.Port, user: "app", dbname: "postgres", tls: serverTLS{Mode: "prefer"}}
		got, err := askServer(ctx, login)
		want := status.ServerLimits{MaxConnections: 17, SuperuserReserved: 4, Roles: map[string]int{"app": 5}, Databases: map[string]int{"shop": 7}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("through %s: got %+v, %v, want %+v", host, got, err, want)
		}

		login.user, login.password = "nobody", "secret"
		_, err = askServer(ctx, login)
		if wantErr := `as user "nobody" to database "postgres": role "nobody" does not exist (SQLSTATE 28000)`; err == nil || err.Error() != wantErr {
			t.Errorf("through %s: got %v, want %s", host, err, wantErr)
		}
	}

	port, err := cluster.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	_, err = askServer(ctx, serverLogin{host: "127.0.0.1", port: port, user: "app", dbname: "postgres"})
	if err == nil || !unreachable(err) || !strings.HasSuffix(err.Error(), "connection refused") {
		t.Errorf("a port where nobody listens: %v", err)
	}
}

func TestCheckTriesEveryAuthQueryOnce(t *testing.T) {
	path := writeConfig(t, `
auth_user = "asker"
[users.asker]
password = "hidden"
[databases.a]
host = "10.0.0.5"
[databases.b]
host = "10.0.0.5"
auth_dbname = "a"
[databases."*"]
host = "10.0.0.5"
[databases.c]
host = "10.0.0.6"
auth_user = "another"
auth_query = "select $1, null"
`)
	var out bytes.Buffer
	var tried []string
	server := &scriptedServer{limits: status.ServerLimits{MaxConnections: 1000}}
	ck := checker{out: &out, ask: server.ask, tryQuery: func(_ context.Context, s authquery.Source, list passwords.List, user string) error {
		tried = append(tried, fmt.Sprint(s.Database, " ", user, " ", slices.Equal(list.Known, []string{"hidden"}) && !strings.Contains(s.ConnString, "hidden"), " ", strings.HasPrefix(s.Query, "SELECT rolname")))
		if s.Database == "c" {
			return errors.New("permission denied")
		}
		return nil
	}}
	if err := ck.run(context.Background(), path); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a asker true true", "postgres asker true true", "c another false false"}; !reflect.DeepEqual(tried, want) {
		t.Errorf("tried %q, want %q", tried, want)
	}
	const want = `auth_query: user "asker" asks in database "a" of 10.0.0.5:5432, over one connection besides the pools' own
auth_query: user "asker" asks in database "postgres" of 10.0.0.5:5432, over one connection besides the pools' own
auth_query: user "another" asks in database "c" of 10.0.0.6:5432, over one connection besides the pools' own
warning: auth_query as user "another" in database "c" of 10.0.0.6:5432 does not work: permission denied
`
	if text := out.String(); !strings.HasSuffix(text, want) || strings.Contains(text, "hidden") {
		t.Errorf("got\n%s", text)
	}
}
