package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

// backendOf is the process ID of the backend that a client has just now.
func backendOf(t *testing.T, conn *pgx.Conn) int {
	t.Helper()
	pid, err := strconv.Atoi(ask(t, conn, "select pg_backend_pid()"))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// atRest opens clients that have run a query and now say nothing.
func atRest(t *testing.T, w *weir, n int) []*pgx.Conn {
	t.Helper()
	clients := make([]*pgx.Conn, n)
	for i := range clients {
		clients[i] = connect(t, w.DSN())
		must(t, clients[i], "select 1")
	}
	atWork(t, w, 0)
	return clients
}

// atWork waits until so many backends are lent: a client whose backend is asked
// what is left in it is not idle yet.
func atWork(t *testing.T, w *weir, n int) {
	t.Helper()
	console := connect(t, w.Console(simpleProtocol))
	eventually(t, fmt.Sprintf("%d backends are lent", n), func() bool {
		return rowOf(t, show(t, console, "show pools"), "database", w.DB)["sv_active"] == strconv.Itoa(n)
	})
}

// allServed fails the test unless each of these connections, and not a new one
// in its place, gets an answer in the end.
func allServed(t *testing.T, clients []*pgx.Conn, within time.Duration) {
	t.Helper()
	deadline := time.Now().Add(within)
	for i, c := range clients {
		for {
			err := runSQL(t.Context(), c, "select 1")
			if err == nil {
				break
			}
			if c.IsClosed() || sqlState(err) == "" || time.Now().After(deadline) {
				t.Fatalf("client %d, which was idle: %v", i, err)
			}
		}
	}
}

func TestABackendThatIsTerminatedWhileIdleIsNoticedByNobody(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 3"})
	direct := connect(t, w.Direct())
	clients := atRest(t, w, 6)
	var done sync.WaitGroup
	for _, c := range clients { // so that there are three backends
		done.Go(func() { _ = runSQL(t.Context(), c, "select pg_sleep(0.1)") })
	}
	done.Wait()
	console := connect(t, w.Console(simpleProtocol))
	for range 10 {
		// A backend that is asked what a client has left in it is not idle.
		eventually(t, "nothing is under way", func() bool {
			return rowOf(t, show(t, console, "show pools"), "database", w.DB)["sv_active"] == "0"
		})
		eventually(t, "they are gone", func() bool { // one may just be on its way
			must(t, direct, `select pg_terminate_backend(pid) from pg_stat_activity
				where datname = current_database() and pid <> pg_backend_pid()`)
			return len(w.Backends(t)) <= 1
		})
		for _, c := range clients {
			servedWithin(t, c, patience) // a login that was hit is made again
		}
	}
}

// TestABackendThatIsTerminatedTakesItsClientAlongWithTheServersReason: what the
// server says to a client directly, it says through pgweir.
func TestABackendThatIsTerminatedTakesItsClientAlongWithTheServersReason(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "session"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: `pool_mode = "` + mode + `"`, Database: "pool_size = 2"})
			direct := connect(t, w.Direct())
			terminate := func(pid int) {
				t.Helper()
				if got := ask(t, direct, fmt.Sprintf("select pg_terminate_backend(%d)", pid)); got != "t" {
					t.Fatalf("pg_terminate_backend: %s", got)
				}
				eventually(t, "it is gone", func() bool {
					return ask(t, direct, fmt.Sprintf("select count(*) from pg_stat_activity where pid = %d", pid)) == "0"
				})
			}
			// In a query.
			c := loginWire(t, w)
			c.send(simpleQuery("select pg_sleep(60)"))
			running(t, w, direct, "select pg_sleep(60)", 1)
			must(t, direct, "select pg_terminate_backend(pid) from pg_stat_activity where query = 'select pg_sleep(60)' and datname = current_database()")
			if code := c.ended(patience); code != "57P01" {
				t.Errorf("in a query: %q", code)
			}
			// In a transaction, at rest: the reason is there when the client looks.
			c = loginWire(t, w)
			if code, err := c.roundTrip("begin"); code != "" || err != nil {
				t.Fatal(code, err)
			}
			c.send(simpleQuery("select pg_backend_pid()"))
			pid, err := strconv.Atoi(string(c.until('D')[6:]))
			if err != nil {
				t.Fatal(err)
			}
			c.until('Z')
			terminate(pid)
			if code := c.ended(patience); code != "57P01" {
				t.Errorf("in a transaction: %q", code)
			}
			servedWithin(t, connect(t, w.DSN()), patience)
		})
	}
}

