package integration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sys/unix"

	"pgweir/cluster"
	"pgweir/cluster/child"
)

// bouncer is a folder with PgBouncer's files, in which pgweir runs by PgBouncer's name
// or its own, one program after the other.
type bouncer struct {
	Dir  string
	Port int
	DB   string
	log  *logBuffer // of the program that runs: stdout and stderr
	p    *child.Process
}

// iniFiles are PgBouncer's files. DB, PGPORT and PORT stand for what they say.
var iniFiles = map[string]string{
	"pgbouncer.ini": `
;; what an operator has
[databases]
DB = host=127.0.0.1 port=PGPORT
forced = host=127.0.0.1 port=PGPORT dbname=DB user=ini_bob password='any thing' pool_size=3
'odd name' = host=127.0.0.1 port=PGPORT dbname=DB
* = host=127.0.0.1 port=PGPORT pool_size=2

%include users.ini

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = PORT
unix_socket_dir = DIR
logfile = pgbouncer.log
pidfile = pgbouncer.pid
pool_mode = Transaction
auth_type = hba
auth_hba_file = hba.conf
auth_file = userlist.txt
admin_users = ini_alice
stats_users = ini_bob
max_client_conn = 50
default_pool_size = 7
server_idle_timeout = 120
query_wait_timeout = 30
pkt_buf = 8192
`,
	"users.ini": "[users]\nini_bob = pool_mode=session max_user_connections=4\n",
	"userlist.txt": `"ini_alice" "al""ice"
"ini_bob" "bob"
`,
	"hba.conf": `# the administrator's
host  forced  ini_bob    127.0.0.1/32  reject
host  all     ini_alice  127.0.0.1/32  scram-sha-256
host  all     ini_bob    127.0.0.1/32  md5
local all     ini_bob    trust
`,
}

