package integration

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A statement whose result has other columns than when it was prepared cannot
// be run any more by PostgreSQL: 0A000, cached plan must not change result
// type. Outside of a transaction block pgweir prepares it anew.

func TestAMigrationIsNotSeenByClientsWithPreparedStatements(t *testing.T) {
	t.Parallel()
	for name, migrate := range migrations() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: stageTop, Database: "pool_size = 2"})
			execSQL(t, w.Direct(), migrationSchema)
			one, two := rawLogin(t, w.Addr(), "postgres", w.DB), rawLogin(t, w.Addr(), "postgres", w.DB)
			for _, c := range []*rawConn{one, two} {
				c.Say(t, parse("a", "select * from t where id = $1"), describe('S', "a"), sync_)
				c.until(t, 'Z')
			}
			// Both backends have it.
			one.Say(t, query("begin"))
			one.until(t, 'Z')
			for _, c := range []*rawConn{one, two} {
				if got := columnsOf(t, c, "a", "1"); got != "id word = 1 one" {
					t.Fatalf("before the migration: %q", got)
				}
			}
			one.Say(t, query("commit"))
			one.until(t, 'Z')
			execSQL(t, w.Direct(), migrate.sql)
			for round := range 3 {
				for i, c := range []*rawConn{one, two} {
					if got := columnsOf(t, c, "a", "1"); got != migrate.want {
						t.Errorf("round %d, client %d: %q, want %q", round, i, got, migrate.want)
					}
				}
			}
			// A client that comes now, and a name that is made now.
			three := rawLogin(t, w.Addr(), "postgres", w.DB)
			three.Say(t, parse("b", "select * from t where id = $1"), sync_)
			three.until(t, 'Z')
			if got := columnsOf(t, three, "b", "1"); got != migrate.want {
				t.Errorf("a new client: %q, want %q", got, migrate.want)
			}
		})
	}
}

const migrationSchema = "create table t (id int, word text); insert into t values (1, 'one'), (2, 'two')"

// migrations change the result of select * from t.
func migrations() map[string]struct{ sql, want string } {
	return map[string]struct{ sql, want string }{
		"a column more":       {"alter table t add column more int default 7", "id word more = 1 one 7"},
		"a column less":       {"alter table t drop column word", "id = 1"},
		"a column renamed":    {"alter table t rename column word to name", "id name = 1 one"},
		"a column retyped":    {"alter table t alter column word type varchar(20)", "id word = 1 one"},
		"a table made anew":   {"drop table t; create table t (word text, id int); insert into t values ('one', 1)", "word id = one 1"},
		"two columns more":    {"alter table t add column a int; alter table t add column b int", "id word a b = 1 one  "},
		"back where it began": {"alter table t add column a int; alter table t drop column a", "id word = 1 one"},
	}
}

// columnsOf runs a named statement as libpq does and gives the names of the
// columns and the values, or the code of the error.
func columnsOf(t *testing.T, c *rawConn, name string, params ...string) string {
	t.Helper()
	c.Say(t, append(runs(name, params...), sync_)...)
	return columns(t, c)
}

func columns(t *testing.T, c *rawConn) string {
	t.Helper()
	var words []string
	for {
		switch m := c.Next(t).(type) {
		case *pgproto3.RowDescription:
			for _, f := range m.Fields {
				words = append(words, string(f.Name))
			}
			words = append(words, "=")
		case *pgproto3.DataRow:
			for _, v := range m.Values {
				words = append(words, string(v))
			}
		case *pgproto3.ErrorResponse:
			words = append(words, m.Code)
		case *pgproto3.ReadyForQuery:
			c.Status = m.TxStatus
			return strings.Join(words, " ")
		}
	}
}

// TestAMigrationWithinATransactionIsToldAndMendedAfterIt: there what was done
// before cannot be done again.
func TestAMigrationWithinATransactionIsToldAndMendedAfterIt(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: stageTop, Database: "pool_size = 1"})
	execSQL(t, w.Direct(), migrationSchema)
	c, direct := rawLogin(t, w.Addr(), "postgres", w.DB), connect(t, w.Direct())
	simple := func(sql, want string, status byte) {
		t.Helper()
		c.Say(t, query(sql))
		if got := c.until(t, 'Z'); got != want || c.Status != status {
			t.Fatalf("%s: %q with status %c, want %q with %c", sql, got, c.Status, want, status)
		}
	}
	runs := func(want string, status byte) {
		t.Helper()
		if got := columnsOf(t, c, "a", "1"); got != want || c.Status != status {
			t.Errorf("got %q with status %c, want %q with %c", got, c.Status, want, status)
		}
	}
	c.Say(t, parse("a", "select * from t where id = $1"), sync_)
	c.until(t, 'Z')
	runs("id word = 1 one", 'I')
	simple("begin", "", 'T')
	must(t, direct, "alter table t add column more int default 7")
	runs("0A000", 'E')
	runs("25P02", 'E')
	simple("rollback", "", 'I')
	runs("id word more = 1 one 7", 'I')
	simple("begin", "", 'T')
	runs("id word more = 1 one 7", 'T')
	simple("commit", "", 'I')

	// Within a savepoint it can be mended in the same transaction.
	must(t, direct, "alter table t drop column more")
	simple("begin; savepoint s", "", 'T')
	runs("0A000", 'E')
	simple("rollback to s", "", 'T')
	runs("id word = 1 one", 'T')
	simple("commit", "", 'I')
	runs("id word = 1 one", 'I')

	// Its own migration.
	simple("begin; alter table t add column own int default 8", "", 'T')
	runs("0A000", 'E')
	simple("rollback", "", 'I')
	runs("id word = 1 one", 'I')
	simple("alter table t add column own int default 8", "", 'I')
	runs("id word own = 1 one 8", 'I')
}

