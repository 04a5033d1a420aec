package integration

import (
	"fmt"
	"strings"
	"testing"
)

// TestStatementsPreparedInSQLReadTheSameWithAndWithoutPgweir mixes PREPARE,
// EXECUTE and DEALLOCATE with statements of the protocol. What PREPARE makes
// keeps a backend: there is one for each player.
func TestStatementsPreparedInSQLReadTheSameWithAndWithoutPgweir(t *testing.T) {
	t.Parallel()
	playScenes(t, stage{schema: preparedSchema, pool: 3, asShipped: true}, sqlPrepareScenes())
}

// TestSQLOnNamedStatementsReadsTheSameOnOneBackend has statements of the
// protocol only, which keep no backend whatever SQL is used on them.
func TestSQLOnNamedStatementsReadsTheSameOnOneBackend(t *testing.T) {
	t.Parallel()
	playScenes(t, stage{schema: preparedSchema, pool: 1, asShipped: true}, sqlOnNamedScenes())
}

func sqlPrepareScenes() []scene {
	return []scene{
		{name: "prepare, execute, deallocate", steps: sqls(
			"prepare p (int) as select $1 + 1", "execute p(1)", "select 1", "execute p(2)", "execute p('x')", "execute p", "execute p(1, 2)", "prepare p as select 1", "explain (costs off) execute p(3)",
			"create temp table made on commit drop as execute p(4)", "deallocate p", "execute p(3)", "deallocate p", "deallocate prepare nowhere", "execute nowhere",
			"prepare q as select 'q'", "deallocate prepare q", "execute q", `prepare "Q q" as select 'quoted'`, `execute "Q q"`, `execute "q q"`, `deallocate "Q q"`, `deallocate "Q q"`),
			has: []string{"42P05", "26000"}},
		{name: "within blocks", steps: sqls(
			"begin", "prepare p as select 'p'", "rollback", "execute p", "begin", "deallocate p", "rollback", "execute p",
			"begin", "prepare p as select 'again'", "select 1/0", "execute p", "deallocate p", "rollback", "execute p", "begin; savepoint s; prepare q as select 'q'; rollback to s; execute q; commit", "execute q", "deallocate all", "execute q"),
			has: []string{"25P02", "again"}},
		{name: "several in one query", steps: sqls(
			"prepare p as select 'p'; execute p; deallocate p; execute p", "prepare p as select 'p'; select 1/0", "execute p", "prepare p as select 'p2'; execute p; prepare q as select 'q'; execute q", "execute p; execute q; deallocate all; execute p",
			"begin; prepare p as select 'in block'; commit; execute p", "deallocate p; prepare p as select 'new'; execute p", "deallocate nowhere; deallocate p", "execute p", "discard all", "execute p")},
		{name: "discard", steps: sqls(
			"prepare p as select 'p'", "discard plans", "execute p", "discard temp", "execute p", "discard sequences", "execute p", "discard all", "execute p", "begin", "discard all", "rollback", "discard nonsense"),
			has: []string{"25001", "42601"}},
		{name: "where errors are", steps: []step{
			talk(parse("a", "select 'a', $1::int"), sync_), sql("execute a(nope)"), sql("  explain execute a('x')"), sql("explain (nope) execute a(1)"), sql("execute a(1); execute a(1, 2); selekt"), sql("create table no.no as execute a('x'); select nope"),
			synced(extended("execute a(nope)")), talk(parse("", "execute a('x')"), sync_), synced(runs("")), synced(runs("")), talk(parse("use", "execute a('x')"), sync_), synced(runs("use")), synced(runs("use")), sql("execute a(1)"), sql("deallocate all")}},
		{name: "statements that are not possible any more", steps: []step{
			sql("create temp table gone (a int)"), talk(parse("a", "select 'a long way to it', a from gone where a = $1"), parse("b", "select a from gone"), sync_), synced(runs("a", "1")), sql("drop table gone"), sql("select 1"),
			sql("execute a(1)"), sql("execute a ( 1 );"), sql("execute b"), sql("execute b; select 1"), synced(runs("a", "1")), synced(runs("b")),
			sql("begin"), synced(runs("a", "1")), synced(runs("a", "1")), sql("rollback"), sql("set datestyle = 'German'"), sql("begin"), synced(runs("b")), sql("select 1"), sql("rollback"), sql("show datestyle"),
			sql("begin"), sql("execute a(1)"), sql("rollback"), sql("prepare a as select 'taken'"), sql("deallocate a"), sql("deallocate a"), sql("prepare a as select 'free'"), sql("execute a"), sql("deallocate b; prepare b as select 'b'; execute b"), sql("deallocate all")}},
		{name: "made in SQL, used by the protocol", steps: []step{
			sql("prepare p (int) as select 'sql', $1"), talk(describe('S', "p"), sync_), synced(runs("p", "1")), synced(runs("p", "2"), runs("p", "x")), talk(parse("p", "select 'protocol'"), sync_),
			talk(closeStatement("p"), sync_), sql("execute p(1)"), synced(runs("p", "3")), talk(parse("p", "select 'protocol'"), sync_), synced(runs("p")), sql("prepare p as select 'sql'"), sql("execute p")},
			has: []string{"42P05", "26000"}},
		{name: "made through the extended protocol", steps: []step{
			synced(extended("prepare p (int) as select 'p', $1")), synced(extended("execute p(1)")), synced(extended("explain (costs off) execute p(1)")), synced(extended("deallocate p"), extended("execute p(2)")), synced(extended("execute p(2)")),
			talk(parse("make", "prepare p as select 'made'"), parse("use", "execute p"), parse("drop", "deallocate p"), sync_), synced(runs("make"), runs("use")), synced(runs("use")), synced(runs("make")), synced(runs("drop"), runs("use")), synced(runs("use"), runs("drop"))}},
		{name: "a statement that executes one of the protocol's", steps: []step{
			talk(parse("a", "select 'a', $1::int"), sync_), talk(parse("use", "execute a(7)"), describe('S', "use"), sync_), synced(runs("use")), synced(runs("use"), runs("a", "1")), sql("deallocate a")}},
		{name: "drop and make anew with another result", steps: sqls(
			"prepare p as select 1 as one", "execute p", "deallocate p", "prepare p as select 'x' as a, 'y' as b", "execute p", "deallocate all", "prepare p as select", "execute p", "deallocate all")},
		{name: "what is there can be read", steps: append(sqls(
			"prepare p (int) as select 'p', $1", "select name, statement, parameter_types, from_sql from pg_prepared_statements order by name", "deallocate p", "select count(*) from pg_prepared_statements"),
			talk(parse("a", "select 'a', $1::int"), parse("b", "select 'b'"), sync_), sql("select name, statement, parameter_types, from_sql from pg_prepared_statements order by name"),
			sql("prepare c as select 'c'"), sql("select name, statement, from_sql from pg_prepared_statements order by name"), sql("deallocate a"), sql("select name, from_sql from pg_prepared_statements order by name"),
			sql("discard all"), sql("select count(*) from pg_prepared_statements")),
			has: []string{"{integer}", "C \"SELECT 2"}},
		{name: "names of 63 bytes and more in SQL", steps: many(longSQLNames())},
	}
}

