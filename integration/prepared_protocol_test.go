package integration

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// preparedSchema is what the scenes with statements find.
const preparedSchema = `
create table items (id int primary key, word text, n int);
insert into items select i, 'word ' || i, i from generate_series(1, 100) i`

func TestNamedStatementsReadTheSameWithAndWithoutPgweir(t *testing.T) {
	t.Parallel()
	playScenes(t, stage{schema: preparedSchema, pool: 1}, append(namedScenes(), pipelineScenes()...))
}

// TestNamedStatementsReadTheSameWhenTheServersAnswersComeInPieces cuts each
// answer at every byte, or after every third.
func TestNamedStatementsReadTheSameWhenTheServersAnswersComeInPieces(t *testing.T) {
	t.Parallel()
	for _, chunk := range []int{1, 3} {
		playScenes(t, stage{schema: preparedSchema, pool: 1, chunk: chunk}, pipelineScenes())
	}
}

// TestNamedStatementsReadTheSameWhenABackendMayKeepFew lets a backend keep two
// statements, so that hardly any is there when it is needed.
func TestNamedStatementsReadTheSameWhenABackendMayKeepFew(t *testing.T) {
	t.Parallel()
	playScenes(t, stage{schema: preparedSchema, pool: 1, top: "max_prepared_statements = 2"}, append(withoutSizes(namedScenes()), pipelineScenes()...))
}

// TestNamedStatementsReadTheSameInStatementMode leaves out blocks, which are
// not allowed there.
func TestNamedStatementsReadTheSameInStatementMode(t *testing.T) {
	t.Parallel()
	var scenes []scene
	for _, s := range append(withoutSizes(namedScenes()), pipelineScenes()...) {
		if !hasBlock(&s) {
			scenes = append(scenes, s)
		}
	}
	playScenes(t, stage{schema: preparedSchema, pool: 1, top: `pool_mode = "statement"`}, scenes)
}

// withoutSizes leaves out the scenes that are about sizes, which take long.
func withoutSizes(scenes []scene) []scene {
	return slices.DeleteFunc(scenes, func(s scene) bool {
		return slices.Contains([]string{"names of every length", "63 bytes of a name count", "a name of a megabyte", "texts of every size", "big parameters"}, s.name)
	})
}

func hasBlock(s *scene) bool {
	for _, st := range s.steps {
		for _, m := range st.say {
			q, isQuery := m.(*pgproto3.Query)
			p, isParse := m.(*pgproto3.Parse)
			if isQuery && strings.HasPrefix(q.String, "begin") || isParse && p.Query == "begin" {
				return true
			}
		}
	}
	return false
}

