package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/cluster"
)

// loopers are clients that ask the same again and again, and log in anew after an
// error that ends them.
type loopers struct {
	w       *weir
	served  [50]atomic.Int64
	mu      sync.Mutex
	errs    []error
	over    atomic.Bool
	clients sync.WaitGroup
}

// loopOn begins with more connection parameters for all.
func loopOn(t *testing.T, w *weir, more ...string) *loopers {
	l := &loopers{w: w}
	t.Cleanup(func() { l.stop() })
	for i := range l.served {
		l.clients.Go(func() {
			var conn *pgx.Conn
			for !l.over.Load() {
				if err := askAgain(&conn, w, i, more); err != nil {
					l.mu.Lock()
					l.errs = append(l.errs, err)
					l.mu.Unlock()
					continue
				}
				l.served[i].Add(1)
			}
			if conn != nil {
				_ = conn.Close(context.Background())
			}
		})
	}
	return l
}

// askAgain runs a query, in a connection of the client's.
func askAgain(conn **pgx.Conn, w *weir, i int, more []string) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	if *conn == nil || (*conn).IsClosed() {
		params := append([]string{fmt.Sprintf("application_name=looper%d", i)}, more...)
		if *conn, err = pgx.Connect(ctx, w.DSN(params...)); err != nil {
			*conn = nil
			return err
		}
	}
	if err = runSQL(ctx, *conn, "select 1"); err != nil && (*conn).IsClosed() {
		*conn = nil
	}
	if err == nil && w.sessions() { // others wait for its backend
		err = (*conn).Close(ctx)
		*conn = nil
	}
	return err
}

// sessions tells whether clients have backends of their own.
func (w *weir) sessions() bool { return strings.Contains(w.opts.Top, `"session"`) }

func (l *loopers) stop() {
	l.over.Store(true)
	l.clients.Wait()
}

// allAgain waits until each has been served some more times.
func (l *loopers) allAgain(t *testing.T, what string) {
	t.Helper()
	var before [50]int64
	for i := range before {
		before[i] = l.served[i].Load()
	}
	eventuallyWithin(t, 2*patience, "each client is served "+what, func() bool {
		for i := range before {
			if l.served[i].Load() < before[i]+3 {
				return false
			}
		}
		return true
	})
}

// failed are the errors since it was called last.
func (l *loopers) failed() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	errs := l.errs
	l.errs = nil
	return errs
}

// TestARestartIsNoticedByWhoeverIsServedJustThen: of fifty clients that never stop
// asking, only those get an error whose query a backend has when it goes; the others
// wait until PostgreSQL is there again.
func TestARestartIsNoticedByWhoeverIsServedJustThen(t *testing.T) {
	t.Parallel()
	const size = 8
	pg := startCluster(t, cluster.Options{Settings: map[string]string{"restart_after_crash": "on"}})
	ends := []struct {
		what string
		end  func(w *weir) error
		most int // a backend that is killed may be replaced before all are
	}{
		{"pg_ctl restart -m fast", func(*weir) error { return pg.Restart() }, size},
		{"pg_ctl restart -m immediate", func(*weir) error {
			if err := pg.Stop(cluster.Immediate); err != nil {
				return err
			}
			return pg.Restart()
		}, size},
		{"kill -9 of a backend", func(*weir) error {
			pids, err := pg.BackendPIDs()
			if err != nil || len(pids) == 0 {
				return fmt.Errorf("no backends: %v", err)
			}
			return syscall.Kill(pids[0], syscall.SIGKILL)
		}, size + 1},
		{"a stop, and a start when all wait", func(w *weir) error {
			if err := pg.Stop(cluster.Fast); err != nil {
				return err
			}
			console := connect(t, w.Console(simpleProtocol))
			eventually(t, "all wait", func() bool { return poolRow(t, w, console)["cl_waiting"] == "50" })
			return pg.Restart()
		}, size},
	}
	for _, c := range []struct{ what, top, more string }{
		{"transaction mode", `pool_mode = "transaction"`, ""},
		{"session mode, simple protocol", `pool_mode = "session"`, simpleProtocol},
	} {
		w := startWeir(t, weirOptions{Cluster: pg, Database: fmt.Sprintf("pool_size = %d", size),
			Top: c.top + "\nlog_connections = false\nlog_disconnections = false"})
		var more []string
		if c.more != "" {
			more = append(more, c.more)
		}
		l := loopOn(t, w, more...)
		l.allAgain(t, "before")
		for _, end := range ends {
			l.failed()
			if err := end.end(w); err != nil {
				t.Fatal(err)
			}
			l.allAgain(t, "after "+end.what)
			errs := l.failed()
			t.Logf("%s, %s: %d errors", c.what, end.what, len(errs))
			if len(errs) > end.most {
				t.Errorf("%s, %s: %d errors with %d backends, as %v", c.what, end.what, len(errs), size, errs[:min(len(errs), 20)])
			}
		}
		l.stop()
	}
}

