package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

// Chaos is operations drawn by a seed, one after the other, on a pgweir with pools under
// every cap, whose clients of all kinds never stop. What has to hold:
//
//   - PostgreSQL never has more backends of pgweir's than a setting allows;
//   - who is well treated (PAUSE, RECONNECT, RELOAD, SUSPEND, and a restart of PostgreSQL
//     during a pause) gets no error, and who is not gets one that says why;
//   - nobody waits for ever: afterwards each client is served;
//   - nothing is lost: afterwards the counts are 0, and every pool lends all that it has.
//
// PGWEIR_TEST_SEED repeats a run, PGWEIR_TEST_CHAOS says for how long operations are drawn.

// The bounds of the pools under chaos.
const (
	chaosSize, chaosReserve               = 3, 1
	chaosDatabase, chaosUser, chaosServer = 5, 6, 9
)

const chaosTop = `reserve_pool_size = 1
reserve_pool_timeout = "50ms"
max_db_connections = 5
max_server_conn = 9
server_login_retry = "1s"
log_connections = false
log_disconnections = false
`

type chaos struct {
	w         *weir
	pg        *cluster.Cluster
	gentle    bool
	random    *rand.Rand
	console   *pgx.Conn
	databases []string // in transaction, statement and session mode
	clients   []*chaosClient
	over      chan struct{}

	mu      sync.Mutex
	history []string // of the operations
	faults  []string
}

func TestChaosThatIsGentleIsNotNoticed(t *testing.T) {
	t.Parallel()
	runChaos(t, true)
}

func TestChaosIsOutlived(t *testing.T) {
	t.Parallel()
	runChaos(t, false)
}

// TestChaosEndsWithADrain, whatever is held up just then.
func TestChaosEndsWithADrain(t *testing.T) {
	t.Parallel()
	h, length := beginChaos(t, false)
	var work sync.WaitGroup
	for _, c := range h.clients {
		work.Go(func() { c.work(h) })
	}
	for end := time.Now().Add(length / 2); time.Now().Before(end) && !h.faulty(); {
		h.operate(t)
	}
	state := roughStates[h.random.IntN(len(roughStates))]
	h.did("%s, SIGTERM", state.name)
	state.do(h, t)
	h.hold()
	close(h.over)
	h.w.Signal(t, syscall.SIGTERM)
	if code := h.w.Exited(t, patience); code != 0 {
		t.Errorf("it exits with %d", code)
	}
	work.Wait()
	h.report(t)
}

// beginChaos says for how long operations are drawn.
func beginChaos(t *testing.T, gentle bool) (*chaos, time.Duration) {
	seed, length := uint64(time.Now().UnixNano()), 1500*time.Millisecond
	if s := os.Getenv("PGWEIR_TEST_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	if s := os.Getenv("PGWEIR_TEST_CHAOS"); s != "" {
		length, _ = time.ParseDuration(s)
	}
	t.Logf("PGWEIR_TEST_SEED=%d", seed)
	return newChaos(t, seed, gentle), length
}

func runChaos(t *testing.T, gentle bool) {
	h, length := beginChaos(t, gentle)
	var work, watch sync.WaitGroup
	enough := make(chan struct{})
	watch.Go(func() { h.count(t, enough) })
	watch.Go(func() { h.look(t, enough) })
	for _, c := range h.clients {
		work.Go(func() { c.work(h) })
	}
	for end := time.Now().Add(length); time.Now().Before(end) && !h.faulty(); {
		h.operate(t)
	}
	h.calm(t)
	h.allServed(t)
	close(h.over)
	work.Wait()
	h.nothingLost(t)
	close(enough)
	watch.Wait()
	h.report(t)
}

// report has the test fail for the faults.
func (h *chaos) report(t *testing.T) {
	for _, fault := range h.faults {
		t.Error(fault)
	}
	if t.Failed() {
		for _, op := range h.history {
			t.Log(op)
		}
	}
}

