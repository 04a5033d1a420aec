package session

import "testing"

func TestSimpleQueries(t *testing.T) {
	play(t, []transcript{
		{"a query is answered and the backend released", transactionMode, steps(
			begin(query("select 1")),
			answers(columns, row("1"), complete("SELECT 1")),
			answers(ready('I')).then("release"),
			begin(query("select 2")),
			answers(columns, row("2"), complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"several statements in one query have one end", transactionMode, steps(
			begin(query("select 1; insert into t values (1); select 2")),
			answers(columns, row("1"), complete("SELECT 1"), complete("INSERT 0 1")),
			answers(columns, row("2"), complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"an empty query", transactionMode, steps(
			begin(query("")),
			answers(empty, ready('I')).then("release"),
		)},
		{"an error ends a query", transactionMode, steps(
			begin(query("select 1/0")),
			answers(failure("22012", "division by zero"), ready('I')).then("release"),
		)},
		{"a transaction keeps its backend", transactionMode, steps(
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			check("it is in a transaction", (*Session).InTransaction),
			passes(query("selekt")),
			answers(failure("42601", "syntax error"), ready('E')),
			passes(query("rollback")),
			answers(complete("ROLLBACK"), ready('I')).then("release"),
			check("it is in no transaction", func(s *Session) bool { return !s.InTransaction() }),
		)},
		{"queries sent ahead of their answers", transactionMode, steps(
			begin(query("select 1"), query("select 2"), query("select 3")),
			answers(columns, row("1"), complete("SELECT 1"), ready('I')),
			check("it owes", (*Session).Owes),
			answers(columns, row("2"), complete("SELECT 1"), ready('I'), columns, row("3")),
			passes(query("select 4")),
			answers(complete("SELECT 1"), ready('I')),
			answers(columns, row("4"), complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"a query that has not come whole holds no backend", transactionMode, steps(
			client(query("select 1")[:12]),
			client(query("select 1")[12:]).then("need"),
			leased().asks(query("select 1")),
			answers(ready('I')).then("release"),
		)},
		{"half a query behind a whole one does not keep the backend", transactionMode, steps(
			client(query("select 1"), query("select 2")[:9]).then("need"),
			leased().asks(query("select 1")),
			answers(complete("SELECT 1"), ready('I')).then("release"),
			client(query("select 2")[9:]).then("need"),
			leased().asks(query("select 2")),
		)},
		{"a notice, a setting and a notification pass", sessionMode, steps(
			leased(),
			passes(query("select 1")),
			answers(notice("hear"), columns, reported("TimeZone", "CET"), row("1"), notified, complete("SELECT 1"), ready('I')),
			answers(notified, notice("shutting down soon"), reported("is_superuser", "on")),
			check("the client's setting is known", func(s *Session) bool { return s.Vars()[4] == "CET" }),
		)},
		{"a function call", unwatched, steps(
			begin(call("a")),
			answers(returned, ready('I')).then("release"),
			begin(call("a")),
			answers(failure("22023", "no"), ready('I')).then("release"),
		)},
		{"a function call may leave state, so the backend is asked", transactionMode, steps(
			begin(call("a")),
			answers(returned),
			answers(ready('I')).asks(question(partsAll)),
			server(columns, nobodyElse(), complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"session mode keeps the backend", sessionMode, steps(
			leased(),
			passes(query("select 1")),
			answers(columns, row("1"), complete("SELECT 1"), ready('I')),
			passes(syncing),
			answers(ready('I')),
			check("it is active", func(s *Session) bool { return s.Phase() == Active }),
		)},
		{"statement mode releases after every statement", statementMode, steps(
			begin(query("select 1")),
			answers(columns, row("1"), complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"statement mode refuses blocks", statementMode, steps(
			begin(query("begin")),
			answers(complete("BEGIN")),
			server(ready('T')).tells(fatal("0A000", "transaction blocks are not supported in statement mode")).then("drop end"),
			client(query("select 1")),
		)},
	})
}

func TestLocalMessagesNeedNoBackend(t *testing.T) {
	play(t, []transcript{
		{"a lone Sync", transactionMode, steps(client(syncing, syncing).tells(ready('I'), ready('I')))},
		{"a lone Flush", transactionMode, steps(client(flush))},
		{"the rest of a copy that failed", transactionMode, steps(client(copyData("1\n"), copyDone, copyFail("no")))},
		{"Terminate", transactionMode, steps(client(terminate).then("end"), client(query("select 1")))},
		{"they leave the next query whole", transactionMode, steps(
			client(syncing, copyData("1\n"), query("select 1")).tells(ready('I')).then("need"),
			leased().asks(query("select 1")),
		)},
	})
}

func TestBrokenMessagesEndTheConversation(t *testing.T) {
	badType := func(typ string) string {
		return fatal("08P01", "invalid frontend message type "+typ)
	}
	badLength := fatal("08P01", "invalid message length")
	play(t, []transcript{
		{"an unknown type", transactionMode, steps(client("!\x00\x00\x00\x04").tells(badType("33")).then("end"))},
		{"a password after the login", transactionMode, steps(client("p\x00\x00\x00\x04").tells(badType("112")).then("end"))},
		{"a length of 0", transactionMode, steps(client("Q\x00\x00\x00\x00").tells(badLength).then("end"))},
		{"a length of 3", transactionMode, steps(client("Q\x00\x00\x00\x03").tells(badLength).then("end"))},
		{"a negative length", transactionMode, steps(client("Q\xff\xff\xff\xff").tells(badLength).then("end"))},
		{"the greatest length", transactionMode, steps(client("Q\x7f\xff\xff\xff").tells(badLength).then("end"))},
		{"a Sync of a megabyte", transactionMode, steps(client("S\x00\x10\x00\x00").tells(badLength).then("end"))},
		{"in the midst of a transaction", transactionMode, steps(
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			client("!\x00\x00\x00\x04").tells(badType("33")).then("drop end"),
		)},
		{"behind a query that is being answered", transactionMode, steps(
			begin(query("select 1")),
			client("Q\x00\x00\x00\x01").tells(badLength).then("drop busy end"),
		)},
		{"behind a query in the same bytes", transactionMode, steps(
			client(query("select 1"), "Q\x00\x00\x00\x01").then("need"),
			leased().asks(query("select 1")).tells(badLength).then("drop busy end"),
		)},
		{"in the midst of an answer nothing can be said", sessionMode, steps(
			leased(),
			passes(query("select 1")),
			answers(row("1234567890")[:8]),
			client("Q\x00\x00\x00\x01").then("drop busy end"),
		)},
		{"the server's length", transactionMode, steps(
			begin(query("select 1")),
			server(columns, "D\x00\x00\x00\x02").tells(columns,
				fatal("08P01", "the server sent a message of impossible length")).then("drop busy end"),
		)},
		{"a ReadyForQuery too many", transactionMode, steps(
			begin(parse("", "select 1"), flush),
			answers(parsed),
			server(ready('I')).tells(fatal("08P01", "the server sent a ReadyForQuery that nobody waits for")).then("drop end"),
		)},
		{"while the backend is cleaned", transactionMode, steps(
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			gone().asks(query("ROLLBACK")).then("end"),
			server("Z\x00\x00\x00\x02").then("drop busy end"),
		)},
	})
}
