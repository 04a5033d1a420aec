package session

import (
	"strings"
	"testing"

	"pgweir/session/follow"
	"pgweir/wire"
)

// othersSetting: another client has left a setting on the backend.
func othersSetting(name, value string) step {
	return step{do: func(r *rig) {
		r.link.settings = follow.NewSettings([]wire.Param{{Name: name, Value: value}})
	}}
}

// denied: the client gets no backend.
func denied(e *wire.Error) step {
	return step{does: "denied", do: func(r *rig) { r.refuse(e) }}
}

// TestSettingsThatAreRefusedOnAnothersAccount: the client has another backend,
// and says there what it has said here.
func TestSettingsThatAreRefusedOnAnothersAccount(t *testing.T) {
	reset := query(guard + `RESET "log_min_duration_statement";` + unguard)
	others := othersSetting("log_min_duration_statement", "0")
	refused := join([]string{complete("SET"), fatal("42501", "no")})
	simple := query("select 1")
	extended := join([]string{parse("", "select 1"), bind("", ""), execute("", 0), syncing})
	named := join([]string{bind("", "s"), execute("", 0), syncing})
	made := steps(
		client(parse("s", "select 1"), syncing).then("need"),
		leased().asks(parse(shared(1), "select 1"), syncing),
		answers(parsed, ready('I')).then("release"),
	)
	play(t, []transcript{
		{"a simple query", transactionMode, steps(
			others, client(simple).then("need"), leased().asks(reset, simple),
			server(refused).then("need drop"),
			elsewhere(), leased().asks(simple), answers(complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"several, and part of one", transactionMode, steps(
			others, client(simple, simple).then("need"), leased().asks(reset, simple, simple),
			client(simple[:7]),
			server(refused).then("need drop"),
			elsewhere(), leased().asks(simple, simple), client(simple[7:]).asks(simple),
			answers(complete("SELECT 1"), ready('I')), answers(complete("SELECT 1"), ready('I')),
			answers(complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"an extended one without its Sync", transactionMode, steps(
			others, client(extended[:len(extended)-len(syncing)]).then("need"),
			leased().asks(reset, extended[:len(extended)-len(syncing)]),
			server(refused).then("need drop"),
			elsewhere(), leased().asks(extended[:len(extended)-len(syncing)]), passes(syncing),
		)},
		{"a statement of a name", transactionMode, steps(
			made, elsewhere(), others, client(named).then("need"),
			leased().asks(reset, parse(shared(1), "select 1"), bind("", shared(1)), execute("", 0), syncing),
			server(refused).then("need drop"),
			elsewhere(), leased().asks(parse(shared(1), "select 1"), bind("", shared(1)), execute("", 0), syncing),
		)},
		{"the unnamed statement of before", transactionMode, steps(
			begin(parse("", "select 1"), syncing), answers(parsed, ready('I')).then("release"),
			elsewhere(), others, client(bind("", ""), execute("", 0), syncing, parse("", "select 2"), syncing).then("need"),
			leased().asks(reset, parse("", "select 1"), bind("", ""), execute("", 0), syncing, parse("", "select 2"), syncing),
			server(refused).then("need drop"),
			elsewhere(), leased().asks(parse("", "select 1"), bind("", ""), execute("", 0), syncing, parse("", "select 2"), syncing),
		)},
		{"and Terminate", transactionMode, steps(
			others, client(simple, terminate).then("need"), leased().asks(reset, simple),
			server(refused).then("need drop"),
			elsewhere(), leased().asks(simple), server(complete("SELECT 1"), ready('I')).tells(complete("SELECT 1"), ready('I')).then("release end"),
		)},
		{"a second one, too", transactionMode, steps(
			others, client(simple).then("need"), leased().asks(reset, simple),
			server(refused).then("need drop"),
			elsewhere(), others, leased().asks(reset, simple), server(refused).then("need drop"),
			elsewhere(), leased().asks(simple),
		)},
		{"it is gone meanwhile", transactionMode, steps(
			others, client(simple).then("need"), leased().asks(reset, simple),
			gone().then("drop busy end"),
		)},
		{"there is no other backend", transactionMode, steps(
			others, client(simple).then("need"), leased().asks(reset, simple),
			server(refused).then("need drop"),
			denied(errTimeout).tells(failure(errTimeout.Code, errTimeout.Message), ready('I')),
			elsewhere(), begin(simple),
		)},
		{"the server ends the backend just then", transactionMode, steps(
			with("client", wire.VarTimeZone, "CET"),
			others, client(simple).then("need"),
			leased().asks(query(guard+`SET TimeZone = 'CET';RESET "log_min_duration_statement";`+unguard), simple),
			server(fatal("57P01", "bye")).then("need drop"),
		)},
		{"an error before the guard is up", transactionMode, steps(
			others, client(simple).then("need"), leased().asks(reset, simple),
			server(failure("57014", "no")).tells(fatal("57014", "no")).then("drop busy end"),
		)},
		{"where that may be, all waits", transactionMode, steps(
			othersSetting("statement_timeout", "5"), client(simple).then("need"),
			leased().asks(query(guard+`RESET "statement_timeout";`+unguard)),
			client(simple),
			server(failure("57014", "no")).then("need drop"),
			elsewhere(), othersSetting("statement_timeout", "5"),
			leased().asks(query(guard+`RESET "statement_timeout";`+unguard)),
			server(complete("SET"), complete("RESET"), complete("RESET"), ready('I')).asks(simple, simple),
		)},
	})
}

// TestWhatCannotBeSaidAgainWaits: for the settings to be in force.
func TestWhatCannotBeSaidAgainWaits(t *testing.T) {
	r := newRig(t, &transactionMode)
	othersSetting("log_min_duration_statement", "0").do(r)
	one := query("select '" + strings.Repeat("x", 1000) + "'")
	r.client(strings.Repeat(one, 30))
	r.flags()
	r.lease()
	if n := strings.Count(r.toServer, one); n == 0 || n*len(one) > maxRefeed {
		t.Fatalf("%d of 30 queries are sent", n)
	}
	r.server(complete("SET") + complete("RESET") + complete("RESET") + ready('I'))
	for range 30 {
		if r.need {
			r.flags()
			r.lease()
		}
		r.server(complete("SELECT 1") + ready('I'))
	}
	if n := strings.Count(r.toServer, one); n != 30 {
		t.Errorf("%d of 30 queries are sent", n)
	}
	if r.link.said != nil {
		t.Errorf("room for %d bytes is kept", cap(r.link.said))
	}
}

// TestAClientsOwnGuardStays: a client may want any error to end its connection.
func TestAClientsOwnGuardStays(t *testing.T) {
	r := newRig(t, &transactionMode)
	r.s.settings = follow.NewSettings([]wire.Param{{Name: exitOnError, Value: "on"}, {Name: "work_mem", Value: "1"}})
	r.client(query("select 1"))
	r.lease()
	want := query(guard+`SET "exit_on_error" = 'on';SET "work_mem" = '1';SET "exit_on_error" = 'on';`) + query("select 1")
	mustEqual(t, "to the server", r.toServer, want)
}

// TestACleanUpThatFailsClosesTheBackend: or what was not cleaned is the next
// client's.
func TestACleanUpThatFailsClosesTheBackend(t *testing.T) {
	pinned := transactionMode
	pinned.MaxPinned = 1
	crowded := step{do: func(r *rig) { r.s.config.Shared.places.Store(1) }}
	canceled := join([]string{failure("57014", "canceled"), ready('I')})
	do := query("do $$begin create temp table x(); end$$")
	play(t, []transcript{
		{"DISCARD ALL above max_pinned", pinned, steps(
			crowded, begin(do),
			server(complete("DO"), ready('I')).tells(complete("DO")).asks(question(partsAll)),
			server(says(nobodyElse(), left("t"))).asks(query("DISCARD ALL")).
				tells(string(errMaxPinned(1).Append(nil))).then("unpinned"),
			server(canceled).tells(ready('I')).then("drop"),
		)},
		{"UNLISTEN behind LISTEN", transactionMode, steps(
			begin(query("listen a")),
			server(complete("LISTEN"), ready('I')).tells(complete("LISTEN")).asks(question(ReasonChannels)),
			server(says(left("c", "a"))).then("listen"),
			listened(nil).asks(query("UNLISTEN *")).tells(ready('I')),
			server(canceled).then("drop"),
			listensTo("a"),
		)},
		{"DISCARD ALL when the client has gone", transactionMode, steps(
			begin(query("begin")), answers(complete("BEGIN"), ready('T')), passes(query("create temp table x()")),
			answers(complete("CREATE TABLE"), ready('T')), gone().asks(query("ROLLBACK"), query("DISCARD ALL")).then("end"),
			server(complete("ROLLBACK"), ready('I')), server(canceled).then("drop"),
		)},
		{"DISCARD SEQUENCES ahead of lastval ends the client", transactionMode, steps(
			client(query("select lastval()")).then("need"),
			step{does: "another client was there", do: func(r *rig) { r.link.counted = severalCounted }},
			leased().asks(query(guard+"DISCARD SEQUENCES;"+unguard), query("select lastval()")),
			server(complete("SET"), fatal("57014", "canceled")).tells(fatal("57014", "canceled")).then("drop busy end"),
		)},
	})
}