func newChaos(t *testing.T, seed uint64, gentle bool) *chaos {
	pg := startCluster(t, cluster.Options{Settings: map[string]string{"restart_after_crash": "on", "max_connections": "60", "autovacuum": "off", "log_min_messages": "panic"}})
	execSQL(t, pg.DSN("postgres"), "create role ann login; create role bob login")
	h := &chaos{pg: pg, gentle: gentle, random: rand.New(rand.NewPCG(seed, 0)), over: make(chan struct{})}
	h.databases = []string{createDatabase(t, pg), createDatabase(t, pg), createDatabase(t, pg)}
	h.w = startWeir(t, h.options(0))
	h.console = connect(t, h.w.Console(simpleProtocol))
	for i := range 36 {
		c := &chaosClient{number: i, user: []string{"ann", "bob"}[i/3%2], database: h.databases[i%3], random: rand.New(rand.NewPCG(seed, uint64(i+1)))}
		c.acts = chaosActs[i%3]
		h.clients = append(h.clients, c)
	}
	return h
}

// options are the configuration in one of its variations.
func (h *chaos) options(variation int) weirOptions {
	mode := func(of string) string {
		return fmt.Sprintf("host = \"127.0.0.1\"\nport = PGPORT\npool_size = %d\npool_mode = \"%s\"\n", chaosSize, of)
	}
	tables := "[databases." + h.databases[1] + "]\n" + mode("statement") + "[databases." + h.databases[2] + "]\n" + mode("session") +
		"[users.postgres]\n[users.ann]\nmax_user_connections = 6\n[users.bob]\n"
	return weirOptions{
		Cluster: h.pg, DB: h.databases[0], Tables: tables, Database: fmt.Sprintf("pool_size = %d\n", chaosSize) +
			[]string{"", "min_pool_size = 2", "pool_weight = 5", "server_lifetime = \"0s\"", "max_prepared_statements = 2", "server_idle_timeout = \"1s\"", "", ""}[variation],
		Top: chaosTop + map[int]string{6: "max_waiting = 2", 7: "query_wait_timeout = \"100ms\""}[variation],
	}
}

// Of the variations, those from chaosGentle on have clients told that they wait too long.
const chaosGentle, chaosVariations = 6, 8

// did notes an operation.
func (h *chaos) did(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.history = append(h.history, time.Now().Format("05.000 ")+fmt.Sprintf(format, args...))
}

func (h *chaos) fault(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.faults) < 20 {
		h.faults = append(h.faults, time.Now().Format("05.000 ")+fmt.Sprintf(format, args...))
	}
}

func (h *chaos) faulty() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.faults) > 0
}

// count looks again and again whether PostgreSQL has more backends than it may.
func (h *chaos) count(t *testing.T, enough <-chan struct{}) {
	var conn *pgx.Conn
	for looks := 0; ; looks++ {
		select {
		case <-enough:
			if conn != nil {
				conn.Close(context.Background())
			}
			t.Logf("counted %d times", looks)
			return
		default:
		}
		if conn == nil || conn.IsClosed() {
			var err error
			if conn, err = pgx.Connect(t.Context(), h.pg.DSN("postgres")); err != nil {
				conn = nil
				linger(t.Context(), 50*time.Millisecond) // a storm of logins keeps PostgreSQL from stopping
				continue
			}
		}
		n, err := h.backends(conn)
		if err != nil {
			conn.Close(context.Background())
			continue
		}
		h.compare(n)
	}
}

// backends counts pgweir's backends by "database user", "database ", " user" and " ".
func (h *chaos) backends(direct *pgx.Conn) (map[string]int, error) {
	results, err := direct.PgConn().Exec(context.Background(),
		"select datname, usename from pg_stat_activity where backend_type = 'client backend' and usename in ('ann', 'bob')").ReadAll()
	if err != nil {
		return nil, err
	}
	n := map[string]int{}
	for _, row := range results[0].Rows {
		database, user := string(row[0]), string(row[1])
		for _, key := range []string{database + " " + user, database + " ", " " + user, " "} {
			n[key]++
		}
	}
	return n, nil
}

func (h *chaos) compare(n map[string]int) {
	bound := func(key string, most int) {
		if n[key] > most {
			h.fault("%d backends of %q, may be %d", n[key], key, most)
		}
	}
	for _, database := range h.databases {
		for _, user := range []string{"ann", "bob"} {
			bound(database+" "+user, chaosSize+chaosReserve)
		}
		bound(database+" ", chaosDatabase)
	}
	bound(" ann", chaosUser)
	bound(" ", chaosServer)
}

