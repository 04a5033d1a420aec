package integration

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

func scripts() []script {
	var all []script
	for _, list := range [][]script{simpleScripts(), extendedScripts(), copyScripts(), transactionScripts(), stateScripts(), bigScripts()} {
		all = append(all, list...)
	}
	return all
}

func simpleScripts() []script {
	return []script{
		{name: "errors of every kind", modes: "stp", steps: sqls(
			"selec 1", "select 1/0", "select * from nowhere", "select nothing from items", "select 1::nowhere",
			"insert into items values (1, 'again')", "insert into items values (2000, 'big', 2000)",
			"insert into items values (null)", "select grumble('x')", "select 'x'::int", "select '2000-13-01'::date",
			"select repeat('x', 2000000000)", "select $1", "drop table nowhere", "select 'unfinished",
			"create table items (id int)", "select * from generate_series(1, 3) where 1 / (2 - generate_series) = 0",
			"vacuum nowhere", "prepare transaction 'x'", "commit prepared 'y'", `select "`+strings.Repeat("n", 80)+`"`,
			"select 1")},
		{name: "results of every shape", modes: "stp", steps: sqls(
			"select", "select null, '', 'x', 1, 1.5, true, '{a,b}'::text[], '\\x00ff'::bytea", "select 1 where false",
			"values (1, 'a'), (2, 'b')", "select id, word from items order by id limit 3", "explain (costs off) select 1",
			"show server_encoding", "update items set n = n where id < 5", "delete from items where id < 0",
			"insert into items values (3000, 'x') on conflict do nothing returning id", "delete from items where id = 3000",
			"create table if not exists items (id int)", "select 'ünï©ødé 🐘', E'a\\tb\\nc'", "analyze items", "vacuum items",
			"merge into items using (select 1 as one) s on items.id = s.one when matched then do nothing")},
		{name: "empty queries", modes: "stp", steps: sqls("", " ", ";", ";;;", "-- nothing", "/* nothing /* at */ all */", "select 1;;")},
		{name: "several statements in one query", modes: "stp", steps: sqls(
			"select 1; select 2; select 3",
			"select 1; select 1/0; select 3",
			"insert into items values (4000, 'x'); select 1/0",
			"select count(*) from items where id = 4000",
			"create temp table passing (a int) on commit drop; insert into passing values (1); select * from passing",
			"begin; select 1; commit",
			"begin; insert into items values (4001, 'x'); rollback; select count(*) from items where id = 4001",
			"select 1; begin; select 2; commit; select 3; begin; rollback", "select 1; selec 2")},
		{name: "a query that leaves a failed transaction", steps: sqls("begin; select 1/0; commit; select 5", "select 1; select 2", "rollback; select 3")},
		{name: "queries sent ahead", modes: "stp", steps: []step{
			{say(query("select 1"), query("select 1/0"), query("select 3; select 4"), query("")), "ZZZZ"},
			{say(query("begin; commit"), query("selec"), query("select count(*) from items")), "ZZZ"}}},
		{name: "notices", modes: "stp", steps: sqls(
			"do $$ begin raise notice 'a %', 1; raise warning 'b' using hint = 'h', detail = 'd'; end $$",
			"select say(word) from items where id < 4", "drop table if exists nowhere", "commit", "rollback",
			"select say('before'); select 1/0", "do $$ begin raise info 'i'; raise debug 'd'; raise log 'l'; end $$",
			"select 1")},
		{name: "calls and do blocks that commit", steps: append(sqls(
			"call halves()", "select word from items where id > 5000", "delete from items where id > 5000",
			"begin", "call halves()", "rollback",
			"do $$ begin for i in 1..3 loop perform i; commit; end loop; end $$", "call nowhere()"),
			talk(append(extended("call halves()"), sync_)...), sql("delete from items where id > 5000"))},
		{name: "function calls", modes: "stp", steps: []step{
			talk(functionCall(1397, "-42")), // abs(int4)
			talk(functionCall(1397, "x")),
			talk(functionCall(4294967000)),
			talk(functionCall(1397)),
			{say(functionCall(1397, "-1"), query("select 2"), functionCall(1397, "-3")), "ZZZ"},
			sql("select 1")}},
		{name: "function calls in a transaction", steps: []step{
			sql("begin"), talk(functionCall(1397, "-42")), talk(functionCall(1397, "x")), talk(functionCall(1397, "-42")), sql("rollback")}},
		{name: "sync and flush alone", modes: "stp", steps: []step{
			talk(sync_), {say(sync_, sync_, sync_), "ZZZ"}, talk(flush, flush, sync_), {say(flush, query("select 1"), flush, sync_), "ZZ"}}},
		{name: "messages of a copy where there is none", modes: "stp", steps: []step{
			talk(data("x"), done, query("select 1")), talk(&pgproto3.CopyFail{Message: "no"}, sync_), talk(done, done, data(""), query("select 2"))}},
		{name: "the backend ends itself", modes: "stp", steps: sqls(
			"select 1", "select pg_terminate_backend(pg_backend_pid())")},
		{name: "the backend ends itself in a transaction", steps: sqls(
			"begin", "select 1", "select pg_terminate_backend(pg_backend_pid()), pg_sleep(5)")},
		{name: "a query cancels itself", modes: "stp", steps: sqls(
			"select pg_cancel_backend(pg_backend_pid()), pg_sleep(5)", "select 1")},
		{name: "the client's last word", modes: "stp", steps: []step{
			sql("select 1"), {say(query("select 2"), bye), "Z"}, {nil, "?"}}},
	}
}

