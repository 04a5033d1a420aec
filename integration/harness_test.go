package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
	"pgweir/cluster/child"
)

// weirOptions say how a pgweir is to be configured. The zero value is one in
// transaction mode with a pool of 5 in front of a database of its own on the
// shared server, which the role postgres may use without a password.
type weirOptions struct {
	Cluster *cluster.Cluster // nil: the shared one
	// DB is an existing database that is to be used; "" makes a new one.
	DB string
	// Top are lines of config.toml above the tables. What is set here takes
	// the place of the harness's own value. HTTPPORT stands for the port of HTTP.
	Top string
	// Database are lines for the table of the test's own database; host, port
	// and dbname are there already.
	Database string
	// Tables are further tables. If none begins with "[users.", the user
	// postgres is there.
	Tables string
	// Files are written beside config.toml before the start, with mode 0600.
	Files map[string]string
	// Env are further variables, "NAME=value".
	Env []string
	// Through is a program that is started, and becomes pgweir; "": none.
	Through string
	// Role is whose the test's connections are, which may make what it likes in
	// the test's database; "": the superuser, postgres.
	Role string
	// Kept are how many of the test's own connections to the database outlive it.
	Kept int
	// Leaks: the test has something left behind that nothing hints at.
	Leaks bool
	// MayFail: the test looks at the exit code itself.
	MayFail bool
}

// weir is a running pgweir with a database of its own.
type weir struct {
	PG       *cluster.Cluster
	DB       string // the database, on the server and in pgweir
	Dir      string // holds config.toml and the Unix socket
	Port     int
	HTTPPort int

	opts    weirOptions
	process *child.Process
	log     *logBuffer
}

const (
	startDeadline = time.Minute
	stopDeadline  = time.Minute
	// patience is how long a condition may take that should come true at once.
	patience = 20 * time.Second
)

// startWeir starts a pgweir. When the test ends, pgweir is stopped with
// SIGTERM, and it is an error if it does not exit with 0 or leaves anything.
func startWeir(t *testing.T, opts weirOptions) *weir {
	t.Helper()
	w := &weir{PG: opts.Cluster, opts: opts}
	if w.PG == nil {
		w.PG = shared
	}
	if w.DB = opts.DB; w.DB == "" {
		w.DB = createDatabase(t, w.PG)
	}
	if opts.Role != "" {
		execSQL(t, dsn(w.PG.Port, w.DB), "grant create on database "+w.DB+" to "+opts.Role+"; grant create on schema public to "+opts.Role)
	}
	var err error
	// The folder of a Unix socket must have a short name.
	if w.Dir, err = os.MkdirTemp("/tmp", "weir-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(w.Dir); err != nil {
			t.Error(err)
		}
	})
	for name, text := range opts.Files {
		if err := os.WriteFile(filepath.Join(w.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Between picking a port and binding it somebody else may take it.
	for attempt := 1; ; attempt++ {
		err := w.launch(t)
		if err == nil {
			break
		}
		if attempt == 5 || !strings.Contains(w.Log(), "address already in use") {
			t.Fatalf("%v\n%s", err, w.Log())
		}
	}
	t.Cleanup(func() { w.finish(t) })
	return w
}

// launch picks ports, writes the configuration and starts the program.
func (w *weir) launch(t *testing.T) error {
	t.Helper()
	var err error
	if w.Port, err = cluster.FreePort(); err != nil {
		return err
	}
	for w.HTTPPort = w.Port; w.HTTPPort == w.Port; {
		if w.HTTPPort, err = cluster.FreePort(); err != nil {
			return err
		}
	}
	w.WriteConfig(t, w.Config())
	w.log = new(logBuffer)
	cmd := w.command("serve")
	cmd.Stdout, cmd.Stderr = w.log, w.log
	if w.process, err = child.Start(cmd, syscall.SIGKILL); err != nil {
		return err
	}
	deadline := time.After(startDeadline)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(w.Log(), "pgweir is ready") {
		select {
		case <-w.process.Done():
			return fmt.Errorf("pgweir did not start: %v", w.process.Err())
		case <-deadline:
			w.process.KillGroup()
			<-w.process.Done()
			return errors.New("pgweir does not say that it is ready")
		case <-tick.C:
		}
	}
	return nil
}

// command is the program with a subcommand, as w's options have it.
func (w *weir) command(name string) *exec.Cmd {
	cmd := exec.Command(program, name, "-c", w.ConfigPath())
	if w.opts.Through != "" {
		cmd = exec.Command(w.opts.Through, cmd.Args...)
	}
	cmd.Env = append(os.Environ(), w.opts.Env...)
	return cmd
}

// finish stops the program and looks for what it may have left.
func (w *weir) finish(t *testing.T) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("pgweir's log:\n%s", w.log.tail(3<<10))
		}
	}()
	err := w.process.Stop(syscall.SIGTERM, stopDeadline)
	if err != nil {
		t.Errorf("pgweir: %v", err)
	} else if err := w.process.Err(); err != nil && !w.opts.MayFail {
		t.Errorf("pgweir ended with %v", err)
	}
	for _, bad := range []string{"DATA RACE", "panic:", "goroutine 1 [", "fatal error:"} {
		if strings.Contains(w.Log(), bad) {
			t.Errorf("pgweir's log has %q", bad)
		}
	}
	if !w.opts.Leaks && strings.Contains(w.Log(), "left something behind") {
		t.Errorf("pgweir has found a leak: %s", leakLines(w.Log()))
	}
	if _, err := os.Stat(w.SocketPath()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket %s is still there (%v)", w.SocketPath(), err)
	}
	// The test's own connections to the database must be closed by now too, but
	// for those that outlive this pgweir.
	if pids, err := w.PG.BackendPIDs(); err == nil && len(pids) > 0 {
		eventually(t, "no backend is left", func() bool { return len(w.Backends(t)) == w.opts.Kept })
	}
}

