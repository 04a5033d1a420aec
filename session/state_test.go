package session

import (
	"testing"

	"pgweir/wire"
)

// with has the client or the backend begin with a setting of its own.
func with(side string, i int, value string) step {
	return step{does: side + " has " + wire.VarNames[i] + " = " + value, do: func(r *rig) {
		if side == "client" {
			r.s.vars = r.s.vars.With(i, value)
		} else {
			r.link.Vars = r.link.Vars.With(i, value)
		}
	}}
}

func backendHas(i int, value string) step {
	return check("the backend has "+wire.VarNames[i]+" = "+value, func(s *Session) bool { return s.link.Vars[i] == value })
}

// ownerKnows is backendHas after the lease.
func ownerKnows(i int, value string) step {
	return step{does: "the owner knows that the backend has " + wire.VarNames[i] + " = " + value, do: func(r *rig) {
		r.t.Helper()
		if r.link.Vars[i] != value {
			r.t.Fatal("it has " + r.link.Vars[i])
		}
	}}
}

func clientHas(i int, value string) step {
	return check("the client has "+wire.VarNames[i]+" = "+value, func(s *Session) bool { return s.Vars()[i] == value })
}

func TestSettingsFollowTheClient(t *testing.T) {
	setName := query("SET application_name = 'mine';")
	play(t, []transcript{
		{"equal ones cost nothing", transactionMode, steps(begin(query("select 1")))},
		{"others are set ahead, in the same write, and nobody hears of it", transactionMode, steps(
			with("client", wire.VarApplicationName, "mine"),
			client(query("select 1")).then("need"),
			leased().asks(setName, query("select 1")),
			server(notice("swallowed"), complete("SET"), reported("application_name", "mine"), notified),
			server(ready('I')),
			backendHas(wire.VarApplicationName, "mine"),
			answers(columns, row("1"), complete("SELECT 1"), ready('I')).then("release"),
			begin(query("select 2")),
		)},
		{"several in one message", transactionMode, steps(
			with("client", wire.VarApplicationName, "it's"),
			with("client", wire.VarTimeZone, "CET"),
			client(parse("", "select 1"), syncing).then("need"),
			leased().asks(query("SET application_name = 'it''s';SET TimeZone = 'CET';"), parse("", "select 1"), syncing),
			server(complete("SET"), complete("SET"), reported("application_name", "it's"), reported("TimeZone", "CET"), ready('I')),
			answers(parsed, ready('I')).then("release"),
		)},
		{"in session mode at the login", sessionMode, steps(
			with("client", wire.VarApplicationName, "mine"),
			leased().asks(setName),
			passes(query("select 1")),
			server(complete("SET"), ready('I')),
			answers(complete("SELECT 1"), ready('I')),
		)},
		{"the client's own SET is followed", transactionMode, steps(
			begin(query("SET TIME ZONE 'CET'")),
			answers(complete("SET"), reported("TimeZone", "CET"), ready('I')).then("release"),
			clientHas(wire.VarTimeZone, "CET"),
		)},
		{"and set anew on another backend", transactionMode, steps(
			begin(query("SET TIME ZONE 'CET'")),
			answers(complete("SET"), reported("TimeZone", "CET"), ready('I')).then("release"),
			step{do: func(r *rig) { there := startVars; r.link = &Link{Vars: &there} }},
			client(query("select 1")).then("need"),
			leased().asks(query("SET TimeZone = 'CET';"), query("select 1")),
		)},
		{"so is what a rollback undoes", transactionMode, steps(
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			passes(query("SET application_name = 'a'")),
			answers(complete("SET"), reported("application_name", "a"), ready('T')),
			clientHas(wire.VarApplicationName, "a"),
			passes(query("rollback")),
			answers(complete("ROLLBACK"), reported("application_name", ""), ready('I')).then("release"),
			clientHas(wire.VarApplicationName, ""),
		)},
		{"what the clean-up sets back is the backend's, not the client's", transactionMode, steps(
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			passes(query("SET application_name = 'a'")),
			answers(complete("SET"), reported("application_name", "a"), ready('T')),
			gone().asks(query("ROLLBACK")).then("end"),
			server(complete("ROLLBACK"), reported("application_name", "b"), ready('I')).then("release"),
			clientHas(wire.VarApplicationName, "a"),
			ownerKnows(wire.VarApplicationName, "b"),
		)},
		{"a report that cannot be read changes nothing", transactionMode, steps(
			begin(query("set x")),
			answers(message('S', "TimeZone\x00CET"), complete("SET"), ready('I')).asks(question(partSettings)),
			clientHas(wire.VarTimeZone, "UTC"),
		)},
		{"a setting that the server does not take ends the client", transactionMode, steps(
			with("client", wire.VarTimeZone, "Nowhere"),
			client(query("select 1")).then("need"),
			leased().asks(query("SET TimeZone = 'Nowhere';"), query("select 1")),
			server(failure("22023", "invalid value")).tells(fatal("22023", "invalid value")).then("drop busy end"),
		)},
		{"the server's last words are said though its answers are not", transactionMode, steps(
			with("client", wire.VarTimeZone, "CET"),
			client(query("select 1")).then("need"),
			leased().asks(query("SET TimeZone = 'CET';"), query("select 1")),
			server(fatal("57P01", "shutdown")).tells(fatal("57P01", "shutdown")).then("drop busy end"),
		)},
	})
}

func TestAllReportedParametersOfTheBackendAreKept(t *testing.T) {
	r := newRig(t, &transactionMode)
	r.link.Report([]byte("server_version"), []byte("15.1"))
	r.client(query("select 1"))
	r.lease()
	r.server(reported("server_version", "15.2") + reported("is_superuser", "on") + reported("timezone", "CET"))
	want := []wire.Param{{Name: "server_version", Value: "15.2"}, {Name: "is_superuser", Value: "on"}, {Name: "timezone", Value: "CET"}}
	if len(r.link.Params) != len(want) {
		t.Fatalf("got %v, want %v", r.link.Params, want)
	}
	for i, p := range r.link.Params {
		if p != want[i] {
			t.Fatalf("got %v, want %v", r.link.Params, want)
		}
	}
	if r.link.Vars[wire.VarTimeZone] != "CET" {
		t.Fatalf("the time zone is %q", r.link.Vars[wire.VarTimeZone])
	}
}