// functionCall calls a function with arguments in text form.
func functionCall(oid uint32, args ...string) *pgproto3.FunctionCall {
	f := &pgproto3.FunctionCall{Function: oid}
	for _, a := range args {
		f.Arguments = append(f.Arguments, []byte(a))
	}
	return f
}

func extendedScripts() []script {
	ints := &pgproto3.Parse{Query: "select $1, $2, $3", ParameterOIDs: []uint32{23, 25, 16}}
	binary := &pgproto3.Bind{ParameterFormatCodes: []int16{1, 0, 0}, Parameters: [][]byte{{0, 0, 0, 7}, nil, []byte("t")}, ResultFormatCodes: []int16{1}}
	twice := func(text string) []pgproto3.FrontendMessage {
		return join(extended(text), extended(text))
	}
	return []script{
		{name: "statements and portals are described", modes: "stp", steps: []step{
			talk(append(extended("select 1 as a, 'x' as b"), sync_)...),
			talk(parse("", "select $1::int + 1 as sum, $2::text"), describe('S', ""), bind("", "41", "x"), describe('P', ""), execute("", 0), sync_),
			talk(parse("", "insert into items values (6000, 'x')"), describe('S', ""), bind(""), describe('P', ""), execute("", 0), sync_),
			talk(parse("", "delete from items where id = 6000 returning *"), describe('S', ""), bind(""), execute("", 0), sync_),
			talk(ints, describe('S', ""), binary, describe('P', ""), execute("", 0), sync_),
			talk(append(extended(""), sync_)...), talk(append(extended(" -- nothing"), sync_)...),
			talk(parse("", "select 1"), sync_), talk(describe('S', ""), sync_), talk(bind(""), execute("", 0), sync_), talk(bind(""), execute("", 0), sync_)}},
		{name: "errors at every message", modes: "stp", steps: []step{
			talk(parse("", "selec"), bind(""), execute("", 0), sync_),
			talk(parse("", "select 1; select 2"), bind(""), sync_),
			talk(parse("", "select $1::int"), bind(""), describe('P', ""), execute("", 0), sync_),
			talk(parse("", "select $1::int"), bind("", "x"), execute("", 0), sync_),
			talk(parse("", "select $1::int"), bind("", "1", "2"), execute("", 0), sync_),
			talk(parse("", "select 1/$1::int"), bind("", "0"), describe('P', ""), execute("", 0), sync_),
			talk(parse("", "select * from nowhere"), flush, sync_),
			talk(bind("nowhere"), execute("", 0), sync_), talk(describe('S', "nowhere"), sync_), talk(describe('P', "nowhere"), sync_),
			talk(execute("nowhere", 0), sync_), talk(&pgproto3.Close{ObjectType: 'S', Name: "nowhere"}, &pgproto3.Close{ObjectType: 'P', Name: "nowhere"}, sync_),
			talk(describe('P', ""), sync_), talk(execute("", 0), sync_),
			{say(parse("", "selec"), bind(""), query("select 'skipped'"), sync_, query("select 'not skipped'")), "ZZ"},
			{say(parse("", "selec"), flush), "E"}, {say(bind(""), execute("", 0), flush, query("select 'skipped'"), sync_), "Z"},
			sql("select 1")}},
		{name: "the unnamed statement lives until the next one", modes: "stp", steps: []step{
			talk(bind(""), execute("", 0), sync_),
			talk(parse("", "select 'a'"), sync_), talk(bind(""), execute("", 0), sync_),
			talk(parse("", "select 'b'"), sync_), talk(bind(""), execute("", 0), bind(""), execute("", 0), sync_),
			talk(&pgproto3.Close{ObjectType: 'S'}, sync_), talk(bind(""), execute("", 0), sync_),
			talk(parse("", "select 'c'"), sync_), sql("select 'simple'"), talk(bind(""), execute("", 0), sync_),
			talk(parse("", "select 'd'"), sync_), sql(""), talk(describe('S', ""), sync_),
			talk(parse("", "select 'e'"), sync_), talk(parse("", "selec"), sync_), talk(bind(""), execute("", 0), sync_),
			talk(parse("", "select 'f'"), sync_), talk(functionCall(1397, "-4")), talk(bind(""), execute("", 0), sync_),
			talk(parse("", "select $1::int / $2::int"), sync_), talk(bind("", "6", "3"), execute("", 0), sync_), talk(bind("", "6", "0"), execute("", 0), sync_),
			talk(bind("", "6", "2"), execute("", 0), sync_)}},
		{name: "pipelines", modes: "stp", steps: []step{
			{join(extended("select 1"), say(sync_), extended("select 1/0"), say(sync_), extended("select 3"), say(sync_)), "ZZZ"},
			talk(append(join(extended("insert into items values (7000, 'x')"), extended("select 2"), extended("select 1/0"), extended("select 4")), sync_)...),
			sql("select count(*) from items where id = 7000"),
			talk(append(join(extended("insert into items values (7001, 'x')"), extended("select 2")), sync_)...),
			sql("delete from items where id = 7001"),
			{join(extended("select 1"), say(flush), extended("select 2"), say(flush)), "CC"}, talk(append(extended("select 3"), sync_)...),
			{join(extended("select 1/0"), say(query("select 'skipped'"), sync_), extended("select 2"), say(sync_)), "ZZ"},
			talk(append(twice("create table pipe (a int)"), sync_)...), sql("select to_regclass('pipe')")}},
		// PostgreSQL 18 takes harm from it, and must not do any to others.
		{name: "a simple query in the midst of a pipeline", steps: []step{
			{join(extended("select 1"), say(query("select 'simple'"), sync_)), "ZZ"}}},
		{name: "a function call in the midst of a pipeline", steps: []step{
			{join(extended("select 1"), say(functionCall(1397, "-1"), sync_)), "ZZ"}}},
		{name: "pipelines with transactions", steps: []step{
			{join(extended("begin"), say(sync_), extended("commit"), say(sync_)), "ZZ"},
			{join(extended("begin"), extended("select 1/0"), say(sync_), extended("select 'skipped'"), say(sync_), extended("rollback"), say(sync_), extended("select 2"), say(sync_)), "ZZZZ"}}},
		{name: "long pipelines", steps: []step{{longPipeline(1000), strings.Repeat("Z", 500)}, sql("select count(*) from items")}},
		{name: "answers come at a flush", modes: "stp", steps: []step{
			{say(parse("", "select $1::int"), describe('S', ""), flush), "T"}, {say(bind("", "5"), describe('P', ""), flush), "T"},
			{say(execute("", 0), flush), "C"}, talk(sync_),
			{say(parse("", "select 1"), flush), "1"}, {say(bind(""), flush), "2"}, {say(&pgproto3.Close{ObjectType: 'P'}, flush), "3"},
			{say(execute("", 0), flush), "E"}, talk(sync_)}},
		{name: "portals are fetched in parts", steps: []step{
			{say(parse("", "select id from items order by id limit 7"), bind(""), execute("", 3), flush), "s"},
			{say(execute("", 3), flush), "s"}, {say(execute("", 3), flush), "C"}, {say(execute("", 3), flush), "C"}, talk(sync_),
			talk(execute("", 3), sync_),
			sql("begin"),
			talk(parse("", "select id from items order by id"), portal("one", ""), portal("two", ""), execute("one", 2), sync_),
			talk(execute("two", 3), execute("one", 1), sync_), talk(describe('P', "two"), sync_),
			talk(portal("one", ""), sync_), talk(execute("one", 1), sync_), sql("rollback"),
			talk(execute("two", 1), sync_), talk(parse("", "values (1), (2)"), bind(""), execute("", 1), execute("", 1), execute("", 1), sync_)}},
		{name: "a portal is left half read", modes: "stp", steps: []step{
			talk(parse("", "select id from items"), bind(""), execute("", 3), sync_),
			talk(parse("", "select 'next'"), bind(""), execute("", 0), sync_)}},
		{name: "named statements", modes: "s", steps: []step{
			talk(parse("one", "select 'one', $1::int"), parse("two", "select 'two'"), sync_),
			talk(bind("one", "1"), execute("", 0), bind("two"), execute("", 0), sync_), talk(describe('S', "one"), sync_),
			talk(parse("one", "select 1"), sync_), sql("select name, statement from pg_prepared_statements order by 1"),
			talk(&pgproto3.Close{ObjectType: 'S', Name: "one"}, sync_), talk(bind("one", "1"), sync_),
			sql("deallocate all"), talk(bind("two"), sync_)}},
	}
}

