package session

import (
	"strings"
	"testing"
)

// TestAClientThatHasButPreparedGivesItsBackendBack: it has sent no Sync, and
// says nothing more for a while.
func TestAClientThatHasButPreparedGivesItsBackendBack(t *testing.T) {
	const lock = "select pg_advisory_lock(1)"
	rested := func(asked ...string) []step {
		return steps(rest(), rest().asks(append([]string{syncing}, asked...)...))
	}
	// given is rested and the backend's answer.
	given := steps(rested(), server(ready('I')).then("release"),
		check("it is at rest", func(s *Session) bool { return s.Phase() == Idle && !s.InTransaction() }))
	unnamed := steps(begin(parse("", "select 1"), describe("S", ""), flush), answers(parsed, noParams, columns))
	named := steps(
		client(parse("s", "select 1"), describe("S", "s"), flush).then("need"), anyLease(),
		answers(parsed, noParams, columns), step{do: func(r *rig) { r.toServer = "" }})
	kept := steps(rest(), rest(), rest())
	other := step{does: "it comes to another backend", do: func(r *rig) { r.link = newLink() }}
	limited := transactionMode
	limited.MaxPinned = 1
	checked := transactionMode
	checked.LeakCheck = 1
	play(t, []transcript{
		{"its own Sync is answered by pgweir", transactionMode, steps(
			unnamed, given, client(syncing).tells(ready('I')), client(flush), client(syncing).tells(ready('I')))},
		{"the unnamed statement is made again", transactionMode, steps(
			unnamed, given, other,
			client(bind("", ""), execute("", 0), syncing).then("need"),
			leased().asks(parse("", "select 1"), bind("", ""), execute("", 0), syncing),
			server(parsed, bound, row("1"), complete("SELECT 1"), ready('I')).
				tells(bound, row("1"), complete("SELECT 1"), ready('I')).then("release"))},
		{"described again, too, and with a Flush", transactionMode, steps(
			unnamed, given, other,
			client(describe("S", ""), flush).then("need"),
			leased().asks(parse("", "select 1"), describe("S", ""), flush),
			server(parsed, noParams, columns).tells(noParams, columns),
			given,
			client(syncing).tells(ready('I')))},
		{"closed", transactionMode, steps(
			unnamed, given, other,
			client(closing("S", ""), flush).then("need"),
			leased().asks(closing("S", ""), flush),
			answers(closed), given,
			client(bind("", ""), syncing).then("need"),
			leased().asks(closing("S", ""), bind("", ""), syncing))},
		{"a named one is prepared where it is needed", transactionMode, steps(
			named, given, other,
			client(bind("", "s"), execute("", 0), syncing).then("need"),
			flushed(parse(shared(1), "select 1"), describe("S", shared(1)), flush),
			server(parsed, noParams, columns).asks(bind("", shared(1)), execute("", 0), syncing),
			answers(bound, row("1"), complete("SELECT 1"), ready('I')).then("release"))},
		{"and fails where it is used", transactionMode, steps(
			named, given,
			client(bind("", "s"), execute("", 0), syncing).then("need"), anyLease(),
			answers(failure("22012", "no"), ready('I')).then("release"),
			client(bind("", "t")).then("need"), anyLease(),
			answers(missing("t")), kept, passes(syncing), answers(ready('I')).then("release"))},
		{"one that the backend had already", transactionMode, steps(
			named, given,
			client(parse("t", "select 1"), flush).then("need"),
			leased().asks(flush).tells(parsed), given)},
		{"one that is described only", transactionMode, steps(
			client(parse("s", "select 1"), syncing).then("need"), anyLease(), answers(parsed, ready('I')).then("release"),
			client(describe("S", "s"), flush).then("need"), anyLease(), answers(noParams, columns),
			given,
			client(syncing).tells(ready('I')))},
		{"without a backend it gets an error, and the Sync after it", transactionMode, steps(
			unnamed, given,
			client(bind("", "")).then("need"), refuse(errTimeout).tells(failure("57014", "query_wait_timeout")),
			client(execute("", 0), syncing).tells(ready('I')))},
		{"not at once", transactionMode, steps(
			unnamed, rest(),
			passes(bind("", ""), execute("", 0), syncing),
			answers(bound, row("1"), complete("SELECT 1"), ready('I')).then("release"))},
		{"nor if it says something from time to time", transactionMode, steps(
			unnamed, rest(), client(syncing[:2]), rest(), client(syncing[2:]).asks(syncing), answers(ready('I')).then("release"))},
		{"what it says while the Sync is under way is behind it", transactionMode, steps(
			unnamed, rested(),
			passes(bind("", ""), execute("", 0), syncing),
			server(ready('I')), kept,
			answers(bound, row("1"), complete("SELECT 1"), ready('I')).then("release"))},
		{"so is its own Sync", transactionMode, steps(
			unnamed, rested(), passes(syncing), server(ready('I')), answers(ready('I')).then("release"))},
		{"it goes while the Sync is under way", transactionMode, steps(
			unnamed, rested(), gone().then("end"), server(ready('I')).then("release end"))},
		{"it says good-bye while the Sync is under way", transactionMode, steps(
			unnamed, rested(), client(terminate), server(ready('I')).then("release end"))},
		{"the backend is asked what hints there were", transactionMode, steps(
			begin(parse("", lock), flush), answers(parsed), rested(),
			server(ready('I')).asks(question(ReasonLock)),
			client(bind("", "")),
			server(says()).then("need release"),
			leased().asks(parse("", lock), bind("", "")))},
		{"and checked", checked, steps(
			unnamed, rested(),
			server(ready('I')).asks(question(partsAll)), server(says(nobodyElse())).then("release"))},
		{"but not while something is owed", transactionMode, steps(
			begin(parse("", "select 1")), kept, passes(syncing), answers(parsed, ready('I')).then("release"))},
		{"nor if something was executed", transactionMode, steps(
			begin(parse("", "select 1"), bind("", ""), flush), answers(parsed, bound), kept,
			passes(execute("", 1), flush), answers(row("1"), suspended), kept,
			passes(syncing), answers(ready('I')).then("release"))},
		{"nor if it has failed", transactionMode, steps(
			begin(parse("", "selekt"), flush), answers(failure("42601", "x")), kept,
			passes(syncing), answers(ready('I')).then("release"))},
		{"nor in a block", transactionMode, steps(
			begin(query("begin")), answers(complete("BEGIN"), ready('T')), kept,
			passes(parse("", "select 1"), flush), answers(parsed), kept)},
		{"nor if the unnamed statement is too long to be made again", transactionMode, steps(
			begin(parse("", "select '"+strings.Repeat("x", maxUnnamed)+"'"), flush), answers(parsed), kept)},
		{"nor if it keeps its backend in any case", transactionMode, steps(
			asked(lock, ReasonLock, says(left("l")), "pinned: advisory lock"),
			passes(parse("", "select 1"), flush), answers(parsed), kept)},
		{"nor if it may have to be told of too many pins", limited, steps(
			begin(parse("", lock), flush), answers(parsed), kept)},
		{"nor in session mode", sessionMode, steps(
			leased(), passes(parse("", "select 1"), flush), answers(parsed), kept)},
		{"nor in the midst of a message", unwatched, steps(
			client(parse("", strings.Repeat("x", MaxMessage))[:MaxMessage]).then("need"),
			leased().asks(parse("", strings.Repeat("x", MaxMessage))[:MaxMessage]), kept)},
	})
}

// TestWhatAPipelineHasLeftIsGoneWithTheSyncOfRest: the next lease knows nothing
// of it.
func TestWhatAPipelineHasLeftIsGoneWithTheSyncOfRest(t *testing.T) {
	r := newRig(t, &transactionMode)
	r.client(parse("s", "select 1") + describe("S", "s") + parse("", `execute "s"`) + flush)
	r.lease()
	r.server(parsed + noParams + columns + parsed)
	r.s.Rest(&r.o)
	r.took()
	r.s.Rest(&r.o)
	r.took()
	r.server(ready('I'))
	if r.s.Phase() == Active { // EXECUTE may be of anything
		r.server(says(nobodyElse()))
	}
	if got := r.flags(); got != "need release" {
		t.Fatalf("the flags are %q", got)
	}
	r.client(query("selekt"))
	r.lease()
	r.toClient = ""
	said := message('E', "SERROR\x00VERROR\x00C42601\x00Mno\x00P60\x00\x00")
	r.server(said + ready('I'))
	mustEqual(t, "the error", r.toClient, said+ready('I'))
	if r.flags() != "need release" {
		t.Error("the backend is not released")
	}
}
