package session

import (
	"testing"

	"pgweir/session/follow"
	"pgweir/wire"
)

var errTimeout = wire.Fatalf("57014", "query_wait_timeout")

func refuse(e *wire.Error) step {
	return step{does: "refuse", do: func(r *rig) { r.refuse(e) }}
}

func TestRefusals(t *testing.T) {
	timeout := failure("57014", "query_wait_timeout")
	long := query("select '" + string(make([]byte, MaxMessage)) + "'")
	play(t, []transcript{
		{"of a query", transactionMode, steps(
			client(query("select 1")).then("need"),
			refuse(errTimeout).tells(timeout, ready('I')),
			begin(query("select 2")),
		)},
		{"of the first of two", transactionMode, steps(
			client(query("select 1"), query("select 2")).then("need"),
			refuse(errTimeout).tells(timeout, ready('I')).then("need"),
			leased().asks(query("select 2")),
		)},
		{"of a function call", transactionMode, steps(
			client(call("a")).then("need"),
			refuse(errTimeout).tells(timeout, ready('I')),
		)},
		{"of an extended query", transactionMode, steps(
			client(parse("", "select 1"), bind("", ""), execute("", 0), syncing, query("select 2")).then("need"),
			refuse(errTimeout).tells(timeout, ready('I')).then("need"),
			leased().asks(query("select 2")),
		)},
		{"of an extended query whose Sync has not come", transactionMode, steps(
			client(parse("", "select 1")).then("need"),
			refuse(errTimeout).tells(timeout),
			client(bind("", ""), query("skipped"), execute("", 0)),
			client(syncing).tells(ready('I')),
			begin(query("select 2")),
		)},
		{"of a copy that was sent ahead", transactionMode, steps(
			client(query("copy t from stdin"), copyData("1\n"), copyDone).then("need"),
			refuse(errTimeout).tells(timeout, ready('I')),
			begin(query("select 2")),
		)},
		{"of a query that is streamed", transactionMode, steps(
			client(long[:MaxMessage]).then("need"),
			refuse(errTimeout).tells(timeout, ready('I')),
			check("the rest holds nobody up", func(s *Session) bool { return !s.MidMessage() }),
			client(long[MaxMessage:]),
			begin(query("select 2")),
		)},
		{"by a cancel", transactionMode, steps(
			client(query("select 1")).then("need"),
			refuse(wire.Errorf(wire.CodeQueryCanceled, "canceling statement due to user request")).
				tells(failure("57014", "canceling statement due to user request"), ready('I')),
		)},
	})
}

func TestTerminate(t *testing.T) {
	play(t, []transcript{
		{"behind a query, which is carried out", transactionMode, steps(
			client(query("select 1"), terminate).then("need"),
			leased().asks(query("select 1")),
			answers(columns, row("1")),
			client(query("said after good-bye")),
			gone(), // the client has closed its side as well
			answers(complete("SELECT 1"), ready('I')).then("release end"),
		)},
		{"behind a query that opens a block", transactionMode, steps(
			client(query("begin"), terminate).then("need"),
			leased().asks(query("begin")),
			answers(complete("BEGIN")),
			answers(ready('T')).asks(query("ROLLBACK")).then("end"),
			server(complete("ROLLBACK"), ready('I')).then("release"),
		)},
		{"in a block", transactionMode, steps(
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			client(terminate, query("nonsense")).asks(query("ROLLBACK")).then("end"),
			server(complete("ROLLBACK"), notice("by the way"), reported("TimeZone", "UTC"), ready('I')).then("release"),
		)},
		{"in session mode", sessionMode, steps(
			leased(),
			client(terminate).asks(query("DISCARD ALL")).then("end"),
			server(complete("DISCARD ALL"), ready('I')).then("release"),
		)},
		{"in an extended query without Sync", transactionMode, steps(
			begin(parse("", "select 1")),
			client(terminate).then("drop busy end"),
		)},
		{"in an extended query without Sync that has been answered", transactionMode, steps(
			begin(parse("", "select 1"), flush),
			answers(parsed),
			client(terminate).then("drop end"),
		)},
		{"in an extended query without Sync behind a query", transactionMode, steps(
			begin(query("select 1"), parse("", "select 2")),
			client(terminate),
			gone(),
			answers(complete("SELECT 1")),
			answers(ready('I')).then("drop busy end"),
		)},
		{"in a copy, which cannot end any more", transactionMode, steps(
			begin(query("copy t from stdin")),
			answers(copyIn),
			passes(copyData("1\n")),
			client(terminate).then("drop busy end"),
		)},
		{"behind a copy that turns out later", transactionMode, steps(
			begin(query("copy t from stdin"), copyData("1\n")),
			client(terminate),
			gone(),
			answers(copyIn).then("drop busy end"),
		)},
		{"behind a copy that is whole", transactionMode, steps(
			begin(query("copy t from stdin"), copyData("1\n"), copyDone),
			client(terminate),
			answers(copyIn, complete("COPY 1"), ready('I')).then("release end"),
		)},
		{"behind a query whose backend goes", transactionMode, steps(
			begin(query("select 1")),
			client(terminate),
			lost().then("drop end"),
		)},
	})
}