// longPipeline is n statements with a Sync behind every other one.
func longPipeline(n int) []pgproto3.FrontendMessage {
	var all []pgproto3.FrontendMessage
	for i := range n {
		text := fmt.Sprintf("select %d, $1::text", i)
		if i%10 == 7 {
			text = "select 1/0, $1::text"
		}
		all = append(all, extended(text, strings.Repeat("x", i%300))...)
		if i%2 == 1 {
			all = append(all, sync_)
		}
	}
	return all
}

func copyScripts() []script {
	rows := data("8001\tone\t1\n8002\ttwo\t\\N\n")
	clean := sql("delete from items where id > 8000")
	fail := &pgproto3.CopyFail{Message: "the client gives up"}
	in := "copy items from stdin"
	var many []pgproto3.FrontendMessage
	for i := range 2000 {
		many = append(many, data(fmt.Sprintf("%d\t%s\t1\n", 10000+i, strings.Repeat("y", 200))))
	}
	bad := append([]pgproto3.FrontendMessage{data("not a number\t\t\n")}, many...)
	return []script{
		{name: "copy in", modes: "stp", steps: []step{
			{say(query(in)), "G"}, talk(rows, data("8003\tth"), data("ree\t3\n"), done), sql("select * from items where id > 8000"), clean,
			talk(query(in), rows, done), clean, // all sent ahead
			{say(query(in)), "G"}, talk(done), {say(query(in)), "G"}, talk(data(""), flush, sync_, rows, flush, sync_, done), clean,
			{say(query(in + "; select 'behind'")), "G"}, talk(rows, done), clean,
			{say(query(in + "; " + in)), "G"}, {say(rows, done), "G"}, talk(data("8003\tx\t1\n"), done), clean,
			{append(append(say(query(in)), many...), done), "Z"}, sql("select count(*) from items where id >= 10000"), sql("delete from items where id >= 10000"),
			{say(query("copy items from stdin (format binary)")), "G"}, talk(data("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff"), done)}},
		{name: "copy in that fails", modes: "stp", steps: []step{
			{say(query(in)), "G"}, talk(rows, fail), {say(query(in)), "G"}, talk(fail), sql("select count(*) from items where id > 8000"),
			{say(query(in)), "G"}, talk(data("bad\n"), done), {say(query(in)), "G"}, talk(data("8001\tx\t5000\n"), rows, done),
			{say(query(in)), "G"}, {append(bad, done), "Z"}, sql("select 'still there'"),
			talk(append(append(say(query(in)), bad...), done)...), sql("select 'still there'"),
			talk(query("copy nowhere from stdin"), rows, done), talk(query("copy items from stdin (nonsense)"), rows, fail), sql("select 1"),
			{say(query(in + "; select 'not reached'")), "G"}, talk(rows, fail),
			{say(query(in), rows, done, query("select 'behind'")), "ZZ"}, clean,
			{append(append(say(query(in)), bad...), done, query("select 'behind'")), "ZZ"}}},
		{name: "copy in with the extended protocol", modes: "stp", steps: []step{
			{say(parse("", in), bind(""), describe('P', ""), execute("", 0), flush), "G"}, {say(rows, done, flush), "C"}, talk(sync_), clean,
			{say(parse("", in), bind(""), execute("", 0), sync_), "G"}, talk(rows, done, sync_), clean,
			{say(parse("", in), bind(""), execute("", 0), flush), "G"}, {say(rows, fail, flush), "E"}, talk(sync_),
			{say(parse("", in), bind(""), execute("", 0), sync_), "G"}, talk(rows, fail, sync_), sql("select 'after'"),
			{say(parse("", in), bind(""), execute("", 0), sync_), "G"}, talk(data("bad\n"), rows, done, sync_), sql("select 'after'"),
			{append(append(say(parse("", in), bind(""), execute("", 0), sync_), bad...), done, sync_), "Z"}, sql("select 'after'"),
			talk(parse("", in), bind(""), execute("", 0), rows, done, sync_), clean}},
		{name: "copy out", modes: "stp", steps: append(sqls(
			"copy items to stdout", "copy (select 1, 'x') to stdout (format binary)", "copy (select 1 where false) to stdout (format csv, header)",
			"copy (select 10 / (5 - i) from generate_series(1, 10) i) to stdout", "copy (select 1) to stdout; select 2; copy (select 3) to stdout",
			"copy nowhere to stdout"),
			talk(append(extended("copy (select generate_series(1, 3000)) to stdout"), sync_)...),
			talk(append(extended("copy (select 10 / (5 - i) from generate_series(1, 10) i) to stdout"), sync_)...),
			talk(append(join(extended("copy (select 1) to stdout"), extended("select 'behind'")), sync_)...),
			step{say(query("copy (select 1) to stdout"), query("copy (select 2) to stdout")), "ZZ"})},
		{name: "copy in a transaction", steps: []step{
			sql("begin"), {say(query(in)), "G"}, talk(rows, done), sql("copy (select * from items where id > 8000) to stdout"),
			{say(query(in)), "G"}, talk(data("bad\n"), done), sql("select 1"), sql("rollback"), sql("select count(*) from items where id > 8000")}},
		{name: "a query in the middle of a copy", modes: "stp", steps: []step{
			{say(query(in)), "G"}, talk(rows, query("select 1")), sql("select 2")}},
	}
}

