package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

// guarded is a server on which everybody but postgres proves a password by SCRAM.
func guarded(t *testing.T) *cluster.Cluster {
	t.Helper()
	return startCluster(t, cluster.Options{HBA: []string{
		"local all all trust", "host all postgres all trust", "host all with_clear all password", "host all all all scram-sha-256",
	}})
}

// sourceFolder is a folder for files that hold secrets, and a function that writes one.
func sourceFolder(t *testing.T) (dir string, write func(name, text string)) {
	t.Helper()
	dir = t.TempDir()
	return dir, func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+".next", []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".next", path); err != nil {
			t.Fatal(err)
		}
	}
}

// tokenProgram writes a program that counts its runs and prints the file "token", unless
// there is a file "broken".
func tokenProgram(t *testing.T, dir string, write func(name, text string)) (path string, runs func() int) {
	t.Helper()
	write("token.sh", `#!/bin/sh
cd "$(dirname "$0")"
echo run >> runs
if [ -f broken ]; then echo "the vault is sealed" >&2; echo half; exit 3; fi
echo "a warning, with $(cat token) in it" >&2
echo "$(cat token)"
echo "more that does not count"
`)
	return filepath.Join(dir, "token.sh"), func() int {
		data, _ := os.ReadFile(filepath.Join(dir, "runs"))
		return strings.Count(string(data), "run")
	}
}

// servingPID is the backend that serves a client now.
func servingPID(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	return ask(t, conn, "select pg_backend_pid()")
}

// alive tells, by PostgreSQL, whether a backend is there.
func alive(t *testing.T, pg *cluster.Cluster, pid string) bool {
	t.Helper()
	return ask(t, connect(t, pg.DSN("postgres")), "select count(*) from pg_stat_activity where pid = "+pid) == "1"
}

// gone waits until a backend is there no more.
func gone(t *testing.T, direct *pgx.Conn, pid string) {
	t.Helper()
	eventually(t, "the backend "+pid+" has gone", func() bool {
		return ask(t, direct, "select count(*) from pg_stat_activity where pid = "+pid) == "0"
	})
}

