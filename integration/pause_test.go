package integration

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"pgweir/cluster"
)

// heardNotices is a connection with the texts of its notices.
type heardNotices struct {
	*pgx.Conn
	mu   sync.Mutex
	said []string
}

func connectHearing(t *testing.T, dsn string) *heardNotices {
	t.Helper()
	n := new(heardNotices)
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) {
		n.mu.Lock()
		n.said = append(n.said, notice.Message)
		n.mu.Unlock()
	}
	if n.Conn, err = pgx.ConnectConfig(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close(context.Background()) })
	return n
}

// Said waits for a notice with a text.
func (n *heardNotices) Said(t *testing.T, text string) {
	t.Helper()
	eventually(t, "a notice says "+text, func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return strings.Contains(strings.Join(n.said, "\n"), text)
	})
}

// begins begins a statement, whose error comes when it is over.
func begins(t *testing.T, conn *pgx.Conn, sql string) <-chan error {
	end := make(chan error, 1)
	go func() { end <- runSQL(t.Context(), conn, sql) }()
	return end
}

// endsWith waits for the error of a statement that was begun.
func endsWith(t *testing.T, end <-chan error, code string) *pgconn.PgError {
	t.Helper()
	select {
	case err := <-end:
		if sqlState(err) != code || (err == nil) != (code == "") {
			t.Fatalf("it ended with %v, want %q", err, code)
		}
		e, _ := err.(*pgconn.PgError)
		return e
	case <-time.After(patience):
		t.Fatalf("it has no end; want %q", code)
		return nil
	}
}

// fails runs a command that has to be refused just so.
func fails(t *testing.T, conn *pgx.Conn, sql, code, message string) {
	t.Helper()
	e := endsWith(t, begins(t, conn, sql), code)
	if e == nil || e.Message+" "+e.Hint != message+" " && e.Message+" "+e.Hint != message {
		t.Errorf("%s: %+v, want %q", sql, e, message)
	}
}

// During PAUSE and RESUME, RECONNECT, and a restart of PostgreSQL between the first two,
// clients only wait.
func TestNoTransactionFailsWhilePostgreSQLIsRestartedDuringAPause(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "statement"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			pg := startCluster(t, cluster.Options{})
			w := startWeir(t, weirOptions{Cluster: pg, Top: "min_pool_size = 2\nlog_connections = false\nlog_disconnections = false\npool_mode = \"" + mode + "\""})
			pgbench(t, pg.Port, w.DB, "-i", "-q")
			console := connect(t, w.Console())
			script := "select-only"
			if mode == "transaction" {
				script = "tpcb-like"
			}
			var loads sync.WaitGroup
			count := make([]int, 2)
			done := make(chan struct{})
			for i, load := range [][]string{
				{"-M", "prepared", "-c", "10", "-j", "10", "-b", script}, // threads: one that prepares waits with all its clients

				{"-C", "-c", "3", "-S"}, // every connection new
			} {
				loads.Go(func() {
					for over := false; !over; {
						count[i] += pgbench(t, w.Port, w.DB, append([]string{"-n", "-t", "20"}, load...)...)
						select {
						case <-done:
							over = true
						default:
						}
					}
				})
			}
			busy := func() {
				t.Helper()
				before := transactions(t, console, w.DB)
				eventually(t, "work goes on", func() bool { return transactions(t, console, w.DB) > before+20 })
			}
			busy()
			for range 3 {
				must(t, console, "PAUSE "+w.DB)
				if left := w.Backends(t); len(left) > 0 {
					t.Errorf("PostgreSQL has the backends %v still", left)
				}
				must(t, console, "RESUME "+w.DB)
				must(t, console, "RECONNECT")
				must(t, console, "WAIT_CLOSE")
				busy()
			}
			for _, target := range []string{"", w.DB} {
				must(t, console, "PAUSE "+target)
				eventually(t, "clients wait", func() bool {
					var n int
					fmt.Sscan(poolRow(t, w, console)["cl_waiting"], &n)
					return n >= 1
				})
				if err := pg.Restart(); err != nil {
					t.Fatal(err)
				}
				must(t, console, "RESUME "+target)
				busy()
			}
			close(done)
			loads.Wait()
			if row := rowOf(t, show(t, console, "show databases"), "name", w.DB); row["paused"] != "0" {
				t.Error(row)
			}
			t.Logf("%d transactions", count)
		})
	}
}

// transactions counts the transactions in a database.
func transactions(t *testing.T, console *pgx.Conn, db string) (n int) {
	t.Helper()
	for _, row := range show(t, console, "show stats_totals") {
		if row["database"] == db {
			fmt.Sscan(row["xact_count"], &n)
		}
	}
	return n
}