func namedScenes() []scene {
	int4, text, int8 := uint32(23), uint32(25), uint32(20)
	huge := strings.Repeat("n", 1<<20) // Describe and Close may not be so big
	binary := &pgproto3.Bind{PreparedStatement: "a", ParameterFormatCodes: []int16{1}, Parameters: [][]byte{{0, 0, 0, 7}}, ResultFormatCodes: []int16{1}}
	return []scene{
		{name: "a statement lives from transaction to transaction", steps: []step{
			talk(parse("a", "select $1::int + 1 as sum, $2::text as t"), describe('S', "a"), sync_),
			synced(runs("a", "41", "x")), synced(runs("a", "1", "y")), sql("select 'in between'"),
			talk(describe('S', "a"), sync_), synced(runs("a", "2", "z"), runs("a", "3", "zz")),
			talk(closeStatement("a"), sync_), synced(runs("a", "1", "y")), talk(describe('S', "a"), sync_)},
			has: []string{`\x0242`, "26000"}},
		{name: "each message in a transaction of its own", steps: []step{
			talk(parse("a", "select * from items where id = $1"), sync_), talk(describe('S', "a"), sync_), talk(bind("a", "3"), sync_),
			talk(bind("a", "3"), execute("", 0), sync_), talk(bind("a", "4"), describe('P', ""), sync_), talk(closeStatement("a"), sync_),
			talk(parse("a", "select word from items where id = $1"), sync_), synced(runs("a", "5"))},
			has: []string{"word 3", "word 5"}},
		{name: "several statements are told apart", steps: []step{
			talk(parse("a", "select 'a', $1::int"), parse("b", "select 'b', $1::int"), parse("p", "select 'p'"), sync_),
			synced(runs("b", "1"), runs("a", "2"), runs("p")), synced(runs("p"), runs("b", "3")),
			talk(closeStatement("b"), parse("b", "select 'another b'"), sync_), synced(runs("b"), runs("a", "5")),
			talk(closeStatement("a"), sync_), synced(runs("b"), runs("a", "6")), synced(runs("p"))},
			has: []string{"another b", "26000"}},
		{name: "the same text with other types", steps: []step{
			talk(typed("a", "select $1, pg_typeof($1)", int4), typed("b", "select $1, pg_typeof($1)", text), typed("p", "select $1, pg_typeof($1)", int8),
				describe('S', "a"), describe('S', "b"), describe('S', "p"), sync_),
			synced(runs("a", "1"), runs("b", "1"), runs("p", "1")), synced(runs("b", "x")), synced(runs("a", "x")), synced(runs("p", "3000000000")), synced(runs("a", "3000000000")),
			talk(parse("c", "select $1, pg_typeof($1)"), describe('S', "c"), sync_), talk(typed("d", "select $1, pg_typeof($1)", 0), describe('S', "d"), sync_),
			talk(typed("e", "select $1::int, pg_typeof($2)", 0, int8), describe('S', "e"), sync_), talk(typed("f", "select $1", 4294967295), sync_)},
			has: []string{"bigint", "22P02", "22003"}},
		{name: "the same text under several names", steps: []step{
			talk(parse("a", "select 'same', $1::int"), parse("b", "select 'same', $1::int"), sync_), synced(runs("a", "1"), runs("b", "2")),
			talk(closeStatement("a"), sync_), synced(runs("b", "3")), synced(runs("a", "4")), talk(parse("a", "select 'same', $1::int"), sync_), synced(runs("a", "5"), runs("b", "6"))}},
		{name: "binary parameters and results", steps: []step{
			talk(parse("a", "select $1::int + 1"), sync_), talk(binary, describe('P', ""), execute("", 0), sync_), talk(binary, execute("", 0), sync_)}},
		{name: "a name that was never parsed", steps: []step{
			talk(bind("nowhere"), execute("", 0), sync_), talk(describe('S', "nowhere"), sync_), talk(closeStatement("nowhere"), sync_),
			talk(bind("nowhere"), describe('P', ""), execute("", 0), closeStatement("nowhere"), parse("a", "select 'skipped'"), sync_), synced(runs("a")),
			{say(describe('S', "nowhere"), flush), "E"}, talk(parse("a", "select 'skipped'"), sync_), synced(runs("a")),
			talk(closeStatement("nowhere"), closeStatement("nowhere"), closePortal("nowhere"), sync_), sql("select 1")},
			has: []string{"26000", `prepared statement \"nowhere\" does not exist`}},
		{name: "a name that exists already", steps: []step{
			talk(parse("a", "select 'first'"), sync_), talk(parse("a", "select 'second'"), sync_), synced(runs("a")),
			talk(parse("a", "select 'first'"), sync_), synced(runs("a")),
			talk(parse("a", "select 'second'"), bind("a"), execute("", 0), closeStatement("a"), sync_), synced(runs("a")),
			talk(parse("b", "select 'b'"), parse("b", "select 'bb'"), sync_), synced(runs("b"))},
			has: []string{"42P05", `prepared statement \"a\" already exists`}},
		{name: "a text that does not parse", steps: []step{
			talk(parse("a", "selec 1"), bind("a"), execute("", 0), sync_), synced(runs("a")), talk(parse("a", "select 'now'"), sync_), synced(runs("a")),
			talk(parse("b", "select * from nowhere"), describe('S', "b"), sync_), talk(describe('S', "b"), sync_),
			talk(parse("c", "select 1; select 2"), sync_), talk(parse("c", "select $1"), describe('S', "c"), sync_), talk(parse("d", "select $2::int"), describe('S', "d"), sync_),
			{say(parse("e", "selec"), flush), "E"}, talk(bind("e"), execute("", 0), sync_), {say(parse("e", "selec"), sync_, parse("e", "select 'e'"), sync_), "ZZ"}, synced(runs("e"))},
			has: []string{"42601", "42P01"}},
		{name: "an empty statement", steps: []step{
			talk(parse("a", ""), describe('S', "a"), sync_), synced(runs("a")), talk(parse("b", " -- nothing"), sync_), synced(runs("b")), synced(runs("a"), runs("b"))}},
		{name: "wrong parameters", steps: []step{
			talk(parse("a", "select 10 / "+unplanned), sync_), synced(runs("a")), synced(runs("a", "1", "2")), synced(runs("a", "x")), synced(runs("a", "0")), synced(runs("a", "5"))},
			has: []string{"08P01", "22P02", "22012"}},
		{name: "names of every length", steps: many(
			sameName("a"), sameName(strings.Repeat("n", 62)), sameName(strings.Repeat("n", 63)), sameName(strings.Repeat("n", 64)), sameName(strings.Repeat("n", 100)),
			sameName("with blanks, \"quotes\" and 'more'"), sameName("ünï©ødé"), sameName(strings.Repeat("é", 31)+"x"), sameName(strings.Repeat("é", 32)), sameName("\xff\xfe"))},
		{name: "63 bytes of a name count", steps: []step{
			talk(parse(strings.Repeat("n", 63), "select 'of 63'"), sync_), synced(runs(strings.Repeat("n", 64))), talk(parse(strings.Repeat("n", 64), "select 'of 64'"), sync_),
			synced(runs(strings.Repeat("n", 63))), synced(runs(strings.Repeat("n", 1000))), talk(closeStatement(strings.Repeat("n", 70)), sync_), synced(runs(strings.Repeat("n", 63))),
			synced(runs(strings.Repeat("n", 62))), talk(parse(strings.Repeat("n", 62)+"é", "select 'cut within a letter'"), sync_), synced(runs(strings.Repeat("n", 62) + "\xc3")), sql("select 1")},
			has: []string{"of 63", "42P05"}},
		{name: "a name of a megabyte", steps: []step{
			talk(parse(huge, "select 'named', $1::int"), sync_), talk(bind(huge, "1"), execute("", 0), sync_), talk(parse(huge, "select 'again'"), sync_),
			sql("deallocate all"), talk(bind(huge, "2"), execute("", 0), sync_), talk(parse(huge, "selec"), sync_), sql("select 1")},
			has: []string{"-- step 7"}},
		{name: "texts of every size", steps: many(
			bigText("a", 4<<10), bigText("b", 65500), bigText("c", 65536), bigText("d", 100<<10), bigText("e", 1<<20), bigText("f", 3<<20),
			[]step{synced(runs("b", "1"), runs("e", "2"), runs("a", "3"), runs("f", "4"), runs("d", "5")),
				talk(closeStatement("e"), closeStatement("b"), sync_), synced(runs("e", "1")), synced(runs("f", "1"))})},
		{name: "big parameters", steps: []step{
			talk(parse("a", "select length($1::text)"), sync_), synced(runs("a", strings.Repeat("x", 70_000))), synced(runs("a", strings.Repeat("x", 2<<20)), runs("a", "x"))}},
		{name: "many names", steps: manyNames(300)},
		{name: "the unnamed statement beside named ones", steps: []step{
			talk(parse("a", "select 'a'"), parse("", "select 'unnamed'"), sync_), synced(runs("a")), synced(runs("")), synced(runs("a")), synced(runs(""), runs("a"), runs("")),
			talk(describe('S', ""), sync_), talk(closeStatement(""), sync_), synced(runs("")), synced(runs("a")),
			talk(parse("", "select 'again'"), sync_), talk(parse("a", "select 'exists'"), sync_), synced(runs("")), talk(parse("", "selec"), sync_), synced(runs("")), synced(runs("a"))}},
		{name: "in a block", steps: []step{
			sql("begin"), talk(parse("a", "select 'a', $1::int"), sync_), synced(runs("a", "1")), sql("commit"), synced(runs("a", "2")),
			sql("begin"), synced(runs("a", "3")), talk(parse("b", "select 'b'"), sync_), sql("rollback"), synced(runs("b")), synced(runs("a", "4")),
			sql("begin"), talk(closeStatement("a"), sync_), synced(runs("a", "5")), sql("rollback"), synced(runs("a", "6")),
			sql("begin"), sql("savepoint s"), talk(parse("c", "select 'c'"), sync_), sql("rollback to s"), synced(runs("c")), sql("commit"), synced(runs("c"))},
			has: []string{"26000", `a\x00\x00\x00\x014`}},
		{name: "in a failed block", steps: []step{
			talk(parse("a", "select 'a'"), parse("end", "rollback"), parse("set", "set local work_mem = '6MB'"), sync_),
			sql("begin"), sql("select 1/0"), talk(parse("b", "select 'b'"), sync_), synced(runs("a")), talk(describe('S', "a"), sync_), talk(closeStatement("a"), sync_),
			talk(parse("b", "rollback"), describe('S', "b"), sync_), talk(bind("nowhere"), sync_), talk(parse("a", "select 'again'"), sync_), talk(describe('S', "nowhere"), sync_),
			synced(runs("set")), synced(runs("end")), synced(runs("a")), synced(runs("b")), synced(runs("end")),
			sql("begin; select 1/0"), talk(closeStatement("end"), parse("end", "commit"), sync_), synced(runs("end")), synced(runs("end")), synced(runs("a"))},
			has: []string{"25P02"}},
		{name: "a failed block that knows its statements", steps: []step{
			sql("begin"), talk(parse("a", "select 'a'"), sync_), sql("savepoint s"), sql("select 1/0"), synced(runs("a")), sql("rollback to s"), synced(runs("a")), sql("commit"), synced(runs("a"))}},
		{name: "portals", steps: []step{
			talk(parse("a", "select id from items order by id"), sync_), sql("begin"),
			talk(portal("one", "a"), portal("two", "a"), execute("one", 2), sync_), talk(execute("two", 3), execute("one", 1), describe('P', "two"), sync_),
			talk(portal("one", "a"), sync_), sql("rollback"), talk(execute("two", 1), sync_), talk(portal("two", "a"), execute("two", 2), closePortal("two"), execute("two", 1), sync_),
			talk(portal("three", "a"), closeStatement("a"), execute("three", 2), sync_), synced(runs("a"))}},
		{name: "a statement of every kind", steps: []step{
			talk(parse("a", "insert into items values ($1, $2, 0)"), parse("b", "delete from items where id = $1 returning word"), parse("begin", "begin"), parse("rollback", "rollback"), parse("show", "show datestyle"),
				parse("values", "values (1), (2)"), parse("listen", "notify nobody"), sync_),
			synced(runs("begin")), synced(runs("a", "1000", "new")), synced(runs("b", "1000")), synced(runs("rollback")), synced(runs("begin"), runs("a", "1001", "new"), runs("b", "1001"), runs("rollback")),
			synced(runs("show"), runs("values"), runs("listen"))}, alone: true},
		{name: "copy with a named statement", steps: []step{
			talk(parse("out", "copy (select 1) to stdout"), sync_), synced(runs("out")), sql("select 1"), synced(runs("out"))}},
		{name: "results of rows and types that only exist here", steps: []step{
			sql("begin"), sql("create type mood as enum ('glad')"), talk(parse("a", "select 'glad'::mood"), sync_), synced(runs("a")), sql("rollback")}, alone: true},
		{name: "function calls and simple queries between", steps: []step{
			talk(parse("a", "select 'a'"), sync_), talk(functionCall(1397, "-42")), synced(runs("a")), sql(""), synced(runs("a")), sql("selec"), synced(runs("a")), sql("select 1; select 2"), synced(runs("a"))}},
	}
}