// TestAMigrationInAPipelineRunsNothingTwice: a statement that comes behind
// others of the same implicit transaction is not run again, or all are.
func TestAMigrationInAPipelineRunsNothingTwice(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: stageTop, Database: "pool_size = 1"})
	execSQL(t, w.Direct(), migrationSchema+"; create table log (at int)")
	c, direct := rawLogin(t, w.Addr(), "postgres", w.DB), connect(t, w.Direct())
	c.Say(t, parse("a", "select * from t where id = $1"), parse("log", "insert into log values (1)"), bind("a", "1"), execute("", 0), sync_)
	c.until(t, 'Z')
	must(t, direct, "alter table t add column more int default 7")
	pipeline := join(runs("log"), runs("a", "1"), runs("log"), say(sync_))
	c.Say(t, pipeline...)
	got := columns(t, c)
	rows := ask(t, direct, "select count(*) from log")
	switch {
	case got == "0A000" && rows == "0": // told to the client, and rolled back
	case got == "id word more = 1 one 7" && rows == "2":
	default:
		t.Errorf("the pipeline was answered with %q, and %s rows are logged", got, rows)
	}
	if got := columnsOf(t, c, "a", "1"); got != "id word more = 1 one 7" {
		t.Errorf("after it: %q", got)
	}
	// With a Sync of its own each transaction stands for itself. What comes
	// behind may be on its way already, so the client may be told; then it is
	// mended the next time.
	must(t, direct, "truncate log; alter table t drop column more")
	c.Say(t, join(runs("log"), say(sync_), runs("a", "1"), say(sync_), runs("log"), say(sync_))...)
	var answers []string
	for range 3 {
		answers = append(answers, columns(t, c))
	}
	if answers[1] != "id word = 1 one" && answers[1] != "0A000" || ask(t, direct, "select count(*) from log") != "2" {
		t.Errorf("three transactions were answered with %q", answers)
	}
	if got := columnsOf(t, c, "a", "1"); got != "id word = 1 one" {
		t.Errorf("after it: %q", got)
	}
}

// TestColumnsThatAClientHasKeptAreNeverOthers: drivers describe a statement
// once, and read what comes later as these columns. After a migration they must
// hear of it as directly, also from a backend that had not got the statement.
func TestColumnsThatAClientHasKeptAreNeverOthers(t *testing.T) {
	t.Parallel()
	const schema = "create table t (id int, price int, word int); insert into t values (1, 2, 3)"
	for name, migrate := range map[string]struct {
		sql  string
		same bool // it leaves the columns
	}{
		"a type":          {sql: "alter table t alter price type float4 using 2.5"},
		"a type modifier": {sql: "alter table t alter price type numeric(5, 2)"},
		"a column more":   {sql: "alter table t add more int"},
		"names":           {sql: "alter table t rename price to x; alter table t rename word to price; alter table t rename x to word"},
		"made anew":       {sql: "drop table t; " + schema, same: true},
	} {
		for kind, learn := range map[string][]pgproto3.FrontendMessage{
			"described":        say(parse("a", "select * from t"), describe('S', "a"), sync_),
			"portal described": join(say(parse("a", "select * from t")), runs("a"), say(sync_)),
		} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				w := startWeir(t, weirOptions{Top: stageTop, Database: "pool_size = 2"})
				execSQL(t, w.Direct(), schema)
				enter := func() *rawConn { return rawLogin(t, w.Addr(), "postgres", w.DB) }
				talk := func(c *rawConn, messages ...pgproto3.FrontendMessage) {
					t.Helper()
					c.Say(t, messages...)
					c.until(t, 'Z')
				}
				c, other, first, second := enter(), enter(), enter(), enter()
				plain := rawLogin(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(w.PG.Port)), "postgres", w.DB)
				compare := func(when string, fails bool) {
					t.Helper()
					want, got := boundOnly(t, plain, "a"), boundOnly(t, c, "a")
					if got != want || fails != strings.Contains(got, "0A000") {
						t.Errorf("%s: %q, directly %q", when, got, want)
					}
				}
				// Each of first and second holds a backend: the first while it is learned
				// on the second's, and that from then on.
				talk(first, query("begin"))
				talk(c, learn...)
				talk(plain, learn...)
				talk(second, query("begin"))
				talk(first, query("commit"))
				execSQL(t, w.Direct(), migrate.sql)
				compare("the first time", !migrate.same)
				compare("the second time", !migrate.same)
				talk(other, parse("b", "select * from t"), describe('S', "b"), sync_)
				compare("where another has described it", !migrate.same)
				for _, c := range []*rawConn{c, plain} {
					talk(c, closeStatement("a"), parse("a", "select * from t"), describe('S', "a"), sync_)
				}
				compare("prepared anew", false)
				// Where it was learned it is still what it was before.
				talk(first, query("begin"))
				talk(second, query("commit"))
				compare("on the backend of before", false)
			})
		}
	}
}

// boundOnly runs a statement without asking for its columns, in binary, and
// gives the values, or the fields of the error by which drivers know it.
func boundOnly(t *testing.T, c *rawConn, name string) (words string) {
	t.Helper()
	c.Say(t, &pgproto3.Bind{PreparedStatement: name, ResultFormatCodes: []int16{1}}, execute("", 0), sync_)
	for {
		switch m := c.Next(t).(type) {
		case *pgproto3.DataRow:
			words += fmt.Sprintf("%x ", m.Values)
		case *pgproto3.ErrorResponse:
			words += strings.Join([]string{m.Severity, m.Code, m.Message, m.Routine}, " ")
		case *pgproto3.ReadyForQuery:
			return words
		}
	}
}