func TestAPauseSaysWhoHoldsItUp(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "pool_mode = \"transaction\""})
	open, pinned := connect(t, w.DSN("application_name=long")), connect(t, w.DSN("application_name=locker"))
	must(t, open, "begin; select 1")
	must(t, pinned, "select pg_advisory_lock(7)")
	openID, pinnedID := idOf(t, w, open), idOf(t, w, pinned)
	console, other := connectHearing(t, w.Console()), connect(t, w.Console(simpleProtocol))
	eventually(t, "the lock is a pin", func() bool { return len(show(t, other, "show pins")) == 1 })
	texts := []string{
		"client " + openID + " (user postgres, database " + w.DB + ", application long), in a transaction for ",
		"client " + pinnedID + " (user postgres, database " + w.DB + ", application locker), which keeps its backend for: advisory lock",
	}

	// The limit passes: work goes on.
	e := endsWith(t, begins(t, console.Conn, "PAUSE "+w.DB+" WITHIN '300ms'"), "55P03")
	for _, text := range texts {
		if !strings.Contains(e.Detail, text) {
			t.Errorf("%q lacks %q", e.Detail, text)
		}
	}
	servedWithin(t, connect(t, w.DSN()), patience)

	// It is canceled: so, too.
	end := begins(t, console.Conn, "PAUSE")
	console.Said(t, "which keeps its backend for: advisory lock")
	if state := rowOf(t, show(t, other, "show state"), "key", "paused"); state["value"] != "yes" {
		t.Error(state)
	}
	waits := connect(t, w.DSN())
	query := begins(t, waits, "select 1")
	waitingClients(t, w, other, 1)
	if err := console.PgConn().CancelRequest(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := endsWith(t, end, "57014"); !strings.Contains(e.Detail, "client "+openID) {
		t.Error(e)
	}
	endsWith(t, query, "")

	// Those who are in a transaction finish it, and then it is over.
	end = begins(t, console.Conn, "pause "+w.DB+" within 60")
	eventually(t, "the database is paused", func() bool {
		return rowOf(t, show(t, other, "show databases"), "name", w.DB)["paused"] == "1"
	})
	query = begins(t, waits, "select 1")
	waitingClients(t, w, other, 1)
	must(t, open, "select 1; commit")
	must(t, pinned, "select pg_advisory_unlock(7)")
	endsWith(t, end, "")
	if left := w.Backends(t); len(left) > 0 {
		t.Errorf("PostgreSQL has the backends %v still", left)
	}
	if _, metrics := get(t, w, "/metrics"); !strings.Contains(metrics, `pgweir_pool_paused{database="`+w.DB+`",user="postgres"} 1`) {
		t.Error("the pool is not paused in the metrics")
	}
	must(t, other, "resume "+w.DB)
	endsWith(t, query, "")
	w.Says(t, `a command on the console" user=postgres command="PAUSE \"`+w.DB+`\" WITHIN 1m0s"`, 1)
}

func TestAPauseOfSessionModeWaitsForTheSessions(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "pool_mode = \"session\""})
	session := connect(t, w.DSN())
	must(t, session, "select 1")
	console, other := connectHearing(t, w.Console()), connect(t, w.Console())
	end := begins(t, console.Conn, "PAUSE "+w.DB)
	console.Said(t, "client "+idOf(t, w, session)+" (user postgres, database "+w.DB+"), in session mode")
	must(t, session, "select 1") // it has its backend
	login := make(chan error, 1)
	go func() {
		conn, err := pgx.Connect(t.Context(), w.DSN())
		if err == nil {
			err = conn.Close(context.Background())
		}
		login <- err
	}()
	w.waitsToLogIn(t, other)
	if err := session.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	endsWith(t, end, "")
	must(t, other, "RESUME "+w.DB)
	endsWith(t, login, "")
}

// waitsToLogIn waits until somebody is logging in.
func (w *weir) waitsToLogIn(t *testing.T, console *pgx.Conn) {
	t.Helper()
	eventually(t, "a client is logging in", func() bool {
		return rowOf(t, show(t, console, "show lists"), "list", "login_clients")["items"] == "1"
	})
}

func TestAPauseOutlivesItsClientAndAReload(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	holder, other := connect(t, w.DSN()), connect(t, w.Console())
	must(t, holder, "begin")
	leaves := sayTo(t, w, "pgweir", "PAUSE "+w.DB) // pgx would cancel it first
	paused := func() bool { return rowOf(t, show(t, other, "show databases"), "name", w.DB)["paused"] == "1" }
	eventually(t, "the database is paused", paused)
	if err := leaves.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client of the console is gone", func() bool { return len(show(t, other, "show clients")) == 2 })
	must(t, holder, "commit")
	eventually(t, "the backends are gone", func() bool { return len(w.Backends(t)) == 0 })
	must(t, other, "RELOAD")
	must(t, other, "SET min_pool_size = 3")
	must(t, other, "SET query_wait_timeout = '500ms'")
	if e := endsWith(t, begins(t, holder, "select 1"), "53300"); !strings.Contains(e.Message, "within query_wait_timeout (500ms): database \""+w.DB+"\" is paused") {
		t.Error(e)
	}
	if !paused() || len(w.Backends(t)) > 0 {
		t.Error("it is not paused any more")
	}
	must(t, other, "SET query_wait_timeout = '1m'")
	// A new client is let in, as what PostgreSQL says to its parameters is known.
	late := connect(t, w.DSN())
	query := begins(t, late, "select 1")
	waitingClients(t, w, other, 1)
	must(t, other, "RESUME "+w.DB)
	endsWith(t, query, "")
}

// sayTo logs in to a database and sends a query, whose answer is the caller's.
func sayTo(t *testing.T, w *weir, database, sql string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", w.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	front := pgproto3.NewFrontend(conn, conn)
	front.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersionNumber, Parameters: map[string]string{"user": "postgres", "database": database}})
	front.Send(query(sql))
	if err := front.Flush(); err != nil {
		t.Fatal(err)
	}
	return conn
}