func newBouncer(t *testing.T) *bouncer {
	t.Helper()
	b := &bouncer{DB: createDatabase(t, shared)}
	var err error
	if b.Dir, err = os.MkdirTemp("/tmp", "ini-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(b.Dir) })
	if b.Port, err = cluster.FreePort(); err != nil {
		t.Fatal(err)
	}
	for name, text := range iniFiles {
		b.write(t, name, text)
	}
	if err := os.Symlink(program, filepath.Join(b.Dir, "pgbouncer")); err != nil {
		t.Fatal(err)
	}
	execSQL(t, shared.DSN("postgres"), `do $$ begin
		create role ini_alice login; create role ini_bob login;
	exception when duplicate_object or unique_violation then null; end $$`)
	return b
}

func (b *bouncer) write(t *testing.T, name, text string) {
	t.Helper()
	text = strings.NewReplacer("PGPORT", strconv.Itoa(shared.Port), "PORT", strconv.Itoa(b.Port), "DB", b.DB, "DIR", b.Dir).Replace(text)
	if err := os.WriteFile(filepath.Join(b.Dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *bouncer) read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(b.Dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// command is a program of the folder, run there.
func (b *bouncer) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	if name == "pgbouncer" {
		cmd.Path, cmd.Err = filepath.Join(b.Dir, name), nil
	}
	cmd.Dir = b.Dir
	b.log = new(logBuffer)
	cmd.Stdout, cmd.Stderr = b.log, b.log
	return cmd
}

// start runs a program until clients can connect.
func (b *bouncer) start(t *testing.T, name string, args ...string) {
	t.Helper()
	b.startFor(t, b.DB, name, args...)
}

// startFor runs a program until clients can connect to a database.
func (b *bouncer) startFor(t *testing.T, database, name string, args ...string) {
	t.Helper()
	var err error
	if b.p, err = child.Start(b.command(name, args...), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.stop(t) })
	eventually(t, "clients can connect", func() bool {
		select {
		case <-b.p.Done():
			t.Fatalf("%s %v has ended: %s", name, args, b.log)
		default:
		}
		return b.reachableAt(database)
	})
}

func (b *bouncer) reachable() bool { return b.reachableAt(b.DB) }

func (b *bouncer) reachableAt(database string) bool {
	conn, err := b.connect("ini_alice", database, `password=al"ice`)
	if err != nil {
		return false
	}
	conn.Close(context.Background())
	return true
}

// stop ends the program that runs, if one does.
func (b *bouncer) stop(t *testing.T) {
	t.Helper()
	if b.p == nil {
		return
	}
	if err := b.p.Stop(syscall.SIGTERM, stopDeadline); err != nil {
		t.Error(err)
	} else if err := b.p.Err(); err != nil {
		t.Errorf("%v: %s", err, b.log)
	}
	b.p = nil
}

// ends runs a program to its end.
func (b *bouncer) ends(t *testing.T, name string, args ...string) (out string, code int) {
	t.Helper()
	cmd := b.command(name, args...)
	log := b.log
	p, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.KillGroup)
	p.Err()
	return log.String(), cmd.ProcessState.ExitCode()
}

func (b *bouncer) connect(user, database string, more ...string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return pgx.Connect(ctx, dsn(b.Port, "'"+database+"'", append([]string{"user=" + user}, more...)...))
}

// behaviour is what clients meet.
func (b *bouncer) behaviour(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, c := range []struct{ user, database, more string }{
		{"ini_alice", b.DB, `password=al"ice`},
		{"ini_alice", b.DB, `password=alice`},
		{"ini_alice", "forced", `password=al"ice`},
		{"ini_alice", "odd name", `password=al"ice`},
		{"ini_alice", "postgres", `password=al"ice`}, // by *
		{"ini_alice", "nowhere", `password=al"ice`},
		{"ini_bob", b.DB, "password=bob"},
		{"ini_bob", "forced", "password=bob"},
		{"ini_bob", b.DB, "host=" + b.Dir},
		{"ini_carl", b.DB, "password=carl"},
		{"postgres", b.DB, "host=" + b.Dir},
	} {
		fmt.Fprintf(&out, "%s at %s with %s: ", c.user, c.database, strings.ReplaceAll(c.more, b.Dir, "DIR"))
		conn, err := b.connect(c.user, c.database, c.more)
		if err == nil {
			var user, database string
			err = conn.QueryRow(t.Context(), "select current_user, current_database()").Scan(&user, &database)
			fmt.Fprintf(&out, "%s in %s", user, database)
			conn.Close(context.Background())
		}
		var pgErr *pgconn.PgError
		if errors.As(err, &pgErr) {
			fmt.Fprintf(&out, " %s", pgErr.Code)
		} else if err != nil {
			fmt.Fprintf(&out, " %v", err)
		}
		fmt.Fprintln(&out)
	}
	return strings.ReplaceAll(out.String(), b.DB, "DB")
}

// shows are tables of the console that say how it is configured.
func (b *bouncer) shows(t *testing.T) string {
	t.Helper()
	conn, err := b.connect("ini_alice", "pgbouncer", `password=al"ice`)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var out strings.Builder
	for _, what := range []string{"config", "databases", "users"} {
		results, err := conn.PgConn().Exec(t.Context(), "show "+what).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range results[0].Rows {
			for i, value := range row {
				// What is in use at the moment is not of the configuration.
				if !strings.HasPrefix(results[0].FieldDescriptions[i].Name, "current_") {
					fmt.Fprintf(&out, "%s|", value)
				}
			}
			fmt.Fprintln(&out)
		}
	}
	return out.String()
}

const iniBehaviour = `ini_alice at DB with password=al"ice: ini_alice in DB
ini_alice at DB with password=alice:  28P01
ini_alice at forced with password=al"ice: ini_bob in DB
ini_alice at odd name with password=al"ice: ini_alice in DB
ini_alice at postgres with password=al"ice: ini_alice in postgres
ini_alice at nowhere with password=al"ice:  3D000
ini_bob at DB with password=bob: ini_bob in DB
ini_bob at forced with password=bob:  28P01
ini_bob at DB with host=DIR: ini_bob in DB
ini_carl at DB with password=carl:  28P01
postgres at DB with host=DIR:  28P01
`

func TestPgBouncersFilesAreServedAndImportedAlike(t *testing.T) {
	t.Parallel()
	b := newBouncer(t)
	b.start(t, "pgbouncer", "-q", "pgbouncer.ini")
	if got := b.behaviour(t); got != iniBehaviour {
		t.Errorf("as pgbouncer:\n%s\nwant\n%s", got, iniBehaviour)
	}
	shown := b.shows(t)
	for _, want := range []string{"pool_mode|transaction|", "max_client_conn|50|", "default_pool_size|7|", "server_idle_timeout|120|"} {
		if !strings.Contains(shown, want) {
			t.Errorf("SHOW has no %q: %s", want, shown)
		}
	}
	b.logged(t)
	b.reloaded(t)
	b.stop(t)
	if _, err := os.Stat(filepath.Join(b.Dir, "pgbouncer.pid")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the pidfile is still there: %v", err)
	}

	b.write(t, "pgbouncer.ini", iniFiles["pgbouncer.ini"])
	for _, args := range [][]string{{"serve", "pgbouncer.ini"}, {"serve", "-c", "config.toml"}} {
		if args[1] == "-c" {
			b.imports(t)
		}
		b.start(t, program, args...)
		if got := b.behaviour(t); got != iniBehaviour {
			t.Errorf("%q:\n%s\nwant\n%s", args, got, iniBehaviour)
		}
		if got := b.shows(t); got != shown {
			t.Errorf("%q shows\n%s\nand pgbouncer\n%s", args, got, shown)
		}
		b.stop(t)
	}
}

// logged checks what -q and logfile and pidfile do.
func (b *bouncer) logged(t *testing.T) {
	t.Helper()
	eventually(t, "the logfile says that it is ready", func() bool {
		return strings.Contains(b.read(t, "pgbouncer.log"), "pgweir is ready")
	})
	if log := b.read(t, "pgbouncer.log"); !strings.Contains(log, `setting=pkt_buf at=pgbouncer.ini:`) {
		t.Errorf("the log does not warn of pkt_buf: %s", log)
	}
	if out := b.log.String(); out != "" {
		t.Errorf("with -q it writes %q", out)
	}
	if pid := strings.TrimSpace(b.read(t, "pgbouncer.pid")); pid != strconv.Itoa(b.p.PID()) {
		t.Errorf("the pidfile has %s, the process is %d", pid, b.p.PID())
	}
}

// reloaded checks a reload by SIGHUP, with a log that has been renamed, and one of a
// file that is wrong.
func (b *bouncer) reloaded(t *testing.T) {
	t.Helper()
	if err := os.Rename(filepath.Join(b.Dir, "pgbouncer.log"), filepath.Join(b.Dir, "old.log")); err != nil {
		t.Fatal(err)
	}
	b.write(t, "pgbouncer.ini", strings.Replace(iniFiles["pgbouncer.ini"], "default_pool_size = 7", "default_pool_size = 9", 1))
	b.p.Signal(syscall.SIGHUP)
	eventually(t, "the reload is logged in a new file", func() bool {
		data, _ := os.ReadFile(filepath.Join(b.Dir, "pgbouncer.log"))
		return strings.Contains(string(data), "configuration reloaded")
	})
	if !strings.Contains(b.shows(t), "default_pool_size|9|") {
		t.Error("the new default_pool_size is not in force")
	}
	b.write(t, "pgbouncer.ini", strings.NewReplacer("bouncer.log", "bouncer2.log", "pidfile = pg", "pidfile = other").Replace(iniFiles["pgbouncer.ini"]))
	b.p.Signal(syscall.SIGHUP)
	eventually(t, "the log goes on in a file of another name, and names what needs a restart", func() bool {
		data, _ := os.ReadFile(filepath.Join(b.Dir, "pgbouncer2.log"))
		return strings.Contains(string(data), "take effect at a restart only\" settings=\"[pidfile changed from ") && strings.Contains(string(data), "configuration reloaded")
	})
	b.write(t, "pgbouncer.ini", iniFiles["pgbouncer.ini"])
	b.p.Signal(syscall.SIGHUP)
	eventually(t, "the log is back in the file before", func() bool {
		return strings.Count(b.read(t, "pgbouncer.log"), "configuration reloaded") == 2
	})
	b.write(t, "users.ini", "[users]\nini_bob = pool_mod=session\n")
	b.p.Signal(syscall.SIGHUP)
	eventually(t, "the log names the fault", func() bool {
		return strings.Contains(b.read(t, "pgbouncer.log"), `users.ini:2: unknown setting \"pool_mod\" in users.ini_bob; did you mean \"pool_mode\"?`)
	})
	if !b.reachable() {
		t.Error("after a reload that failed nobody can connect")
	}
	b.write(t, "users.ini", iniFiles["users.ini"])
}

// imports makes a config.toml, and checks how.
func (b *bouncer) imports(t *testing.T) {
	t.Helper()
	out, code := b.ends(t, program, "import", "pgbouncer.ini", "-o", "config.toml")
	if code != 0 || !strings.Contains(out, "pkt_buf: Has no counterpart.") || strings.Contains(out, "warning") {
		t.Fatalf("import: %d, %s", code, out)
	}
	if info, err := os.Stat(filepath.Join(b.Dir, "config.toml")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("config.toml: %v, %v", info.Mode(), err)
	}
	before := b.read(t, "config.toml")
	out, code = b.ends(t, program, "import", "pgbouncer.ini", "-o", "config.toml")
	if code != 1 || !strings.Contains(out, "--force") {
		t.Errorf("import over a file: %d, %s", code, out)
	}
	b.write(t, "config.toml", before+"# more\n")
	if err := os.Chmod(filepath.Join(b.Dir, "config.toml"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, code = b.ends(t, program, "import", "pgbouncer.ini", "-o", "config.toml", "--force"); code != 0 || b.read(t, "config.toml") != before {
		t.Error("import --force: not the same again")
	}
	if info, err := os.Stat(filepath.Join(b.Dir, "config.toml")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("config.toml, which others could read before: %v, %v", info.Mode(), err)
	}
	ini := b.read(t, "pgbouncer.ini")
	out, code = b.ends(t, program, "import", "pgbouncer.ini", "-o", "./pgbouncer.ini", "--force")
	if code != 1 || !strings.Contains(out, "is the file that is read") || b.read(t, "pgbouncer.ini") != ini {
		t.Errorf("import of a file over itself: %d, %s", code, out)
	}
	cmd := b.command(program, "import", "pgbouncer.ini")
	cmd.Stdout, cmd.Stderr = nil, nil
	if stdout, err := cmd.Output(); err != nil || string(stdout) != before {
		t.Errorf("import to stdout: %v, not the same: %s", err, stdout)
	}
}

func TestPgBouncersOptions(t *testing.T) {
	t.Parallel()
	b := newBouncer(t)
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"--version", 0, "PgBouncer 1.25.2\npgweir "},
		{"-V", 0, "in place of PgBouncer 1.25"},
		{"--help", 0, "-d, --daemon"},
		{"", 1, "one configuration file"},
		{"-q", 1, "one configuration file"},
		{"a.ini b.ini", 1, "one configuration file"},
		{"-x pgbouncer.ini", 1, "unknown shorthand flag"},
		{"missing.ini", 1, "missing.ini: no such file or directory"},
		{"-u nobody_of_this_name pgbouncer.ini", 1, "user: "},
	} {
		if out, code := b.ends(t, "pgbouncer", strings.Fields(c.args)...); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("pgbouncer %s: %d, %s", c.args, code, out)
		}
	}
	b.start(t, "pgbouncer", "-qv", "-R", "pgbouncer.ini") // none runs that it could take over
	if !strings.Contains(b.shows(t), "verbose|1|") {
		t.Error("-v is not verbose")
	}
	first := b.p
	if out, code := b.ends(t, "pgbouncer", "-R", "pgbouncer.ini"); code != 1 || !strings.Contains(out, "cannot be taken over") {
		t.Errorf("-R while another runs: %d, %s", code, out)
	}
	if out, code := b.ends(t, "pgbouncer", "-d", "pgbouncer.ini"); code != 1 || !strings.Contains(out, "pidfile: ") {
		t.Errorf("-d while another runs: %d, %s", code, out)
	}
	if log := b.read(t, "pgbouncer.log"); !strings.Contains(log, `msg="pgweir cannot start" err="pidfile: `) {
		t.Errorf("-d while another runs: the logfile has not why it does not start: %s", log)
	}
	b.write(t, "second.ini", strings.Replace(iniFiles["pgbouncer.ini"], "pgbouncer.pid", "second.pid", 1))
	if _, code := b.ends(t, "pgbouncer", "-q", "second.ini"); code != 1 {
		t.Errorf("a second one on the port: %d", code)
	}
	if log := b.read(t, "pgbouncer.log"); !strings.Contains(log, `msg="pgweir cannot start" err="second.ini:`) {
		t.Errorf("a second one on the port: the logfile has not why it does not start: %s", log)
	}
	b.p = first
	b.stop(t)
}

