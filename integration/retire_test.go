package integration

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// totals reads SHOW TOTALS.
func totals(t *testing.T, console *pgx.Conn) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	for _, row := range show(t, console, "show totals") {
		if strings.HasPrefix(row["name"], "total_") {
			n, err := strconv.ParseInt(row["value"], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			out[row["name"]] = n
		}
	}
	return out
}

// pooled are the databases that have pools, the console's left out.
func pooled(t *testing.T, console *pgx.Conn) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, row := range show(t, console, "show pools") {
		if row["database"] != "pgweir" {
			out[row["database"]] = true
		}
	}
	return out
}

// TestPoolsOfADatabaseThatNobodyUsesGo: with backends, listening backend,
// metrics and history; but what was counted in all stays, and who comes again
// finds a pool. Pools of a database that is configured stay.
func TestPoolsOfADatabaseThatNobodyUsesGo(t *testing.T) {
	t.Parallel()
	other, used := createDatabase(t, shared), createDatabase(t, shared)
	w := startWeir(t, weirOptions{
		Top:    "autodb_idle_timeout = 1\nmin_pool_size = 1\n",
		Tables: "[databases.\"*\"]\nhost = \"127.0.0.1\"\nport = PGPORT\n",
	})
	console := connect(t, w.Console(simpleProtocol))
	if row := rowOf(t, show(t, console, "show config"), "key", "pool_idle_timeout"); row["value"] != "1s" {
		t.Errorf("pool_idle_timeout is %v", row)
	}
	in := func(database string) *wireClient {
		c := dialWire(t, w.Addr())
		c.login(protocol30, "user", "postgres", "database", database)
		return c
	}
	named := loginWire(t, w)
	named.does("select 1")
	stays := in(used)
	stays.does("listen c")
	for round := range 2 {
		c := in(other)
		c.does("listen c")
		c.does("notify c")
		for range 10 {
			c.does("select 1")
		}
		if !pooled(t, console)[other] {
			t.Fatal("SHOW POOLS lacks the pool of a client that is there")
		}
		before := totals(t, console)
		c.vanish(false)
		eventually(t, "the pool is gone", func() bool {
			for name, n := range totals(t, console) {
				if n < before[name] {
					t.Fatalf("round %d: %s was %d and is %d", round, name, before[name], n)
				}
			}
			return !pooled(t, console)[other]
		})
		if left := backendsIn(t, shared, other); len(left) > 0 {
			t.Errorf("processes %v are left in the database", left)
		}
		if _, body := get(t, w, "/metrics"); strings.Contains(body, other) {
			t.Error("/metrics has series of the pool that is gone")
		}
		for _, table := range []string{"stats", "databases", "listeners"} {
			for _, row := range show(t, console, "show "+table) {
				if row["database"] == other || row["name"] == other {
					t.Errorf("SHOW %s has %v", table, row)
				}
			}
		}
	}
	named.vanish(false)
	again := in(other)
	again.does("select 1")
	again.vanish(false)
	eventually(t, "the pool is gone again", func() bool { return !pooled(t, console)[other] })
	if got := fmt.Sprint(pooled(t, console)); got != fmt.Sprint(map[string]bool{w.DB: true, used: true}) {
		t.Errorf("there are pools of %s", got)
	}
	execSQL(t, dsn(shared.Port, used), "notify c, 'still there'")
	if _, text, _ := stays.hear(); text != "c still there" {
		t.Errorf("the client that stayed heard %q", text)
	}
}

// TestNamesThatPostgreSQLRefusesLeaveNothingBehind: databases, and under trust
// users.
func TestNamesThatPostgreSQLRefusesLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{
		Top:    "max_db_connections = 5\nmax_user_connections = 5\nlog_connections = false\n",
		Tables: "[databases.\"*\"]\nhost = \"127.0.0.1\"\nport = PGPORT\n",
	})
	console := connect(t, w.Console(simpleProtocol))
	loginWire(t, w).does("select 1")
	refused := func(database, user, want string) {
		t.Helper()
		c := dialWire(t, w.Addr())
		c.send(startupPacket(protocol30, "user", user, "database", database))
		if code := c.ended(patience); code != want {
			t.Errorf("a login to %s as %s: %q, want %s", database, user, code, want)
		}
	}
	for i := range 100 {
		refused(fmt.Sprintf("no_such_%d", i), "postgres", "3D000")
		refused(w.DB, fmt.Sprintf("nobody_%d", i), "28000")
	}
	eventually(t, "the refused names are forgotten", func() bool {
		return fmt.Sprint(pooled(t, console)) == fmt.Sprint(map[string]bool{w.DB: true}) && len(show(t, console, "show pools")) == 2
	})
	if _, body := get(t, w, "/metrics"); strings.Contains(body, "no_such_") || strings.Contains(body, "nobody_") {
		t.Error("/metrics has series of names that were refused")
	}
	if rows := show(t, console, "show users"); len(rows) > 2 {
		t.Errorf("SHOW USERS has %v", rows)
	}
}
