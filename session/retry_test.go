package session

import (
	"strings"
	"testing"
)

// changed is PostgreSQL's error about a statement that would give other columns
// than before.
var changed = message('E', "SERROR\x00VERROR\x00C0A000\x00Mcached plan must not change result type\x00RRevalidateCachedQuery\x00\x00")

func TestAStatementThatGivesOtherColumnsIsRunAgain(t *testing.T) {
	described := func(name string) []string {
		return []string{bind("", name), describe("P", ""), execute("", 0), syncing}
	}
	ran := []string{bound, columns, row("1"), complete("SELECT 1"), ready('I')}
	prepared := steps(
		client(parse("s", "select * from t"), syncing).then("need"),
		leased().asks(parse(shared(1), "select * from t"), syncing),
		answers(parsed, ready('I')).then("release"),
	)
	anew := []string{closing("S", shared(1)), parse(shared(1), "select * from t")}
	block := steps(begin(query("begin")), answers(complete("BEGIN"), ready('T')))
	play(t, []transcript{
		{"unseen by the client, which hears of the new columns", transactionMode, steps(
			prepared,
			client(described("s")...).then("need"),
			leased().asks(described(shared(1))...),
			server(changed).asks(append(anew, described(shared(1))...)...),
			server(ready('I'), closed, parsed),
			answers(ran...).then("release"),
			client(described("s")...).then("need"),
			leased().asks(described(shared(1))...),
		)},
		{"also if its messages came one by one", transactionMode, steps(
			prepared,
			client(bind("", "s")).then("need"),
			leased().asks(bind("", shared(1))),
			passes(describe("P", "")),
			passes(execute("", 0)),
			passes(syncing),
			server(changed).asks(append(anew, described(shared(1))...)...),
			server(ready('I'), closed, parsed),
			answers(ran...).then("release"),
		)},
		{"also if only the statement is described", transactionMode, steps(
			prepared,
			client(describe("S", "s"), syncing).then("need"),
			leased().asks(describe("S", shared(1)), syncing),
			server(changed).asks(append(anew, describe("S", shared(1)), syncing)...),
			server(ready('I'), closed, parsed),
			answers(noParams, columns, ready('I')).then("release"),
		)},
		{"with its parameters, which have come ahead of the error, told once", transactionMode, steps(
			prepared,
			client(describe("S", "s"), syncing).then("need"),
			leased().asks(describe("S", shared(1)), syncing),
			answers(noParams),
			server(changed).asks(append(anew, describe("S", shared(1)), syncing)...),
			server(ready('I'), closed, parsed),
			server(noParams, columns, ready('I')).tells(columns, ready('I')).then("release"),
		)},
		{"once: a second error is the client's", transactionMode, steps(
			prepared,
			client(described("s")...).then("need"),
			leased().asks(described(shared(1))...),
			server(changed).asks(append(anew, described(shared(1))...)...),
			server(ready('I'), closed, parsed, changed, ready('I')).tells(changed, ready('I')).then("release"),
		)},
		{"and if it cannot be prepared any more, that is the client's error", transactionMode, steps(
			prepared,
			client(described("s")...).then("need"),
			leased().asks(described(shared(1))...),
			server(changed).asks(append(anew, described(shared(1))...)...),
			server(ready('I'), closed, failure("42P01", "no table"), ready('I')).
				tells(failure("42P01", "no table"), ready('I')).then("release"),
		)},
		{"not if the client does not ask for the columns, but prepared anew the next time", transactionMode, steps(
			prepared,
			client(bind("", "s"), execute("", 0), syncing).then("need"),
			leased().asks(bind("", shared(1)), execute("", 0), syncing),
			answers(changed, ready('I')).then("release"),
			client(bind("", "s"), execute("", 0), syncing).then("need"),
			leased().asks(append(anew, bind("", shared(1)), execute("", 0), syncing)...),
			server(closed, parsed, bound, row("1"), complete("SELECT 1"), ready('I')).
				tells(bound, row("1"), complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"not in a block, but prepared anew the next time", transactionMode, steps(
			prepared,
			block,
			client(described("s")...).asks(described(shared(1))...),
			answers(changed, ready('E')),
			passes(query("rollback")),
			answers(complete("ROLLBACK"), ready('I')).then("release"),
			client(described("s")...).then("need"),
			leased().asks(append(anew, described(shared(1))...)...),
		)},
		{"not in the midst of a pipeline", transactionMode, steps(
			prepared,
			client(parse("", "select 1"), bind("", ""), execute("", 0), bind("", "s"), describe("P", ""), execute("", 0), syncing).then("need"),
			leased().asks(parse("", "select 1"), bind("", ""), execute("", 0), bind("", shared(1)), describe("P", ""), execute("", 0), syncing),
			answers(parsed, bound, row("1"), complete("SELECT 1"), changed, ready('I')).then("release"),
		)},
		{"nor behind what has been run in the same transaction", transactionMode, steps(
			prepared,
			begin(parse("", "insert into t values (1)"), bind("", ""), execute("", 0), flush),
			answers(parsed, bound, complete("INSERT 0 1")),
			client(described("s")...).asks(described(shared(1))...),
			answers(changed, ready('I')).then("release"),
		)},
		{"nor with more behind its Sync", transactionMode, steps(
			prepared,
			client(append(described("s"), query("select 2"))...).then("need"),
			leased().asks(append(described(shared(1)), query("select 2"))...),
			answers(changed, ready('I'), complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"nor before its Sync has come", transactionMode, steps(
			prepared,
			client(bind("", "s"), describe("P", ""), flush).then("need"),
			leased().asks(bind("", shared(1)), describe("P", ""), flush),
			answers(changed),
			passes(syncing),
			answers(ready('I')).then("release"),
		)},
		{"nor if it is too long to be kept", transactionMode, steps(
			prepared,
			step{do: func(r *rig) {
				long := message('B', "\x00s\x00", strings.Repeat("x", maxUnit))
				r.client(long + describe("P", "") + execute("", 0) + syncing)
				r.flags()
				r.lease()
				r.toServer = ""
			}},
			answers(changed, ready('I')).then("release"),
		)},
		{"nor for another error that looks like it", transactionMode, steps(
			prepared,
			client(described("s")...).then("need"),
			leased().asks(described(shared(1))...),
			answers(failure("0A000", "cached plan must not change result type"), ready('I')).then("release"),
			client(described("s")...).then("need"),
			leased().asks(described(shared(1))...),
		)},
	})
}

// TestAChangeOfTheDatabaseHasStatementsPreparedAnew: what a Parse would answer
// by itself may not be so any more.
func TestAChangeOfTheDatabaseHasStatementsPreparedAnew(t *testing.T) {
	play(t, []transcript{{"", transactionMode, steps(
		client(parse("s", "select * from t"), syncing).then("need"),
		leased().asks(parse(shared(1), "select * from t"), syncing),
		answers(parsed, ready('I')).then("release"),
		begin(query("alter table t add column b int")),
		answers(complete("ALTER TABLE"), ready('I')).then("release"),
		client(parse("t", "select * from t"), syncing).then("need"),
		leased().asks(closing("S", shared(1)), parse(shared(1), "select * from t"), syncing),
		server(closed, parsed, ready('I')).tells(parsed, ready('I')).then("release"),
		client(parse("u", "select * from t"), syncing).then("need"),
		leased().tells(parsed).asks(syncing),
	)}})
}

func TestAStatementThatTheBackendHasLostIsRunAgain(t *testing.T) {
	lost := failure("26000", `prepared statement "`+shared(1)+`" does not exist`)
	run := func(name string) []string { return []string{bind("", name), execute("", 0), syncing} }
	ran := []string{bound, row("1"), complete("SELECT 1"), ready('I')}
	anew := []string{closing("S", shared(1)), parse(shared(1), "select 1")}
	prepared := steps(
		client(parse("s", "select 1"), describe("S", "s"), syncing).then("need"),
		leased().asks(parse(shared(1), "select 1"), describe("S", shared(1)), syncing),
		answers(parsed, noParams, columns, ready('I')).then("release"),
	)
	play(t, []transcript{
		{"unseen by the client", transactionMode, steps(
			prepared,
			client(run("s")...).then("need"),
			leased().asks(run(shared(1))...),
			server(lost).asks(append(anew, run(shared(1))...)...),
			server(ready('I'), closed, parsed),
			answers(ran...).then("release"),
		)},
		{"not if its columns may be others, and it does not ask for them", transactionMode, steps(
			prepared,
			client(run("s")...).then("need"),
			leased().asks(run(shared(1))...),
			check("objects change", func(s *Session) bool { s.config.Shared.changes.Add(1); return true }),
			server(lost).tells(missing("s")),
			answers(ready('I')).then("release"),
		)},
		{"not if something was run before", transactionMode, steps(
			prepared,
			client(parse("", "select 2"), bind("", ""), execute("", 0), bind("", "s"), execute("", 0), syncing).then("need"),
			leased().asks(parse("", "select 2"), bind("", ""), execute("", 0), bind("", shared(1)), execute("", 0), syncing),
			answers(parsed, bound, row("2"), complete("SELECT 1")),
			server(lost).tells(missing("s")),
			answers(ready('I')).then("release"),
		)},
	})
}
