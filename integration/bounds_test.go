package integration

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

// census counts backends all the time and remembers the most that it saw at
// once of each group: "db", "user" and "db/user".
type census struct {
	stop    context.CancelFunc
	done    sync.WaitGroup
	most    map[string]int
	samples int
}

// takeCensus begins to count, over a superuser's connection. PostgreSQL reads
// the table of its backends one after the other: one that goes meanwhile and
// one that has come since may both be in one reading. So those are counted that
// two readings in a row have, for they all lived at the same time.
func takeCensus(t *testing.T, pg *cluster.Cluster) *census {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	conn, err := pgx.Connect(ctx, pg.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	c := &census{stop: cancel, most: map[string]int{}}
	c.done.Go(func() {
		defer conn.Close(context.Background())
		before := map[string]bool{}
		for ctx.Err() == nil {
			rows, err := conn.PgConn().Exec(context.Background(), `select pid || ' ' || backend_start, datname, usename
				from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() and datname is not null`).ReadAll()
			if err != nil {
				t.Errorf("counting backends: %v", err)
				return
			}
			now, groups := map[string]bool{}, map[string]int{}
			for _, r := range rows[0].Rows {
				id, db, user := string(r[0]), string(r[1]), string(r[2])
				now[id] = true
				if before[id] {
					groups[db]++
					groups[user]++
					groups[db+"/"+user]++
				}
			}
			before = now
			for k, n := range groups {
				c.most[k] = max(c.most[k], n)
			}
			c.samples++
		}
	})
	return c
}

// end stops counting.
func (c *census) end(t *testing.T) map[string]int {
	t.Helper()
	c.stop()
	c.done.Wait()
	t.Logf("%d samples: %v", c.samples, c.most)
	if c.samples < 5 { // on a machine that hardly gets on
		t.Errorf("counted %d times only", c.samples)
	}
	return c.most
}

// churn has clients come, ask and go for a while, with startup parameters that
// differ, so that backends are opened and closed all the time; it gives how
// often each client was served, which is once at least.
func churn(t *testing.T, clients int, during time.Duration, dsnOf func(i int) string) []int64 {
	t.Helper()
	served := make([]int64, clients)
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	var done sync.WaitGroup
	for i := range clients {
		done.Go(func() {
			for served[i] == 0 || ctx.Err() == nil {
				if err := visit(dsnOf(i)); err != nil {
					t.Errorf("client %d: %v", i, err)
					return
				}
				served[i]++
			}
		})
	}
	done.Wait()
	return served
}

// visit is one client that comes, asks now and again, and goes.
func visit(dsn string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	if rand.N(3) == 0 {
		dsn += fmt.Sprintf(" options='-c work_mem=%dMB'", 1+rand.N(3))
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	for range 1 + rand.N(4) {
		sql := fmt.Sprintf("select pg_sleep(%f)", 0.01*rand.Float64())
		switch rand.N(8) {
		case 0:
			sql = "begin; select pg_sleep(0.003); commit"
		case 1:
			sql = "set work_mem = '5MB'" // keeps its backend
		case 2: // goes in the midst of it
			short, cancel := context.WithTimeout(ctx, 3*time.Millisecond)
			_ = runSQL(short, conn, "select pg_sleep(0.05)")
			cancel()
			return nil
		}
		if err := runSQL(ctx, conn, sql); err != nil {
			return err
		}
	}
	return nil
}

// TestNoLimitIsExceededForAnInstant: several databases and users at once, caps
// that cut across the pools, clients that come and go, crash out of their
// queries and have parameters that no backend fits. PostgreSQL has the same
// caps as pgweir, and would refuse the one backend too many.
func TestNoLimitIsExceededForAnInstant(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "session"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			pg := startCluster(t, cluster.Options{})
			w := startWeir(t, weirOptions{
				Cluster: pg,
				Top: `pool_mode = "` + mode + `"
					log_connections = false
					log_disconnections = false
					default_pool_size = 4
					max_user_connections = 7
					query_wait_timeout = "60s"
					workers = 2`,
				Tables: `
					[databases.second]
					host = "127.0.0.1"
					port = PGPORT
					max_db_connections = 5
					[databases.third]
					host = "127.0.0.1"
					port = PGPORT
					pool_size = 2
					[users.postgres]
					[users.u1]
					[users.u2]
					[users.u3]
					max_user_connections = 3`,
			})
			for _, sql := range []string{
				"create role u1 login connection limit 7", "create role u2 login connection limit 7",
				"create role u3 login connection limit 3",
				"create database second connection limit 5", "create database third connection limit 6",
			} {
				execSQL(t, w.Direct(), sql)
			}
			dbs := []string{w.DB, "second", "third"}
			count := takeCensus(t, pg)
			served := churn(t, 45, 4*time.Second, func(i int) string {
				return dsn(w.Port, dbs[i%3], fmt.Sprintf("user=u%d", 1+i/3%3))
			})
			most := count.end(t)
			for _, user := range []string{"u1", "u2", "u3"} {
				limits := map[string]int{
					w.DB + "/" + user: 4, "second/" + user: 4, "third/" + user: 2,
					user: 7, "second": 5,
				}
				if user == "u3" {
					limits["u3"] = 3
				}
				for what, limit := range limits {
					if most[what] > limit {
						t.Errorf("%s had %d backends, the limit is %d", what, most[what], limit)
					}
				}
			}
			t.Logf("the clients were served %v times", served)
			if most["second"] < 4 || most["u3"] < 2 {
				t.Error("the limits were never near, so nothing has been shown")
			}
		})
	}
}