// sameName makes, uses and closes a statement of this name.
func sameName(name string) []step {
	return []step{
		talk(parse(name, "select 'named', $1::int"), describe('S', name), sync_), synced(runs(name, "1")), talk(parse(name, "select 'again'"), sync_),
		synced(runs(name, "2")), talk(closeStatement(name), sync_), synced(runs(name, "3")),
	}
}

// bigText makes and uses a statement whose text has so many bytes.
func bigText(name string, size int) []step {
	text := "select '" + name + "', $1::int /*"
	text += strings.Repeat("x", size-len(text)-2) + "*/"
	return []step{talk(parse(name, text), describe('S', name), sync_), synced(runs(name, "1"))}
}

func manyNames(n int) (steps []step) {
	var parses, all []pgproto3.FrontendMessage
	names := make([]string, n)
	for i := range n {
		names[i] = "name " + strings.Repeat("i", i%50) + string(rune('a'+i%26)) + string(rune('a'+i/26))
		parses = append(parses, parse(names[i], "select '"+names[i]+"', $1::int"))
	}
	for i := range n {
		all = append(all, runs(names[(i*7)%n], "1")...)
	}
	return []step{synced(parses), synced(all), synced(all[:30]), synced(all[300:330]), sql("deallocate all"), synced(all[:3])}
}

