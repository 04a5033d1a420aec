package integration

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// refusesConnections waits until nobody listens any more.
func refusesConnections(t *testing.T, w *weir) {
	t.Helper()
	eventually(t, "new connections are refused", func() bool {
		conn, err := net.Dial("tcp", w.Addr())
		if err == nil {
			_ = conn.Close()
		}
		_, left := os.Stat(w.SocketPath())
		return errors.Is(err, syscall.ECONNREFUSED) && errors.Is(left, fs.ErrNotExist)
	})
}

// TestADrainDuringAPauseEndsThoseWhoWait, and lets the others finish.
func TestADrainDuringAPauseEndsThoseWhoWait(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "shutdown_timeout = \"1h\""})
	console, other := connect(t, w.Console()), connect(t, w.Console(simpleProtocol))
	works, waits := connect(t, w.DSN()), connect(t, w.DSN())
	must(t, works, "begin; select 1")
	paused := begins(t, console, "PAUSE")
	eventually(t, "it is paused", func() bool { return rowOf(t, show(t, other, "show state"), "key", "paused")["value"] == "yes" })
	query := begins(t, waits, "select 1")
	waitingClients(t, w, other, 1)
	w.Signal(t, syscall.SIGTERM)
	endsWith(t, query, "57P01")
	must(t, works, "commit")
	<-paused
	if code := w.Exited(t, patience); code != 0 {
		t.Errorf("it exits with %d", code)
	}
}

// TestADrainLetsTransactionsFinish: whoever asks for it.
func TestADrainLetsTransactionsFinish(t *testing.T) {
	t.Parallel()
	signal := func(s syscall.Signal) func(*testing.T, *weir) {
		return func(t *testing.T, w *weir) { w.Signal(t, s) }
	}
	for how, stop := range map[string]func(*testing.T, *weir){
		"SIGTERM": signal(syscall.SIGTERM),
		"SIGINT":  signal(syscall.SIGINT),
		"SIGTERM after SHUTDOWN WAIT_FOR_CLIENTS": func(t *testing.T, w *weir) {
			must(t, connect(t, w.Console()), "SHUTDOWN WAIT_FOR_CLIENTS")
			refusesConnections(t, w)
			w.Signal(t, syscall.SIGTERM)
		},
		"SHUTDOWN WAIT_FOR_SERVERS": func(t *testing.T, w *weir) {
			must(t, connect(t, w.Console()), "shutdown wait_for_servers;")
		},
	} {
		for _, mode := range []string{"transaction", "session"} {
			t.Run(how+", "+mode+" mode", func(t *testing.T) {
				t.Parallel()
				w := startWeir(t, weirOptions{Top: "pool_mode = \"" + mode + "\"\nshutdown_timeout = \"30s\""})
				direct := connect(t, w.Direct())
				must(t, direct, "create table t(i int)")
				idle, inTransaction, inQuery := loginWire(t, w), connect(t, w.DSN()), connect(t, w.DSN())
				if code, err := idle.roundTrip("select 1"); code != "" || err != nil {
					t.Fatal(code, err)
				}
				must(t, inTransaction, "begin; insert into t values (1)")
				must(t, direct, "select pg_advisory_lock(1)") // for as long as the query is to take
				asked := begin(t, inQuery, "insert into t select 2 from pg_advisory_xact_lock(1)")
				running(t, w, direct, "insert into t select 2", 1)

				stop(t, w)
				refusesConnections(t, w)
				if code := idle.ended(patience); code != "57P01" {
					t.Errorf("the idle client got %q", code)
				}
				must(t, direct, "select pg_advisory_unlock(1)")
				if err := finished(t, asked, patience); err != nil {
					t.Errorf("the query under way: %v", err)
				}
				if err := runSQL(t.Context(), inQuery, "select 1"); sqlState(err) != "57P01" {
					t.Errorf("the client that had no more to finish: %v", err)
				}
				if code, body := get(t, w, "/readyz"); code != 503 {
					t.Errorf("/readyz: %d %s", code, body)
				}
				must(t, inTransaction, "insert into t values (3)")
				must(t, inTransaction, "commit")
				if err := runSQL(t.Context(), inTransaction, "select 1"); sqlState(err) != "57P01" {
					t.Errorf("after its commit the client got %v", err)
				}
				if code := w.Exited(t, patience); code != 0 {
					t.Errorf("exit code %d", code)
				}
				if got := ask(t, direct, "select string_agg(i::text, ' ' order by i) from t"); got != "1 2 3" {
					t.Errorf("committed: %s", got)
				}
			})
		}
	}
}