// own are the harness's settings at the top level.
func (w *weir) own() [][2]string {
	settings := [][2]string{
		{"listen_addr", `"127.0.0.1"`},
		{"listen_port", strconv.Itoa(w.Port)},
		{"unix_socket_dir", strconv.Quote(w.Dir)},
		{"http_listen", strconv.Quote(net.JoinHostPort("127.0.0.1", strconv.Itoa(w.HTTPPort)))},
		{"auth_type", `"trust"`},
		{"admin_users", `["postgres"]`},
		{"pool_mode", `"transaction"`},
		{"default_pool_size", "5"},
		{"query_wait_timeout", `"30s"`},
		{"leak_check", "1.0"}, // every test shows that nothing is left behind unseen
		{"shutdown_timeout", `"2s"`},
	}
	if n := os.Getenv("PGWEIR_TEST_WORKERS"); n != "" {
		settings = append(settings, [2]string{"workers", n})
	}
	if name := os.Getenv("PGWEIR_TEST_IO_ENGINE"); name != "" {
		settings = append(settings, [2]string{"io_engine", strconv.Quote(name)})
	}
	return settings
}

// Config is the text of config.toml as the options have it.
func (w *weir) Config() string { return w.config(w.opts) }

func (w *weir) config(o weirOptions) string {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(o.Top, "HTTPPORT", strconv.Itoa(w.HTTPPort)) + "\n")
	for _, s := range w.own() {
		if !regexp.MustCompile(`(?m)^\s*` + s[0] + `\s*=`).MatchString(o.Top) {
			fmt.Fprintf(&b, "%s = %s\n", s[0], s[1])
		}
	}
	fmt.Fprintf(&b, "\n[databases.%s]\n", w.DB)
	for _, s := range [][2]string{
		{"host", `"127.0.0.1"`},
		{"port", strconv.Itoa(w.PG.Port)},
	} {
		if !regexp.MustCompile(`(?m)^\s*` + s[0] + `\s*=`).MatchString(o.Database) {
			fmt.Fprintf(&b, "%s = %s\n", s[0], s[1])
		}
	}
	fmt.Fprintf(&b, "%s\n\n%s\n", o.Database, strings.ReplaceAll(o.Tables, "PGPORT", strconv.Itoa(w.PG.Port)))
	if !strings.Contains(o.Tables, "[users.") {
		b.WriteString("[users.postgres]\n")
		if o.Role != "" {
			b.WriteString("[users." + o.Role + "]\n")
		}
	}
	return b.String()
}

// Rewrite writes a configuration made of other options, for the same ports
// and database. The program has to be told to read it.
func (w *weir) Rewrite(t *testing.T, opts weirOptions) {
	t.Helper()
	w.WriteConfig(t, w.config(opts))
}

// WriteConfig writes the text of config.toml.
func (w *weir) WriteConfig(t *testing.T, text string) {
	t.Helper()
	// In one step: a reload that was asked for before must not read half of it.
	next := w.ConfigPath() + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, w.ConfigPath()); err != nil {
		t.Fatal(err)
	}
}

func (w *weir) ConfigPath() string { return filepath.Join(w.Dir, "config.toml") }

// SocketPath is the Unix socket.
func (w *weir) SocketPath() string { return filepath.Join(w.Dir, ".s.PGSQL."+strconv.Itoa(w.Port)) }

// Addr is host:port for raw connections.
func (w *weir) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(w.Port)) }

// HTTP is the URL of a path on the HTTP port.
func (w *weir) HTTP(path string) string {
	return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(w.HTTPPort)) + path
}