// look asks again and again for what the console shows, which has to be possible.
func (h *chaos) look(t *testing.T, enough <-chan struct{}) {
	conn, err := pgx.Connect(t.Context(), h.w.Console())
	if err != nil {
		h.fault("console: %v", err)
		return
	}
	defer conn.Close(context.Background())
	for i := 0; ; i++ {
		select {
		case <-enough:
			return
		default:
		}
		results, err := conn.PgConn().Exec(t.Context(), []string{"show pools", "show clients", "show servers", "show databases", "show stats", "show pins"}[i%6]).ReadAll()
		if err != nil {
			h.fault("show: %v", err)
			return
		}
		for _, row := range results[0].Rows {
			for k, f := range results[0].FieldDescriptions {
				if strings.HasPrefix(string(row[k]), "-") {
					h.fault("%s is %s", f.Name, row[k])
				}
			}
		}
		linger(t.Context(), 5*time.Millisecond)
	}
}

// allServed waits until each client has been served some more times.
func (h *chaos) allServed(t *testing.T) {
	var before []int64
	for _, c := range h.clients {
		before = append(before, c.served.Load())
	}
	var late []string
	for deadline := time.Now().Add(patience); ; {
		late = late[:0]
		for i, c := range h.clients {
			if c.served.Load() < before[i]+2 {
				late = append(late, fmt.Sprintf("%d (%s)", i, c.doing.Load()))
			}
		}
		if len(late) == 0 {
			return
		}
		if time.Now().After(deadline) {
			h.fault("not served: %v; pools: %v", late, show(t, h.console, "show pools"))
			return
		}
		linger(t.Context(), 20*time.Millisecond)
	}
}

// nothingLost looks, when all clients have gone, whether each pool can be used as at first.
func (h *chaos) nothingLost(t *testing.T) {
	eventually(t, "nobody is counted", func() bool {
		for _, row := range show(t, h.console, "show databases") {
			if row["name"] != "pgweir" && row["current_client_connections"] != "0" {
				return false
			}
		}
		for _, row := range show(t, h.console, "show pools") {
			if row["user"] != "ann" && row["user"] != "bob" {
				continue
			}
			for _, column := range []string{"cl_active", "cl_waiting", "cl_active_cancel_req", "cl_waiting_cancel_req", "sv_active", "sv_active_cancel", "sv_being_canceled", "sv_login"} {
				if row[column] != "0" {
					return false
				}
			}
		}
		return true
	})
	direct := connect(t, h.pg.DSN("postgres"))
	eventually(t, "SHOW DATABASES counts as PostgreSQL does", func() bool {
		n, err := h.backends(direct)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range show(t, h.console, "show databases") {
			if row["name"] != "pgweir" && row["current_connections"] != strconv.Itoa(n[row["name"]+" "]) {
				return false
			}
		}
		return true
	})
	for _, database := range h.databases {
		for _, user := range []string{"ann", "bob"} {
			h.lendsAll(t, database, user)
		}
	}
}

// lendsAll has as many clients as a pool has backends hold one at the same time: each waits
// for the same lock.
func (h *chaos) lendsAll(t *testing.T, database, user string) {
	t.Helper()
	blocker := connect(t, dsn(h.pg.Port, database))
	must(t, blocker, "select pg_advisory_lock(1)")
	var holders []<-chan error
	for range chaosSize {
		conn := connect(t, dsn(h.w.Port, database, "user="+user))
		defer conn.Close(context.Background())
		holders = append(holders, begin(t, conn, "select pg_advisory_xact_lock_shared(1)"))
	}
	eventually(t, fmt.Sprintf("%s lends %s all backends", database, user), func() bool {
		return ask(t, blocker, "select count(*) from pg_locks where locktype = 'advisory' and not granted") == strconv.Itoa(chaosSize)
	})
	must(t, blocker, "select pg_advisory_unlock(1)")
	for _, end := range holders {
		if err := finished(t, end, patience); err != nil {
			t.Errorf("%s %s: %v", database, user, err)
		}
	}
}