func longSQLNames() []step {
	n63 := "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
	return []step{
		sql("prepare " + n63 + " as select '63'"), sql("execute " + n63), sql("execute " + n63 + "tail"), sql("prepare " + n63 + "x as select '64'"), synced(runs(n63)), synced(runs(n63 + "x")),
		sql("deallocate " + n63 + "y"), synced(runs(n63)),
		talk(parse(n63+"xyz", "select 'protocol'"), sync_), sql("execute " + n63), sql("deallocate " + n63), synced(runs(n63 + "xyz")),
	}
}

func sqlOnNamedScenes() []scene {
	return []scene{
		{name: "execute", steps: []step{
			talk(parse("a", "select 'a', $1::int"), parse("none", "select 'none'"), sync_), sql("execute a(1)"), sql("execute none"), sql("select 1"), sql("execute a(2); execute none; execute a(3)"),
			sql("execute a"), sql("execute a('x')"), sql("execute a(1, 2)"), sql("execute nowhere"), sql("execute a(1); execute nowhere"), sql("EXECUTE A(4)"), sql(`execute "a"(5)`), sql(`execute "A"(5)`), sql("/* execute b */ execute /* c */ a /* d */ (6)"),
			synced(extended("execute a(7)")), synced(extended("execute a(8)"), runs("a", "9"))},
			has: []string{`prepared statement \"nowhere\" does not exist`, `prepared statement \"A\" does not exist`, `wrong number of parameters for prepared statement \"a\"`}},
		{name: "explain execute", steps: []step{
			talk(parse("a", "select word from items where id = $1"), sync_), sql("explain (costs off) execute a(1)"), sql("explain (costs off, analyze off) execute a(1)"), sql("explain (costs off) execute nowhere(1)"), synced(extended("explain (costs off) execute a(1)"))}},
		{name: "create table as execute", steps: []step{
			talk(parse("a", "select 'a' as x"), sync_), sql("begin"), sql("create table made as execute a"), sql("select * from made"), sql("rollback"), sql("create temp table made on commit drop as execute a"), synced(runs("a"))}, alone: true},
		{name: "deallocate", steps: []step{
			talk(parse("a", "select 'a'"), parse("b", "select 'b'"), sync_), sql("deallocate a"), synced(runs("a")), synced(runs("b")), sql("deallocate a"), sql("deallocate prepare b"), synced(runs("b")),
			talk(parse("a", "select 'a again'"), sync_), synced(runs("a")), synced(extended("deallocate a")), synced(runs("a")), sql("deallocate nowhere"), synced(extended("deallocate nowhere"))},
			has: []string{"26000", "DEALLOCATE"}},
		{name: "deallocate all", steps: []step{
			talk(parse("a", "select 'a'"), parse("b", "select 'b'"), parse("", "select 'unnamed'"), sync_), sql("deallocate all"), synced(runs("a")), synced(runs("b")), synced(runs("")), sql("deallocate all"),
			talk(parse("a", "select 'new'"), sync_), synced(runs("a")), synced(extended("deallocate all")), synced(runs("a")), sql("deallocate prepare all"), sql(`deallocate "all"`)}},
		{name: "deallocate in blocks", steps: []step{
			talk(parse("a", "select 'a'"), parse("b", "select 'b'"), sync_), sql("begin"), sql("deallocate a"), synced(runs("a")), sql("rollback"), synced(runs("a")), synced(runs("b")),
			sql("begin"), sql("select 1/0"), sql("deallocate b"), sql("deallocate all"), sql("rollback"), synced(runs("b")), sql("begin; deallocate b; rollback"), synced(runs("b")),
			talk(parse("a", "select 'a2'"), sync_), sql("begin"), sql("savepoint s"), sql("deallocate a"), sql("rollback to s"), synced(runs("a")), sql("commit"), synced(runs("a"))},
			has: []string{"25P02", "26000"}},
		{name: "deallocate among others in one query", steps: []step{
			talk(parse("a", "select 'a'"), parse("b", "select 'b'"), parse("c", "select 'c'"), sync_), sql("select 1; deallocate a; select 2"), synced(runs("a")), sql("deallocate b; select 1/0"), synced(runs("b")), sql("deallocate nowhere; deallocate c"), synced(runs("c")),
			sql("select 1/0; deallocate c"), synced(runs("c")), sql("execute c; deallocate c; execute c"), synced(runs("c")), sql("deallocate all; select 1")}},
		{name: "discard all", steps: []step{
			talk(parse("a", "select 'a'"), parse("", "select 'unnamed'"), sync_), sql("discard all"), synced(runs("a")), synced(runs("")), talk(parse("a", "select 'a2'"), sync_), synced(runs("a")), synced(extended("discard all")), synced(runs("a")),
			talk(parse("a", "select 'a3'"), sync_), sql("begin"), sql("discard all"), sql("rollback"), synced(runs("a")), sql("select 1; discard all"), synced(runs("a"))},
			has: []string{"25001", "26000"}},
		{name: "the other discards", steps: []step{
			talk(parse("a", "select 'a'"), parse("", "select 'unnamed'"), sync_), sql("discard plans"), synced(runs("a")), sql("discard temp"), synced(runs("a")), sql("discard temporary"), sql("discard sequences"), synced(runs("a")),
			synced(extended("discard plans")), synced(runs("a")), sql("begin"), sql("discard plans"), sql("discard temp"), sql("discard sequences"), synced(runs("a")), sql("commit"), synced(runs("a"))}},
		{name: "prepare of a name that exists", steps: []step{
			talk(parse("a", "select 'a'"), sync_), sql("prepare a as select 'sql'"), synced(runs("a")), sql("prepare nowhere as selec"), sql("begin"), sql("prepare a as select 'sql'"), sql("rollback"), synced(runs("a")), sql("select 1; prepare a as select 'sql'"), sql("execute a")},
			has: []string{"42P05", `prepared statement \"a\" already exists`}},
		{name: "deallocate while a portal is open", steps: []step{
			talk(parse("a", "select id from items order by id"), sync_), sql("begin"), talk(portal("one", "a"), execute("one", 2), sync_), sql("deallocate a"), talk(execute("one", 2), sync_), synced(runs("a")), sql("rollback")}},
		{name: "in pipelines", steps: []step{
			{join(say(parse("a", "select 'a'")), extended("deallocate a"), runs("a"), say(sync_)), "Z"},
			{join(say(parse("a", "select 'a'")), extended("deallocate a"), say(parse("a", "select 'a2'")), runs("a"), say(sync_), runs("a"), say(sync_)), "ZZ"},
			{join(extended("deallocate all"), say(parse("b", "select 'b'")), runs("b"), extended("execute b"), say(sync_), say(query("deallocate b")), runs("b"), say(sync_)), "ZZZ"},
			{join(extended("discard all"), say(sync_), say(parse("a", "select 'a3'")), runs("a"), say(sync_)), "ZZ"}}},
		{name: "as PDO and Rails do it", steps: []step{
			talk(parse("pdo_stmt_00000001", "select $1::text"), sync_), synced(runs("pdo_stmt_00000001", "x")), sql("DEALLOCATE pdo_stmt_00000001"), talk(parse("pdo_stmt_00000001", "select 'next'"), sync_), synced(runs("pdo_stmt_00000001")), sql("DEALLOCATE pdo_stmt_00000001"), sql("DEALLOCATE pdo_stmt_00000001"),
			talk(parse("a1", "select 1"), sync_), sql("BEGIN"), synced(runs("a1")), sql("COMMIT"), sql(`DEALLOCATE "a1"`), sql("SELECT 1"), sql(`DEALLOCATE "a1"`)}},
		{name: "the error's place in the text", steps: []step{
			talk(parse("a", "select $1::int + nothing"), sync_), talk(parse("a", "select $1::int"), sync_), sql("   execute a('x')"), sql("execute   a(nothing)"), sql("select 1; execute a(nothing); select 2")},
			has: []string{"42703"}},
	}
}

