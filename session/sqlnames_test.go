package session

import (
	"strings"
	"testing"

	"pgweir/session/follow"
	"pgweir/wire"
)

func TestSQLKnowsTheClientsNames(t *testing.T) {
	prepared := steps(
		client(parse("s", "select 1"), syncing).then("need"),
		leased().asks(parse(shared(1), "select 1"), syncing),
		answers(parsed, ready('I')).then("release"),
	)
	quoted := `"` + shared(1) + `"`
	standIn := follow.NamePrefix + "stand_in_0"
	gone := check("the client has none", func(s *Session) bool { return s.Prepared() == 0 })
	play(t, []transcript{
		{"DEALLOCATE of one", transactionMode, steps(
			prepared,
			client(query("deallocate s")).then("need"),
			leased().asks(parse(standIn, ""), syncing, query(`deallocate "`+standIn+`"`)),
			server(parsed, ready('I'), complete("DEALLOCATE"), ready('I')).tells(complete("DEALLOCATE"), ready('I')).then("release"),
			gone,
			begin(bind("", "s"), syncing),
		)},
		{"DEALLOCATE of one on a backend that has not got it", transactionMode, steps(
			prepared,
			elsewhere(),
			client(query(`DEALLOCATE PREPARE "s"`)).then("need"),
			leased().asks(parse(standIn, ""), syncing, query(`DEALLOCATE PREPARE "`+standIn+`"`)),
			server(parsed, ready('I'), complete("DEALLOCATE"), ready('I')).tells(complete("DEALLOCATE"), ready('I')).then("release"),
			gone,
		)},
		{"DEALLOCATE of none", transactionMode, steps(
			begin(query("deallocate s")),
			answers(missing("s"), ready('I')).then("release"),
		)},
		{"DEALLOCATE in the extended protocol", transactionMode, steps(
			prepared,
			client(parse("", "deallocate s"), bind("", ""), execute("", 0), syncing).then("need"),
			leased().asks(parse(standIn, ""), parse("", `deallocate "`+standIn+`"`), bind("", ""), execute("", 0), syncing),
			server(parsed, parsed, bound, complete("DEALLOCATE"), ready('I')).tells(parsed, bound, complete("DEALLOCATE"), ready('I')).then("release"),
			gone,
		)},
		{"DEALLOCATE and PREPARE of one in a text", transactionMode, steps(
			prepared,
			client(query("deallocate s; prepare s as select 2; execute s")).then("need"),
			leased().asks(parse(standIn, ""), syncing, query(`deallocate "`+standIn+`"; prepare s as select 2; execute s`)),
			server(parsed, ready('I'), complete("DEALLOCATE"), complete("PREPARE"), complete("SELECT 1")).
				tells(complete("DEALLOCATE"), complete("PREPARE"), complete("SELECT 1")),
			gone,
			answers(ready('I')).asks(question(ReasonPrepared)),
			server(says(left("p"))).then("pinned: prepared statement"),
		)},
		{"DEALLOCATE that fails in a block", transactionMode, steps(
			prepared,
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			passes(query("selekt")),
			answers(failure("42601", "no"), ready('E')),
			client(query("deallocate s")).asks(parse(standIn, ""), syncing, query(`deallocate "`+standIn+`"`)),
			server(parsed, ready('E'), failure("25P02", "aborted"), ready('E')).tells(failure("25P02", "aborted"), ready('E')),
			check("it is still there", func(s *Session) bool { return s.Prepared() == 1 }),
		)},
		{"DEALLOCATE ALL", transactionMode, steps(
			prepared,
			begin(query("deallocate all")),
			answers(complete("DEALLOCATE ALL"), ready('I')).then("release"),
			gone,
			check("and the backend neither", func(s *Session) bool { return len(s.byName) == 0 }),
			client(parse("s", "select 1"), syncing).then("need"),
			leased().asks(parse(shared(1), "select 1"), syncing),
		)},
		{"DISCARD ALL", transactionMode, steps(
			prepared,
			begin(query("discard all")),
			answers(complete("DISCARD ALL"), ready('I')).then("release"),
			gone,
			client(parse("s", "select 2"), syncing).then("need"),
			leased().asks(parse(shared(2), "select 2"), syncing),
		)},
		{"EXECUTE, with an error that tells the client's name and place", transactionMode, steps(
			prepared,
			client(query("execute s(1, 2)")).then("need"),
			leased().asks(query("execute "+quoted+"(1, 2)")),
			server(message('E', "SERROR\x00VERROR\x00C42601\x00Mwrong number of parameters for prepared statement \"", shared(1), "\"\x00\x00"), ready('I')).
				tells(message('E', "SERROR\x00VERROR\x00C42601\x00Mwrong number of parameters for prepared statement \"s\"\x00\x00"), ready('I')).then("release"),
			client(query("explain execute s; selekt")).then("need"),
			leased().asks(query("explain execute "+quoted+"; selekt")),
			step{do: func(r *rig) {
				at := len("explain execute ") + len(quoted) + len("; ") + 1
				r.server(syntaxErrorAt(at) + ready('I'))
				mustEqual(r.t, "to the client", r.toClient, syntaxErrorAt(len("explain execute s; ")+1)+ready('I'))
				r.toClient = ""
			}}.then("release"),
		)},
		{"EXECUTE, with an error in the statement", transactionMode, steps(
			client(parse("s", "select '1' from there where it = $1"), syncing).then("need"),
			anyLease(),
			answers(parsed, ready('I')).then("release"),
			// Nothing behind the name.
			client(query("execute s ;")).then("need"),
			leased().asks(query("execute "+quoted+" ;")),
			answers(syntaxErrorAt(17), ready('I')).then("release"),
			// Arguments: they are out of the statement's way.
			client(query("execute s(selekt); execute s(1)")).then("need"),
			leased().asks(query(strings.Repeat(" ", 35)+"execute "+quoted+"(selekt); execute "+quoted+"(1)")),
			answers(syntaxErrorAt(17), ready('I')).then("release"),
			client(query("execute s(selekt); execute s(1)")).then("need"),
			leased().asks(query(strings.Repeat(" ", 35)+"execute "+quoted+"(selekt); execute "+quoted+"(1)")),
			server(syntaxErrorAt(35+len("execute (")+len(quoted)+1), ready('I')).
				tells(syntaxErrorAt(len("execute s(")+1), ready('I')).then("release"),
		)},
		{"EXECUTE by the unnamed statement, run again elsewhere", transactionMode, steps(
			prepared,
			client(parse("", "execute s(1)"), syncing).then("need"),
			leased().asks(parse("", "execute "+quoted+"(1)"), syncing),
			answers(parsed, ready('I')).then("release"),
			elsewhere(),
			client(bind("", ""), execute("", 0), syncing).then("need"),
			leased().asks(parse(shared(1), "select 1"), parse("", "execute "+quoted+"(1)"), bind("", ""), execute("", 0), syncing),
			server(parsed, parsed, bound, syntaxErrorAt(len("execute (")+len(quoted)+1), ready('I')).
				tells(bound, syntaxErrorAt(len("execute s(")+1), ready('I')).then("release"),
		)},
		{"EXECUTE of one that cannot be prepared any more", transactionMode, steps(
			prepared,
			elsewhere(),
			client(query("execute s")).then("need"),
			leased().asks(parse(shared(1), "select 1"), syncing, query("execute "+quoted)),
			server(failure("42P01", "no table"), ready('I'), missing(shared(1)), ready('I')).
				tells(failure("42P01", "no table"), ready('I')).then("release"),
		)},
		{"EXECUTE is answered before what comes behind it is sent", transactionMode, steps(
			prepared,
			client(query("execute s(nope)"), query("selekt")).then("need"),
			leased().asks(query("execute "+quoted+"(nope)")),
			server(syntaxErrorAt(len("execute (")+len(quoted)+1), ready('I')).
				tells(syntaxErrorAt(len("execute s(")+1), ready('I')).then("need release"),
			leased().asks(query("selekt")),
			answers(syntaxErrorAt(50), ready('I')).then("release"),
		)},
		{"EXECUTE behind DEALLOCATE ALL", transactionMode, steps(
			prepared,
			begin(query("deallocate all; execute s")),
			answers(complete("DEALLOCATE ALL"), missing("s"), ready('I')).then("release"),
		)},
		{"EXECUTE by a named statement", few(1), steps(
			client(parse("t", "select 2"), syncing).then("need"),
			anyLease(),
			answers(parsed, ready('I')).then("release"),
			client(parse("s", "select 1"), syncing).then("need"),
			leased().asks(closing("S", shared(1)), parse(shared(2), "select 1"), syncing),
			server(closed, parsed, ready('I')).tells(parsed, ready('I')).then("release"),
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			client(parse("use", "execute s(nope)"), syncing).asks(parse("use", `execute "`+shared(2)+`"(nope)`), syncing),
			answers(parsed, ready('T')),
			client(bind("", "t"), syncing).asks(closing("S", shared(2)), parse(shared(1), "select 2"), bind("", shared(1)), syncing),
			server(closed, parsed, bound, ready('T')).tells(bound, ready('T')),
			client(bind("", "use"), execute("", 0), syncing).asks(closing("S", shared(1)), parse(shared(2), "select 1"), bind("", "use"), execute("", 0), syncing),
			server(closed, parsed, bound, syntaxErrorAt(len("execute (")+len(quoted)+1), ready('E')).
				tells(bound, syntaxErrorAt(len("execute s(")+1), ready('E')),
		)},
		{"DEALLOCATE by a named statement", transactionMode, steps(
			prepared,
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			client(parse("use", "deallocate s"), syncing).asks(parse(standIn, ""), parse("use", `deallocate "`+standIn+`"`), syncing),
			server(parsed, parsed, ready('T')).tells(parsed, ready('T')),
			passes(bind("", "use"), execute("", 0), syncing),
			answers(bound, complete("DEALLOCATE"), ready('T')),
			check("the client has only the one", func(s *Session) bool { return s.Prepared() == 1 }),
		)},
		{"EXECUTE of more in a text than a backend is to keep", few(1), steps(
			prepared,
			client(parse("t", "select 2"), syncing).then("need"),
			leased().asks(closing("S", shared(1)), parse(shared(2), "select 2"), syncing),
			server(closed, parsed, ready('I')).tells(parsed, ready('I')).then("release"),
			client(query("execute s; execute t")).then("need"),
			leased().asks(closing("S", shared(2)), parse(shared(1), "select 1"), syncing, parse(shared(2), "select 2"), syncing,
				query("execute "+quoted+`; execute "`+shared(2)+`"`)),
			server(closed, parsed, ready('I'), parsed, ready('I')),
			answers(row("1"), complete("SELECT 1"), row("2"), complete("SELECT 1"), ready('I')).then("release"),
			client(parse("u", "select 3"), syncing).then("need"),
			leased().asks(closing("S", shared(1)), closing("S", shared(2)), parse(shared(3), "select 3"), syncing),
		)},
		{"EXECUTE in a Parse does not count on what may have been skipped", transactionMode, steps(
			prepared,
			elsewhere(),
			client(execute("", 0), bind("", "s"), syncing, parse("", "execute s"), bind("", ""), syncing).then("need"),
			leased().asks(execute("", 0), parse(shared(1), "select 1"), bind("", shared(1)), syncing),
			server(failure("34000", "no portal"), ready('I')).tells(failure("34000", "no portal"), ready('I')).then("need release"),
			leased().asks(parse(shared(1), "select 1"), parse("", `execute "`+shared(1)+`"`), bind("", ""), syncing),
			server(parsed, parsed, bound, ready('I')).tells(parsed, bound, ready('I')).then("release"),
		)},
		{"a view of them in a block, one of which is not possible any more", transactionMode, steps(
			prepared,
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			client(query("select * from pg_prepared_statements")).asks(
				closing("S", shared(1)), syncing,
				inserted("SAVEPOINT pgweir"), parse("s", "select 1"), syncing,
				inserted("ROLLBACK TO SAVEPOINT pgweir", "RELEASE SAVEPOINT pgweir"), syncing,
				query("select * from pg_prepared_statements")),
			server(closed, ready('T'), wasInserted("SAVEPOINT"), failure("42P01", "no table"), ready('E'),
				wasInserted("ROLLBACK", "RELEASE"), ready('T')),
			answers(columns, complete("SELECT 0")),
			answers(ready('T')).asks(closing("S", "s"), syncing),
			server(closed, ready('T')),
		)},
		{"a Bind in a block, of one that is not possible any more, made under other settings", transactionMode, steps(
			client(parse("s", "select 'now'"), syncing).then("need"),
			leased().asks(parse(shared(1), "select 'now'"), syncing),
			answers(parsed, ready('I')).then("release"),
			with("client", wire.VarDateStyle, "German"),
			elsewhere(),
			with("backend", wire.VarDateStyle, "German"),
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			client(bind("", "s"), execute("", 0), syncing, query("select 1")).asks(
				aside("DateStyle", "ISO, MDY"), parse(shared(2), "select 'now'"), aside("DateStyle", "German"),
				bind("", shared(2)), execute("", 0), syncing, query("select 1")),
			server(isAside, failure("42P01", "no table"), ready('E'), failure("25P02", "aborted"), ready('E')).
				tells(failure("42P01", "no table"), ready('E'), failure("25P02", "aborted"), ready('E')),
			client(query("rollback")).asks(query("rollback")),
			answers(complete("ROLLBACK"), ready('I')).then("release"),
			clientHas(wire.VarDateStyle, "German"),
		)},
		{"EXECUTE leaves what the statement leaves", transactionMode, steps(
			client(parse("l", "select pg_advisory_lock(1)"), syncing).then("need"),
			anyLease(),
			answers(parsed, ready('I')).then("release"),
			client(query("execute l")).then("need"),
			leased().asks(query("execute "+quoted)),
			answers(columns, row(""), complete("SELECT 1")),
			answers(ready('I')).asks(question(ReasonLock)),
			server(says(left("l"))).then("pinned: advisory lock"),
		)},
		{"PREPARE of a name that is taken", transactionMode, steps(
			prepared,
			client(query("prepare s as select 2")).then("need"),
			leased().asks(parse(standIn, ""), syncing, query(`prepare "`+standIn+`" as select 2`)),
			server(parsed, ready('I'), exists(standIn)).tells(exists("s")),
			answers(ready('I')).asks(question(ReasonPrepared)),
			server(says()).then("release"),
		)},
		{"PREPARE keeps the backend until DEALLOCATE", transactionMode, steps(
			asked("prepare p as select 1", ReasonPrepared, says(left("p")), "pinned: prepared statement"),
			passes(query("execute p")),
			answers(complete("SELECT 1"), ready('I')),
			passes(bind("", "p"), execute("", 0), syncing),
			answers(bound, row("1"), complete("SELECT 1"), ready('I')),
			// PostgreSQL has to judge names from now on.
			passes(parse("p", "select 2"), syncing),
			answers(exists("p"), ready('I')).asks(question(ReasonPrepared)),
			server(says(left("p"))),
			passes(query("deallocate p")),
			asksAbout(ReasonPrepared, answers(complete("DEALLOCATE"), ready('I'))),
			server(says(nobodyElse())).then("release unpinned"),
		)},
		{"PREPARE behind DEALLOCATE ALL in a text is known in the block", transactionMode, steps(
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			passes(query("deallocate all; prepare p as select 1")),
			answers(complete("DEALLOCATE ALL"), complete("PREPARE"), ready('T')),
			passes(parse("p", "select 2"), syncing),
			answers(exists("p"), ready('E')),
		)},
		{"PREPARE in a block is known in the block", transactionMode, steps(
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			passes(query("prepare p as select 1")),
			answers(complete("PREPARE"), ready('T')),
			passes(parse("p", "select 2"), syncing),
			answers(exists("p"), ready('E')),
		)},
	})
}

