package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestABackendKeepsAtMostMaxPreparedStatements counts the named statements of
// each backend by the messages that pgweir sends to it.
func TestABackendKeepsAtMostMaxPreparedStatements(t *testing.T) {
	t.Parallel()
	const most, clients, statements, rounds = 3, 3, 10, 5
	tap := newTap(t, shared.Port)
	w := startWeir(t, weirOptions{
		Top:      stageTop + fmt.Sprintf("max_prepared_statements = %d", most),
		Database: fmt.Sprintf("pool_size = 1\nport = %d", tap.port),
	})
	var all []*rawConn
	for i := range clients {
		c := rawLogin(t, w.Addr(), "postgres", w.DB)
		all = append(all, c)
		for s := range statements {
			c.Say(t, parse(fmt.Sprint("s", s), fmt.Sprintf("select 'client %d', 'statement %d', $1::int", i, s)), sync_)
			if got := c.until(t, 'Z'); got != "" {
				t.Fatalf("a Parse was answered with %q", got)
			}
		}
	}
	for round := range rounds {
		for s := range statements {
			for i, c := range all {
				c.Say(t, bind(fmt.Sprint("s", (s*3)%statements), fmt.Sprint(round)), execute("", 0), sync_)
				if got, want := c.until(t, 'Z'), fmt.Sprintf("client %d statement %d %d", i, (s*3)%statements, round); got != want {
					t.Fatalf("got %q, want %q", got, want)
				}
			}
		}
	}
	// One pipeline needs more than a backend may keep.
	var pipeline []pgproto3.FrontendMessage
	var want []string
	for s := range statements {
		pipeline = append(pipeline, bind(fmt.Sprint("s", s), "1"), execute("", 0))
		want = append(want, fmt.Sprintf("client 0 statement %d 1", s))
	}
	all[0].Say(t, append(pipeline, sync_)...)
	if got := all[0].until(t, 'Z'); got != strings.Join(want, " ") {
		t.Errorf("a pipeline of %d statements was answered with %q", statements, got)
	}
	held, parses := tap.mostStatements()
	t.Logf("a backend held %d statements at most; %d were prepared on it", held, parses)
	if held > most || held == 0 {
		t.Errorf("a backend had %d statements at once, want at most %d", held, most)
	}
}

// TestEqualStatementsOfManyClientsArePreparedOnceOnABackend is what makes named
// statements worth having.
func TestEqualStatementsOfManyClientsArePreparedOnceOnABackend(t *testing.T) {
	t.Parallel()
	tap := newTap(t, shared.Port)
	w := startWeir(t, weirOptions{Top: stageTop, Database: fmt.Sprintf("pool_size = 1\nport = %d", tap.port)})
	// Behind the first lease the database's objects are read; what was prepared ahead of
	// that may have been others.
	simply(t, rawLogin(t, w.Addr(), "postgres", w.DB), "select 1")
	_, before := tap.mostStatements()
	for i := range 20 {
		c := rawLogin(t, w.Addr(), "postgres", w.DB)
		name := fmt.Sprint("mine ", i)
		c.Say(t, parse(name, "select 'shared', $1::int"), sync_)
		c.until(t, 'Z')
		for range 3 {
			c.Say(t, bind(name, "1"), execute("", 0), sync_)
			if got := c.until(t, 'Z'); got != "shared 1" {
				t.Fatalf("got %q", got)
			}
		}
		if i%2 == 0 {
			c.Say(t, closeStatement(name), sync_)
			c.until(t, 'Z')
		}
	}
	if _, parses := tap.mostStatements(); parses-before != 1 {
		t.Errorf("one text of 20 clients was prepared %d times", parses-before)
	}
}

// TestStatementNamesMadeAndClosedInTurnTakeNoMemory makes and closes many
// names, with texts that are all alike and with texts that are not.
func TestStatementNamesMadeAndClosedInTurnTakeNoMemory(t *testing.T) {
	t.Parallel()
	const names, batch, most = 100_000, 500, 8 << 10 // KB
	w := startWeir(t, weirOptions{Top: stageTop, Database: "pool_size = 1"})
	c := loginWire(t, w)
	turn := func(from, to int, close bool) {
		t.Helper()
		var b []byte
		for i := from; i < to; i++ {
			name := fmt.Sprint("a statement of number ", i)
			text := "select 1"
			if i%10 == 0 {
				text = fmt.Sprintf("select 'text %d'", i)
			}
			b = append(b, frame('P', name+"\x00"+text+"\x00\x00\x00")...)
			b = append(b, frame('B', "\x00"+name+"\x00\x00\x00\x00\x00\x00\x00")...)
			b = append(b, frame('E', "\x00\x00\x00\x00\x00")...)
			if close {
				b = append(b, frame('C', "S"+name+"\x00")...)
			}
		}
		// Answers are read while the rest is still being sent.
		sent := make(chan error, 1)
		go func() { sent <- c.write(append(b, frame('S', "")...)) }()
		if code, err := c.answer(); code != "" || err != nil {
			t.Fatalf("%q, %v", code, err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < 10_000; i += batch {
		turn(i, i+batch, true)
	}
	before, begin := residentMemory(t, w.PID()), time.Now()
	for i := 10_000; i < 10_000+names; i += batch {
		turn(i, i+batch, true)
	}
	grown := residentMemory(t, w.PID()) - before
	t.Logf("%d names in turn: %v, memory grew by %d KB", names, time.Since(begin), grown)
	if grown > most && os.Getenv("PGWEIR_TEST_RACE") != "1" {
		t.Errorf("memory grew by %d KB, more than %d", grown, most)
	}
	// What a client does not close goes when it goes.
	turn(0, 5000, false)
	c.vanish(false)
	c = loginWire(t, w)
	turn(0, 5000, true)
}

// TestAStatementSurvivesThoseWhoSayGoodByeBehindTheirQuery: what they leave
// behind is theirs alone, and the backend's statements are everybody's.
func TestAStatementSurvivesThoseWhoSayGoodByeBehindTheirQuery(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: `pool_mode = "transaction"`, Database: "pool_size = 1"})
	stays := connect(t, w.DSN())
	if _, err := stays.Prepare(t.Context(), "mine", "select $1::int + 1"); err != nil {
		t.Fatal(err)
	}
	for i, sql := range []string{"select 1", "begin", "select pg_advisory_lock(1)", "set work_mem = '1MB'"} {
		c := loginWire(t, w)
		c.send(append(simpleQuery(sql), frame('X', "")...))
		c.until('Z')
		var sum int
		if err := stays.QueryRow(t.Context(), "mine", i).Scan(&sum); err != nil || sum != i+1 {
			t.Fatalf("behind %s: %d, %v", sql, sum, err)
		}
	}
}
