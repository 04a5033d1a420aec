package integration

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestCtrlCInPsqlStopsItsOwnQueryAndNoOther(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "session"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: `pool_mode = "` + mode + `"`})
			direct := connect(t, w.Direct())
			bystander := connect(t, w.DSN())
			other := begin(t, bystander, "select pg_sleep(1) /* bystander */")

			psql := exec.Command("psql", w.DSN(), "-X", "-c", "select pg_sleep(60) /* psql */")
			var out bytes.Buffer
			psql.Stdout, psql.Stderr = &out, &out
			if err := psql.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = psql.Process.Kill() }()
			running(t, w, direct, "select pg_sleep(60)", 1)
			pressed := time.Now()
			if err := psql.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			_ = psql.Wait() // its exit code says that the query failed
			if took := time.Since(pressed); took > patience {
				t.Errorf("psql took %v to stop", took)
			}
			if !strings.Contains(out.String(), "canceling statement due to user request") {
				t.Errorf("psql said: %s", out.String())
			}
			if err := finished(t, other, patience); err != nil {
				t.Errorf("somebody else's query: %v", err)
			}
			running(t, w, direct, "select pg_sleep(60)", 0)
		})
	}
}

func TestAClientThatWaitsForABackendCanBeCancelled(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1"})
	console := connect(t, w.Console())
	holder, after := connect(t, w.DSN()), connect(t, w.DSN())
	waiting := loginWire(t, w)
	must(t, holder, "begin")
	waiting.send(simpleQuery("select 'never run'"))
	waitingClients(t, w, console, 1)
	behind := begin(t, after, "select 1")
	waitingClients(t, w, console, 2)

	if err := sendCancel(w.Addr(), waiting.pid, waiting.key); err != nil {
		t.Fatal(err)
	}
	code, err := waiting.answer()
	if err != nil || code != "57014" {
		t.Fatalf("the client that was cancelled got %q, %v", code, err)
	}
	waitingClients(t, w, console, 1) // the one behind it is still there
	must(t, holder, "select 1")      // and the holder's transaction too
	must(t, holder, "commit")
	if err := finished(t, behind, patience); err != nil {
		t.Error(err)
	}
	if code, err := waiting.roundTrip("select 1"); code != "" || err != nil {
		t.Errorf("afterwards the client that was cancelled got %q, %v", code, err)
	}
}

func TestACancelledPipelineThatWaitedIsAnsweredUpToItsSync(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1"})
	console := connect(t, w.Console())
	holder := connect(t, w.DSN())
	waiting := loginWire(t, w)
	must(t, holder, "begin")
	pipeline := slices.Concat(
		frame('P', "\x00select 1\x00\x00\x00"), frame('B', "\x00\x00\x00\x00\x00\x00\x00\x00"),
		frame('E', "\x00\x00\x00\x00\x00"), frame('S', ""))
	waiting.send(pipeline)
	waitingClients(t, w, console, 1)
	if err := sendCancel(w.Addr(), waiting.pid, waiting.key); err != nil {
		t.Fatal(err)
	}
	if code, err := waiting.answer(); code != "57014" || err != nil {
		t.Fatalf("got %q, %v", code, err)
	}
	must(t, holder, "commit")
	waiting.send(pipeline)
	if code, err := waiting.answer(); code != "" || err != nil {
		t.Errorf("the same pipeline, later: %q, %v", code, err)
	}
}

// TestAKeyThatIsWrongOrStaleCancelsNothing has a query run while every kind of
// key arrives that is not its own.
func TestAKeyThatIsWrongOrStaleCancelsNothing(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "session"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: `pool_mode = "` + mode + `"`, Database: "pool_size = 2"})
			direct := connect(t, w.Direct())

			gone := loginWire(t, w)
			if _, err := gone.roundTrip("select 1"); err != nil {
				t.Fatal(err)
			}
			gone.vanish(false)
			eventually(t, "pgweir has seen that the client is gone", func() bool {
				return strings.Contains(w.Log(), "client disconnected")
			})
			// Its place, its backend and perhaps its process ID are the next one's.
			runner, idle := loginWire(t, w), loginWire(t, w)
			if _, err := idle.roundTrip("select 1"); err != nil {
				t.Fatal(err)
			}
			runner.send(simpleQuery("select pg_sleep(4)"))
			running(t, w, direct, "select pg_sleep(4)", 1)

			flipped := func(key []byte, at int) []byte {
				key = slices.Clone(key)
				key[at] ^= 1
				return key
			}
			for what, try := range map[string]struct {
				pid uint32
				key []byte
			}{
				"the key of a client that is gone":       {gone.pid, gone.key},
				"its key with the runner's process ID":   {runner.pid, gone.key},
				"an idle client's key":                   {idle.pid, idle.key},
				"an idle client's, runner's process ID":  {runner.pid, idle.key},
				"the runner's, another process ID":       {idle.pid, runner.key},
				"the runner's, no process ID":            {0, runner.key},
				"the runner's, an immense process ID":    {1<<32 - 1, runner.key},
				"the runner's with a bit changed":        {runner.pid, flipped(runner.key, 3)},
				"the runner's, longer":                   {runner.pid, append(slices.Clone(runner.key), 0)},
				"the runner's, the longest that can be":  {runner.pid, append(slices.Clone(runner.key), make([]byte, 252)...)},
				"zeroes":                                 {runner.pid, make([]byte, 4)},
				"an idle client's, the backend's own ID": {uint32(w.Backends(t)[0]), idle.key},
				"a key that is too short to be a key":    {runner.pid, runner.key[:2]},
				"a process ID and nothing that is a key": {runner.pid, nil},
			} {
				err := sendCancel(w.Addr(), try.pid, try.key)
				if err != nil && len(try.key) >= 4 {
					t.Errorf("%s: %v", what, err)
				}
			}
			if code, err := runner.answer(); code != "" || err != nil {
				t.Errorf("the query got %q, %v", code, err)
			}
		})
	}
}

