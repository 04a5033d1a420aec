package integration

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
	"pgweir/cluster/child"
)

// planted is a part of every secret in the test below, and in nothing else.
const planted = "Planted"

// leaks are the forms in which a planted secret could be told.
func leaks(text string) []string {
	var found []string
	for _, form := range []string{planted, base64.StdEncoding.EncodeToString([]byte(planted))[:8], fmt.Sprintf("%x", planted), "SCRAM-SHA-256$", "md5aaaa", "7654321"} {
		if at := strings.Index(text, form); at >= 0 {
			found = append(found, text[max(0, at-150):min(len(text), at+50)])
		}
	}
	return found
}

// TestSecretsAreNeverShown: with one in every place where there can be one, through
// logins and reloads that fail, every SHOW, every page, and `pgweir check`.
func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	pg := guarded(t)
	execSQL(t, pg.DSN("postgres"), "create role app login password 'Planted-app'; create role ann login password 'Planted-ann'; create role census login password 'Planted-census'")
	dir, write := sourceFolder(t)
	write("pw", "Planted-file\n")
	write("fails.sh", "#!/bin/sh\nset -x\necho Planted-'half'\necho Planted-half is sealed >&2\nexit 1\n")
	write("prints.sh", "#!/bin/sh\necho Planted-token\n")
	table := func(name, lines string) string {
		return fmt.Sprintf("[databases.%s]\nhost = \"127.0.0.1\"\nport = PGPORT\ndbname = \"postgres\"\n%s\n", name, lines)
	}
	opts := weirOptions{
		Cluster: pg,
		Env:     []string{"WEIR_SECRET=Planted-env"},
		Top: `auth_type = "scram-sha-256"
auth_file = "users"
auth_user = "app"
log_level = "debug"
server_login_retry = 0
census_user = "census"
census_password = "Planted-census"
census_interval = "200ms"
password_command_ttl = "250ms"`,
		Files: map[string]string{"users": "\"in_file\" \"Planted-in-file\"\n\"md5\" \"md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n"},
		Tables: "[users.postgres]\npassword = \"Planted-postgres\"\npassword_next = \"Planted-next\"\n" +
			"[users.app]\npassword = \"Planted-wrong'\\\\here\"\n" +
			"[users.ann]\npassword = \"Planted-ann\"\n" +
			fmt.Sprintf("[users.scram]\npassword = %q\n[users.by_file]\npassword_file = %q\n[users.by_command]\npassword_command = [%q, \"Planted-argument\"]\n[users.broken]\npassword_command = [%q, \"Planted-argument\"]\n",
				scramSecret(t, "Planted-scram"), filepath.Join(dir, "pw"), filepath.Join(dir, "prints.sh"), filepath.Join(dir, "fails.sh")) +
			table("right", "user = \"app\"\npassword = \"Planted-app\"\npassword_next = \"Planted-later\"") +
			table("wrong", "user = \"app\"\npassword = \"Planted-wrong\"\npassword_next = \"Planted-wrong-too\"") +
			table("env", "user = \"app\"\npassword = \"${WEIR_SECRET}\"") +
			table("by_command", fmt.Sprintf("user = \"app\"\npassword_command = [%q, \"Planted-argument\"]", filepath.Join(dir, "prints.sh"))),
	}
	w := startWeir(t, opts)
	admin := []string{"user=postgres", "password=Planted-postgres"}
	var told []string // all that anybody was told
	say := func(of string, err error) {
		if err != nil {
			told = append(told, of+": "+err.Error())
		}
	}
	kept := connect(t, dsn(w.Port, "right", admin...))
	must(t, kept, "begin; select 1")
	for _, db := range []string{"right", "wrong", "env", "by_command", w.DB} {
		for _, login := range [][]string{
			admin, {"user=postgres", "password=Planted-next"}, {"user=postgres", "password=Planted-guess"}, {"user=ann", "password=Planted-ann"},
			{"user=in_file", "password=Planted-in-file"}, {"user=md5", "password=Planted-md5"}, {"user=scram", "password=Planted-scram"},
			{"user=by_file", "password=Planted-file"}, {"user=by_command", "password=Planted-token"}, {"user=broken", "password=Planted-half"},
			{"user=nobody", "password=Planted-nobody"},
		} {
			say("login", canLogIn(t, dsn(w.Port, db, login...)))
		}
	}

	console := connect(t, dsn(w.Port, "pgweir", admin...))
	tables := shows(t, dsn(w.Port, "pgweir", admin...))
	for what, broken := range brokenSecrets() {
		bad := opts
		if what == "auth_file" {
			if err := os.WriteFile(filepath.Join(w.Dir, "users"), []byte(broken), 0o600); err != nil {
				t.Fatal(err)
			}
		} else {
			bad.Tables += broken
		}
		w.Rewrite(t, bad)
		if err := runSQL(t.Context(), console, "RELOAD"); sqlState(err) != "F0000" {
			t.Errorf("%s: RELOAD said %v", what, err)
		} else {
			say("RELOAD", err)
		}
		out, err := check(t, w)
		if err == nil {
			t.Errorf("%s: check is content: %s", what, out)
		}
		told = append(told, "check: "+out)
		if err := os.WriteFile(filepath.Join(w.Dir, "users"), []byte(opts.Files["users"]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.Rewrite(t, opts)
	w.Signal(t, syscall.SIGHUP)
	eventually(t, "it is reloaded", func() bool { return strings.Contains(w.Log(), "configuration reloaded") })
	for range 2 { // while logins go on failing
		out, err := check(t, w)
		if err != nil {
			t.Errorf("check: %v, %s", err, out)
		}
		told = append(told, "check: "+out, allShown(t, console, tables), allPages(t, w))
		say("login", canLogIn(t, dsn(w.Port, "wrong", admin...)))
	}
	write("pw", "Planted-other-file\n")
	w.Says(t, "a new password has been taken", 1)
	told = append(told, allShown(t, console, tables), allPages(t, w))
	must(t, kept, "commit")
	told = append(told, dumpOf(t, w, opts, "right", admin))

	for _, text := range append(told, w.Log()) {
		for _, leak := range leaks(text) {
			t.Errorf("a secret is shown: %q", leak)
		}
	}
	for _, want := range []string{"login failed", "PostgreSQL refuses the login", "reload failed", "the source of a password fails", "auth_query fails"} {
		if !strings.Contains(w.Log(), want) {
			t.Errorf("nothing was tried: the log lacks %q", want)
		}
	}
}

// dumpOf is all that a pgweir of the same configuration writes which is aborted while a
// client is logged in.
func dumpOf(t *testing.T, w *weir, opts weirOptions, db string, login []string) string {
	t.Helper()
	port, err := cluster.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	opts.Top += fmt.Sprintf("\nlisten_port = %d\nunix_socket_dir = \"\"\nhttp_listen = \"\"", port)
	w.Rewrite(t, opts)
	dump := new(logBuffer)
	cmd := exec.Command(program, "serve", "-c", w.ConfigPath())
	cmd.Stdout, cmd.Stderr = dump, dump
	cmd.Env = append(append(os.Environ(), opts.Env...), "GOTRACEBACK=all")
	process, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	defer process.KillGroup()
	eventuallyWithin(t, startDeadline, "the other pgweir is ready", func() bool { return strings.Contains(dump.String(), "pgweir is ready") })
	must(t, connect(t, dsn(port, db, login...)), "begin; select 1")
	if err := process.Signal(syscall.SIGABRT); err != nil {
		t.Fatal(err)
	}
	<-process.Done()
	if text := dump.String(); !strings.Contains(text, "SIGABRT") || strings.Count(text, "goroutine ") < 5 {
		t.Errorf("no dump: %s", text)
	}
	return dump.String()
}

// check runs `pgweir check` in the environment of w's.
func check(t *testing.T, w *weir) (string, error) {
	t.Helper()
	out, err := w.command("check").CombinedOutput()
	return string(out), err
}

// brokenSecrets are faults in the very place of a secret.
func brokenSecrets() map[string]string {
	user := "[users.bad]\n"
	return map[string]string{
		"an open string":         user + "password = \"Planted-open\n",
		"an open literal":        user + "password = 'Planted-open\n",
		"no quotes":              user + "password = Planted-bare\n",
		"too many quotes":        user + "password = \"Planted\"-more\"\n",
		"an escape":              user + "password = \"Planted\\qmore\"\n",
		"a number":               user + "password = 7654321\n",
		"a large number":         user + "password = 7654321e999\n",
		"a date":                 user + "password = 7654321-99-99\n",
		"a list":                 user + "password = [\"Planted\"]\n",
		"a zero byte":            user + "password = \"Planted\\u0000\"\n",
		"twice":                  user + "password = \"Planted-1\"\npassword = \"Planted-2\"\n",
		"a misspelt key":         user + "passwort = \"Planted\"\n",
		"a value for a table":    "[users]\nbad2 = \"Planted\"\n",
		"a broken SCRAM secret":  user + "password = \"SCRAM-SHA-256$Planted\"\n",
		"a pair":                 user + "password = \"SCRAM-SHA-256$1:cGxhbnRlZA==$cGxhbnRlZHBsYW50ZWRwbGFudGVkcGxhbnRlZHBsYW4=:cGxhbnRlZHBsYW50ZWRwbGFudGVkcGxhbnRlZHBsYW4=\"\npassword_next = \"md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n",
		"a password's user":      "[databases.bad]\npassword = \"Planted\"\n",
		"a reference":            user + "password = \"Planted${UNSET_IN_TEST}\"\n",
		"half a reference":       user + "password = \"${Planted\"\n",
		"what a variable holds":  user + "pool_mode = \"${WEIR_SECRET}\"\n",
		"a command":              user + "password_command = [\"sh\", 7654321]\n",
		"a command with quotes":  user + "password_command = \"sh 'Planted'\"\n",
		"a command in a command": user + "password_command = [\"no-such-program\", \"Planted\"]\n",
		"auth_file":              "\"ann\" Planted\n",
	}
}

// shows are the commands by which the console shows anything, by its own account.
func shows(t *testing.T, dsn string) (out []string) {
	t.Helper()
	for _, command := range consoleCommands(t, dsn) {
		if strings.HasPrefix(command, "SHOW ") {
			out = append(out, command)
		}
	}
	if len(out) < 30 || !slices.Contains(out, "SHOW CONFIG") {
		t.Fatalf("SHOW HELP names only %q", out)
	}
	return out
}

// allShown is everything that the console shows.
func allShown(t *testing.T, console *pgx.Conn, tables []string) string {
	t.Helper()
	var b strings.Builder
	for _, command := range tables {
		results, err := console.PgConn().Exec(t.Context(), command).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		for _, r := range results {
			for _, row := range r.Rows {
				for _, cell := range row {
					fmt.Fprintf(&b, "%s\t", cell)
				}
				b.WriteByte('\n')
			}
		}
	}
	if !strings.Contains(b.String(), "census_password\t********") {
		t.Error("SHOW CONFIG does not show census_password with asterisks")
	}
	return b.String()
}

// allPages is everything that is to be had by HTTP; of events, what comes first.
func allPages(t *testing.T, w *weir) string {
	t.Helper()
	var b strings.Builder
	for _, path := range []string{"/", "/savings", "/pools", "/history", "/sizing", "/census", "/metrics", "/healthz", "/readyz", "/events", "/debug/pprof/", "/debug/vars"} {
		answer, err := http.Get(w.HTTP(path))
		if err != nil {
			t.Fatal(err)
		}
		if path == "/events" {
			part := make([]byte, 16<<10)
			n, _ := answer.Body.Read(part)
			b.Write(part[:n])
		} else {
			all, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			b.Write(all)
		}
		answer.Body.Close()
	}
	return b.String()
}

// TestFilesWithSecretsThatOthersCanReadAreWarnedOf in the log and by check.
func TestFilesWithSecretsThatOthersCanReadAreWarnedOf(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "the authority")
	cert, key := ca.Sign(t, "weir.example")
	w := startWeir(t, weirOptions{
		Top: "auth_type = \"hba\"\nauth_hba_file = \"hba.conf\"\nauth_file = \"users\"\nclient_tls_cert_file = \"weir.crt\"\nclient_tls_key_file = \"weir.key\"",
		Files: map[string]string{
			"users": "\"x\" \"y\"\n", "pw": "z\n", "weir.crt": cert, "weir.key": key,
			"hba.conf":  "host all x 127.0.0.1/8 ldap ldapserver=a ldapprefix=b\nhost all all 127.0.0.1/8 trust\nlocal all all trust\ninclude ldap.conf\n",
			"ldap.conf": "host all all ::1/128 ldap ldapserver=127.0.0.1 ldapport=1 ldapbasedn=dc=x ldapbinddn=cn=x ldapbindpasswd=geheim\n",
		},
		Tables: "[users.postgres]\npassword = \"a\"\n[users.b]\npassword_file = \"pw\"\n",
	})
	if strings.Contains(w.Log(), "can be read by") {
		t.Errorf("with mode 0600: %s", w.Log())
	}
	console := connect(t, w.Console())
	for _, name := range []string{"config.toml", "users", "pw", "weir.key", "hba.conf", "ldap.conf"} {
		if err := os.Chmod(filepath.Join(w.Dir, name), 0o604); err != nil {
			t.Fatal(err)
		}
	}
	reload(t, console)
	out, code := pgweir(t, "check", "-c", w.ConfigPath())
	if code != 0 {
		t.Errorf("check ended with %d", code)
	}
	for _, setting := range []string{"the configuration", "users.b.password_file", "client_tls_key_file", "auth_file", "auth_hba_file"} {
		w.Says(t, setting+": "+w.Dir, 1)
		if !strings.Contains(out, "warning: "+setting+": "+w.Dir) || !strings.Contains(out, "can be read by everybody (mode 0604)") {
			t.Errorf("check does not tell of %s: %s", setting, out)
		}
	}
}
