package session

import "testing"

func TestTheDatabasesThatAStatementNeedsForItselfAreNoticed(t *testing.T) {
	const drop = "drop database d"
	done := []string{parsed, bound, noData, complete("DROP DATABASE"), ready('I')}
	extended := func(name string) []string {
		return []string{parse(name, drop), bind("", name), describe("P", ""), execute("", 0), syncing}
	}
	play(t, []transcript{
		{"a query in session mode", sessionMode, steps(
			leased(),
			passes(query(drop)).then("vacate d"),
			answers(complete("DROP DATABASE"), ready('I')),
			passes(query("select 1")),
			passes(query("select 1; alter database a rename to b; create database c")).then("vacate a,template1"),
		)},
		{"an unnamed statement in session mode", sessionMode, steps(
			leased(),
			passes(extended("")...).then("vacate d"),
			answers(done...),
			passes(bind("", ""), execute("", 0), syncing),
		)},
		{"a named statement in session mode", sessionMode, steps(
			leased(),
			passes(extended("s")...).then("vacate d"),
			answers(done...),
		)},
		{"a query in transaction mode, not before it is sent", transactionMode, steps(
			client(query(drop)).then("need"),
			leased().asks(query(drop)).then("vacate d"),
			answers(complete("DROP DATABASE"), ready('I')).then("release"),
		)},
		{"an unnamed statement in transaction mode", transactionMode, steps(
			client(extended("")...).then("need"),
			leased().asks(extended("")...).then("vacate d"),
			answers(done...).then("release"),
		)},
		{"in the midst of a pipeline", transactionMode, steps(
			begin(parse("", "select 1")),
			passes(bind("", ""), execute("", 0), parse("", drop), bind("", ""), execute("", 0), syncing).then("vacate d"),
		)},
		{"a named statement in transaction mode", transactionMode, steps(
			client(parse("s", drop), syncing).then("need"),
			leased().asks(parse(shared(1), drop), syncing).then("vacate d"),
			answers(parsed, ready('I')).then("release"),
		)},
		{"a query with session_state = off", unwatched, steps(
			client(query(drop)).then("need"),
			leased().asks(query(drop)).then("vacate d"),
			answers(complete("DROP DATABASE"), ready('I')).then("release"),
		)},
		{"statements with session_state = off", unwatched, steps(
			client(extended("")...).then("need"),
			leased().asks(extended("")...).then("vacate d"),
			answers(done...).then("release"),
			client(parse("s", drop), syncing).then("need"),
			leased().asks(parse(shared(1), drop), syncing).then("vacate d"),
			answers(parsed, ready('I')).then("release"),
		)},
		{"in the midst of a pipeline with session_state = off", unwatched, steps(
			begin(parse("", "select 1")),
			passes(bind("", ""), execute("", 0), parse("", drop), bind("", ""), execute("", 0), syncing).then("vacate d"),
		)},
		{"strings are read as the client has set it", sessionMode, steps(
			leased(),
			passes(query("set standard_conforming_strings = off")),
			answers(reported("standard_conforming_strings", "off"), complete("SET"), ready('I')),
			passes(query(`create database d template 'a\'b'`)).then("vacate a'b"),
		)},
	})
}
