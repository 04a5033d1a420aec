package session

import (
	"strings"
	"testing"
)

func TestExtendedQueries(t *testing.T) {
	one := []string{parse("", "select 1"), bind("", ""), describe("P", ""), execute("", 0), syncing}
	oneAnswer := []string{parsed, bound, columns, row("1"), complete("SELECT 1"), ready('I')}
	failed := failure("42601", "syntax error")
	play(t, []transcript{
		{"one query", transactionMode, steps(
			begin(one...),
			answers(oneAnswer...).then("release"),
		)},
		{"a pipeline with one Sync", transactionMode, steps(
			begin(parse("", "select 1"), bind("", ""), execute("", 0), parse("", "select 2"), bind("", ""), execute("", 0), syncing),
			answers(parsed, bound, row("1"), complete("SELECT 1"), parsed, bound),
			answers(row("2"), complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"a pipeline with a Sync behind each", transactionMode, steps(
			begin(append(one, one...)...),
			answers(oneAnswer...),
			answers(oneAnswer...).then("release"),
		)},
		{"Flush keeps the backend, for the Sync has not come", transactionMode, steps(
			begin(parse("", "select 1"), describe("S", ""), flush),
			answers(parsed, noParams, columns),
			check("it owes nothing", func(s *Session) bool { return !s.Owes() }),
			check("it is in a transaction all the same", (*Session).InTransaction),
			passes(bind("", ""), execute("", 0), flush),
			answers(bound, row("1"), complete("SELECT 1")),
			passes(syncing),
			answers(ready('I')).then("release"),
			check("now it is not", func(s *Session) bool { return !s.InTransaction() }),
		)},
		{"a simple query stands in for the Sync, and some versions of the server are broken by it", transactionMode, steps(
			begin(parse("", "select 1"), bind("", ""), flush),
			answers(parsed, bound),
			passes(query("select 2")),
			answers(columns, row("2"), complete("SELECT 1"), ready('I')).then("drop"),
		)},
		{"so does a function call", unwatched, steps(
			begin(parse("", "select 1"), bind("", ""), flush),
			answers(parsed, bound),
			passes(call("a")),
			answers(returned, ready('I')).then("drop"),
		)},
		{"none is, if nothing was executed", transactionMode, steps(
			begin(parse("", "select 1"), describe("S", ""), closing("S", ""), flush),
			answers(parsed, noParams, columns, closed),
			passes(query("select 2")),
			answers(columns, row("2"), complete("SELECT 1"), ready('I')).then("release"),
			begin(parse("", "select 1"), query("select 2")),
			answers(parsed, columns, row("2"), complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"nor by a function call", unwatched, steps(
			begin(parse("", "select 1"), flush, call("a")),
			answers(parsed, returned, ready('I')).then("release"),
		)},
		{"a Sync that a copy swallows ends nothing", unwatched, steps(
			begin(parse("", "copy t from stdin"), bind("", ""), execute("", 0), flush),
			answers(parsed, bound, copyIn),
			passes(syncing, copyData("1\n"), copyDone, flush),
			answers(complete("COPY 1")),
			rest(), rest(),
			passes(query("select 2")),
			answers(columns, row("2"), complete("SELECT 1"), ready('I')).then("drop"),
		)},
		{"portals in parts", transactionMode, steps(
			begin(parse("", "begin"), bind("", ""), execute("", 0), syncing),
			answers(parsed, bound, complete("BEGIN"), ready('T')),
			passes(parse("", "select"), bind("p", ""), execute("p", 2), syncing),
			answers(parsed, bound, row("1"), row("2"), suspended, ready('T')),
			passes(execute("p", 2), closing("P", "p"), syncing),
			answers(row("3"), complete("SELECT 1"), closed, ready('T')),
			passes(query("commit")),
			answers(complete("COMMIT"), ready('I')).then("release"),
		)},
		{"a portal in parts without a block keeps the backend until the Sync", transactionMode, steps(
			begin(parse("", "select"), bind("", ""), execute("", 1), flush),
			answers(parsed, bound, row("1"), suspended),
			passes(execute("", 0), syncing),
			answers(row("2"), complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"a statement that answers nothing and an empty one", transactionMode, steps(
			begin(parse("", ""), bind("", ""), describe("P", ""), execute("", 0), closing("S", ""), syncing),
			answers(parsed, bound, noData, empty, closed, ready('I')).then("release"),
		)},
		{"an error skips to the Sync", transactionMode, steps(
			begin(one...),
			answers(failed, ready('I')).then("release"),
		)},
		{"an error skips what follows it before the Sync has come", transactionMode, steps(
			begin(parse("", "selekt"), bind("", "")),
			answers(failed),
			passes(execute("", 0), query("select 1"), parse("named", "x")),
			passes(syncing),
			answers(ready('I')).then("release"),
		)},
		{"an error skips only to the first Sync", transactionMode, steps(
			begin(append(append([]string{parse("", "selekt")}, one...), one...)...),
			answers(failed, ready('I')),
			answers(oneAnswer...).then("release"),
		)},
		{"an error at the Sync", transactionMode, steps(
			begin(one...),
			answers(oneAnswer[:5]...),
			answers(failure("23503", "deferred"), ready('I')).then("release"),
		)},
		{"an error in a block", transactionMode, steps(
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			passes(one...),
			answers(parsed, bound, columns, failed, ready('E')),
			passes(query("rollback")),
			answers(complete("ROLLBACK"), ready('I')).then("release"),
		)},
		{"an error keeps the backend until the Sync", transactionMode, steps(
			begin(parse("", "selekt"), flush),
			answers(failed),
			passes(flush),
			passes(syncing),
			answers(ready('I')).then("release"),
		)},
		{"statement mode, a pipeline", statementMode, steps(
			begin(one...),
			answers(oneAnswer...).then("release"),
		)},
	})
}

func TestStatementNames(t *testing.T) {
	unknown := failure("26000", `prepared statement "`+refusedName+`" does not exist`)
	refused := func(mode string) string {
		e := message('E', "SERROR\x00VERROR\x00C0A000\x00Mnamed prepared statements are not supported in ", mode,
			" mode\x00HSet max_prepared_statements, or pool_mode = \"session\" for this database or user.\x00\x00")
		return e
	}
	again := parse("", "select 1")
	longest := parse("", "select "+strings.Repeat("1", maxUnnamed-len(parse("", "select "))))
	tooLong := parse("", tooLongText)
	play(t, []transcript{
		{"a named Parse passes in session mode", sessionMode, steps(
			leased(),
			passes(parse("a", "select 1"), syncing),
			answers(parsed, ready('I')),
		)},
		{"a named Parse is refused in its place", unnamedOnly, steps(
			client(parse("", "select 1"), bind("", ""), execute("", 0), parse("a", "select 2"), bind("", "a"), execute("", 0), syncing).then("need"),
			leased().asks(parse("", "select 1"), bind("", ""), execute("", 0), refusedBind,
				bind("", "a"), execute("", 0), syncing),
			server(parsed, bound, row("1"), complete("SELECT 1"), unknown, ready('I')).
				tells(parsed, bound, row("1"), complete("SELECT 1"), refused("transaction"), ready('I')).then("release"),
		)},
		{"and fails the transaction", unnamedOnly, steps(
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			client(parse("a", "select 2"), describe("S", "a"), syncing).asks(refusedBind, describe("S", "a"), syncing),
			server(unknown, ready('E')).tells(refused("transaction"), ready('E')),
			passes(query("rollback")),
			answers(complete("ROLLBACK"), ready('I')).then("release"),
		)},
		{"in statement mode too", unnamedStatement, steps(
			client(parse("a", "select 2"), syncing).then("need"),
			leased().asks(refusedBind, syncing),
			server(unknown, ready('I')).tells(refused("statement"), ready('I')).then("release"),
		)},
		{"behind an error it is skipped like anything else", unnamedOnly, steps(
			begin(parse("", "selekt"), flush),
			answers(failure("42601", "syntax error")),
			passes(parse("a", "select 2"), syncing),
			answers(ready('I')).then("release"),
		)},
		{"an error that only looks like the refusal's passes", transactionMode, steps(
			begin(query("select 1")),
			answers(unknown, ready('I')).then("release"),
		)},
		{"the unnamed statement is made again on another backend", transactionMode, steps(
			begin(again, describe("S", ""), syncing),
			answers(parsed, noParams, columns, ready('I')).then("release"),
			client(bind("", ""), execute("", 0), syncing).then("need"),
			leased().asks(again, bind("", ""), execute("", 0), syncing),
			server(parsed, bound, row("1"), complete("SELECT 1"), ready('I')).
				tells(bound, row("1"), complete("SELECT 1"), ready('I')).then("release"),
			client(describe("S", ""), syncing).then("need"),
			leased().asks(again, describe("S", ""), syncing),
			server(parsed, noParams, columns, ready('I')).tells(noParams, columns, ready('I')).then("release"),
		)},
		{"and not on the same one", transactionMode, steps(
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			passes(again, syncing),
			answers(parsed, ready('T')),
			passes(bind("", ""), execute("", 0), syncing),
			answers(bound, row("1"), complete("SELECT 1"), ready('T')),
		)},
		{"an error in the Parse that is made again is the Bind's", transactionMode, steps(
			begin(again, syncing),
			answers(parsed, ready('I')).then("release"),
			client(bind("", ""), execute("", 0), syncing).then("need"),
			leased().asks(again, bind("", ""), execute("", 0), syncing),
			answers(failure("42P01", "dropped meanwhile"), ready('I')).then("release"),
			client(bind("", ""), syncing).then("need"),
			leased().asks(closing("S", ""), bind("", ""), syncing),
		)},
		{"somebody else's unnamed statement is closed", transactionMode, steps(
			client(bind("", ""), execute("", 0), syncing).then("need"),
			leased().asks(closing("S", ""), bind("", ""), execute("", 0), syncing),
			server(closed, failure("26000", "unnamed prepared statement does not exist"), ready('I')).
				tells(failure("26000", "unnamed prepared statement does not exist"), ready('I')).then("release"),
		)},
		{"a simple query forgets the unnamed statement", transactionMode, steps(
			begin(again, syncing),
			answers(parsed, ready('I')).then("release"),
			begin(query("select 2")),
			answers(complete("SELECT 1"), ready('I')).then("release"),
			client(bind("", ""), syncing).then("need"),
			leased().asks(closing("S", ""), bind("", ""), syncing),
		)},
		{"so do Close and an error in the Parse", transactionMode, steps(
			begin(again, closing("S", ""), syncing),
			answers(parsed, closed, ready('I')).then("release"),
			client(bind("", ""), syncing).then("need"),
			leased().asks(closing("S", ""), bind("", ""), syncing),
			server(closed, failure("26000", "none"), ready('I')).tells(failure("26000", "none"), ready('I')).then("release"),
			begin(again, syncing),
			answers(failure("42601", "syntax error"), ready('I')).then("release"),
			client(describe("S", ""), syncing).then("need"),
			leased().asks(closing("S", ""), describe("S", ""), syncing),
		)},
		{"a Parse that may have been skipped does not vouch for what is there", transactionMode, steps(
			client(execute("none", 0), parse("", "select 2"), syncing, bind("", ""), syncing).then("need"),
			leased().asks(execute("none", 0), parse("", "select 2"), syncing, parse("", "select 2"), bind("", ""), syncing),
			server(failure("34000", "no portal"), ready('I'), parsed, bound, ready('I')).
				tells(failure("34000", "no portal"), ready('I'), bound, ready('I')).then("release"),
		)},
		{"nor does one in front of a function call or a query", unwatched, steps(
			client(parse("", "select 1"), call("a"), bind("", ""), syncing).then("need"),
			leased().asks(parse("", "select 1"), call("a"), parse("", "select 1"), bind("", ""), syncing),
			server(parsed, returned, ready('I'), parsed, bound, ready('I')).
				tells(parsed, returned, ready('I'), bound, ready('I')).then("release"),
			client(parse("", "select 1"), query("select 2"), bind("", ""), syncing).then("need"),
			leased().asks(parse("", "select 1"), query("select 2"), closing("S", ""), bind("", ""), syncing),
		)},
		{"a Parse that was skipped is not made again", transactionMode, steps(
			begin(execute("none", 0), parse("", "select 2"), syncing),
			answers(failure("34000", "no portal"), ready('I')).then("release"),
			client(bind("", ""), syncing).then("need"),
			leased().asks(closing("S", ""), bind("", ""), syncing),
		)},
		{"a Parse behind the one that failed is", transactionMode, steps(
			begin(parse("", "selekt"), syncing, again, syncing),
			answers(failure("42601", "syntax error"), ready('I'), parsed, ready('I')).then("release"),
			client(bind("", ""), syncing).then("need"),
			leased().asks(again, bind("", ""), syncing),
		)},
		{"a long Parse is made again", transactionMode, steps(
			begin(longest, syncing), answers(parsed, ready('I')).then("release"),
			client(bind("", ""), syncing).then("need"),
			leased().asks(longest, bind("", ""), syncing),
		)},
		{"a Parse that is too long to keep is not, if it was bound at once", transactionMode, steps(
			begin(tooLong, bind("", ""), syncing),
			answers(parsed, bound, ready('I')).asks(question(partsAll)),
			server(says()).then("release"),
			client(bind("", ""), syncing).then("need"),
			leased().asks(closing("S", ""), bind("", ""), syncing),
		)},
		{"a Bind whose name does not end gets no statement of somebody else's", transactionMode, steps(
			client("B\x00\x00\x00\x0aportal").then("need"),
			leased().asks(closing("S", ""), "B\x00\x00\x00\x0aportal"),
		)},
	})
}

// refusedBind is what a named Parse is replaced by.
var refusedBind = bind("", refusedName)
