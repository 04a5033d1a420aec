package cluster

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func find(t *testing.T) Programs {
	t.Helper()
	programs, err := Find(os.Getenv("PGWEIR_TEST_PG_BIN"))
	if err != nil {
		t.Fatal(err)
	}
	return programs
}

func start(t *testing.T, opts Options) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), find(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func ask(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	var answer string
	if err := conn.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return answer
}

// eventually waits for a condition, and fails when it takes too long.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for tick := time.NewTicker(5 * time.Millisecond); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// gone tells whether nothing is left of a cluster.
func gone(t *testing.T, c *Cluster) {
	t.Helper()
	if pids, err := processesIn(c.data); err != nil || len(pids) != 0 {
		t.Errorf("processes left: %v, %v", pids, err)
	}
	if _, err := os.Stat(c.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder %s is still there (%v)", c.Dir, err)
	}
}

func TestClusterAnswersOverTCPAndSocket(t *testing.T) {
	c := start(t, Options{Settings: map[string]string{
		"max_connections": "37",
		"search_path":     `"it's", public`,
	}})
	tcp := connect(t, c.DSN("postgres"))
	if got := ask(t, tcp, "show max_connections"); got != "37" {
		t.Errorf("max_connections = %s", got)
	}
	if got := ask(t, tcp, "show search_path"); got != `"it's", public` {
		t.Errorf("search_path = %s", got)
	}
	if got := ask(t, tcp, "show fsync"); got != "off" {
		t.Errorf("fsync = %s", got)
	}
	socket := connect(t, "host="+c.SocketDir+" port="+strings.TrimPrefix(ask(t, tcp, "show port"), " ")+" user=postgres dbname=template1")
	if got := ask(t, socket, "select coalesce(host(inet_client_addr()), 'socket')"); got != "socket" {
		t.Errorf("connected from %s", got)
	}
}

func TestOptionsShapeTheServer(t *testing.T) {
	c := start(t, Options{
		Superuser: "the boss",
		HBA:       []string{`local all all trust`, `host all "the boss" 127.0.0.1/32 trust`, `host all all 127.0.0.1/32 reject`},
		Files:     map[string][]byte{"greeting.conf": []byte("application_name = 'from a file'\n")},
		Settings:  map[string]string{"include_if_exists": "greeting.conf"},
	})
	conn := connect(t, c.DSN("postgres"))
	if got := ask(t, conn, "select current_user || ', ' || reset_val from pg_settings where name = 'application_name'"); got != "the boss, from a file" {
		t.Error(got)
	}
	ask(t, conn, "select 'x' from (select set_config('a.b', 'c', false)) as s")
	_, err := pgx.Connect(t.Context(), strings.Replace(c.DSN("postgres"), "the%20boss", "somebody", 1))
	if err == nil || !strings.Contains(err.Error(), "28000") {
		t.Errorf("somebody else got %v", err)
	}
}

func TestReloadReadsAFileThatWasWritten(t *testing.T) {
	c := start(t, Options{Settings: map[string]string{"include_if_exists": "more.conf"}})
	conn := connect(t, c.DSN("postgres"))
	if err := c.WriteFile("more.conf", []byte("work_mem = '7MB'\n")); err != nil {
		t.Fatal(err)
	}
	if err := c.Reload(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "work_mem changes", func() bool { return ask(t, conn, "show work_mem") == "7MB" })
}

func TestKilledServerRestartsOnTheSamePortWithItsData(t *testing.T) {
	c := start(t, Options{})
	conn := connect(t, c.DSN("postgres"))
	if _, err := conn.Exec(t.Context(), "create table kept as select 'still here' as word; checkpoint"); err != nil {
		t.Fatal(err)
	}
	// A backend that computes does not look for its postmaster.
	busy := connect(t, c.DSN("postgres"))
	busyDone := make(chan error, 1)
	go func() {
		_, err := busy.Exec(context.Background(), "select count(*) from generate_series(1, 1000000000000)")
		busyDone <- err
	}()
	eventually(t, "the busy backend runs", func() bool {
		return ask(t, conn, "select count(*)::text from pg_stat_activity where query like '%generate_series(1%' and state = 'active' and pid <> pg_backend_pid()") == "1"
	})
	port, before := c.Port, c.PID()
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-busyDone; err == nil {
		t.Error("the busy backend answered")
	}
	if pids, err := processesIn(c.data); err != nil || len(pids) != 0 {
		t.Errorf("Kill left %v, %v", pids, err)
	}
	if err := c.Restart(); err != nil {
		t.Fatalf("%v\n%s", err, c.Log())
	}
	if c.Port != port || c.PID() == before {
		t.Errorf("port %d then %d, pid %d then %d", port, c.Port, before, c.PID())
	}
	if got := ask(t, connect(t, c.DSN("postgres")), "select word from kept"); got != "still here" {
		t.Error(got)
	}
	if !strings.Contains(c.Log(), "not properly shut down") {
		t.Errorf("the log does not tell of a crash:\n%s", c.Log())
	}
}

func TestStopThenRestart(t *testing.T) {
	c := start(t, Options{})
	for _, mode := range []StopMode{Fast, Immediate} {
		if err := c.Stop(mode); err != nil {
			t.Fatal(err)
		}
		if err := c.Stop(mode); err != nil {
			t.Fatalf("stopping again: %v", err)
		}
		if pids, err := processesIn(c.data); err != nil || len(pids) != 0 {
			t.Errorf("left %v, %v", pids, err)
		}
		if _, err := pgx.Connect(t.Context(), c.DSN("postgres")); err == nil {
			t.Error("a stopped server answered")
		}
		if err := c.Restart(); err != nil {
			t.Fatal(err)
		}
		ask(t, connect(t, c.DSN("postgres")), "select 'x'")
	}
	before := c.PID()
	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
	if c.PID() == before {
		t.Error("Restart of a running server kept the postmaster")
	}
}

func TestBackendPIDsAreThePostmastersClientBackends(t *testing.T) {
	c := start(t, Options{Settings: map[string]string{"cluster_name": "weir: test"}})
	tcp := connect(t, c.DSN("postgres"))
	if _, err := tcp.Exec(t.Context(), `create database "two words"`); err != nil {
		t.Fatal(err)
	}
	others := []*pgx.Conn{
		connect(t, c.DSN("two words")),
		connect(t, "host="+c.SocketDir+" port="+ask(t, tcp, "show port")+" user=postgres dbname=postgres"),
	}
	want := ask(t, tcp, "select string_agg(pid::text, ' ' order by pid) from pg_stat_activity where backend_type = 'client backend'")
	if len(strings.Fields(want)) != 3 {
		t.Fatalf("pg_stat_activity has %q", want)
	}
	got := func() string {
		pids, err := c.BackendPIDs()
		if err != nil {
			t.Fatal(err)
		}
		return joinSorted(pids)
	}
	if got() != want {
		t.Errorf("the process table has %q, pg_stat_activity %q", got(), want)
	}
	for _, conn := range others {
		if err := conn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the closed backends are gone", func() bool { return len(strings.Fields(got())) == 1 })
}

func TestCloseLeavesNothingAfterWhateverHappened(t *testing.T) {
	for name, before := range map[string]func(*Cluster) error{
		"running":             func(*Cluster) error { return nil },
		"stopped":             func(c *Cluster) error { return c.Stop(Fast) },
		"killed":              (*Cluster).Kill,
		"killed by others":    func(c *Cluster) error { return syscall.Kill(c.PID(), syscall.SIGKILL) },
		"closed already":      (*Cluster).Close,
		"restarted from dead": func(c *Cluster) error { return errors.Join(c.Kill(), c.Restart()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, Options{})
			connect(t, c.DSN("postgres"))
			segment := sharedMemoryID(t, c)
			if err := before(c); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
			gone(t, c)
			if sharedMemoryExists(segment) {
				t.Error("its shared memory is still there")
			}
			if err := errors.Join(c.Stop(Fast), c.Restart()); !errors.Is(err, errClosed) {
				t.Errorf("a closed cluster said %v", err)
			}
		})
	}
}

func TestCancelledStartLeavesNothing(t *testing.T) {
	programs := find(t)
	t.Setenv("TMPDIR", openFolder(t))
	for _, until := range []string{"/pgweir-*", "/pgweir-*/data/postgresql.conf", "/pgweir-*/data/global", "/pgweir-*/postgres.log"} {
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			c, err := Start(ctx, programs, Options{})
			if err == nil {
				err = c.Close()
			}
			failed <- err
		}()
		eventually(t, "there is "+until, func() bool {
			found, err := filepath.Glob(os.TempDir() + until)
			return err == nil && len(found) > 0
		})
		cancel()
		if err := <-failed; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled at %s: %v", until, err)
		}
		left, err := os.ReadDir(os.TempDir())
		if err != nil || len(left) != 0 {
			t.Errorf("cancelled at %s, left: %v, %v", until, left, err)
		}
	}
}

