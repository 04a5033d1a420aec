package session

import "testing"

func TestCopies(t *testing.T) {
	start := []string{parse("", "copy t from stdin"), bind("", ""), describe("P", ""), execute("", 0)}
	failed := failure("22P02", "invalid input")
	play(t, []transcript{
		{"in, by a simple query", transactionMode, steps(
			begin(query("copy t from stdin")),
			answers(copyIn),
			passes(copyData("1\n"), copyData("2\n")),
			passes(copyDone),
			answers(complete("COPY 2"), ready('I')).then("release"),
		)},
		{"in, all sent ahead", transactionMode, steps(
			begin(query("copy t from stdin"), copyData("1\n"), copyDone, query("select 1")),
			answers(copyIn, complete("COPY 1"), ready('I')),
			answers(columns, complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"in, given up by the client", transactionMode, steps(
			begin(query("copy t from stdin")),
			answers(copyIn),
			passes(copyData("1\n"), copyFail("no")),
			answers(failure("57014", "COPY from stdin failed: no"), ready('I')).then("release"),
		)},
		{"in, given up before it has begun", transactionMode, steps(
			begin(query("select pg_advisory_lock(1)"), query("copy t from stdin"), copyFail("no")),
			answers(columns, complete("SELECT 1"), ready('I')),
			answers(copyIn, failure("57014", "COPY from stdin failed: no")),
			answers(ready('I')).asks(question(ReasonLock)),
			server(failure("53200", "out of memory"), ready('I')).then("pinned: unknown"),
		)},
		{"in, twice in one query", transactionMode, steps(
			begin(query("copy t from stdin; copy u from stdin"), copyData("1\n"), copyDone),
			answers(copyIn, complete("COPY 1"), copyIn),
			passes(copyData("1\n"), copyDone),
			answers(complete("COPY 1"), ready('I')).then("release"),
		)},
		{"in, twice in one query and sent ahead", transactionMode, steps(
			begin(query("copy t from stdin; copy u from stdin"), copyData("1\n"), copyDone, copyData("2\n"), copyDone),
			answers(copyIn, complete("COPY 1"), copyIn, complete("COPY 1"), ready('I')).then("release"),
		)},
		{"in, failing while the data come", transactionMode, steps(
			begin(query("copy t from stdin")),
			answers(copyIn),
			passes(copyData("1\n"), copyData("bad\n")),
			answers(failed, ready('I')).then("release"),
			client(copyData("3\n"), copyDone), // belated, and nobody's business
			begin(query("select 1")),
			answers(columns, complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"in, failing in the midst of a message of the data", transactionMode, steps(
			begin(query("copy t from stdin")),
			answers(copyIn),
			client(copyData("1\n2\n")[:7]).asks(copyData("1\n2\n")[:7]),
			check("that is no half message", func(s *Session) bool { return !s.MidMessage() }),
			answers(failed, ready('I')),
			check("the rest of it is awaited", (*Session).MidMessage),
			client(copyData("1\n2\n")[7:]).asks(copyData("1\n2\n")[7:]).then("release"),
		)},
		{"in, failing in a block", transactionMode, steps(
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			passes(query("copy t from stdin"), copyData("bad\n")),
			answers(copyIn, failed, ready('E')),
			passes(copyData("3\n"), copyDone, query("rollback")),
			answers(complete("ROLLBACK"), ready('I')).then("release"),
		)},
		{"in, extended", transactionMode, steps(
			begin(start...),
			answers(parsed, bound, noData, copyIn),
			passes(copyData("1\n"), copyDone, syncing),
			answers(complete("COPY 1"), ready('I')).then("release"),
		)},
		{"in, extended, with a Sync before the copy is known", transactionMode, steps(
			begin(append(start, syncing)...),
			answers(parsed, bound, noData, copyIn),
			passes(copyData("1\n"), copyDone),
			answers(complete("COPY 1")),
			passes(syncing),
			answers(ready('I')).then("release"),
		)},
		{"in, extended, with both Syncs sent ahead", transactionMode, steps(
			begin(append(start, syncing, copyData("1\n"), copyDone, syncing)...),
			answers(parsed, bound, noData, copyIn, complete("COPY 1"), ready('I')).then("release"),
		)},
		{"in, extended, with a Sync in the midst of the copy", transactionMode, steps(
			begin(start...),
			answers(parsed, bound, noData, copyIn),
			passes(copyData("1\n"), syncing, copyDone, syncing),
			answers(complete("COPY 1"), ready('I')).then("release"),
		)},
		{"in, extended, failing while the data come", transactionMode, steps(
			begin(append(start, syncing)...),
			answers(parsed, bound, noData, copyIn),
			passes(copyData("bad\n")),
			answers(failed),
			passes(copyData("2\n"), copyDone),
			passes(syncing),
			answers(ready('I')).then("drop"),
		)},
		{"in, extended, failing with all sent ahead", transactionMode, steps(
			begin(append(start, syncing, copyData("bad\n"), copyDone, syncing, query("select 1"))...),
			answers(parsed, bound, noData, copyIn, failed, ready('I')),
			answers(columns, complete("SELECT 1"), ready('I')).then("drop"),
		)},
		{"in, extended, failing before it begins", transactionMode, steps(
			begin(append(start, syncing, copyData("1\n"), copyDone, syncing)...),
			answers(failed, ready('I')),
			answers(ready('I')).then("release"),
		)},
		{"out", transactionMode, steps(
			begin(query("copy t to stdout")),
			answers(copyOut, copyData("1\n"), copyData("2\n"), copyDone, complete("COPY 2"), ready('I')).then("release"),
		)},
		{"out, extended", transactionMode, steps(
			begin(parse("", "copy t to stdout"), bind("", ""), execute("", 0), syncing),
			answers(parsed, bound, copyOut, copyData("1\n"), copyDone, complete("COPY 1"), ready('I')).then("release"),
		)},
		{"out, failing", transactionMode, steps(
			begin(query("copy t to stdout")),
			answers(copyOut, copyData("1\n"), failed, ready('I')).then("release"),
		)},
		{"both, ended by the server alone", sessionMode, steps(
			leased(),
			passes(query("START_REPLICATION")),
			answers(copyBoth, copyDone, complete("COPY 0"), ready('I')),
			passes(syncing),
			check("the Sync counts", (*Session).Owes),
		)},
		{"both", sessionMode, steps(
			leased(),
			passes(query("START_REPLICATION")),
			answers(copyBoth, copyData("w0")),
			passes(copyData("r0")),
			answers(copyData("w1")),
			passes(copyDone),
			answers(copyDone, complete("COPY 0"), ready('I')),
			passes(query("IDENTIFY_SYSTEM")),
			answers(columns, complete("IDENTIFY_SYSTEM"), ready('I')),
		)},
	})
}

// TestSyncsWithinACopyThatFails: the backend ignores those that it has read by
// then, and answers the others.
func TestSyncsWithinACopyThatFails(t *testing.T) {
	copies := join([]string{parse("", "copy t from stdin"), bind("", ""), execute("", 0)})
	begun := join([]string{parsed, bound, copyIn})
	bad := failure("22P02", "bad")
	q := query("select 1")
	ran := join([]string{complete("SELECT 1"), ready('I')})
	probe := syncing + parse(scratchName, "") + closing("S", scratchName) + syncing
	next := func() []step { return steps(elsewhere(), begin(q), answers(ran).then("release")) }
	play(t, []transcript{
		{"sent ahead, and read behind the failure", transactionMode, steps(
			begin(copies, syncing), server(begun, bad, ready('I')).tells(begun, bad, ready('I')).then("drop"), next(),
		)},
		{"sent ahead, and ignored", transactionMode, steps(
			begin(copies, syncing), answers(begun), passes(copyData("bad\n")), answers(bad),
			passes(copyDone, syncing), answers(ready('I')).then("drop"), next(),
		)},
		{"in the midst, ignored, and a query behind", transactionMode, steps(
			begin(copies), answers(begun), passes(copyData("bad\n"), syncing, copyDone, syncing, q),
			answers(bad), answers(ready('I')), answers(ran).then("drop"), next(),
		)},
		{"in the midst, answered, and a query behind", transactionMode, steps(
			begin(copies), answers(begun), passes(copyData("bad\n"), syncing, copyDone, syncing, q),
			answers(bad), answers(ready('I')), answers(ready('I')), answers(ran).then("drop"), next(),
		)},
		{"in the midst, answered, and a query behind the failure", transactionMode, steps(
			begin(copies), answers(begun), passes(copyData("bad\n"), syncing), answers(bad),
			client(q).asks(probe), server(ready('I')),
			server(ready('I'), parsed, closed, ready('I')).tells(ready('I')).then("need drop"),
			elsewhere(), leased().asks(q), answers(ran).then("release"),
		)},
		{"in the midst, ignored, and a query behind the failure", transactionMode, steps(
			begin(copies), answers(begun), passes(syncing, copyData("bad\n")), answers(bad),
			client(copyDone).asks(copyDone), client(q).asks(probe),
			server(ready('I'), parsed, closed, ready('I')),
			client(parse("", "select 2"), syncing).asks(syncing),
			answers(ready('I')).then("drop"), next(),
		)},
		{"it succeeds", transactionMode, steps(
			begin(copies, syncing), answers(begun), passes(copyData("1\n"), syncing, copyDone, syncing),
			answers(complete("COPY 1"), ready('I')).then("release"),
		)},
		{"in a block", transactionMode, steps(
			begin(query("begin")), answers(complete("BEGIN"), ready('T')),
			passes(copies, syncing), answers(begun, bad, ready('E')), passes(query("rollback")),
			answers(complete("ROLLBACK"), ready('I')).then("drop"), next(),
		)},
		{"of a simple query", transactionMode, steps(
			begin(query("copy t from stdin")), answers(copyIn), passes(copyData("bad\n"), syncing),
			server(bad, ready('I')).tells(bad, ready('I')).then("drop"),
		)},
	})
}

// TestFlushWithinACopy: is ignored, also where nothing else may be sent.
func TestFlushWithinACopy(t *testing.T) {
	copies := join([]string{parse("", "copy t from stdin"), bind("", ""), execute("", 0)})
	play(t, []transcript{
		{"", transactionMode, steps(
			begin(query("begin")), answers(complete("BEGIN"), ready('T')),
			passes(query("listen a")), answers(complete("LISTEN"), ready('T')),
			passes(copies), passes(flush), answers(parsed, bound, copyIn),
			passes(copyData("1\n"), flush, copyDone, syncing), answers(complete("COPY 1"), ready('T')),
		)},
	})
}