// TestShutdownWaitForClientsServesThemToTheirEnd: they go when they like, and pgweir with
// the last one.
func TestShutdownWaitForClientsServesThemToTheirEnd(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "session"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: "pool_mode = \"" + mode + "\"\nshutdown_timeout = \"1s\""})
			first, last := connect(t, w.DSN()), connect(t, w.DSN())
			console := connect(t, w.Console())
			must(t, first, "begin")
			must(t, console, "SHUTDOWN WAIT_FOR_CLIENTS")
			refusesConnections(t, w)
			if code, body := get(t, w, "/readyz"); code != 503 {
				t.Errorf("/readyz: %d %s", code, body)
			}
			must(t, first, "commit")
			must(t, first, "select 1") // though it has been at rest
			if err := first.Close(t.Context()); err != nil {
				t.Error(err)
			}
			eventually(t, "one is left", func() bool { return rowsWith(show(t, console, "show clients"), "database", w.DB) == 1 })
			must(t, last, "select 1")
			if err := last.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if code := w.Exited(t, patience); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

func TestADrainEndsAtItsDeadline(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "session"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: "pool_mode = \"" + mode + "\"\nshutdown_timeout = \"1s\"", Database: "pool_size = 2"})
			direct := connect(t, w.Direct())
			must(t, direct, "create table t(i int)")
			inTransaction, inQuery := loginWire(t, w), loginWire(t, w)
			for _, sql := range []string{"begin", "insert into t values (1)"} {
				if code, err := inTransaction.roundTrip(sql); code != "" || err != nil {
					t.Fatal(code, err)
				}
			}
			inQuery.send(simpleQuery("select pg_sleep(60)"))
			running(t, w, direct, "select pg_sleep(60)", 1)
			start := time.Now()
			w.Signal(t, syscall.SIGTERM)
			for what, c := range map[string]*wireClient{"in a transaction": inTransaction, "in a query": inQuery} {
				if code := c.ended(patience); code != "57P01" {
					t.Errorf("%s: %q", what, code)
				}
			}
			if code := w.Exited(t, patience); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if took := time.Since(start); took < 900*time.Millisecond || took > patience {
				t.Errorf("stopped after %v, the deadline is 1s", took)
			}
			eventually(t, "no backend works on for nobody", func() bool { return len(w.Backends(t)) == 1 })
			if n := ask(t, direct, "select count(*) from t"); n != "0" {
				t.Errorf("%s rows", n)
			}
		})
	}
}

func TestASecondSignalAndAShutdownEndAtOnce(t *testing.T) {
	t.Parallel()
	for how, stop := range map[string]func(*testing.T, *weir){
		"two signals": func(t *testing.T, w *weir) {
			w.Signal(t, syscall.SIGTERM)
			refusesConnections(t, w)
			w.Signal(t, syscall.SIGTERM)
		},
		"a signal after SHUTDOWN WAIT_FOR_SERVERS": func(t *testing.T, w *weir) {
			must(t, connect(t, w.Console()), "SHUTDOWN WAIT_FOR_SERVERS")
			refusesConnections(t, w)
			w.Signal(t, syscall.SIGTERM)
		},
		"SHUTDOWN": func(t *testing.T, w *weir) {
			// Whether its own answer still comes is not the point.
			_ = runSQL(t.Context(), connect(t, w.Console()), "SHUTDOWN")
		},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: `shutdown_timeout = "60s"`})
			direct := connect(t, w.Direct())
			must(t, direct, "create table t(i int)")
			inTransaction, inQuery := loginWire(t, w), loginWire(t, w)
			for _, sql := range []string{"begin", "insert into t values (1)"} {
				if code, err := inTransaction.roundTrip(sql); code != "" || err != nil {
					t.Fatal(code, err)
				}
			}
			inQuery.send(simpleQuery("select pg_sleep(60)"))
			running(t, w, direct, "select pg_sleep(60)", 1)
			start := time.Now()
			stop(t, w)
			if code := w.Exited(t, patience); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if took := time.Since(start); took > patience {
				t.Errorf("it took %v", took)
			}
			for what, c := range map[string]*wireClient{"in a transaction": inTransaction, "in a query": inQuery} {
				if code := c.ended(patience); code != "57P01" {
					t.Errorf("%s: %q", what, code)
				}
			}
			eventually(t, "no backend works on for nobody", func() bool { return len(w.Backends(t)) == 1 })
			if n := ask(t, direct, "select count(*) from t"); n != "0" {
				t.Errorf("%s rows", n)
			}
		})
	}
}