func TestADaemonIsReadyWhenItsParentEnds(t *testing.T) {
	t.Parallel()
	b := newBouncer(t)
	out, code := b.ends(t, "pgbouncer", "--daemon", "pgbouncer.ini")
	if code != 0 || out != "" {
		t.Fatalf("-d: %d, %s", code, out)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(b.read(t, "pgbouncer.pid")))
	if err != nil {
		t.Fatal(err)
	}
	gone := func() bool { // the file goes last
		_, err := os.Stat(filepath.Join(b.Dir, "pgbouncer.pid"))
		return errors.Is(err, os.ErrNotExist)
	}
	t.Cleanup(func() {
		if !gone() {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	if !b.reachable() {
		t.Error("clients cannot connect")
	}
	if sid, err := unix.Getsid(pid); err != nil || sid != pid {
		t.Errorf("its session is %d (%v), and it is %d", sid, err, pid)
	}
	syscall.Kill(pid, syscall.SIGTERM)
	eventually(t, "the daemon is gone", gone)

	b.write(t, "pgbouncer.ini", strings.Replace(iniFiles["pgbouncer.ini"], "logfile", ";logfile", 1))
	if out, code := b.ends(t, "pgbouncer", "-d", "pgbouncer.ini"); code != 0 || !strings.Contains(out, "warning: -d: there is no logfile") {
		t.Errorf("-d without a logfile: %d, %s", code, out)
	}
	if pid, err = strconv.Atoi(strings.TrimSpace(b.read(t, "pgbouncer.pid"))); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(pid, syscall.SIGTERM)
	eventually(t, "the second daemon is gone", gone)

	b.write(t, "pgbouncer.ini", strings.Replace(iniFiles["pgbouncer.ini"], "pidfile", ";pidfile", 1))
	if out, code := b.ends(t, "pgbouncer", "-d", "pgbouncer.ini"); code != 1 || !strings.Contains(out, "needs a pidfile") {
		t.Errorf("-d without a pidfile: %d, %s", code, out)
	}
}

// Debian's unit for PgBouncer has Type=notify.
func TestSystemdIsToldWhenClientsCanConnect(t *testing.T) {
	t.Parallel()
	b := newBouncer(t)
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(b.Dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	hears := func(want string) {
		t.Helper()
		socket.SetReadDeadline(time.Now().Add(patience))
		buf := make([]byte, 1000)
		n, err := socket.Read(buf)
		if err != nil || !strings.HasPrefix(string(buf[:n]), want) {
			t.Fatalf("systemd is told %q (%v), want %q: %s", buf[:n], err, want, b.log)
		}
	}
	cmd := b.command("pgbouncer", "-q", "pgbouncer.ini")
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(b.Dir, "notify"))
	if b.p, err = child.Start(cmd, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.stop(t) })
	hears("READY=1")
	if !b.reachable() {
		t.Error("it is ready, and nobody can connect")
	}
	b.p.Signal(syscall.SIGHUP)
	hears("RELOADING=1\nMONOTONIC_USEC=")
	hears("READY=1")
	b.p.Signal(syscall.SIGINT) // KillSignal= of that unit
	hears("STOPPING=1")
	b.stop(t)
}