func TestTheClientGoes(t *testing.T) {
	begun := steps(begin(query("begin")), answers(complete("BEGIN"), ready('T')))
	discard := Config{Mode: SessionMode, ResetQuery: "DISCARD ALL"}
	plain := Config{Mode: SessionMode}
	play(t, []transcript{
		{"idle", transactionMode, steps(gone().then("end"))},
		{"with half a query", transactionMode, steps(client(query("select 1")[:9]), gone().then("end"))},
		{"waiting", transactionMode, steps(client(query("select 1")).then("need"), gone().then("end"), gone())},
		{"in a query", transactionMode, steps(begin(query("select 1")), gone().then("drop busy end"))},
		{"in the midst of an answer", transactionMode, steps(
			begin(query("select 1")), answers(row("12345")[:8]), gone().then("drop busy end"))},
		{"in a block", transactionMode, steps(
			begun,
			gone().asks(query("ROLLBACK")).then("end"),
			check("it resets", func(s *Session) bool { return s.Phase() == Resetting }),
			server(complete("ROLLBACK"), ready('I')).then("release"),
		)},
		{"in a failed block", transactionMode, steps(
			begun, passes(query("x")), answers(failure("42601", "x"), ready('E')),
			gone().asks(query("ROLLBACK")).then("end"),
			server(complete("ROLLBACK"), ready('I')).then("release"),
		)},
		{"in a block, and the rollback fails", transactionMode, steps(
			begun, gone().asks(query("ROLLBACK")).then("end"),
			server(failure("XX000", "no"), ready('I')).then("drop"),
		)},
		{"in a block, and the rollback leaves it open", transactionMode, steps(
			begun, gone().asks(query("ROLLBACK")).then("end"),
			server(complete("ROLLBACK"), ready('T')).then("drop"),
		)},
		{"in a block, and the backend goes while it is rolled back", transactionMode, steps(
			begun, gone().asks(query("ROLLBACK")).then("end"),
			lost().then("drop end"),
		)},
		{"in a block in which a lock was taken that outlives it", transactionMode, steps(
			begun,
			passes(query("select pg_advisory_lock(1)")),
			answers(columns, row(""), complete("SELECT 1"), ready('T')),
			gone().asks(query("ROLLBACK"), query("DISCARD ALL")).then("end"),
			server(complete("ROLLBACK"), ready('I')),
			server(complete("DISCARD ALL"), ready('I')).then("release"),
		)},
		{"and the backend says more before it is free", transactionMode, steps(
			begun,
			gone().asks(query("ROLLBACK")).then("end"),
			server(complete("ROLLBACK")),
			step{do: func(r *rig) {
				r.cut = func(n int) int { return n }
				r.server(ready('I') + reported("TimeZone", "CET")[:9])
			}},
			server(reported("TimeZone", "CET")[9:]).then("release"),
		)},
		{"in a copy", transactionMode, steps(
			begin(query("copy t from stdin")), answers(copyIn), gone().then("drop busy end"))},
		{"in half a message of a copy", transactionMode, steps(
			begin(query("copy t from stdin")), answers(copyIn),
			client(copyData("1234567")[:8]).asks(copyData("1234567")[:8]), gone().then("drop busy end"))},
		{"in an extended query without Sync", transactionMode, steps(
			begin(parse("", "select 1"), flush), answers(parsed), gone().then("drop end"))},
		{"behind an error without Sync", transactionMode, steps(
			begin(parse("", "selekt"), flush), answers(failure("42601", "x")), gone().then("drop end"))},
		{"session mode", discard, steps(
			leased(),
			passes(query("select 1")), answers(complete("SELECT 1"), ready('I')),
			gone().asks(query("DISCARD ALL")).then("end"),
			server(reported("TimeZone", "UTC"), complete("DISCARD ALL")),
			gone(),
			server(ready('I')).then("release"),
		)},
		{"session mode in a block", discard, steps(
			leased(),
			passes(query("begin")), answers(complete("BEGIN"), ready('T')),
			gone().then("drop end"), // the next client would be told the same process ID
		)},
		{"session mode, and the reset fails", discard, steps(
			leased(),
			gone().asks(query("DISCARD ALL")).then("end"),
			server(failure("XX000", "no"), ready('I')).then("drop"),
		)},
		{"session mode without a reset", plain, steps(leased(), gone().then("release end"))},
		{"session mode, and the reset answers with rows", Config{Mode: SessionMode, ResetQuery: "SELECT reset()"}, steps(
			leased(),
			gone().asks(query("SELECT reset()")).then("end"),
			server(columns, row("1"), row("2"), complete("SELECT 2"), ready('I')).then("release"),
		)},
	})
}