func pipelineScenes() []scene {
	a := func(params ...string) []pgproto3.FrontendMessage { return runs("a", params...) }
	return []scene{
		{name: "a statement is made, used, closed and made anew in one pipeline", steps: []step{
			talk(parse("a", "select 'one'"), bind("a"), execute("", 0), closeStatement("a"), parse("a", "select 'two', $1::int"), bind("a", "2"), describe('S', "a"), execute("", 0), sync_),
			synced(a("3")), talk(closeStatement("a"), parse("a", "select 'three'"), bind("a"), execute("", 0), closeStatement("a"), bind("a"), execute("", 0), sync_), synced(a())},
			has: []string{"one", "two", "three", "26000"}},
		{name: "several Syncs in flight", steps: []step{
			{say(parse("a", "select 'a', $1::int"), sync_, bind("a", "1"), execute("", 0), sync_, bind("a", "2"), execute("", 0), sync_, closeStatement("a"), sync_, bind("a", "3"), execute("", 0), sync_), "ZZZZZ"},
			{say(parse("a", "select 'other'"), sync_, bind("a"), execute("", 0), sync_, closeStatement("a"), parse("a", "select 'a', $1::int"), sync_, bind("a", "4"), execute("", 0), sync_, sync_), "ZZZZZ"},
			synced(a("5")), {join(a("6"), say(sync_), a("7"), say(sync_), runs("nowhere"), say(sync_), a("8"), say(sync_)), "ZZZZ"}}},
		{name: "errors in the midst of a pipeline", steps: []step{
			talk(parse("a", "select 10 / "+unplanned), sync_),
			talk(append(join(a("5"), a("0"), a("2")), parse("b", "select 'skipped'"), closeStatement("a"), sync_)...), synced(a("1")), synced(runs("b")),
			{join(a("0"), say(parse("b", "select 'skipped'"), sync_, parse("b", "select 'b'"), sync_), runs("b"), say(sync_)), "ZZZ"}, synced(runs("b")),
			{join(a("1"), say(parse("c", "selec"), closeStatement("b"), parse("d", "select 'd'"), sync_), a("2"), runs("b"), say(sync_), runs("d"), say(sync_)), "ZZZ"},
			{join(say(closeStatement("a")), runs("b"), runs("nowhere"), say(closeStatement("b"), sync_), runs("b"), say(sync_), a("3"), say(sync_)), "ZZZ"}},
			has: []string{"22012", "42601", "26000"}},
		{name: "an error between a Close and its Sync", steps: []step{
			talk(parse("a", "select 'a'"), sync_), talk(closeStatement("a"), parse("b", "selec"), sync_), synced(a()),
			talk(parse("a", "select 'a2'"), parse("b", "selec"), sync_), synced(a()), talk(parse("b", "selec"), parse("a", "select 'a3'"), sync_), synced(a())}},
		{name: "a pipeline that makes a name that is there when it comes to it", steps: []step{
			talk(parse("a", "select 'a'"), parse("a", "select 'b'"), parse("c", "select 'c'"), sync_), synced(a()), synced(runs("c")),
			talk(closeStatement("a"), parse("a", "select 'new'"), parse("a", "select 'newer'"), closeStatement("a"), sync_), synced(a())}},
		{name: "answers come at a Flush", steps: []step{
			{say(parse("a", "select id from items order by id limit 5"), flush), "1"}, {say(describe('S', "a"), flush), "T"}, {say(bind("a"), flush), "2"}, {say(execute("", 2), flush), "s"},
			{say(execute("", 2), flush), "s"}, {say(execute("", 2), flush), "C"}, talk(sync_), {say(bind("a"), describe('P', ""), execute("", 0), flush), "C"}, {say(closeStatement("a"), flush), "3"},
			{say(bind("a"), flush), "E"}, {say(parse("a", "select 'skipped'"), flush, sync_), "Z"}, synced(a())}},
		{name: "a Flush after every message", steps: []step{
			{say(flush, parse("a", "select 1"), flush, describe('S', "a"), flush, bind("a"), flush, describe('P', ""), flush, execute("", 0), flush, closeStatement("a"), flush), "3"}, talk(flush, sync_), synced(a())}},
		{name: "a pipeline with a block", steps: []step{
			talk(parse("begin", "begin"), parse("commit", "commit"), parse("rollback", "rollback"), parse("a", "insert into items values (5000, $1, 1)"), parse("see", "select word from items where id = 5000"), sync_),
			{join(runs("begin"), a("x"), runs("see"), say(sync_), runs("rollback"), say(sync_), runs("see"), say(sync_)), "ZZZ"},
			{join(runs("begin"), say(sync_), a("x"), say(sync_), a("again"), say(sync_), runs("see"), say(sync_), runs("rollback"), say(sync_), runs("see"), say(sync_)), "ZZZZZZ"},
			{join(a("x"), a("again"), say(sync_), runs("see"), say(sync_)), "ZZ"}}, alone: true,
			has: []string{"23505", "25P02"}},
		{name: "a long pipeline", steps: []step{talk(parse("a", "select $1::int"), parse("b", "select 10 / "+unplanned), sync_), longNamedPipeline(500)}},
		{name: "simple queries sent ahead with named statements", steps: []step{
			{say(parse("a", "select 'a'"), sync_, query("select 1"), bind("a"), execute("", 0), sync_, query("selec"), bind("a"), execute("", 0), sync_, query("begin"), bind("a"), execute("", 0), sync_, query("commit")), "ZZZZZZZZ"}}},
		{name: "a statement is described only", steps: []step{
			talk(parse("a", "select $1::int as x"), sync_), talk(describe('S', "a"), sync_), talk(describe('S', "a"), describe('S', "a"), sync_), {say(describe('S', "a"), sync_, describe('S', "a"), sync_), "ZZ"}}},
		{name: "messages that end nothing", steps: []step{
			talk(parse("a", "select 'a'"), sync_), talk(bind("a"), sync_), talk(execute("", 0), sync_), {say(sync_, sync_, bind("a"), execute("", 0), sync_, sync_), "ZZZZ"}}},
		{name: "the client goes in the midst of a pipeline", steps: []step{
			talk(parse("a", "select 'a'"), sync_), {join(a(), say(sync_), a(), say(bye)), "Z?"}}},
	}
}

func longNamedPipeline(n int) step {
	var all []pgproto3.FrontendMessage
	for i := range n {
		all = append(all, bind("a", "1"), execute("", 0))
		if i%7 == 0 {
			all = append(all, bind("b", []string{"0", "5"}[i%2]), execute("", 0), closeStatement("nothing"))
		}
		all = append(all, sync_)
	}
	return step{all, strings.Repeat("Z", n)}
}
