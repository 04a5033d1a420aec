package integration

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

func TestAThousandClientsOnAPoolOfTwentyAreAllServed(t *testing.T) {
	t.Parallel()
	const clients, rounds = 1000, 5
	w := startWeir(t, weirOptions{Top: "log_connections = false\nlog_disconnections = false\nlisten_backlog = 4096\nquery_wait_timeout = \"120s\"", Database: "pool_size = 20"})
	watch := watchBackends(t, w.PG, w.DB)
	var (
		mu    sync.Mutex
		waits []time.Duration
		all   sync.WaitGroup
	)
	for i := range clients {
		all.Go(func() {
			conn, err := pgconn.Connect(t.Context(), w.DSN("connect_timeout=60"))
			if err != nil {
				t.Errorf("client %d: %v", i, err)
				return
			}
			defer conn.Close(t.Context())
			for round := range rounds {
				begin := time.Now()
				want := fmt.Sprintf("%d/%d", i, round)
				results, err := conn.Exec(t.Context(), "begin; select '"+want+"', pg_sleep(0.001); commit").ReadAll()
				if err != nil || string(results[1].Rows[0][0]) != want {
					t.Errorf("client %d: %v", i, err)
					return
				}
				mu.Lock()
				waits = append(waits, time.Since(begin))
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if most := watch.Stop(t); most > 20 {
		t.Errorf("%d backends", most)
	}
	if len(waits) != clients*rounds {
		t.Fatalf("%d of %d transactions", len(waits), clients*rounds)
	}
	slices.Sort(waits)
	t.Logf("a transaction took %v in the middle, %v at the 99th percentile, %v at most", waits[len(waits)/2], waits[len(waits)*99/100], waits[len(waits)-1])
}

// TestFiveThousandIdleClientsCostLittle counts what a client costs that has
// run a query.
func TestFiveThousandIdleClientsCostLittle(t *testing.T) {
	t.Parallel()
	const clients = 5000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Max < clients+2000 {
		t.Fatalf("%d clients need more than the %d file descriptors that this process may have (ulimit -Hn)", clients, limit.Max)
	}
	w := startWeir(t, weirOptions{Top: "log_connections = false\nlog_disconnections = false", Database: "pool_size = 5"})
	watch := watchBackends(t, w.PG, w.DB)
	hundred := make([]*rawConn, 0, clients)
	for range 100 {
		hundred = append(hundred, idleClient(t, w))
	}
	before := residentMemory(t, w.PID())
	all := hundred
	for len(all) < clients {
		all = append(all, idleClient(t, w))
	}
	each := float64(residentMemory(t, w.PID())-before) / (clients - 100)
	t.Logf("%d idle clients; resident memory of pgweir %d KB; %.2f KB for each", clients, residentMemory(t, w.PID()), each)
	most := 2.5 // KB
	if os.Getenv("PGWEIR_TEST_RACE") == "1" {
		most = 10 // the race detector keeps books of its own
	}
	if each > most {
		t.Errorf("an idle client takes %.2f KB, more than %.1f", each, most)
	}
	// They are all still there.
	for i := 0; i < clients; i += 50 {
		all[i].Say(t, query("select 'still here'"))
		if got := all[i].until(t, 'Z'); got != "still here" {
			t.Errorf("client %d got %q", i, got)
		}
	}
	if most := watch.Stop(t); most > 5 {
		t.Errorf("%d backends", most)
	}
	for _, c := range all {
		_ = c.net.Close()
	}
}

// idleClient is one that has run a query.
func idleClient(t *testing.T, w *weir) *rawConn {
	t.Helper()
	c := rawLogin(t, w.Addr(), "postgres", w.DB, "application_name", "idle")
	c.Say(t, query("select 1"))
	if got := c.until(t, 'Z'); got != "1" {
		t.Fatalf("got %q", got)
	}
	// The buffers of the test's own side are given back.
	c.Frontend = pgproto3.NewFrontend(c.net, c.net)
	return c
}