// TestTheTimesOfStatementsAreInTheOrderOfTheirParses, though pgweir has made
// them all for the question.
func TestTheTimesOfStatementsAreInTheOrderOfTheirParses(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1"})
	c, other := rawLogin(t, w.Addr(), "postgres", w.DB), rawLogin(t, w.Addr(), "postgres", w.DB)
	var want []string
	for i := range 8 {
		name := fmt.Sprint("s", (i*3)%8)
		for _, c := range []*rawConn{other, c} {
			c.Say(t, parse(name, fmt.Sprintf("select %d", i)), sync_)
			if got := c.until(t, 'Z'); got != "" {
				t.Fatalf("a Parse was answered with %q", got)
			}
		}
		want = append(want, name)
	}
	c.Say(t, closeStatement(want[0]), sync_, parse(want[0], "select 'anew'"), sync_)
	c.until(t, 'Z')
	c.until(t, 'Z')
	want = append(want[1:], want[0])
	for _, block := range []bool{false, true} {
		if block {
			c.Say(t, query("begin"))
			c.until(t, 'Z')
		}
		c.Say(t, query("select name from pg_prepared_statements order by prepare_time"))
		if got := c.until(t, 'Z'); got != strings.Join(want, " ") {
			t.Errorf("in a block %v: %q, want %q", block, got, want)
		}
	}
}
