package integration

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

// busyClients are clients of one pool that have a backend or wait for one at all times.
type busyClients struct {
	served atomic.Int64
}

// keepBusy has clients ask for one short query after the other until the test ends.
func keepBusy(t *testing.T, clients int, dsn string) *busyClients {
	t.Helper()
	c := new(busyClients)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	for range clients {
		done.Go(func() {
			conn, err := pgx.Connect(context.Background(), dsn)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close(context.Background())
			for ctx.Err() == nil {
				if err := runSQL(context.Background(), conn, "select pg_sleep(0.005)"); err != nil {
					t.Error(err)
					return
				}
				c.served.Add(1)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		done.Wait()
	})
	return c
}

// backendsByUser waits until each pool has so many backends, idle ones among them.
func backendsByUser(t *testing.T, console *pgx.Conn, want map[string]int) {
	t.Helper()
	var last map[string]int
	defer func() {
		if t.Failed() {
			t.Logf("the last counts: %v", last)
		}
	}()
	eventually(t, fmt.Sprintf("backends are %v", want), func() bool {
		last = map[string]int{}
		for _, row := range show(t, console, "show pools") {
			n := 0
			for _, column := range []string{"sv_active", "sv_idle", "sv_used", "sv_tested", "sv_login", "sv_closing"} {
				var k int
				fmt.Sscan(row[column], &k)
				n += k
			}
			if n > 0 {
				last[row["user"]] += n
			}
		}
		return maps.Equal(last, want)
	})
}

// roles makes roles on w's server that are not there yet.
func roles(t *testing.T, w *weir, names ...string) {
	t.Helper()
	for _, name := range names {
		execSQL(t, w.PG.DSN("postgres"), "do 'begin create role "+name+" login; exception when duplicate_object then null; end'")
	}
}

func TestABusyPoolMakesRoomForOthersUnderACap(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	w := startWeir(t, weirOptions{
		Cluster: pg,
		Top:     "max_server_conn = 6\ndefault_pool_size = 20\nworkers = 2",
		Tables:  "[users.postgres]\n[users.f1]\n[users.f2]\npool_weight = 2\n[users.f3]",
	})
	roles(t, w, "f1", "f2", "f3")
	count := takeCensus(t, pg)
	console := connect(t, w.Console())
	keepBusy(t, 12, w.DSN("user=f1"))
	backendsByUser(t, console, map[string]int{"f1": 6}) // nobody else wants any
	second := keepBusy(t, 12, w.DSN("user=f2"))
	backendsByUser(t, console, map[string]int{"f1": 2, "f2": 4})
	third := keepBusy(t, 1, w.DSN("user=f3"))
	eventually(t, "all are served", func() bool { return second.served.Load() > 100 && third.served.Load() > 100 })
	backendsByUser(t, console, map[string]int{"f1": 2, "f2": 3, "f3": 1})
	if n := count.end(t); n["f1"]+n["f2"]+n["f3"] == 0 || n[w.DB] > 6 {
		t.Errorf("%d backends at once, at most 6: %v", n[w.DB], n)
	}
}

func TestMorePoolsThanACapAllowsTakeTurns(t *testing.T) {
	t.Parallel()
	var users strings.Builder
	var names []string
	for i := range 6 {
		names = append(names, fmt.Sprintf("t%d", i))
		fmt.Fprintf(&users, "[users.t%d]\n", i)
	}
	pg := startCluster(t, cluster.Options{})
	w := startWeir(t, weirOptions{Cluster: pg, Database: "max_db_connections = 2", Tables: "[users.postgres]\n" + users.String()})
	roles(t, w, names...)
	count := takeCensus(t, pg)
	var all []*busyClients
	for _, name := range names {
		all = append(all, keepBusy(t, 3, w.DSN("user="+name)))
	}
	for i, c := range all {
		eventually(t, names[i]+" has had several turns", func() bool { return c.served.Load() > 100 })
	}
	if n := count.end(t); n[w.DB] > 2 {
		t.Errorf("%d backends at once, at most 2: %v", n[w.DB], n)
	}
}

func TestAMinimumOfADatabaseWithAUserIsOpenBeforeAnybodyComes(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "user = \"postgres\"\nmin_pool_size = 3"})
	backendCount(t, w, 3)
	w.Rewrite(t, weirOptions{Database: "user = \"postgres\"\nmin_pool_size = 4"})
	console := connect(t, w.Console())
	execSQL(t, w.Console(), "reload")
	backendCount(t, w, 4)
	if row := poolRow(t, w, console); row["cl_active"] != "0" {
		t.Errorf("a client is there: %v", row)
	}
}

func TestAReserveOfAUserComesBeforeTheDatabases(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{
		Top:      "reserve_pool_timeout = \"0.2s\"",
		Database: "pool_size = 1\nreserve_pool_size = 5",
		Tables:   "[users.postgres]\nreserve_pool_size = 1",
	})
	for range 2 {
		must(t, connect(t, w.DSN()), "begin")
	}
	done := begin(t, connect(t, w.DSN()), "select 1")
	console := connect(t, w.Console())
	eventually(t, "it has waited for longer than reserve_pool_timeout", func() bool {
		return poolRow(t, w, console)["maxwait"] != "0"
	})
	if n := len(w.Backends(t)); n != 2 {
		t.Errorf("%d backends", n)
	}
	if got := show(t, console, "show users")[0]["reserve_pool_size"]; got != "1" {
		t.Errorf("show users: %q", got)
	}
	select {
	case err := <-done:
		t.Errorf("it was served, or refused: %v", err)
	default:
	}
}