// DSN leads through pgweir to the test's database. more are further "key=value".
func (w *weir) DSN(more ...string) string { return dsn(w.Port, w.DB, w.asRole(more)...) }

// Direct leads to the same database without pgweir.
func (w *weir) Direct(more ...string) string { return dsn(w.PG.Port, w.DB, w.asRole(more)...) }

// Role is the one of the test's connections.
func (w *weir) Role() string {
	if w.opts.Role != "" {
		return w.opts.Role
	}
	return "postgres"
}

func (w *weir) asRole(more []string) []string { return append([]string{"user=" + w.Role()}, more...) }

// Console leads to the console.
func (w *weir) Console(more ...string) string { return dsn(w.Port, "pgweir", more...) }

// dsn is in the form that libpq and pgx read; a later "key=value" wins.
func dsn(port int, db string, more ...string) string {
	parts := append([]string{"host=127.0.0.1", "port=" + strconv.Itoa(port), "user=postgres", "dbname=" + db, "sslmode=disable"}, more...)
	return strings.Join(parts, " ")
}

// Log is everything that the program has written.
func (w *weir) Log() string { return w.log.String() }

// Says waits until the log has a text times times, and wants it there no more
// often. A client has its answer before the log's line has come through the pipe.
func (w *weir) Says(t *testing.T, text string, times int) {
	t.Helper()
	eventually(t, "the log says "+strconv.Quote(text), func() bool { return strings.Count(w.Log(), text) >= times })
	if n := strings.Count(w.Log(), text); n != times {
		t.Errorf("the log says %q %d times, want %d", text, n, times)
	}
}

// PID is the program's process id.
func (w *weir) PID() int { return w.process.PID() }

// Signal sends the program a signal.
func (w *weir) Signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := w.process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Exited waits for the program's end and gives its exit code.
func (w *weir) Exited(t *testing.T, within time.Duration) int {
	t.Helper()
	select {
	case <-w.process.Done():
	case <-time.After(within):
		t.Fatalf("pgweir has not ended within %v", within)
	}
	var exit *exec.ExitError
	switch err := w.process.Err(); {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	default:
		t.Fatal(err)
		return -1
	}
}

// Backends are the process ids of the backends in the test's database, as the
// process table has them.
func (w *weir) Backends(t *testing.T) []int {
	t.Helper()
	return backendsIn(t, w.PG, w.DB)
}

// backendsIn reads the titles of a server's backends: "postgres: user db
// host(port) state". They name the database from before the authentication on.
func backendsIn(t *testing.T, pg *cluster.Cluster, db string) []int {
	t.Helper()
	pids, err := pg.BackendPIDs()
	if err != nil {
		t.Fatal(err)
	}
	var in []int
	for _, pid := range pids {
		title, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		if err == nil && bytes.Contains(title, []byte(" "+db+" ")) {
			in = append(in, pid)
		}
	}
	return in
}

var databases struct {
	sync.Mutex
	made int
}

// createDatabase makes an empty database that is dropped when the test ends;
// that it can be is the proof that nobody is connected any more.
func createDatabase(t *testing.T, pg *cluster.Cluster) string {
	t.Helper()
	databases.Lock()
	defer databases.Unlock()
	databases.made++
	name := fmt.Sprintf("weir_%d", databases.made)
	execSQL(t, pg.DSN("postgres"), "create database "+name)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // it makes a checkpoint
		defer cancel()
		conn, err := pgx.Connect(ctx, pg.DSN("postgres"))
		if err != nil {
			return // a test that ended its server took the database with it
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, "drop database if exists "+name); err != nil {
			t.Errorf("dropping the test's database: %v", err)
		}
	})
	return name
}

// startCluster starts a server for one test, which may break it.
func startCluster(t *testing.T, opts cluster.Options) *cluster.Cluster {
	t.Helper()
	pg, err := cluster.Start(t.Context(), programs, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server's log:\n%s", pg.Log())
		}
		if err := pg.Close(); err != nil {
			t.Error(err)
		}
	})
	return pg
}

// connect opens a connection that is closed when the test ends.
func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = conn.Close(ctx)
	})
	return conn
}

// execSQL runs statements on a connection of its own, in one simple query.
func execSQL(t *testing.T, dsn, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// ask gives the one value of a query's one row as text, through the simple
// protocol.
func ask(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if len(results) == 0 || len(results[len(results)-1].Rows) != 1 {
		t.Fatalf("%s: not one row", sql)
	}
	return string(results[len(results)-1].Rows[0][0])
}

// eventually waits for a condition, and fails the test when it takes too long.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	eventuallyWithin(t, patience, what, condition)
}

func eventuallyWithin(t *testing.T, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ; !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}