// backendCount waits until w's database has this many backends.
func backendCount(t *testing.T, w *weir, want int) {
	t.Helper()
	last := -1
	defer func() {
		if last != want {
			t.Errorf("the last count of backends was %d", last)
		}
	}()
	eventually(t, fmt.Sprintf("there are %d backends", want), func() bool {
		last = len(w.Backends(t))
		return last == want
	})
}

func TestAReserveIsForThoseWhoHaveWaitedLong(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{
		Top:      "reserve_pool_timeout = \"1s\"",
		Database: "pool_size = 2\nreserve_pool_size = 2",
	})
	count := takeCensus(t, w.PG)
	console := connect(t, w.Console())
	for range 2 {
		holder := connect(t, w.DSN())
		must(t, holder, "begin")
	}
	start := time.Now()
	var waits []<-chan error
	var late []*pgx.Conn
	for range 3 {
		c := connect(t, w.DSN())
		late = append(late, c)
		waits = append(waits, begin(t, c, "begin"))
	}
	// How many wait before is not looked at: the first may have its backend
	// already when the last one comes.
	eventually(t, "two of three get a backend from the reserve", func() bool {
		return poolRow(t, w, console)["cl_waiting"] == "1" && len(w.Backends(t)) == 4
	})
	if took := time.Since(start); took < 900*time.Millisecond {
		t.Errorf("the reserve was used after %v", took)
	}
	served := 0
	eventually(t, "all are served, as those who were first commit", func() bool {
		for i, done := range waits {
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				served++
				must(t, late[i], "commit")
			default:
			}
		}
		return served == 3
	})
	if most := count.end(t)[w.DB]; most > 4 {
		t.Errorf("%d backends at most, want 2 and 2 in reserve", most)
	}
}

func TestAPoolHasItsMinimumAsSoonAsItIsUsedAndKeepsIt(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{
		Top:      "server_idle_timeout = \"1s\"",
		Database: "pool_size = 5\nmin_pool_size = 3",
	})
	count := takeCensus(t, w.PG)
	clients := atRest(t, w, 1)
	backendCount(t, w, 3)
	// Five have a backend until it is counted, and five more wait.
	var busy []*pgx.Conn
	for range 10 {
		busy = append(busy, connect(t, w.DSN()))
	}
	var waits []<-chan error
	for i, c := range busy {
		if i < 5 {
			must(t, c, "begin")
		} else {
			waits = append(waits, begin(t, c, "select 1"))
		}
	}
	waitingClients(t, w, connect(t, w.Console()), 5)
	backendCount(t, w, 5)
	for _, c := range busy[:5] {
		must(t, c, "commit")
	}
	for _, done := range waits {
		if err := finished(t, done, patience); err != nil {
			t.Error(err)
		}
	}
	backendCount(t, w, 3) // two have been idle for a second
	servedWithin(t, clients[0], patience)
	if most := count.end(t)[w.DB]; most > 5 {
		t.Errorf("%d backends at most", most)
	}
}

