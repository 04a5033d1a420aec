package integration

import (
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestClientsThatHavePreparedAndRestKeepNoBackend: asyncpg's prepare() sends no
// Sync. More of those than the pool has backends let others be served, and find
// their statements when they use them.
func TestClientsThatHavePreparedAndRestKeepNoBackend(t *testing.T) {
	t.Parallel()
	const size = 2
	for _, mode := range []string{"transaction", "statement"} {
		for _, name := range []string{"", "s"} {
			t.Run(fmt.Sprintf("%s mode, name %q", mode, name), func(t *testing.T) {
				t.Parallel()
				w := startWeir(t, weirOptions{Top: `pool_mode = "` + mode + `"`, Database: fmt.Sprintf("pool_size = %d", size)})
				execSQL(t, w.Direct(), "create table kept(i int)")
				next := func(c *rawConn, want string) {
					t.Helper()
					got := ""
					for len(got) < len(want) {
						switch m := c.Next(t).(type) {
						case *pgproto3.ParseComplete:
							got += "1"
						case *pgproto3.ParameterDescription:
							got += "t"
						case *pgproto3.RowDescription:
							got += "T"
						case *pgproto3.BindComplete:
							got += "2"
						case *pgproto3.DataRow:
							got += "D"
						case *pgproto3.CommandComplete:
							got += "C"
						case *pgproto3.CloseComplete:
							got += "3"
						case *pgproto3.ReadyForQuery:
							got += "Z" + string(m.TxStatus)
						default:
							t.Fatalf("%#v behind %s, want %s", m, got, want)
						}
					}
					if got != want {
						t.Fatalf("read %s, want %s", got, want)
					}
				}
				var all []*rawConn
				for i := range 3 * size {
					c := rawLogin(t, w.Addr(), "postgres", w.DB)
					c.Say(t, parse(name, fmt.Sprintf("select %d from kept", i)), describe('S', name), flush)
					next(c, "1tT")
					all = append(all, c)
				}
				other := connect(t, w.DSN())
				servedWithin(t, other, patience)
				// Nothing of theirs is open: their locks are not in the way.
				must(t, other, "alter table kept add j int; insert into kept values (1)")
				for i, c := range all {
					switch i % 3 {
					case 0:
						c.Say(t, bind(name), execute("", 0), sync_)
						next(c, "2DCZI")
					case 1:
						c.Say(t, sync_)
						next(c, "ZI")
						c.Say(t, query("select 1"))
						next(c, "TDCZI")
					case 2:
						c.Say(t, describe('S', name), flush)
						next(c, "tT")
						c.Say(t, bind(name), execute("", 0), closeStatement(name), sync_)
						next(c, "2DC3ZI")
					}
				}
				if n := serverLogins(t, w); n > size {
					t.Errorf("%d backends were opened", n)
				}
			})
		}
	}
}

// TestASimpleQueryBehindAParseWithoutSyncCostsNoBackend: with nothing run, it
// ends the transaction, on every version of PostgreSQL.
func TestASimpleQueryBehindAParseWithoutSyncCostsNoBackend(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1"})
	pids := map[string]bool{}
	c := loginWire(t, w)
	for i := range 5 {
		c.send(slices.Concat(frame('P', fmt.Sprintf("s%d\x00select 1\x00\x00\x00", i)), frame('D', fmt.Sprintf("Ss%d\x00", i)), frame('H', "")))
		c.until('T')
		c.send(simpleQuery("select pg_backend_pid()"))
		pids[string(c.until('D'))] = true
		if status := c.until('Z'); status[0] != 'I' {
			t.Errorf("the status is %c", status[0])
		}
		c.send(simpleQuery("begin; select now(); rollback"))
		if code, err := c.answer(); code != "" || err != nil {
			t.Fatalf("%q, %v", code, err)
		}
	}
	if len(pids) != 1 {
		t.Errorf("%d backends for one client", len(pids))
	}
}
