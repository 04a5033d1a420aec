package integration

import (
	"fmt"
	"strconv"
	"syscall"
	"testing"

	"pgweir/cluster"
)

// patient has pgweir wait for a server longer than any test does.
const patient = "leak_check = 0\nserver_connect_timeout = \"10m\"\nworkers = 1\n"

// listenerOf is the process of a database's listening backend.
func listenerOf(t *testing.T, w *weir, database string) int {
	t.Helper()
	console := connect(t, w.Console(simpleProtocol))
	row := rowOf(t, show(t, console, "show listeners"), "database", database)
	pid, err := strconv.Atoi(row["remote_pid"])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// stopped stops a process until the test says go, or ends.
func stopped(t *testing.T, pid int) (start func()) {
	t.Helper()
	signal(t, pid, syscall.SIGSTOP)
	start = func() { _ = syscall.Kill(pid, syscall.SIGCONT) }
	t.Cleanup(start)
	return start
}

// TestANotifyDoesNotWaitForAnotherServer: two servers have databases of one
// name, as shards do, and the listening backend of one hangs.
func TestANotifyDoesNotWaitForAnotherServer(t *testing.T) {
	t.Parallel()
	other := startCluster(t, cluster.Options{})
	db := createDatabase(t, shared)
	execSQL(t, other.DSN("postgres"), "create database "+db)
	w := startWeir(t, weirOptions{
		DB: db, Top: patient, Database: "pool_size = 3",
		Tables: fmt.Sprintf("[databases.shard]\nhost = \"127.0.0.1\"\nport = %d\ndbname = %q\npool_size = 3\n", other.Port, db),
	})
	distant := dialWire(t, w.Addr())
	distant.login(protocol30, "user", "postgres", "database", "shard")
	distant.does("listen c")
	start := stopped(t, listenerOf(t, w, "shard"))
	for range 3 { // on the same backend, which has to be known to be clear each time
		a, b := loginWire(t, w), loginWire(t, w)
		a.does("notify c")
		b.does("notify c")
		a.does("listen c; listen d")
		b.does("notify c")
		a.does("unlisten c")
	}
	start()
}

// TestWhatWaitsForTheListeningBackendCanBeCanceled: LISTEN while that cannot
// be opened, LISTEN and UNLISTEN while it hangs.
func TestWhatWaitsForTheListeningBackendCanBeCanceled(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	w := startWeir(t, weirOptions{Cluster: pg, Top: patient, Database: "pool_size = 3"})
	c := loginWire(t, w)
	c.does("select 1")
	canceled := func(c *wireClient, sql string) {
		t.Helper()
		over := make(chan string, 1)
		go func() {
			code, err := c.answer()
			if err != nil {
				code = err.Error()
			}
			over <- code
		}()
		// A cancel that comes too early finds the statement's first part, which
		// may be over when it gets there.
		eventually(t, sql+" has ended", func() bool {
			if err := sendCancel(w.Addr(), c.pid, c.key); err != nil {
				t.Fatal(err)
			}
			select {
			case code := <-over:
				if code != "57014" {
					t.Errorf("%s that was canceled ended with %q", sql, code)
				}
				return true
			default:
				return false
			}
		})
	}

	start := stopped(t, pg.PID())
	c.send(simpleQuery("listen c"))
	eventually(t, "the listening backend is being opened", func() bool { return listeningBackends(t, w) == 1 })
	canceled(c, "LISTEN without a listening backend")
	c.does("select 1") // by the backend that is there
	start()
	execSQL(t, w.Direct(), "notify c, 'never'")
	c.does("select 1")
	c.does("listen c")

	start = stopped(t, listenerOf(t, w, w.DB))
	d := loginWire(t, w)
	d.send(simpleQuery("listen c"))
	canceled(d, "LISTEN")
	c.send(simpleQuery("unlisten c"))
	canceled(c, "UNLISTEN")
	start()
	d.does("listen d")
	execSQL(t, w.Direct(), "notify c, '1'; notify d, '2'")
	if _, text, _ := c.hear(); text != "c 1" {
		t.Errorf("the client whose UNLISTEN was canceled heard %q", text)
	}
	if _, text, _ := d.hear(); text != "d 2" {
		t.Errorf("the client whose LISTEN was canceled heard %q", text)
	}
}

// listeningBackends are those of the test's database that are open or being opened.
func listeningBackends(t *testing.T, w *weir) int {
	t.Helper()
	var out struct {
		Pools []struct {
			Database  string
			Listening int
		}
	}
	getJSON(t, w, "/pools", &out)
	n := 0
	for _, p := range out.Pools {
		if p.Database == w.DB {
			n += p.Listening
		}
	}
	return n
}