func TestPasswordsComeFromFilesCommandsAndTheEnvironment(t *testing.T) {
	t.Parallel()
	pg := guarded(t)
	execSQL(t, pg.DSN("postgres"), "create role by_file login password 'one'; create role by_env login password 'from ${nowhere}'; create role by_command login password 'token 1'")
	dir, write := sourceFolder(t)
	write("pw", "one\r\nand what else there is\n")
	write("token", "token 1")
	command, _ := tokenProgram(t, dir, write)
	table := func(name, user, more string) string {
		return fmt.Sprintf("[databases.%s]\nhost = \"${WEIR_HOST}\"\nport = \"${WEIR_PORT}\"\ndbname = \"postgres\"\nuser = %q\n%s\n", name, user, more)
	}
	opts := weirOptions{
		Cluster: pg,
		Top:     `auth_type = "scram-sha-256"`,
		Env:     []string{"WEIR_HOST=127.0.0.1", fmt.Sprintf("WEIR_PORT=%d", pg.Port), "WEIR_PASSWORD=from ${nowhere}"},
		Tables: table("file", "by_file", fmt.Sprintf("password_file = %q", filepath.Join(dir, "pw"))) +
			table("env", "by_env", `password = "${WEIR_PASSWORD}"`) +
			table("list", "by_command", fmt.Sprintf("password_command = [%q, \"an argument\"]", command)) +
			table("words", "by_command", fmt.Sprintf("password_command = \"%s some arguments\"", command)) +
			"[users.postgres]\npassword = \"it's $$ and $1 and $${x}\"\n" +
			fmt.Sprintf("[users.by_file]\npassword_file = %q\n[users.by_command]\npassword_command = %q\n", filepath.Join(dir, "pw"), command),
	}
	w := startWeir(t, opts)
	admin := []string{"user=postgres", `password='it\'s $$ and $1 and ${x}'`}
	for db, want := range map[string]string{"file": "by_file", "env": "by_env", "list": "by_command", "words": "by_command"} {
		conn := connect(t, dsn(w.Port, db, admin...))
		if got := ask(t, conn, "select current_user"); got != want {
			t.Errorf("%s: logged in as %s, want %s", db, got, want)
		}
	}
	// What the users prove is what logs in as them.
	for user, password := range map[string]string{"by_file": "one", "by_command": "'token 1'"} {
		if err := canLogIn(t, w.DSN("user="+user, "password="+password)); err != nil {
			t.Errorf("%s: %v", user, err)
		}
		if err := canLogIn(t, w.DSN("user="+user, "password=other")); sqlState(err) != "28P01" {
			t.Errorf("%s with another password: %v", user, err)
		}
	}

	console := connect(t, dsn(w.Port, "pgweir", admin...))
	for want, line := range map[string]string{
		"the environment variable WEIR_UNSET is not set":                `password = "${WEIR_UNSET}"`,
		"what follows ${ is no name of an environment variable and a }": `password = "a${b"`,
		"no such file or directory":                                     `password_file = "missing"`,
		"the first line, which is the password, is empty":               `password_file = "empty"`,
		"executable file not found in $PATH":                            `password_command = "no-such-program-anywhere"`,
		"permission denied":                                             `password_command = "./config.toml"`,
		"a password comes from one place":                               "password = \"x\"\npassword_file = \"empty\"",
		"set without a password that it comes after":                    `password_next = "x"`,
		"what ${WEIR_PASSWORD} stands for is not right here":            `pool_size = "${WEIR_PASSWORD}"`,
		"must be a program and its arguments":                           `password_command = "sh -c 'echo x'"`,
		"two SCRAM secrets are checked in one exchange only if":         fmt.Sprintf("password = %q\npassword_next = %q", scramSecret(t, "a"), strings.Replace(scramSecret(t, "b"), "$4096:", "$4097:", 1)),
	} {
		if err := os.WriteFile(filepath.Join(w.Dir, "empty"), []byte("\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		bad := opts
		bad.Tables += "[users.new]\n" + line + "\n"
		w.Rewrite(t, bad)
		err := runSQL(t.Context(), console, "RELOAD")
		if sqlState(err) != "F0000" || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "config.toml:") || strings.Contains(err.Error(), "nowhere") {
			t.Errorf("%s: %v, want %q and the line", line, err, want)
		}
	}
}

// TestAChangedPasswordFileIsTakenWithoutAReload, also when the folder that it is in is
// swapped by a symbolic link, as Kubernetes does. Backends that were opened with the
// old password go: at once if nobody has them, else as they come back.
func TestAChangedPasswordFileIsTakenWithoutAReload(t *testing.T) {
	t.Parallel()
	pg := guarded(t)
	execSQL(t, pg.DSN("postgres"), "create role app login password 'one'; create role ann login password 'one'")
	dir, _ := sourceFolder(t)
	swap := func(version, password string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, version, "pw"), []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(version, filepath.Join(dir, "data.next")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "data.next"), filepath.Join(dir, "data")); err != nil {
			t.Fatal(err)
		}
	}
	swap("v1", "one\n")
	if err := os.Symlink("data/pw", filepath.Join(dir, "pw")); err != nil {
		t.Fatal(err)
	}
	file := fmt.Sprintf("password_file = %q\n", filepath.Join(dir, "pw"))
	w := startWeir(t, weirOptions{
		Cluster: pg, Top: `auth_type = "scram-sha-256"`, Database: "user = \"app\"\n" + file,
		Tables: "[users.ann]\n" + file + "[databases.own]\nhost = \"127.0.0.1\"\nport = PGPORT\ndbname = \"postgres\"\n[users.postgres]\npassword = \"x\"",
	})
	direct := connect(t, pg.DSN("postgres"))
	login := []string{"user=ann", "password=one"}
	resting, busy, own := connect(t, w.DSN(login...)), connect(t, w.DSN(login...)), connect(t, dsn(w.Port, "own", login...))
	must(t, busy, "begin")
	held, idle, ownIdle := servingPID(t, busy), servingPID(t, resting), servingPID(t, own)

	execSQL(t, pg.DSN("postgres"), "alter role app password 'two'; alter role ann password 'two'")
	swap("v2", "two\n")
	gone(t, direct, idle)
	gone(t, direct, ownIdle)
	if got := servingPID(t, busy); got != held {
		t.Errorf("the client in a transaction is on %s, and was on %s", got, held)
	}
	for what, conn := range map[string]*pgx.Conn{idle: resting, ownIdle: own} {
		if got := servingPID(t, conn); got == what {
			t.Errorf("the backend %s serves on", got)
		}
	}
	must(t, busy, "commit")
	gone(t, direct, held)
	must(t, busy, "select 1")
	if err := canLogIn(t, w.DSN("user=ann", "password=one")); sqlState(err) != "28P01" {
		t.Errorf("a client with the old password: %v", err)
	}
	if err := canLogIn(t, w.DSN("user=ann", "password=two")); err != nil {
		t.Errorf("a client with the new password: %v", err)
	}
	if strings.Contains(w.Log(), "configuration reloaded") || strings.Contains(w.Log(), "refuses the login") {
		t.Errorf("the log is\n%s", w.Log())
	}

	// A file that is gone, or empty, changes nothing.
	if err := os.Remove(filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	}
	w.Says(t, "the source of a password fails; the last one serves", 1)
	if err := canLogIn(t, w.DSN("user=ann", "password=two")); err != nil {
		t.Errorf("with the file gone: %v", err)
	}
	swap("v3", "two\n")
	w.Says(t, "the source of a password works again", 1)
	w.Says(t, "the source of a password fails", 1)
}

