package session

import "testing"

func TestALibraryFollowsItsClient(t *testing.T) {
	pinned := transactionMode
	pinned.MaxPinned = 1
	loads := steps(begin(query("load 'auto_explain'")), answers(complete("LOAD"), ready('I')).then("release"))
	ran := []string{complete("SELECT 1"), ready('I')}
	asBefore := begin(query("select 1"))
	anew := func(sql string) []step {
		return steps(
			elsewhere(),
			client(query("select 1")).then("need"), leased().asks(query(guard+sql+unguard), query("select 1")),
			server(complete("SET"), complete("LOAD"), complete("RESET"), ready('I')).then(""),
			answers(ran...).then("release"),
		)
	}
	other := step{does: "another client uses the backend", do: func(r *rig) { r.link.settings, r.link.last = nil, r.s.id+1 }}
	play(t, []transcript{
		{"and pins nothing", transactionMode, steps(loads, asBefore, answers(ran...).then("release"))},
		{"to each backend once", transactionMode, steps(
			loads, anew("LOAD 'auto_explain';"), other, asBefore, answers(ran...).then("release"))},
		{"ahead of the settings", transactionMode, steps(
			loads,
			begin(query("set auto_explain.log_level = 'notice'")),
			answers(complete("SET"), ready('I')).asks(question(partSettings, "auto_explain.log_level")),
			server(says(nobodyElse(), setting("auto_explain.log_level", "notice"))).then("release"),
			anew(`LOAD 'auto_explain';SET "auto_explain"."log_level" = 'notice';`),
		)},
		{"also in a block that is rolled back", transactionMode, steps(
			begin(query("begin")), answers(complete("BEGIN"), ready('T')),
			passes(query("load 'auto_explain'")), answers(complete("LOAD"), ready('T')),
			passes(query("rollback")), answers(complete("ROLLBACK"), ready('I')).then("release"),
			anew("LOAD 'auto_explain';"))},
		{"several, of one text", transactionMode, steps(
			begin(query("load E'a\\\\b'; select 1; LOAD $$it's$$; load 'a'")),
			answers(complete("LOAD"), complete("SELECT 1"), complete("LOAD"), complete("LOAD"), ready('I')).then("release"),
			anew(`LOAD E'a\\b';LOAD 'it''s';LOAD 'a';`))},
		{"but not one that fails", transactionMode, steps(
			begin(query("load 'a'; load 'b'")),
			answers(complete("LOAD"), failure("58P01", "no such file"), ready('I')).then("release"),
			anew("LOAD 'a';"))},
		{"in the extended protocol", transactionMode, steps(
			begin(parse("", "load 'a'"), bind("", ""), execute("", 0), syncing),
			answers(parsed, bound, complete("LOAD"), ready('I')).then("release"),
			anew("LOAD 'a';"))},
		{"by a named statement, when it is run", transactionMode, steps(
			client(parse("s", "load 'a'"), syncing).then("need"),
			leased().asks(parse(shared(1), "load 'a'"), syncing),
			answers(parsed, ready('I')).then("release"),
			asBefore, answers(ran...).then("release"),
			client(bind("", "s"), execute("", 0), syncing).then("need"),
			leased().asks(bind("", shared(1)), execute("", 0), syncing),
			answers(bound, complete("LOAD"), ready('I')).then("release"),
			anew("LOAD 'a';"))},
		{"DISCARD ALL does not undo it", transactionMode, steps(
			loads,
			begin(query("discard all")),
			answers(complete("DISCARD ALL"), ready('I')).then("release"),
			anew("LOAD 'auto_explain';"))},
		{"where its name cannot be told it pins", transactionMode, steps(
			begin(query("load 'a'\n'b'")),
			answers(complete("LOAD"), ready('I')).then("pinned: library"))},
		{"with the rights of a role too", transactionMode, steps(
			step{does: "it has a role", do: func(r *rig) { r.s.more().role = true }},
			begin(query("load 'a'")),
			answers(complete("LOAD"), ready('I')).then("pinned: library"))},
		{"and with session_state = pin", pinMode, steps(
			begin(query("load 'a'")),
			answers(complete("LOAD"), ready('I')).then("pinned: library"))},
		{"within DO it pins", transactionMode, steps(
			begin(query("do $$begin load 'a'; end$$")),
			answers(complete("DO"), ready('I')).asks(question(partsAll)).then("pinned: library"))},
		{"it needs no place", pinned, steps(
			step{does: "others are pinned", do: func(r *rig) { r.s.config.Shared.places.Add(1) }},
			loads)},
	})
}

// TestWhichOfSeveralLibrariesIsLoadedIsNotGuessed: one LOAD is bound, and another
// one is run.
func TestWhichOfSeveralLibrariesIsLoadedIsNotGuessed(t *testing.T) {
	r := newRig(t, &transactionMode)
	r.client(parse("", "load 'a'") + bind("", "") + parse("", "load 'b'") + bind("", "") + execute("", 0) + syncing)
	r.lease()
	r.server(parsed + bound + parsed + bound + complete("LOAD") + ready('I'))
	if got := r.s.Settings().Libraries(); len(got) > 0 || r.s.pins&ReasonLibrary == 0 {
		t.Errorf("%q follow the client, and it keeps its backend for %v", got, r.s.pins)
	}
}