// TestACrashOfTheServerIsSurvived: kill -9 of a backend has PostgreSQL end all
// others and recover.
func TestACrashOfTheServerIsSurvived(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	w := startWeir(t, weirOptions{Cluster: pg, Database: "pool_size = 6"})
	idle := atRest(t, w, 20)
	inTransaction, inQuery := loginWire(t, w), loginWire(t, w)
	victim := connect(t, w.DSN())
	if code, err := inTransaction.roundTrip("begin"); code != "" || err != nil {
		t.Fatal(code, err)
	}
	must(t, victim, "begin")
	pid := backendOf(t, victim)
	inQuery.send(simpleQuery("select pg_sleep(60)"))
	direct := connect(t, w.Direct())
	running(t, w, direct, "select pg_sleep(60)", 1)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := runSQL(t.Context(), victim, "select 1"); sqlState(err) != "08006" {
		t.Errorf("the client of the backend that was killed: %v", err)
	}
	for what, c := range map[string]*wireClient{"in a transaction": inTransaction, "in a query": inQuery} {
		if code := c.ended(patience); code != "57P02" && code != "08006" {
			t.Errorf("%s: %q", what, code)
		}
	}
	crashed := time.Now()
	eventually(t, "the server has ended all others", func() bool { return strings.Contains(pg.Log(), "all server processes terminated") })
	allServed(t, idle, 2*patience)
	t.Logf("all served %v after the crash", time.Since(crashed))
}

// TestTheServerIsStoppedAndStartedUnderLoad: fifty clients never stop asking.
func TestTheServerIsStoppedAndStartedUnderLoad(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	w := startWeir(t, weirOptions{
		Cluster: pg, Database: "pool_size = 10",
		Top: "log_connections = false\nlog_disconnections = false",
	})
	execSQL(t, w.Direct(), "create table t(i int); insert into t values (0)")
	idle := atRest(t, w, 20)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var load sync.WaitGroup
	var good, bad [50]atomic.Int64
	for i := range 50 {
		load.Go(func() {
			var conn *pgx.Conn
			for ctx.Err() == nil {
				err := loadOnce(&conn, w, i%2 == 0)
				if err == nil {
					good[i].Add(1)
					continue
				}
				bad[i].Add(1)
				if sqlState(err) == "" {
					t.Errorf("client %d got an error without a SQLSTATE: %v", i, err)
				}
			}
			if conn != nil {
				_ = conn.Close(context.Background())
			}
		})
	}
	all := func(what string) {
		t.Helper()
		var before [50]int64
		for i := range before {
			before[i] = good[i].Load()
		}
		start := time.Now()
		eventuallyWithin(t, 2*patience, "each of the clients is served "+what, func() bool {
			for i := range before {
				if good[i].Load() < before[i]+3 {
					return false
				}
			}
			return true
		})
		t.Logf("each of the fifty was served thrice within %v %s", time.Since(start), what)
	}
	all("before")
	for _, end := range []struct {
		what string
		stop func() error
	}{
		{"pg_ctl stop -m fast", func() error { return pg.Stop(cluster.Fast) }},
		{"pg_ctl stop -m immediate", func() error { return pg.Stop(cluster.Immediate) }},
		{"kill -9 of the postmaster", pg.Kill},
	} {
		if err := end.stop(); err != nil {
			t.Fatal(err)
		}
		console := connect(t, w.Console(simpleProtocol))
		eventually(t, "all wait for the server", func() bool {
			row := rowOf(t, show(t, console, "show pools"), "database", w.DB)
			waiting, _ := strconv.Atoi(row["cl_waiting"])
			return waiting == len(good) && row["sv_active"] == "0"
		})
		var failed [50]int64
		for i := range failed {
			failed[i] = bad[i].Load()
		}
		if err := pg.Restart(); err != nil {
			t.Fatal(err)
		}
		all("after " + end.what)
		for i := range failed {
			if n := bad[i].Load() - failed[i]; n != 0 {
				t.Errorf("client %d, which waited for the server %s, has %d errors", i, end.what, n)
			}
		}
	}
	stop()
	load.Wait()
	allServed(t, idle, 2*patience)
	eventually(t, "the log has the beginning of an outage and an end", func() bool {
		return strings.Contains(w.Log(), `msg="PostgreSQL is away, clients that need a backend wait" server=`) &&
			strings.Contains(w.Log(), `msg="PostgreSQL is back" server=`)
	})
	// What was committed is there once, what was not is not there.
	direct := connect(t, w.Direct())
	if got := ask(t, direct, "select count(*) from t"); got != "1" {
		t.Errorf("%s rows", got)
	}
}

// loadOnce runs a query or a transaction on a connection that is made anew if
// it is closed.
func loadOnce(conn **pgx.Conn, w *weir, transaction bool) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if *conn == nil || (*conn).IsClosed() {
		if *conn, err = pgx.Connect(ctx, w.DSN()); err != nil {
			*conn = nil
			return err
		}
	}
	if !transaction {
		return runSQL(ctx, *conn, fmt.Sprintf("select pg_sleep(%f)", 0.01*rand.Float64()))
	}
	for _, sql := range []string{"begin", "update t set i = i where false", "select pg_sleep(0.005)", "commit"} {
		if err = runSQL(ctx, *conn, sql); err != nil {
			_ = runSQL(ctx, *conn, "rollback")
			return err
		}
	}
	return nil
}
