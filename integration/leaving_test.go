package integration

import (
	"fmt"
	"strconv"
	"testing"
)

// serverLogins is how many backends pgweir has opened.
func serverLogins(t *testing.T, w *weir) int {
	t.Helper()
	total := rowOf(t, show(t, connect(t, w.Console(simpleProtocol)), "show savings"), "database", "(total)")
	n, err := strconv.Atoi(total["server_logins"])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestShortLivedClientsThatLeaveStateBehindUseFewBackends: each goes as soon as
// it has its answer, while its backend is asked what is left in it. That costs
// no backend, and the next client finds nothing.
func TestShortLivedClientsThatLeaveStateBehindUseFewBackends(t *testing.T) {
	t.Parallel()
	const clients, size = 20, 3
	const found = `select concat_ws('/', current_setting('work_mem'), (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
		(select count(*) from pg_listening_channels()), coalesce(to_regclass('pg_temp.mine')::text, '') || coalesce(current_setting('my.own', true), ''))`
	for name, left := range map[string]struct{ sql, check string }{
		"settings":         {"set work_mem = '9MB'", "0"},
		"settings, listen": {"set my.own = 'x'; listen c", "0"},
		"locks":            {"select pg_advisory_lock_shared(7)", "0"},
		"temporary tables": {"create temp table mine (a int)", "0"},
		"nothing":          {"select 1", "1.0"},
	} {
		for _, bye := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, with good-bye %v", name, bye), func(t *testing.T) {
				t.Parallel()
				w := startWeir(t, weirOptions{Top: "leak_check = " + left.check, Database: fmt.Sprintf("pool_size = %d", size)})
				for range clients {
					c := loginWire(t, w)
					if code, err := c.roundTrip(left.sql); code != "" || err != nil {
						t.Fatalf("%s: %q, %v", left.sql, code, err)
					}
					if bye {
						c.send(frame('X', ""))
					}
					c.vanish(false)
				}
				next := connect(t, w.DSN(simpleProtocol))
				for range size {
					if got := ask(t, next, found); got != "4MB/0/0/" {
						t.Errorf("the next client finds %q", got)
					}
				}
				// LISTEN has one backend of its own.
				if n := serverLogins(t, w); n > size+1 {
					t.Errorf("%d clients, one after the other, have cost %d backends", clients, n)
				}
			})
		}
	}
}

// TestALeakOfAClientThatHasGoneIsTold, and its backend is nobody else's.
func TestALeakOfAClientThatHasGoneIsTold(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: stageTop, Database: "pool_size = 1", Leaks: true})
	execSQL(t, w.Direct(), leakSchema)
	console := connect(t, w.Console(simpleProtocol))
	leave := leak(t, w, "insert into watched values (1) returning a as a%d", func(sql string) {
		c := loginWire(t, w)
		if code, err := c.roundTrip(sql); code != "" || err != nil {
			t.Fatalf("%s: %q, %v", sql, code, err)
		}
		c.vanish(false)
	})
	if row := rowOf(t, show(t, console, "show leaks"), "database", w.DB); row["statement"] != leave || row["kinds"] != "setting" {
		t.Errorf("SHOW LEAKS has %v", row)
	}
	if got := ask(t, connect(t, w.DSN(simpleProtocol)), "show work_mem"); got != "4MB" {
		t.Errorf("the next client finds %q", got)
	}
	if n := serverLogins(t, w); n != 2 {
		t.Errorf("%d backends were opened, want one for each client", n)
	}
}
