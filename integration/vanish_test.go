package integration

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestAClientThatVanishesLeavesNothingBehind: whatever it was doing, the next
// client of a pool of one backend is served soon, and finds the database and
// its session as if the other had never been.
func TestAClientThatVanishesLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "session"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: `pool_mode = "` + mode + `"`, Database: "pool_size = 1"})
			direct := connect(t, w.Direct())
			must(t, direct, "create table t(i int)")
			timezone := ask(t, direct, "show timezone")
			for what, act := range vanishingActs {
				for _, reset := range []bool{false, true} {
					c := loginWire(t, w)
					act(t, c)
					c.vanish(reset)
					findsNothingOf(t, w, what, timezone)
				}
			}
			eventually(t, "nothing of the vanished clients runs on", func() bool {
				return ask(t, direct, "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'") == "0"
			})
		})
	}
}

// findsNothingOf lets the next client look for what one has left that vanished in
// the midst of something.
func findsNothingOf(t *testing.T, w *weir, what, timezone string) {
	t.Helper()
	start := time.Now()
	next := connect(t, w.DSN())
	for sql, want := range map[string]string{
		"select count(*) from t":     "0",
		"show search_path":           `"$user", public`,
		"show timezone":              timezone,
		"select to_regclass('mine')": "",
		"select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()": "0",
		"select count(*) from pg_prepared_statements where from_sql":                           "0",
		"select count(*) from pg_listening_channels()":                                         "0",
		"select now() = statement_timestamp()":                                                 "t",
	} {
		if got := ask(t, next, sql); got != want {
			t.Errorf("%s: %s gives %q, want %q", what, sql, got, want)
		}
	}
	if took := time.Since(start); took > patience {
		t.Errorf("%s: the next client was served after %v", what, took)
	}
	if n := len(w.Backends(t)); n > 2 { // ours, and the one that is direct
		t.Errorf("%s: %d backends", what, n)
	}
	_ = next.Close(t.Context())
}

const insertOne = "insert into t values (1)"

// vanishingActs are what a client was doing.
var vanishingActs = map[string]func(*testing.T, *wireClient){
	"in a transaction": roundTrips("begin", insertOne, "set local search_path = pg_catalog; set timezone = 'Pacific/Chatham'"),
	"in a failed transaction": func(t *testing.T, c *wireClient) {
		roundTrips("begin", insertOne)(t, c)
		_, _ = c.roundTrip("select 1/0")
	},
	"in a savepoint": roundTrips("begin", "savepoint s", insertOne),
	"in a query": func(t *testing.T, c *wireClient) {
		roundTrips("begin", insertOne)(t, c)
		c.send(simpleQuery("select pg_sleep(600)"))
	},
	"in a query outside of a transaction": func(t *testing.T, c *wireClient) {
		c.send(simpleQuery(insertOne + "; select pg_sleep(600)"))
	},
	"in a long result": func(t *testing.T, c *wireClient) {
		c.send(simpleQuery(insertOne + "; select repeat('x', 1000), generate_series(1, 10000000)"))
		c.until('T')
	},
	"in a COPY to the server": func(t *testing.T, c *wireClient) {
		c.send(simpleQuery("copy t from stdin"))
		c.until('G')
		c.send(frame('d', "1\n2\n"))
	},
	"in a CopyData message": func(t *testing.T, c *wireClient) {
		c.send(simpleQuery("copy t from stdin"))
		c.until('G')
		c.send(frame('d', strings.Repeat("1\n", 100_000))[:150_000])
	},
	"in a COPY from the server": func(t *testing.T, c *wireClient) {
		c.send(simpleQuery(insertOne + "; copy (select repeat('x', 1000), generate_series(1, 10000000)) to stdout"))
		c.until('H')
	},
	"in a pipeline without its Sync": func(t *testing.T, c *wireClient) {
		c.send(slices.Concat(frame('P', "\x00"+insertOne+"\x00\x00\x00"), frame('B', "\x00\x00\x00\x00\x00\x00\x00\x00"),
			frame('E', "\x00\x00\x00\x00\x00"), frame('H', "")))
		c.until('C')
	},
	"in a portal fetched in part": func(t *testing.T, c *wireClient) {
		roundTrips("begin", insertOne)(t, c)
		c.send(slices.Concat(frame('P', "\x00select generate_series(1, 100)\x00\x00\x00"), frame('B', "\x00\x00\x00\x00\x00\x00\x00\x00"),
			frame('E', "\x00\x00\x00\x00\x05"), frame('H', "")))
		c.until('s')
	},
	"in half a message": func(t *testing.T, c *wireClient) {
		roundTrips("begin", insertOne)(t, c)
		c.send(simpleQuery("commit")[:8])
	},
	"in half a message of a megabyte": func(t *testing.T, c *wireClient) {
		c.send(simpleQuery(insertOne + " /*" + strings.Repeat("x", 1<<20) + "*/")[:500_000])
	},
	"with state in its session": roundTrips("set search_path = pg_catalog", "create temp table mine(i int)",
		"select pg_advisory_lock(1)", "listen c", "prepare p as select 1", "set timezone = 'Pacific/Chatham'"),
}

// roundTrips runs queries one by one.
func roundTrips(sql ...string) func(t *testing.T, c *wireClient) {
	return func(t *testing.T, c *wireClient) {
		for _, q := range sql {
			if code, err := c.roundTrip(q); code != "" || err != nil {
				t.Fatalf("%s: %q, %v", q, code, err)
			}
		}
	}
}

func TestAClientThatVanishesWhileItWaitsGivesUpItsPlace(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "session"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: `pool_mode = "` + mode + `"`, Database: "pool_size = 1"})
			console, direct := connect(t, w.Console()), connect(t, w.Direct())
			must(t, direct, "create table t(i int)")
			holder := connect(t, w.DSN())
			must(t, holder, "begin")
			var waiting []*wireClient
			for range 4 {
				c := dialWire(t, w.Addr())
				c.send(startupPacket(protocol30, "user", "postgres", "database", w.DB))
				if mode == "transaction" {
					c.until('Z')
					c.send(simpleQuery(insertOne))
				}
				waiting = append(waiting, c)
			}
			waitsFor := func(n string) {
				t.Helper()
				eventually(t, n+" clients are in the line", func() bool {
					if mode == "transaction" {
						return poolRow(t, w, console)["cl_waiting"] == n
					}
					list := show(t, console, "show lists")
					return rowOf(t, list, "list", "login_clients")["items"] == n
				})
			}
			waitsFor("4")
			for i, c := range waiting[:3] {
				c.vanish(i%2 == 0)
			}
			waitsFor("1")
			must(t, holder, "commit")
			if err := holder.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			waiting[3].until('Z')
			if mode == "transaction" {
				if n := ask(t, direct, "select count(*) from t"); n != "1" {
					t.Errorf("%s rows: a client's query was run after the client had gone", n)
				}
			}
		})
	}
}