// TestATokenOfACommandIsRenewed ahead of its end, and when PostgreSQL refuses it; that
// closes no backend, for sessions outlive the tokens that they began with.
func TestATokenOfACommandIsRenewed(t *testing.T) {
	t.Parallel()
	pg := guarded(t)
	setPassword := func(password string) {
		t.Helper()
		execSQL(t, pg.DSN("postgres"), "alter role app password '"+password+"'; alter role ann password '"+password+"'")
	}
	execSQL(t, pg.DSN("postgres"), "create role app login; create role ann login")
	setPassword("token1")
	dir, write := sourceFolder(t)
	write("token", "token1")
	command, runs := tokenProgram(t, dir, write)

	t.Run("when PostgreSQL refuses it", func(t *testing.T) {
		w := startWeir(t, weirOptions{Cluster: pg, Database: fmt.Sprintf("user = \"app\"\npassword_command = [%q]", command)})
		first := connect(t, w.DSN())
		before := servingPID(t, first)
		atWork(t, w, 0) // else the next transaction could get another backend
		setPassword("token2")
		write("token", "token2")
		ran := runs()
		must(t, first, "begin")
		second := connect(t, w.DSN())
		if now := servingPID(t, second); now == before {
			t.Fatal("no other backend was opened")
		}
		must(t, first, "commit")
		if n := runs(); n != ran+1 {
			t.Errorf("the command ran %d times for it", n-ran)
		}
		if !alive(t, pg, before) {
			t.Error("the backend that was opened with the old token is gone")
		}
		atWork(t, w, 0) // of the two that there are
		// Refused whatever it gives: the clients are told, and it is not run for each.
		setPassword("token3")
		ran = runs()
		var busy []*pgx.Conn
		for range 2 {
			conn := connect(t, w.DSN())
			must(t, conn, "begin")
			busy = append(busy, conn)
		}
		_ = busy
		third := begin(t, connect(t, w.DSN()), "select 1")
		eventually(t, "the log tells of the refusal", func() bool { return strings.Contains(w.Log(), "PostgreSQL refuses the login") })
		write("token", "token3")
		if err := finished(t, third, patience); err != nil {
			t.Errorf("a client that waited: %v", err)
		}
		if n := runs() - ran; n > 30 {
			t.Errorf("the command ran %d times", n)
		}
		noSecrets(t, w.Log(), "token1", "token2", "token3")
	})

	t.Run("ahead of its end", func(t *testing.T) {
		setPassword("token4")
		write("token", "token4")
		w := startWeir(t, weirOptions{
			Cluster: pg, Top: "auth_type = \"scram-sha-256\"\npassword_command_ttl = \"500ms\"",
			Tables: fmt.Sprintf("[users.ann]\npassword_command = [%q]\npassword_command_ttl = \"250ms\"\n[users.postgres]\npassword = \"x\"", command),
		})
		conn := connect(t, w.DSN("user=ann", "password=token4"))
		before := servingPID(t, conn)
		write("token", "token5")
		setPassword("token5")
		eventually(t, "the new token serves", func() bool { return canLogIn(t, w.DSN("user=ann", "password=token5")) == nil })
		if err := canLogIn(t, w.DSN("user=ann", "password=token4")); sqlState(err) != "28P01" {
			t.Errorf("with the old token: %v", err)
		}
		if !alive(t, pg, before) {
			t.Error("the backend that was opened with the old token is gone")
		}
		write("broken", "")
		w.Says(t, "the source of a password fails; the last one serves", 1)
		if !strings.Contains(w.Log(), "exit status 3: the vault is sealed") {
			t.Errorf("the log does not say why: %s", w.Log())
		}
		ran := runs()
		eventually(t, "it is tried again", func() bool { return runs() > ran })
		if err := canLogIn(t, w.DSN("user=ann", "password=token5")); err != nil {
			t.Errorf("while the command fails: %v", err)
		}
		if err := os.Remove(filepath.Join(dir, "broken")); err != nil {
			t.Fatal(err)
		}
		w.Says(t, "the source of a password works again", 1)
		w.Says(t, "the source of a password fails", 1)
		noSecrets(t, w.Log(), "token4", "token5", "half")
	})

	t.Run("one that gives nothing lets nobody in", func(t *testing.T) {
		write("broken", "")
		defer os.Remove(filepath.Join(dir, "broken"))
		w := startWeir(t, weirOptions{
			Cluster: pg, Top: "auth_type = \"scram-sha-256\"\nauth_file = \"users\"", Files: map[string]string{"users": "\"ann\" \"other\"\n"},
			Tables: fmt.Sprintf("[users.ann]\npassword_command = [%q]\n[users.postgres]\npassword = \"x\"", command),
		})
		for _, password := range []string{"token5", "other", "half"} {
			if err := canLogIn(t, w.DSN("user=ann", "password="+password)); sqlState(err) != "28P01" {
				t.Errorf("with %s: %v", password, err)
			}
		}
		w.Says(t, "the source of a password fails; there is none yet", 1)
		if err := os.Remove(filepath.Join(dir, "broken")); err != nil {
			t.Fatal(err)
		}
		w.Says(t, "the source of a password works again", 1)
		eventually(t, "it serves when it works", func() bool { return canLogIn(t, w.DSN("user=ann", "password=token5")) == nil })
	})

	t.Run("one that takes too long is killed", func(t *testing.T) {
		write("slow.sh", "#!/bin/sh\nsleep 1000 &\necho $! > "+filepath.Join(dir, "pid")+"\nwait\n")
		w := startWeir(t, weirOptions{
			Cluster: pg, Top: "password_command_timeout = \"2s\"",
			Database: fmt.Sprintf("user = \"app\"\npassword_command = %q", filepath.Join(dir, "slow.sh")),
		})
		w.Says(t, "it has not ended within password_command_timeout (2s)", 1)
		eventually(t, "what it has started is gone", func() bool {
			pid, _ := os.ReadFile(filepath.Join(dir, "pid"))
			if !strings.HasSuffix(string(pid), "\n") {
				return false // it was killed before it could say so, and is run again
			}
			stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
			return err != nil || strings.Contains(string(stat), ") Z ")
		})
	})
}

// noSecrets fails the test if a text has a secret in it.
func noSecrets(t *testing.T, text string, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		if at := strings.Index(text, s); at >= 0 {
			t.Errorf("%q is in %q", s, text[max(0, at-200):min(len(text), at+200)])
		}
	}
}