// TestThoseWhoWaitWhenADrainBeginsAreServedOrTold: nobody is left without an answer.
func TestThoseWhoWaitWhenADrainBeginsAreServedOrTold(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: `shutdown_timeout = "30s"`, Database: "pool_size = 1"})
	console := connect(t, w.Console())
	holder := connect(t, w.DSN())
	must(t, holder, "begin")
	var waits []<-chan error
	for range 5 {
		waits = append(waits, begin(t, connect(t, w.DSN()), "select 1"))
	}
	waitingClients(t, w, console, 5)
	w.Signal(t, syscall.SIGTERM)
	refusesConnections(t, w)
	must(t, holder, "commit")
	for _, done := range waits {
		if err := finished(t, done, patience); err != nil && sqlState(err) != "57P01" {
			t.Errorf("a client that waited: %v", err)
		}
	}
	if code := w.Exited(t, patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestClientsThatNeverPauseDoNotHoldUpADrain: each is closed behind an answer,
// and never in a transaction.
func TestClientsThatNeverPauseDoNotHoldUpADrain(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "shutdown_timeout = \"60s\"\nlog_connections = false\nlog_disconnections = false"})
	execSQL(t, w.Direct(), "create table account(balance int); insert into account values (0); create table log(i int)")
	var ends []<-chan error
	var booked atomic.Int64
	for range 12 {
		conn := connect(t, w.DSN())
		end := make(chan error, 1)
		ends = append(ends, end)
		go func() {
			for {
				for _, sql := range []string{"begin", "insert into log values (1)", "select pg_sleep(0.001)", "commit"} {
					if err := runSQL(context.Background(), conn, sql); err != nil {
						if sql != "begin" {
							err = fmt.Errorf("in a transaction, at %s: %w", sql, err)
						}
						end <- err
						return
					}
				}
				booked.Add(1)
			}
		}()
	}
	eventually(t, "the load runs", func() bool { return booked.Load() > 100 })
	start := time.Now()
	w.Signal(t, syscall.SIGTERM)
	if code := w.Exited(t, 30*time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(start); took > patience {
		t.Errorf("the drain took %v", took)
	}
	for _, end := range ends {
		if err := finished(t, end, patience); sqlState(err) != "57P01" || strings.Contains(err.Error(), "in a transaction") {
			t.Errorf("a client ended with: %v", err)
		}
	}
	direct := connect(t, w.Direct())
	if got := ask(t, direct, "select count(*) from log"); got != strconv.FormatInt(booked.Load(), 10) {
		t.Errorf("%s transactions are there, %d were told to be", got, booked.Load())
	}
}

func TestASocketThatSomebodyLeftBehindIsReplacedAndOneInUseIsNot(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{})
	other := startWeirExpectingFailure(t, w.Config())
	if !strings.Contains(other, "in use") && !strings.Contains(other, "another process") {
		t.Errorf("a second pgweir on the same port said: %s", other)
	}
	servedWithin(t, connect(t, w.DSN()), patience)
	local, err := pgx.Connect(t.Context(), "host="+w.Dir+" user=postgres dbname="+w.DB+" port="+w.Addr()[len("127.0.0.1:"):])
	if err != nil {
		t.Fatalf("the socket was taken from the one that listens on it: %v", err)
	}
	_ = local.Close(t.Context())
	// kill -9 leaves it behind, and the next start takes its place.
	w.Signal(t, syscall.SIGKILL)
	w.Exited(t, patience)
	if _, err := os.Stat(w.SocketPath()); err != nil {
		t.Fatal(err)
	}
	w.relaunch(t)
	local, err = pgx.Connect(t.Context(), "host="+w.Dir+" user=postgres dbname="+w.DB+" port="+w.Addr()[len("127.0.0.1:"):])
	if err != nil {
		t.Fatal(err)
	}
	_ = local.Close(t.Context())
}