func TestAKeyOfProtocol32IsLongAndCancels(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "session"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: `pool_mode = "` + mode + `"`})
			direct := connect(t, w.Direct())
			c := dialWire(t, w.Addr())
			c.login(protocol32, "user", "postgres", "database", w.DB)
			if len(c.key) <= 4 || len(c.key) > 256 {
				t.Fatalf("the key has %d bytes", len(c.key))
			}
			c.send(simpleQuery("select pg_sleep(60)"))
			running(t, w, direct, "select pg_sleep(60)", 1)
			last := len(c.key) - 1
			c.key[last] ^= 1
			for _, wrong := range [][]byte{c.key, c.key[:4], c.key[:last]} {
				if err := sendCancel(w.Addr(), c.pid, wrong); err != nil {
					t.Fatal(err)
				}
			}
			running(t, w, direct, "select pg_sleep(60)", 1)
			c.key[last] ^= 1
			if err := sendCancel(w.Addr(), c.pid, c.key); err != nil {
				t.Fatal(err)
			}
			if code, err := c.answer(); code != "57014" || err != nil {
				t.Errorf("got %q, %v", code, err)
			}
		})
	}
}

// TestACancelStormNeverHitsSomebodyElse: a few clients cancel their own queries
// as often as they can, on the backends that pgbench uses too.
func TestACancelStormNeverHitsSomebodyElse(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d loops", workers), func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{
				Top:      fmt.Sprintf("workers = %d\nlog_connections = false\nlog_disconnections = false", workers),
				Database: "pool_size = 4",
			})
			script := filepath.Join(t.TempDir(), "short.sql")
			if err := os.WriteFile(script, []byte("select pg_sleep(0.001);\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var victims sync.WaitGroup
			var hits, queries atomic.Int64
			for range 6 {
				c := loginWire(t, w)
				victims.Go(func() {
					for ctx.Err() == nil {
						if err := c.write(simpleQuery("select pg_sleep(0.004)")); err != nil {
							t.Error(err)
							return
						}
						var mine sync.WaitGroup
						for range 1 + rand.N(3) {
							mine.Go(func() {
								if err := sendCancel(w.Addr(), c.pid, c.key); err != nil {
									t.Error(err)
								}
							})
						}
						code, err := c.answer()
						if err != nil || code != "" && code != "57014" {
							t.Errorf("the query that was cancelled: %q, %v", code, err)
							return
						}
						queries.Add(1)
						if code != "" {
							hits.Add(1)
						}
						mine.Wait()
						// All cancels have been dealt with: none may hit what comes later.
						if code, err := c.roundTrip("select 1"); code != "" || err != nil {
							t.Errorf("the query after it: %q, %v", code, err)
							return
						}
					}
				})
			}
			for _, protocol := range []string{"simple", "extended"} {
				bench := exec.Command("pgbench", "-n", "-f", script, "-M", protocol, "-c", "6", "-T", "2", w.DSN())
				out, err := bench.CombinedOutput()
				if err != nil || strings.Contains(string(out), "canceling") {
					t.Errorf("pgbench: %v\n%s", err, out)
				}
			}
			stop()
			victims.Wait()
			t.Logf("%d of %d queries were cancelled", hits.Load(), queries.Load())
			if hits.Load() == 0 {
				t.Error("no query was cancelled")
			}
		})
	}
}

func TestACancelStopsACopyAndAQueryInATransaction(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1"})
	direct := connect(t, w.Direct())
	c := loginWire(t, w)
	for _, sql := range []string{"create table t(i int)", "begin", "savepoint s"} {
		if code, err := c.roundTrip(sql); code != "" || err != nil {
			t.Fatalf("%s: %q, %v", sql, code, err)
		}
	}
	c.send(simpleQuery("select pg_sleep(60)"))
	running(t, w, direct, "select pg_sleep(60)", 1)
	if err := sendCancel(w.Addr(), c.pid, c.key); err != nil {
		t.Fatal(err)
	}
	if code, err := c.answer(); code != "57014" || err != nil {
		t.Fatalf("in the transaction: %q, %v", code, err)
	}
	for _, sql := range []string{"rollback to s", "insert into t values (1)", "commit"} {
		if code, err := c.roundTrip(sql); code != "" || err != nil {
			t.Fatalf("%s: %q, %v", sql, code, err)
		}
	}
	if n := ask(t, direct, "select count(*) from t"); n != "1" {
		t.Errorf("%s rows, want 1: the transaction should have gone on after the cancel", n)
	}
	c.send(simpleQuery("copy t from stdin"))
	c.until('G')
	c.send(frame('d', "2\n"))
	running(t, w, direct, "copy t from stdin", 1)
	if err := sendCancel(w.Addr(), c.pid, c.key); err != nil {
		t.Fatal(err)
	}
	// PostgreSQL looks up from a COPY when the next data come.
	c.send(frame('d', "3\n"))
	if code, err := c.answer(); code != "57014" || err != nil {
		t.Fatalf("in the copy: %q, %v", code, err)
	}
	if code, err := c.roundTrip("select 1"); code != "" || err != nil {
		t.Errorf("after the copy: %q, %v", code, err)
	}
}