func TestIdleAndOldBackendsAreClosed(t *testing.T) {
	t.Parallel()
	idle := startWeir(t, weirOptions{Top: `server_idle_timeout = "1s"`})
	atRest(t, idle, 3)
	backendCount(t, idle, 0)

	w := startWeir(t, weirOptions{Top: `server_lifetime = "1s"`, Database: "pool_size = 2"})
	count := takeCensus(t, w.PG)
	conn := connect(t, w.DSN())
	pids := map[int]bool{}
	eventuallyWithin(t, time.Minute, "a client has had four backends in turn", func() bool {
		pids[backendOf(t, conn)] = true
		return len(pids) == 4
	})
	if most := count.end(t)[w.DB]; most > 2 {
		t.Errorf("%d backends at most, want 2", most)
	}

	once := startWeir(t, weirOptions{Top: `server_lifetime = 0`, Database: "pool_size = 1"})
	conn = connect(t, once.DSN())
	if a, b := backendOf(t, conn), backendOf(t, conn); a == b {
		t.Errorf("backend %d was used twice", a)
	}
}

// TestClientsAreServedInTheirOrder: each client's turn comes in the order in
// which they asked.
func TestClientsAreServedInTheirOrder(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1"})
	console, direct := connect(t, w.Console()), connect(t, w.Direct())
	must(t, direct, "create table turn(n serial, who int)")
	holder := connect(t, w.DSN())
	must(t, holder, "begin")
	var done []<-chan error
	for i := range 12 {
		done = append(done, begin(t, connect(t, w.DSN()), fmt.Sprintf("insert into turn(who) values (%d)", i)))
		waitingClients(t, w, console, i+1)
	}
	must(t, holder, "commit")
	for _, d := range done {
		if err := finished(t, d, patience); err != nil {
			t.Error(err)
		}
	}
	if got := ask(t, direct, "select string_agg(who::text, ' ' order by n) from turn"); got != "0 1 2 3 4 5 6 7 8 9 10 11" {
		t.Errorf("served in the order %s", got)
	}
}

// TestNobodyIsForgottenWhenParametersDiffer: a pool of one backend, and clients
// none of which can use another's.
func TestNobodyIsForgottenWhenParametersDiffer(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{
		Database: "pool_size = 1", Top: "log_connections = false\nlog_disconnections = false",
		Tables: "[users.only_one]\n",
	})
	// PostgreSQL itself would refuse a second one.
	execSQL(t, w.Direct(), "drop role if exists only_one; create role only_one login connection limit 1")
	seen := map[string]int{}
	var mu sync.Mutex
	var done sync.WaitGroup
	for i := range 6 {
		path := fmt.Sprintf("s%d", i)
		conn := connect(t, w.DSN("user=only_one", "search_path="+path))
		done.Go(func() {
			for range 5 {
				rows, err := conn.PgConn().Exec(t.Context(), "show search_path").ReadAll()
				if err != nil {
					t.Error(err)
					return
				}
				got := string(rows[0].Rows[0][0])
				if got != path {
					t.Errorf("a client with search_path %s has %s", path, got)
				}
				mu.Lock()
				seen[strings.TrimSpace(got)]++
				mu.Unlock()
			}
		})
	}
	done.Wait()
	if keys := slices.Sorted(maps.Keys(seen)); len(keys) != 6 {
		t.Errorf("served: %v", seen)
	}
}