func TestStartSaysWhyTheServerDoesNotStart(t *testing.T) {
	programs := find(t)
	_, err := Start(t.Context(), programs, Options{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), `unrecognized configuration parameter "no_such_setting"`) {
		t.Errorf("got %v", err)
	}
	_, err = Start(t.Context(), programs, Options{Locale: "no_SUCH"})
	if err == nil || !strings.Contains(err.Error(), "invalid locale name") {
		t.Errorf("got %v", err)
	}
	first := start(t, Options{})
	_, err = Start(t.Context(), programs, Options{Port: first.Port})
	if !errors.Is(err, errPortTaken) {
		t.Errorf("on a taken port: %v", err)
	}
}

// As root PostgreSQL runs as another user; as anybody else it runs as we do.
// When the test runs as root it runs itself once more as that other user.
func TestServerRunsAsAnUnprivilegedUser(t *testing.T) {
	c := start(t, Options{})
	info, err := os.Stat(c.data)
	if err != nil {
		t.Fatal(err)
	}
	uid := int(info.Sys().(*syscall.Stat_t).Uid)
	if os.Geteuid() != 0 {
		if uid != os.Geteuid() {
			t.Errorf("the data folder belongs to %d, we are %d", uid, os.Geteuid())
		}
		return
	}
	if uid == 0 {
		t.Error("the data folder belongs to root")
	}
	ask(t, connect(t, c.DSN("postgres")), "select 'x'")
	dir := openFolder(t)
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile(executable)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "cluster.test")
	if err := os.WriteFile(copied, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(copied, "-test.run=^("+t.Name()+"|TestKilled.*|TestCancelled.*)$", "-test.v")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "TMPDIR="+dir, "HOME="+dir)
	cmd.SysProcAttr = c.owner.attr()
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PASS: "+t.Name()) {
		t.Errorf("as %s: %v\n%s", c.owner.name, err, out)
	}
}

// openFolder is a temporary folder that every user can use.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pgweir-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o1777); err != nil {
		t.Fatal(err)
	}
	return dir
}