// TestTheClientGoesWhileItsBackendIsAsked: the answer is waited for, which
// takes no time, and the backend serves others; none is closed for a client that
// has but set something.
func TestTheClientGoesWhileItsBackendIsAsked(t *testing.T) {
	const lock = "select pg_advisory_lock(1)"
	pool := func(c Config) Config {
		c.LeakCheck = 1
		return c
	}
	questioned := func(sql string, parts Reason) []step {
		return steps(
			begin(query(sql)),
			answers(complete("SELECT 1")),
			answers(ready('I')).asks(question(parts)),
		)
	}
	cleaned := steps(server(complete("DISCARD ALL"), ready('I')).then("release"))
	released := check("it is over", func(s *Session) bool { return s.Phase() == Ended })
	play(t, []transcript{
		{"and nothing is left", transactionMode, steps(
			questioned(lock, ReasonLock), gone().then("end"),
			check("it is called pinned no more", func(s *Session) bool { r, _ := s.Pins(); return r == 0 }),
			server(notice("for nobody"), says()).then("release end"), released)},
		{"with a Terminate that was held back", transactionMode, steps(
			questioned(lock, ReasonLock), client(terminate), gone().then("end"), server(says()).then("release end"), released)},
		{"with a query that was held back", transactionMode, steps(
			questioned(lock, ReasonLock), client(query("select 1")), gone().then("end"), server(says()).then("release end"), released)},
		{"with half a query", transactionMode, steps(
			questioned(lock, ReasonLock), client(query("select 1")[:9]), gone().then("end"), server(says()).then("release end"), released)},
		{"in the midst of the answer", transactionMode, steps(
			questioned(lock, ReasonLock), server(says()[:20]), gone().then("end"), server(says()[20:]).then("release end"))},
		{"and a setting is left, which the next client has turned back", transactionMode, steps(
			questioned("set work_mem = '1MB'", partSettings), gone().then("end"),
			server(says(nobodyElse(), setting("work_mem", "1024"))).then("release end"),
			step{does: "another client comes", do: func(r *rig) {
				link, vars := r.link, startVars
				*r = *newRig(r.t, &transactionMode)
				r.link = link
				r.s.Init(r.s.config, &vars)
				r.client(query("select 2"))
				r.lease()
			}}.asks(query(guard+`RESET "work_mem";`+unguard), query("select 2")).then("need"),
		)},
		{"and more is left, which is thrown away", transactionMode, steps(
			questioned(lock, ReasonLock), gone().then("end"),
			server(says(left("l"))).asks(query("DISCARD ALL")).then("end"), cleaned,
			check("nobody is counted as pinned", func(s *Session) bool { return s.config.Shared.Pinned.Load() == 0 }))},
		{"and had more already", transactionMode, steps(
			asked(lock, ReasonLock, says(left("l")), "pinned: advisory lock"),
			passes(query("create temp table t (a int)")),
			answers(complete("CREATE TABLE")),
			answers(ready('I')).asks(question(ReasonTemp)),
			gone().then("end"),
			server(says()).asks(query("DISCARD ALL")).then("end"), cleaned,
			check("nobody is counted as pinned", func(s *Session) bool { return s.config.Shared.Pinned.Load() == 0 }))},
		{"and the question fails", transactionMode, steps(
			questioned("do 'x'", partsAll), gone().then("end"),
			server(failure("42501", "no"), ready('I')).asks(query("DISCARD ALL")).then("end"), cleaned)},
		{"and the backend goes too", transactionMode, steps(
			questioned(lock, ReasonLock), gone().then("end"), server(fatal("57P01", "shutdown")), lost().then("drop end"))},
		{"with settings that pin", pinMode, steps(
			questioned("set work_mem = '1MB'", partSettings), gone().then("end"),
			server(says(nobodyElse(), setting("work_mem", "1024"))).asks(query("DISCARD ALL")).then("end"), cleaned)},
		{"with a library, which nothing undoes", transactionMode, steps(
			begin(query("select pg_backup_start('a'); set work_mem = '1MB'")),
			answers(complete("SELECT 1"), complete("SET")),
			answers(ready('I')).asks(question(partSettings)).then("pinned: library"),
			gone().then("end"), server(says(nobodyElse())).then("drop end"))},
		{"with a channel, which nobody hears for it any more", transactionMode, steps(
			begin(query("listen a")),
			answers(complete("LISTEN")),
			server(ready('I')).asks(question(ReasonChannels)),
			gone().then("end"), server(says(left("c", "a"))).asks(query("DISCARD ALL")).then("end"), cleaned)},
		{"or told to stop listening", transactionMode, steps(
			begin(query("listen a")),
			answers(complete("LISTEN")),
			server(ready('I')).asks(question(ReasonChannels)),
			server(says(left("c", "a"))).then("listen"),
			listened(nil).asks(query("UNLISTEN *")).tells(ready('I')),
			gone().then("end"), server(complete("UNLISTEN"), ready('I')).then("release end"))},
		{"or told so, and it does not", transactionMode, steps(
			begin(query("listen a")),
			answers(complete("LISTEN")),
			server(ready('I')).asks(question(ReasonChannels)),
			server(says(left("c", "a"))).then("listen"),
			listened(nil).asks(query("UNLISTEN *")).tells(ready('I')),
			gone().then("end"), server(failure("57014", "canceled"), ready('I')).then("drop end"))},
		{"for a check that finds nothing", pool(transactionMode), steps(
			questioned("select 1", partsAll), gone().then("end"), server(says(nobodyElse())).then("release end"))},
		{"for a check that finds a leak, which is told", pool(transactionMode), steps(
			questioned("select leaky()", partsAll), gone().then("end"),
			server(says(nobodyElse(), left("l"))).then("drop end"),
			step{does: "look at what is told", do: func(r *rig) {
				if r.leak != ReasonLock {
					r.t.Errorf("a lock was left, and %v is found", r.leak)
				}
			}})},
	})
}