func transactionScripts() []script {
	return []script{
		{name: "transactions", steps: sqls(
			"begin", "select 1", "commit", "begin", "select 1/0", "select 1", "savepoint x", "commit",
			"begin", "selec", "rollback", "begin", "begin", "commit", "commit", "rollback", "start transaction", "abort", "end",
			"begin isolation level serializable", "show transaction_isolation", "commit",
			"begin read only", "insert into items values (9000, 'x')", "rollback", "begin; select 1", "select 2; commit",
			"begin", "commit and chain", "select 1", "rollback and chain", "rollback", "commit and chain",
			"begin", "insert into child values (12345)", "commit", "select count(*) from child",
			"begin", "insert into child values (12345)", "set constraints all immediate", "rollback",
			"begin", "set local search_path = nowhere", "show search_path", "rollback", "show search_path",
			"begin", "lock table items in access exclusive mode", "select 1", "commit", "lock table items", "vacuum items", "begin", "vacuum items", "rollback",
			"begin", "select pg_advisory_xact_lock(42)", "commit", "set transaction read only", "set local work_mem = '1MB'", "show work_mem")},
		{name: "savepoints", steps: sqls(
			"begin", "savepoint a", "select 1/0", "select 1", "rollback to a", "select 1", "savepoint b", "insert into items values (9001, 'x')",
			"release a", "rollback to b", "rollback", "savepoint a", "release a", "begin", "savepoint a", "savepoint a", "release a", "rollback to a", "commit")},
		{name: "transactions in the extended protocol", steps: []step{
			talk(append(extended("begin"), sync_)...), talk(append(extended("select 1"), sync_)...), talk(append(extended("select 1/0"), sync_)...),
			talk(append(extended("select 1"), sync_)...), talk(append(extended("rollback"), sync_)...),
			talk(append(join(extended("begin"), extended("select 1/0"), extended("commit")), sync_)...), talk(append(extended("rollback"), sync_)...),
			talk(append(join(extended("begin"), extended("insert into items values (9002, 'x')"), extended("rollback"), extended("select 1")), sync_)...),
			sql("select count(*) from items where id = 9002"),
			{say(parse("", "begin"), bind(""), execute("", 0), flush), "C"}, talk(sync_), sql("commit"),
			talk(append(join(extended("select 1"), extended("vacuum items")), sync_)...)}},
		{name: "cursors", steps: sqls(
			"begin", "declare c scroll cursor for select id from items order by id", "fetch 2 from c", "move 5 in c", "fetch backward 2 from c",
			"fetch all from nowhere", "rollback", "fetch 1 from c", "declare c cursor for select 1",
			"begin", "declare c cursor for select id from items order by id", "fetch forward 3 from c", "close c", "close c", "commit")},
		{name: "held cursors", steps: sqls(
			"begin", "declare h cursor with hold for select id from items order by id", "commit", "fetch 2 from h", "select 1", "fetch 2 from h",
			"close h", "fetch 1 from h", "declare h2 cursor with hold for select 1", "close all", "select 1")},
		// Long enough for all but the sleeps.
		{name: "statement timeouts", modes: "stp", startup: []string{"statement_timeout", "2s"}, steps: append(sqls(
			"select pg_sleep(60)", "select 1", "show statement_timeout"), talk(append(extended("select pg_sleep(60)"), sync_)...), sql("select 2"))},
		{name: "statement timeouts of a transaction", steps: sqls(
			"begin", "set local statement_timeout = 500", "select pg_sleep(5)", "rollback", "show statement_timeout", "select pg_sleep(0.1)")},
		{name: "an idle transaction is ended", startup: []string{"idle_in_transaction_session_timeout", "100ms"}, steps: []step{
			sql("begin"), {nil, "?"}}},
	}
}

