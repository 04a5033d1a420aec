package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pgweir/cluster"
	"pgweir/cluster/child"
)

// generated has a config.toml made for a server, with these flags besides -o.
func generated(t *testing.T, dir, dsn string, flags ...string) (path, text string) {
	t.Helper()
	path = filepath.Join(dir, "config.toml")
	if out, code := pgweir(t, append([]string{"generate", "--dsn", dsn, "-o", path}, flags...)...); code != 0 || out != "" {
		t.Fatalf("generate: %d, %s", code, out)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, string(data)
}

// serveGenerated checks and serves a generated file, on a Unix socket in its folder. It
// gives the socket's part of a DSN.
func serveGenerated(t *testing.T, path, text string) string {
	t.Helper()
	dir := filepath.Dir(path)
	local := strings.Replace(text, "listen_addr = \"127.0.0.1\"\n", "listen_addr = \"\"\nhttp_listen = \"\"\nunix_socket_dir = '"+dir+"'\n", 1)
	if err := os.WriteFile(path, []byte(local), 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := pgweir(t, "check", "-c", path)
	if code != 0 || strings.Contains(out, "the pools can open more") || strings.Contains(out, "but it gives") || strings.Contains(out, "does not work") {
		t.Errorf("check: %d, %s", code, out)
	}
	log := new(logBuffer)
	cmd := exec.Command(program, "serve", "-c", path)
	cmd.Stdout, cmd.Stderr = log, log
	p, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Signal(syscall.SIGTERM)
		<-p.Done()
		if code := cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("it ended with %d: %s", code, log)
		}
	})
	eventually(t, "pgweir is ready", func() bool { return strings.Contains(log.String(), "pgweir is ready") })
	return "host=" + dir + " port=6432 "
}

// logsIn asks for 1, and for whose connection to which database it is.
func logsIn(t *testing.T, at, user, password, database string) {
	t.Helper()
	conn := connect(t, at+"user="+user+" password="+password+" dbname='"+database+"'")
	defer conn.Close(t.Context())
	if got := ask(t, conn, "select current_user || ' ' || current_database()"); got != user+" "+database {
		t.Errorf("%s is %s", user, got)
	}
}

func TestAGeneratedConfigurationServesAtOnce(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{
		HBA:      []string{"local all all trust", "host all postgres all trust", "host all all all scram-sha-256"},
		Settings: map[string]string{"max_connections": "40"},
	})
	admin := connect(t, pg.DSN("postgres"))
	defer admin.Close(t.Context())
	const odd = `a "b" ${HOME} é`
	for _, sql := range []string{
		"create role boss superuser login password 'boss secret'",
		"create role app login password 'app secret'",
		"create role gone login password 'x' valid until '2001-01-01'",
		"create role other superuser login password 'x'",
		"create role nobody login",
		`create database shop owner app connection limit 3`,
		`create database "a ""b"" ${HOME} é"`,
		`create database "*"`, // means all the others in a configuration
		`create database pgbouncer`,
	} {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	admin.Close(t.Context())
	boss := dsn(pg.Port, "postgres", "user=boss", "password='boss secret'")

	t.Run("with the password", func(t *testing.T) {
		path, text := generated(t, shortDir(t), boss, "--with-password")
		if !strings.Contains(text, `password = "boss secret"`) || !strings.Contains(text, "[databases.shop]") {
			t.Error(text)
		}
		ownOnly(t, path)
		at := serveGenerated(t, path, text)
		logsIn(t, at, "boss", "'boss secret'", "postgres")
		logsIn(t, at, "app", "'app secret'", "shop")
		logsIn(t, at, "app", "'app secret'", odd)
		conn := connect(t, at+"user=boss password='boss secret' dbname=pgweir")
		defer conn.Close(t.Context())
		if got := rowOf(t, show(t, conn, "show databases"), "name", "shop")["pool_size"]; got != "3" {
			t.Errorf("the pools of shop are of %s, and it has CONNECTION LIMIT 3", got)
		}
	})
	t.Run("with the secrets", func(t *testing.T) {
		dir := shortDir(t)
		secrets := filepath.Join(dir, "userlist.txt")
		path, text := generated(t, dir, boss, "--auth-file", secrets)
		if strings.Contains(text, "boss secret") {
			t.Errorf("the password was not asked for: %s", text)
		}
		ownOnly(t, secrets)
		list, err := os.ReadFile(secrets)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]bool{"app": true, "boss": true, "gone": false, "other": false, "nobody": false} {
			if strings.Contains(string(list), `"`+name+`" "SCRAM-SHA-256$`) != want {
				t.Errorf("%s among the secrets: %v", name, !want)
			}
		}
		at := serveGenerated(t, path, text)
		logsIn(t, at, "app", "'app secret'", "shop")
	})
	t.Run("with neither", func(t *testing.T) {
		path, text := generated(t, shortDir(t), boss)
		if strings.Contains(text, "boss secret") || !strings.Contains(text, "auth_user") {
			t.Error(text)
		}
		serveGenerated(t, path, text)
		if out, code := pgweir(t, "generate", "--dsn", boss, "-o", path); code != 1 || !strings.Contains(out, "--force") {
			t.Errorf("over a file that is there: %d, %s", code, out)
		}
		if out, code := pgweir(t, "generate", "--dsn", boss, "-o", path, "--force"); code != 0 {
			t.Errorf("--force: %d, %s", code, out)
		}
	})
	t.Run("what cannot be", func(t *testing.T) {
		app := dsn(pg.Port, "shop", "user=app", "password='app secret'")
		secrets := filepath.Join(t.TempDir(), "userlist.txt")
		for want, args := range map[string][]string{
			"takes a superuser": {"--dsn", app, "--auth-file", secrets},
			"has no password":   {"--dsn", dsn(pg.Port, "postgres", "user=boss"), "--with-password"},
			"SQLSTATE 28P01":    {"--dsn", dsn(pg.Port, "postgres", "user=boss", "password=wrong")},
			"several ports":     {"--dsn", "host=127.0.0.1,127.0.0.2 port=5432,5433 user=boss"},
			"required flag":     {},
			"are the same file": {"--dsn", boss, "--auth-file", secrets, "-o", secrets},
			"cannot parse":      {"--dsn", "port=none"},
		} {
			if out, code := pgweir(t, append([]string{"generate"}, args...)...); code != 1 || !strings.Contains(out, want) || strings.Contains(out, "app secret") || strings.Contains(out, "boss secret") {
				t.Errorf("%q: %d, %s", want, code, out)
			}
		}
		if _, err := os.Stat(secrets); err == nil {
			t.Error("a file was written all the same")
		}
		if out, code := pgweir(t, "generate", "--dsn", app); code != 0 || !strings.Contains(out, `admin_users = ["app"]`) {
			t.Errorf("an ordinary role: %d, %s", code, out)
		}
	})
}

func ownOnly(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s is %s", path, info.Mode())
	}
}

// shortDir is a folder whose name leaves room for that of a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "weir-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