// TestTheClientIsForgottenBeforeItsLastAnswers: it has said Terminate behind a
// query, and is closed before that has been answered.
func TestTheClientIsForgottenBeforeItsLastAnswers(t *testing.T) {
	forget := step{does: "it is forgotten", do: func(r *rig) { r.s.Forget() }}
	lock := "select pg_advisory_lock(1)"
	play(t, []transcript{
		{"which are about its statements", transactionMode, steps(
			client(parse("s", "select 1"), bind("", "s"), execute("", 0), syncing, terminate).then("need"),
			anyLease(), forget,
			answers(parsed, bound, row("1"), complete("SELECT 1"), ready('I')).then("release end"), forget,
			check("it has given them up", func(s *Session) bool {
				return s.Prepared() == 0 && s.config.Shared.Statements.Unused() == 1
			}))},
		{"and has a lock", transactionMode, steps(
			asked(lock, ReasonLock, says(left("l")), "pinned: advisory lock"),
			client(query("select 1"), terminate).asks(query("select 1")), forget,
			answers(complete("SELECT 1")),
			answers(ready('I')).asks(query("DISCARD ALL")).then("end"),
			server(complete("DISCARD ALL"), ready('I')).then("release"), forget,
			check("it is not counted as pinned", func(s *Session) bool { return s.config.Shared.Pinned.Load() == 0 }))},
	})
}