// TestAServerThatIsAwayIsWaitedFor by whoever is in and by whoever comes, for as long
// as the settings say; the server's reason is in the error then.
func TestAServerThatIsAwayIsWaitedFor(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	opts := weirOptions{Cluster: pg, Top: "reserve_pool_size = 0", Database: "pool_size = 3"}
	w := startWeir(t, opts)
	console, idle := connect(t, w.Console(simpleProtocol)), connect(t, w.DSN())
	must(t, idle, "select 1")
	atWork(t, w, 0)
	if err := pg.Stop(cluster.Fast); err != nil {
		t.Fatal(err)
	}
	answers := []<-chan error{begin(t, idle, "select 1")}
	for i := range 20 {
		answer := make(chan error, 1)
		answers = append(answers, answer)
		go func() {
			// Every other one with startup parameters that pgweir has not met.
			conn, err := pgx.Connect(t.Context(), w.DSN(fmt.Sprintf("search_path=s%d", i/2*2)))
			if err == nil {
				err = runSQL(t.Context(), conn, "select 1")
				_ = conn.Close(context.Background())
			}
			answer <- err
		}()
	}
	waiting := func(n string) func() bool {
		return func() bool {
			row := poolRow(t, w, console)
			return row["cl_waiting"] == n && row["sv_active"] == "0"
		}
	}
	eventually(t, "they are seen to wait", waiting("21"))
	w.Says(t, "PostgreSQL is away, clients that need a backend wait", 1)
	eventually(t, "/readyz says why", func() bool {
		code, body := get(t, w, "/readyz")
		return code == 503 && strings.HasPrefix(body, "not ready: ")
	})
	if code, body := get(t, w, "/healthz"); code != 200 {
		t.Errorf("/healthz: %d %s", code, body)
	}
	if err := pg.Restart(); err != nil {
		t.Fatal(err)
	}
	for i, a := range answers {
		if err := finished(t, a, patience); err != nil {
			t.Errorf("client %d: %v", i, err)
		}
	}
	w.Says(t, "PostgreSQL is back", 1)
	w.Says(t, "PostgreSQL is away, clients that need a backend wait", 1)
	w.Says(t, "a backend cannot be opened", 0)
	eventually(t, "/readyz says so", func() bool { code, _ := get(t, w, "/readyz"); return code == 200 })

	// What bounds the wait.
	atWork(t, w, 0)
	if err := pg.Stop(cluster.Fast); err != nil {
		t.Fatal(err)
	}
	reads := func(err error, setting string) {
		t.Helper()
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "08001" || !strings.Contains(e.Message, setting) || !strings.Contains(e.Detail, "connection refused") {
			t.Errorf("%+v", err)
		}
	}
	changed := opts
	changed.Top += "\nquery_wait_timeout = \"300ms\""
	w.Rewrite(t, changed)
	reload(t, console)
	reads(runSQL(t.Context(), idle, "select 1"), "query_wait_timeout")
	changed.Top = opts.Top + "\nclient_login_timeout = \"300ms\""
	w.Rewrite(t, changed)
	reload(t, console)
	_, err := pgx.Connect(t.Context(), w.DSN("search_path=another"))
	reads(err, "client_login_timeout")
	eventually(t, "nobody waits", waiting("0"))
	if err := pg.Restart(); err != nil {
		t.Fatal(err)
	}
	servedWithin(t, idle, patience)
}
