package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestReloadsOfAnySizesUnderPgbenchAreNoticedByNobody: sizes, modes, caps and timeouts
// change all the time, and databases and users come and go. PostgreSQL never has more
// backends than the larger of two sizes, and has what is allowed in the end.
func TestReloadsOfAnySizesUnderPgbenchAreNoticedByNobody(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	const largest = 20
	// Two names for one database of the server's; one stays, the other comes and goes.
	random := func() weirOptions {
		size := 2 + rnd.IntN(largest-1)
		o := weirOptions{
			Top: fmt.Sprintf("log_connections = false\nlog_disconnections = false\nserver_lifetime = \"%ds\"\npool_weight = %d\n", 1+rnd.IntN(10), 1+rnd.IntN(3)),
			// The cap is above the size at times, and below it at others.
			Database: fmt.Sprintf("pool_size = %d\nmax_db_connections = %d\nmin_pool_size = %d\nserver_idle_timeout = \"%ds\"", size, 2+rnd.IntN(2*largest), rnd.IntN(3), 1+rnd.IntN(5)),
			Tables:   "[users.postgres]\n",
		}
		if rnd.IntN(2) == 0 {
			o.Tables += fmt.Sprintf("max_user_connections = %d\n[users.other]\n", 2+rnd.IntN(2*largest))
		}
		if rnd.IntN(2) == 0 {
			o.Tables += "[databases.other]\nhost = \"127.0.0.1\"\nport = PGPORT\ndbname = \"postgres\"\npool_size = 2\n"
		}
		return o
	}
	w := startWeir(t, random())
	pgbench(t, w.PG.Port, w.DB, "-i", "-q")
	console := connect(t, w.Console())
	count := takeCensus(t, w.PG)
	defer count.done.Wait()
	defer count.stop()

	done := make(chan struct{})
	var loads sync.WaitGroup
	end := sync.OnceFunc(func() {
		close(done)
		loads.Wait()
	})
	defer end()
	transactions := make([]int, 3)
	for i, load := range [][]string{
		{"-M", "prepared", "-c", "12", "-j", "12", "-b", "tpcb-like"},
		{"-M", "extended", "-c", "8", "-j", "4", "-b", "select-only"},
		{"-C", "-c", "2", "-S"}, // every connection new
	} {
		loads.Go(func() {
			for over := false; !over; {
				transactions[i] += pgbench(t, w.Port, w.DB, append([]string{"-n", "-t", "20"}, load...)...)
				select {
				case <-done:
					over = true
				default:
				}
			}
		})
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for range 20 {
		w.Rewrite(t, random())
		must(t, console, "RELOAD")
		visitOther(t, w)
		<-tick.C
	}
	// A lower cap, while the load goes on.
	last := weirOptions{Top: "log_connections = false\nlog_disconnections = false", Database: "pool_size = 10"}
	w.Rewrite(t, last)
	must(t, console, "RELOAD")
	eventually(t, "the pool is larger than the cap will be", func() bool { return len(w.Backends(t)) > 5 })
	last.Database += "\nmax_db_connections = 3"
	w.Rewrite(t, last)
	must(t, console, "RELOAD")
	eventually(t, "there are no more backends than the new cap allows, under load", func() bool { return len(w.Backends(t)) <= 3 })
	end()
	if n := len(w.Backends(t)); n > 3 {
		t.Errorf("%d backends in the end", n)
	}
	eventually(t, "the pool of the database that is gone has gone", func() bool {
		for _, row := range show(t, console, "show pools") {
			if row["database"] == "other" {
				return false
			}
		}
		return true
	})
	if most := count.end(t)[w.DB]; most > largest {
		t.Errorf("%d backends, never more than %d were allowed", most, largest)
	}
	t.Logf("transactions: %v", transactions)
	if strings.Contains(w.Log(), "level=ERROR") {
		t.Error("the log has errors")
	}
}

// visitOther asks in the database that comes and goes, if it is there.
func visitOther(t *testing.T, w *weir) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn(w.Port, "other"))
	if err == nil {
		err = runSQL(t.Context(), conn, "select 1")
		_ = conn.Close(context.Background())
	}
	if err != nil && sqlState(err) != "3D000" {
		t.Errorf("in the other database: %v", err)
	}
}

// TestADatabaseThatIsRemovedServesThoseWhoAreIn: and its pool is gone after them.
func TestADatabaseThatIsRemovedServesThoseWhoAreIn(t *testing.T) {
	t.Parallel()
	opts := weirOptions{}
	opts.Tables = "[users.postgres]\n[databases.other]\nhost = \"127.0.0.1\"\nport = PGPORT\ndbname = \"postgres\"\nmin_pool_size = 2\nuser = \"postgres\"\n"
	w := startWeir(t, opts)
	console := connect(t, w.Console())
	client := connect(t, dsn(w.Port, "other"))
	must(t, client, "begin")
	opts.Tables = "[users.postgres]\n"
	w.Rewrite(t, opts)
	must(t, console, "RELOAD")
	must(t, client, "select 1")
	must(t, client, "commit")
	must(t, client, "select 1")
	if err := canLogIn(t, dsn(w.Port, "other")); sqlState(err) != "3D000" {
		t.Errorf("a new client: %v", err)
	}
	pools := func() (n int) {
		for _, row := range show(t, console, "show pools") {
			if row["database"] == "other" {
				n++
			}
		}
		return n
	}
	if n := pools(); n != 1 {
		t.Errorf("%d pools while there is a client", n)
	}
	if err := client.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pool goes when its last client has gone", func() bool { return pools() == 0 })
}
