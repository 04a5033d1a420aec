package integration

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// errand is what a client says, and what it must be answered.
type errand struct {
	say  []pgproto3.FrontendMessage
	want func(workMem string) string
}

func errands() map[string]errand {
	mem := func(workMem string) string { return workMem }
	return map[string]errand{
		"a simple query":  {say(query("show work_mem")), mem},
		"several at once": {say(query("begin; show work_mem; commit")), mem},
		"the unnamed statement": {append(extended("select current_setting('work_mem'), $1::int", "7"), sync_),
			func(m string) string { return m + " 7" }},
		"a named statement": {say(bind("named", "8"), describe('P', ""), execute("", 0), sync_),
			func(m string) string { return m + " 8" }},
		"a transaction of its own with a local setting": {say(query("begin; set local statement_timeout = 0; show work_mem; commit")), mem},
	}
}

// windows is how many times a test looks at most for a number of rounds in which
// nothing is asked about what runs: it is asked about less and less often.
const windows = 10

// TestOtherSettingsCostNoRoundTrip counts what goes from pgweir to PostgreSQL
// when two clients with different settings share one backend: for each query
// one write and one answer to wait for.
func TestOtherSettingsCostNoRoundTrip(t *testing.T) {
	t.Parallel()
	const rounds = 30
	tap := newTap(t, shared.Port)
	w := startWeir(t, weirOptions{Top: "leak_check = 0.0", Database: fmt.Sprintf("pool_size = 1\nport = %d", tap.port)})
	one := rawLogin(t, w.Addr(), "postgres", w.DB, "application_name", "one", "work_mem", "6MB", "TimeZone", "Asia/Tokyo")
	two := rawLogin(t, w.Addr(), "postgres", w.DB, "application_name", "two", "options", "-c statement_timeout=90s")
	two.Say(t, query("set work_mem = '7MB'; set search_path = pg_catalog; set custom.var = 'x'"))
	two.until(t, 'Z')
	mem := map[*rawConn]string{one: "6MB", two: "7MB"}
	for name, e := range errands() {
		for _, c := range []*rawConn{one, two} {
			if name == "a named statement" {
				c.Say(t, parse("named", "select current_setting('work_mem'), $1::int"), sync_)
				c.until(t, 'Z')
			}
			c.Say(t, e.say...)
			c.until(t, 'Z')
		}
		proven := false
		for window := 0; window < windows && !proven; window++ {
			idle(t, w)
			tap.counts()
			for range rounds {
				for _, c := range []*rawConn{one, two} {
					c.Say(t, e.say...)
					if got, want := c.until(t, 'Z'), e.want(mem[c]); got != want {
						t.Fatalf("%s: got %q, want %q", name, got, want)
					}
				}
			}
			idle(t, w)
			sent := tap.counts()
			if sent.bursts != 2*rounds || sent.reads != 2*rounds {
				t.Errorf("%s, %d times: %d writes to PostgreSQL, and %d answers waited for", name, 2*rounds, sent.reads, sent.bursts)
			}
			proven = sent.unproven == 0
		}
		if !proven {
			t.Errorf("%s: there is always something asked in %d times", name, 2*rounds)
		}
	}
}

// idle waits until the pool's backends are asked nothing any more.
func idle(t *testing.T, w *weir) {
	t.Helper()
	console := connect(t, w.Console(simpleProtocol))
	eventually(t, "no backend is at work", func() bool {
		return rowOf(t, show(t, console, "show pools"), "database", w.DB)["sv_active"] == "0"
	})
}

// TestEqualSettingsCostNothing: not a byte goes to PostgreSQL that the client
// has not sent. Named statements have names of pgweir's own, so are left out.
func TestEqualSettingsCostNothing(t *testing.T) {
	t.Parallel()
	const rounds, clients = 10, 5
	tap := newTap(t, shared.Port)
	w := startWeir(t, weirOptions{Top: "leak_check = 0.0", Database: fmt.Sprintf("pool_size = 1\nport = %d", tap.port)})
	var all []*rawConn
	for i := range clients {
		// The same, made in different ways.
		c := rawLogin(t, w.Addr(), "postgres", w.DB, "application_name", "equal")
		ways := []string{"set work_mem = '6MB'; set timezone = 'Asia/Tokyo'", "set timezone = 'Asia/Tokyo'; set work_mem = '6144kB'", "begin; set work_mem = 6144; set time zone 'Asia/Tokyo'; commit"}
		c.Say(t, query(ways[i%len(ways)]))
		c.until(t, 'Z')
		all = append(all, c)
	}
	for name, e := range errands() {
		if name == "a named statement" {
			continue
		}
		round := func() (sent int) {
			for _, c := range all {
				c.Say(t, e.say...)
				if got, want := c.until(t, 'Z'), e.want("6MB"); got != want {
					t.Fatalf("%s: got %q, want %q", name, got, want)
				}
				sent += len(encode(t, e.say))
			}
			return sent
		}
		round() // the first may come from other settings
		proven := false
		for window := 0; window < windows && !proven; window++ {
			idle(t, w)
			tap.counts()
			sent := 0
			for range rounds {
				sent += round()
			}
			idle(t, w)
			came := tap.counts()
			if came.bytes != sent || came.bursts != rounds*clients {
				t.Errorf("%s: %d bytes went to PostgreSQL in %d writes, the clients sent %d in %d", name, came.bytes, came.bursts, sent, rounds*clients)
			}
			proven = came.unproven == 0
		}
		if !proven {
			t.Errorf("%s: there is always something asked in %d times", name, rounds*clients)
		}
	}
}