func TestTheServerGoes(t *testing.T) {
	broken := fatal("08006", "server closed the connection unexpectedly")
	shutdown := fatal("57P01", "terminating connection due to administrator command")
	play(t, []transcript{
		{"in a query", transactionMode, steps(
			begin(query("select 1")), lost().tells(broken).then("drop end"))},
		{"between the statements of a block", transactionMode, steps(
			begin(query("begin")), answers(complete("BEGIN"), ready('T')), lost().tells(broken).then("drop end"))},
		{"with its last words said", transactionMode, steps(
			begin(query("select 1")), answers(shutdown), lost().then("drop end"))},
		{"with its last words said in a session at rest", sessionMode, steps(
			leased(), answers(shutdown), lost().then("drop end"))},
		{"after an error that was not its last word", transactionMode, steps(
			begin(query("begin")), answers(complete("BEGIN"), ready('T')),
			passes(query("x")), answers(failure("42601", "FATAL")), lost().tells(broken).then("drop end"))},
		{"in the midst of a row, of which more cannot be said", transactionMode, steps(
			begin(query("select 1")), answers(row("1234567890")[:9]), lost().then("drop end"))},
		{"in a copy", transactionMode, steps(
			begin(query("copy t from stdin")), answers(copyIn), passes(copyData("1\n")),
			lost().tells(broken).then("drop end"))},
		{"in an extended query", transactionMode, steps(
			begin(parse("", "select 1"), flush), answers(parsed), lost().tells(broken).then("drop end"))},
		{"while the client streams", transactionMode, steps(
			client(query(string(make([]byte, MaxMessage)))[:MaxMessage]).then("need"),
			leased().asks(query(string(make([]byte, MaxMessage)))[:MaxMessage]),
			lost().tells(broken).then("drop end"),
			client("xyz"))},
	})
}

// TestASessionBeginsWithWhatALoginEventTriggerHasSet, though the reset query takes
// that from the backend.
func TestASessionBeginsWithWhatALoginEventTriggerHasSet(t *testing.T) {
	begun := follow.NewSettings([]wire.Param{{Name: "search_path", Value: "trigger"}})
	r := newRig(t, &sessionMode)
	r.link.Begin(nil, begun, "none", "")
	r.s.Begin(nil, begun, 0)
	r.s.Lease(r.link, &r.o)
	r.took()
	mustEqual(t, "the first client's backend is told", r.toServer, "")
	r.s.Gone(&r.o)
	r.took()
	r.server(complete("DISCARD ALL") + ready('I'))
	next := r.member()
	next.link = r.link
	next.s.Begin(nil, begun, 0)
	next.s.Lease(next.link, &next.o)
	next.took()
	mustEqual(t, "the next one's is told", next.toServer, query(guard+`SELECT pg_catalog.set_config('search_path','trigger',false);`+unguard))
}