func stateScripts() []script {
	return []script{
		{name: "settings that are followed", modes: "st", startup: []string{"application_name", "mine", "TimeZone", "America/Lima", "DateStyle", "SQL, DMY", "client_encoding", "UTF8"}, steps: sqls(
			"show timezone", "select '2020-02-01 12:00Z'::timestamptz", "set timezone = 'Europe/Berlin'", "show timezone", "select '2020-02-01 12:00Z'::timestamptz",
			"reset timezone", "show timezone", "set application_name = 'it''s \\ odd'", "show application_name", "reset application_name", "show application_name",
			"set datestyle = 'German'", "select '2020-02-01'::date", "set datestyle to default", "select '2020-02-01'::date", "set intervalstyle = 'iso_8601'", "select interval '1 day 2 hours'",
			"set standard_conforming_strings = off", "select 'a\\tb'", "show standard_conforming_strings", "reset standard_conforming_strings", "select 'a\\tb'",
			"set client_encoding = latin1", "select 'a', chr(233)", "select chr(8364)", "show client_encoding", "reset client_encoding", "select chr(8364)",
			"set names 'latin1'", "show client_encoding", "set names default", "set time zone 'UTC'", "show timezone", "set time zone local", "show timezone", "set time zone interval '-3' hour to minute", "show timezone",
			"set nonsense = 1", "set timezone = 'Mars'", "show timezone", "reset all", "show timezone", "show application_name",
			"begin", "set timezone = 'Asia/Kolkata'", "show timezone", "rollback", "show timezone", "begin", "set local timezone = 'Asia/Kolkata'", "show timezone", "commit", "show timezone",
			"select set_config('timezone', 'Asia/Dubai', true), current_setting('timezone')", "show timezone",
			"set application_name = ''", "show application_name", "set application_name to 'x'; set timezone to 'Asia/Seoul'; select 1", "show timezone")},
		{name: "settings that are followed in the extended protocol", steps: []step{
			talk(append(extended("set timezone = 'Europe/Berlin'"), sync_)...), talk(append(extended("show timezone"), sync_)...),
			talk(append(join(extended("set timezone = 'Asia/Tokyo'"), extended("select 1/0")), sync_)...), talk(append(extended("show timezone"), sync_)...),
			talk(append(extended("reset timezone"), sync_)...), talk(append(extended("show timezone"), sync_)...)}},
		{name: "settings that are kept", steps: sqls(
			"set search_path = pg_catalog", "show search_path", "select 1", "show search_path", "reset search_path", "show search_path",
			"set my.var = 'x'", "show my.var", "select 1", "select current_setting('my.var')", "reset my.var", "show my.var",
			"select set_config('work_mem', '5MB', false)", "select 1", "show work_mem", "set session characteristics as transaction read only",
			"show default_transaction_read_only", "discard all", "show default_transaction_read_only", "show work_mem",
			"set session authorization default", "set role postgres", "select current_user, session_user", "reset role", "set statement_timeout = 1000", "select pg_sleep(60)", "show statement_timeout", "discard all", "show statement_timeout")},
		{name: "temporary tables", steps: sqls(
			"create temp table mine (a int)", "insert into mine values (1)", "select * from mine", "begin", "select * from mine", "commit", "drop table mine", "select * from mine",
			"select 1 as b into temp mine", "select * from mine", "discard temp", "select * from mine", "create table pg_temp.mine as select 2", "select * from mine", "discard all", "select * from mine",
			"begin", "create temp table mine (a int) on commit drop", "insert into mine values (1)", "commit", "select * from mine")},
		{name: "advisory locks", steps: sqls(
			"select pg_advisory_lock(77)", "select 1", "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()", "select pg_advisory_unlock(77)", "select pg_advisory_unlock(77)",
			"select pg_try_advisory_lock_shared(77)", "select pg_advisory_unlock_all()", "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()")},
		{name: "statements prepared in SQL", steps: sqls(
			"prepare p (int) as select $1 + 1", "execute p(1)", "select 1", "execute p(2)", "prepare p as select 1", "deallocate p", "execute p(3)", "deallocate nowhere",
			"prepare q as select 'q'", "discard plans", "execute q", "discard all", "execute q")},
		{name: "channels", steps: []step{
			sql("notify nobody, 'hears this'"), sql("listen \"a channel\""), {say(query("notify \"a channel\", 'hello'")), "AZ"}, {say(query("begin; notify \"a channel\", 'one'; notify \"a channel\"; commit")), "AAZ"},
			sql("select pg_listening_channels()"), {append(extended("select pg_notify('a channel', 'two')"), sync_), "AZ"}, sql("unlisten *"), sql("notify \"a channel\""),
			sql("begin"), sql("listen other"), sql("rollback"), sql("notify other")}, modes: "s"},
		{name: "channels in transaction mode", modes: "t", steps: []step{
			// Which process it was is not what the client was told at its login.
			sql("listen c"), sql("select 1"), sql("select pg_listening_channels()"), sql("unlisten c"), sql("notify c"), sql("select count(*) from pg_listening_channels()")}},
		{name: "sequences in a transaction", steps: sqls(
			"create sequence s", "begin", "select nextval('s')", "select currval('s'), lastval()", "commit", "drop sequence s")},
		{name: "large objects", steps: sqls(
			"begin", "select lo_create(424242)", "select lo_open(424242, 393216)", "select lowrite(0, 'hello')", "select lo_lseek(0, 0, 0), loread(0, 10)", "select lo_close(0)", "commit",
			"select lo_get(424242)", "select lo_unlink(424242)", "select lo_open(424242, 262144)")},
	}
}

