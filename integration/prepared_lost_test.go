package integration

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// lostWays are ways in which a backend loses all prepared statements, those of
// other clients among them.
var lostWays = []struct{ name, top, sql string }{
	{"a DO block", "", "do $$ begin deallocate all; end $$"},
	{"a DO block that puts its text together", "", "do $$ begin execute 'select 1; deall' || 'ocate all'; end $$"},
	{"a function", "", "select forgets()"},
	{"a function in a block", "", "begin; select forgets(); commit"},
	{"a procedure", "", "call forgets_too()"},
	{"discard all without session_state", `session_state = "off"`, "discard all"},
	{"deallocate all without session_state", `session_state = "off"`, "deallocate all"},
	{"a DO block without session_state", `session_state = "off"`, "do $$ begin deallocate all; end $$"},
}

const lostSchema = `create function forgets() returns void language sql as 'deallocate all';
create procedure forgets_too() language plpgsql as $$ begin execute 'select 1; deall' || 'ocate all'; end $$`

// TestStatementsThatABackendHasLostAreMadeAgain: one client makes the backend
// lose the statements of all, and the others do not notice.
func TestStatementsThatABackendHasLostAreMadeAgain(t *testing.T) {
	t.Parallel()
	for _, way := range lostWays {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: way.top + "\nleak_check = 0.0", Database: "pool_size = 1"})
			execSQL(t, w.Direct(), lostSchema)
			one, two, other := rawLogin(t, w.Addr(), "postgres", w.DB), rawLogin(t, w.Addr(), "postgres", w.DB), rawLogin(t, w.Addr(), "postgres", w.DB)
			for _, c := range []*rawConn{one, two} {
				c.Say(t, parse("a", "select $1::int + 1 as sum"), parse("b", "select 'b'"), describe('S', "a"), sync_)
				c.until(t, 'Z')
			}
			for name, unit := range map[string][]pgproto3.FrontendMessage{
				"as libpq does":                 runs("a", "1"),
				"without a Describe":            say(bind("a", "1"), execute("", 0)),
				"with a Describe ahead":         say(describe('S', "a"), bind("a", "1"), execute("", 0)),
				"another statement":             say(bind("b"), execute("", 0)),
				"by a Describe alone":           say(describe('S', "a")),
				"with a Parse of the same text": say(parse("c", "select $1::int + 1 as sum"), bind("c", "1"), execute("", 0)),
			} {
				want, ok := map[string]string{"by a Describe alone": "", "another statement": "b"}[name]
				if !ok {
					want = "2"
				}
				other.Say(t, query(way.sql))
				other.until(t, 'Z')
				for i, c := range []*rawConn{one, two} {
					c.Say(t, append(unit, sync_)...)
					if got := c.until(t, 'Z'); got != want {
						t.Errorf("%s, client %d: %q, want %q", name, i, got, want)
					}
				}
			}
		})
	}
}

// TestALostStatementIsMissedOnceWhereItCannotBeRunAgain: nothing has told of
// the loss, and what was done before cannot be done again.
func TestALostStatementIsMissedOnceWhereItCannotBeRunAgain(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "session_state = \"off\"\nleak_check = 0.0", Database: "pool_size = 1"})
	one, two, other := rawLogin(t, w.Addr(), "postgres", w.DB), rawLogin(t, w.Addr(), "postgres", w.DB), rawLogin(t, w.Addr(), "postgres", w.DB)
	for _, c := range []*rawConn{one, two} {
		c.Say(t, parse("a", "select 'a'"), parse("b", "select 'b'"), sync_)
		c.until(t, 'Z')
	}
	pipeline := append(append(runs("a"), runs("b")...), sync_)
	block := []pgproto3.FrontendMessage{query("begin"), bind("a"), execute("", 0), sync_, query("rollback")}
	for _, name := range []string{"in a pipeline", "in a block", "in a pipeline", "in a block", "in a block", "in a pipeline", "in a pipeline"} {
		messages := map[string][]pgproto3.FrontendMessage{"in a pipeline": pipeline, "in a block": block}[name]
		other.Say(t, query("do $$ begin deallocate all; end $$"))
		other.until(t, 'Z')
		ask := func(c *rawConn) (got string) {
			c.Say(t, messages...)
			for _, m := range messages {
				switch m.(type) {
				case *pgproto3.Query, *pgproto3.Sync:
					got += c.until(t, 'Z')
				}
			}
			return got
		}
		want := map[string]string{"in a pipeline": "a b", "in a block": "a"}[name]
		if got := ask(one); got != "26000" {
			t.Errorf("%s: %q, want 26000", name, got)
		}
		for _, c := range []*rawConn{one, two} {
			if got := ask(c); got != want {
				t.Errorf("%s, once more: %q, want %q", name, got, want)
			}
		}
	}
}

// TestStatementsAreMadeAgainAfterAClientInSessionMode: a reload has put it into
// the pool of clients that go on in transaction mode.
func TestStatementsAreMadeAgainAfterAClientInSessionMode(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1"})
	c := rawLogin(t, w.Addr(), "postgres", w.DB)
	c.Say(t, parse("a", "select 'a'"), sync_)
	c.until(t, 'Z')
	w.Rewrite(t, weirOptions{Top: `pool_mode = "session"`, Database: "pool_size = 1"})
	reload(t, connect(t, w.Console()))
	guest := rawLogin(t, w.Addr(), "postgres", w.DB)
	guest.Say(t, query("select 'in session mode'"))
	guest.until(t, 'Z')
	guest.Say(t, &pgproto3.Terminate{})
	c.Say(t, query("begin"), bind("a"), execute("", 0), sync_, query("commit"))
	for _, want := range []string{"", "a", ""} {
		if got := c.until(t, 'Z'); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