// TestTheMidstOfAPipelineWaits: a statement that changes what those behind it
// mean is sent alone.
func TestTheMidstOfAPipelineWaits(t *testing.T) {
	for _, alone := range []string{"deallocate s", "discard all", "listen a", "unlisten a", "prepare p as select 1", "select lastval()"} {
		r := newRig(t, &transactionMode)
		r.client(query("select 1") + query(alone) + query("select 2"))
		r.flags()
		r.lease()
		mustEqual(t, alone, r.toServer, query("select 1"))
		r.toServer = ""
		r.server(complete("SELECT 1"))
		mustEqual(t, alone, r.toServer, "")
		r.server(ready('I'))
		if r.s.Phase() == Waiting {
			r.flags()
			r.lease()
		}
		mustEqual(t, alone, r.toServer, query(alone))
		mustEqual(t, alone, r.toClient, complete("SELECT 1")+ready('I'))
		if !r.s.blocked {
			t.Errorf("%s: nothing waits", alone)
		}
	}
}

// TestTheClientsStatementsAreShownInTheOrderOfItsParses: a time is one of the
// columns.
func TestTheClientsStatementsAreShownInTheOrderOfItsParses(t *testing.T) {
	r := newRig(t, &transactionMode)
	r.client(parse("z", "select 0") + parse("y", "select 1") + parse("c", "select 2") + closing("S", "z") + syncing)
	r.lease()
	r.server(parsed + parsed + parsed + ready('I')) // the Close is pgweir's to answer
	r.flags()
	r.client(parse("x", "select 3") + parse("b", "select 4") + parse("z", "select 5") + syncing)
	r.lease()
	r.server(parsed + parsed + parsed + ready('I'))
	r.flags()
	r.client(query("select * from pg_prepared_statements order by prepare_time"))
	r.toServer = ""
	r.lease()
	all, _ := frames(r.toServer)
	var names string
	for _, m := range all {
		if m[0] == 'P' {
			names += cstring(m[wire.HeaderLen:])
		}
	}
	mustEqual(t, "the order", names, "ycxbz")
}