func bigScripts() []script {
	big := strings.Repeat("0123456789abcdef", 20<<20/16)
	half := strings.Repeat("z", 100_000)
	many := &pgproto3.Bind{}
	for i := range 30000 {
		many.Parameters = append(many.Parameters, []byte(fmt.Sprint(i)))
	}
	var edges []step
	// Around the sizes of buffers.
	for _, n := range []int{4090, 8185, 16380, 32760, 65500, 65530, 65536, 65540, 131060, 131072, 262144} {
		for d := -6; d <= 6; d += 3 {
			text := strings.Repeat("e", n+d)
			edges = append(edges, sql("select length('"+text+"')"), talk(append(extended("select $1::text", text), sync_)...))
		}
	}
	return []script{
		{name: "big messages each way", modes: "stp", steps: []step{
			sql("select length('" + big + "')"), sql("select '" + big + "'"), sql("select repeat('x', 30000000)"), sql("selec '" + big + "'"),
			talk(append(extended("select $1::text, length($1)", big), sync_)...), talk(append(extended("select length($1)::int / 0", big), sync_)...),
			talk(append(extended("/* "+big+" */ select 1"), sync_)...), sql("select 'after'"),
			{say(query("copy items (word, id) from stdin where id < 0")), "G"}, talk(data(big), data("\t1\n"), done),
			sql("copy (select repeat('y', 25000000)) to stdout")}},
		{name: "many small rows", modes: "stp", steps: sqls(
			"select i, 'row ' || i from generate_series(1, 20000) i", "select repeat('x', i) from generate_series(1, 1500) i", "select repeat('x', 70000) from generate_series(1, 50)")},
		{name: "many columns and parameters", modes: "stp", steps: []step{
			sql("select " + strings.TrimSuffix(strings.Repeat("1, ", 1600), ", ")),
			talk(parse("", "select $30000::int"), describe('S', ""), sync_),
			talk(parse("", "select array_length(array["+placeholders(30000)+"], 1)"), many, execute("", 0), sync_)}},
		{name: "sizes around the buffers'", modes: "stp", steps: edges},
		{name: "a statement too long to be kept", modes: "stp", steps: []step{
			talk(parse("", "select length('"+half+"'), $1::int"), bind("", "1"), execute("", 0), sync_),
			talk(parse("", "select length('"+half+"'), $1::int"), describe('S', ""), bind("", "x"), execute("", 0), sync_), sql("select 1")}},
		{name: "big notices and errors", modes: "stp", steps: sqls(
			"do $$ begin raise notice '%', repeat('n', 100000); raise exception '%', repeat('e', 200000); end $$", "select 1")},
	}
}

func placeholders(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "$%d::int", i+1)
	}
	return b.String()
}
