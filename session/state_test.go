package session

import (
	"strings"
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
			check("the owner knows what the backend has", func(s *Session) bool { return s.link.Vars[wire.VarApplicationName] == "b" }),
		)},
		{"a report that cannot be read changes nothing", transactionMode, steps(
			begin(query("set x")),
			answers(message('S', "TimeZone\x00CET"), complete("SET"), ready('I')).asks(string(question)),
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

// asked is a query after which the backend is asked what is left, and says so.
func asked(sql, left string) []step {
	s := steps(
		begin(query(sql)),
		answers(columns, row("1"), complete("SELECT 1")),
		answers(ready('I')).asks(string(question)),
		server(columns, row(left), complete("SELECT 1")),
	)
	if left == "" {
		return append(s, server(ready('I')).then("release"))
	}
	return append(s, server(ready('I')).then("pinned: "+left), check("it is pinned", (*Session).Pinned))
}

// inside is asked for a client that has its backend already.
func inside(sql, left, flags string) []step {
	return steps(
		passes(query(sql)),
		answers(columns, row("1"), complete("SELECT 1")),
		answers(ready('I')).asks(string(question)),
		server(columns, row(left), complete("SELECT 1"), ready('I')).then(flags),
	)
}

func TestPins(t *testing.T) {
	long := query("select '" + strings.Repeat("x", MaxMessage) + "'")
	blind := "pinned: settings that cannot be asked for"
	play(t, []transcript{
		{"nothing is left behind", transactionMode, steps(asked("select pg_advisory_lock(1)", ""), begin(query("select 1")))},
		{"what is left keeps the backend", transactionMode, steps(
			asked("select pg_advisory_lock(1)", "advisory locks"),
			passes(query("select 1")),
			answers(complete("SELECT 1"), ready('I')),
			inside("select pg_advisory_unlock(1)", "advisory locks, settings", ""),
			inside("select pg_advisory_unlock(1)", "", "release"),
		)},
		{"the question comes after the transaction, not in it", transactionMode, steps(
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			passes(query("create temp table t (a int)")),
			answers(complete("CREATE TABLE"), ready('T')),
			passes(query("commit")),
			answers(complete("COMMIT")),
			answers(ready('I')).asks(string(question)),
			server(columns, row("temporary objects"), complete("SELECT 1"), ready('I')).then("pinned: temporary objects"),
		)},
		{"nor in the midst of a pipeline", transactionMode, steps(
			begin(query("listen a"), query("select 1")),
			answers(complete("LISTEN"), ready('I')),
			answers(columns, row("1"), complete("SELECT 1"), ready('I')).asks(string(question)),
			server(columns, row("channels"), complete("SELECT 1"), ready('I')).then("pinned: channels"),
			passes(query("unlisten a")),
			answers(complete("UNLISTEN"), ready('I')).asks(string(question)),
			server(columns, row(""), complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"the client goes on while the question is under way", transactionMode, steps(
			begin(query("SET work_mem = '1MB'")),
			answers(complete("SET"), ready('I')).asks(string(question)),
			check("the client waits for nothing", func(s *Session) bool { return !s.Owes() }),
			passes(query("select 1")),
			check("now it does", (*Session).Owes),
			server(columns, row("settings"), complete("SELECT 1"), ready('I'), notice("for the client"), complete("SELECT 1"), ready('I')).
				tells(notice("for the client"), complete("SELECT 1"), ready('I')).then("pinned: settings"),
		)},
		{"a notification while the question is under way is the client's", transactionMode, steps(
			begin(query("listen a")),
			answers(complete("LISTEN"), ready('I')).asks(string(question)),
			server(columns, notified, row("channels"), complete("SELECT 1"), ready('I')).tells(notified).then("pinned: channels"),
		)},
		{"a question that fails pins for good", transactionMode, steps(
			begin(query("do 'x'")),
			answers(complete("DO"), ready('I')).asks(string(question)),
			server(failure("42501", "no"), ready('I')).then("pinned: state that could not be asked for"),
			passes(query("select pg_advisory_unlock(1)")),
			answers(complete("SELECT 1"), ready('I')),
		)},
		{"an answer that cannot be read pins for good, too", transactionMode, steps(
			begin(query("do 'x'")),
			answers(complete("DO"), ready('I')).asks(string(question)),
			server(columns, message('D', "\x00\x01\x00"), complete("SELECT 1"), ready('I')).then("pinned: state that could not be asked for"),
		)},
		{"state that cannot be asked for pins without a question", transactionMode, steps(
			begin(query("select set_config('my.x', '1', false)")),
			answers(complete("SELECT 1"), ready('I')).then(blind),
			passes(query("select pg_advisory_unlock(1)")),
			answers(complete("SELECT 1"), ready('I')),
			passes(query("discard all")),
			answers(complete("DISCARD ALL"), ready('I')).then("release"),
		)},
		{"so do custom settings and other users", transactionMode, steps(
			begin(query("set my.x = 1")),
			answers(complete("SET"), ready('I')).then(blind),
			passes(parse("", "discard all"), bind("", ""), execute("", 0), syncing),
			answers(parsed, bound, complete("DISCARD ALL"), ready('I')).then("release"),
			begin(query("set session authorization joe")),
			answers(complete("SET"), ready('I')).then(blind),
		)},
		{"DISCARD ALL does not unpin what is sent behind it", transactionMode, steps(
			begin(query("set my.x = 1")),
			answers(complete("SET"), ready('I')).then(blind),
			passes(query("discard all"), query("set my.x = 2")),
			answers(complete("DISCARD ALL"), ready('I')),
			answers(complete("SET"), ready('I')),
		)},
		{"DISCARD ALL ends a pin that has been asked for", transactionMode, steps(
			asked("SET work_mem = '1MB'", "settings"),
			passes(query("discard all")),
			answers(complete("DISCARD ALL"), ready('I')).then("release"),
		)},
		{"a client that goes leaves no pinned state behind", transactionMode, steps(
			asked("SET work_mem = '1MB'", "settings"),
			gone().asks(query("DISCARD ALL")).then("end"),
			server(complete("DISCARD ALL"), ready('I')).then("release"),
		)},
		{"nor when it says good-bye at once", transactionMode, steps(
			client(query("SET work_mem = '1MB'"), terminate).then("need"),
			leased().asks(query("SET work_mem = '1MB'")),
			answers(complete("SET")),
			answers(ready('I')).asks(query("DISCARD ALL")).then("end"),
			server(complete("DISCARD ALL"), ready('I')).then("release"),
		)},
		{"an extended statement hints when it is bound, not only when it is parsed", transactionMode, steps(
			begin(parse("", "select pg_advisory_lock(1)"), syncing),
			answers(parsed, ready('I')).asks(string(question)),
			server(columns, row(""), complete("SELECT 1"), ready('I')).then("release"),
			client(bind("", ""), execute("", 0), syncing).then("need"),
			leased().asks(parse("", "select pg_advisory_lock(1)"), bind("", ""), execute("", 0), syncing),
			server(parsed, bound, row(""), complete("SELECT 1"), ready('I')).
				tells(bound, row(""), complete("SELECT 1"), ready('I')).asks(string(question)),
			server(columns, row("advisory locks"), complete("SELECT 1"), ready('I')).then("pinned: advisory locks"),
			// The question was a simple query: there is no unnamed statement now.
			client(bind("", ""), syncing).asks(parse("", "select pg_advisory_lock(1)"), bind("", ""), syncing),
		)},
		{"a refused Parse does not hide what the unnamed statement hints at", transactionMode, steps(
			begin(parse("", "select pg_advisory_lock(1)"), syncing),
			answers(parsed, ready('I')).asks(string(question)),
			server(columns, row(""), complete("SELECT 1"), ready('I')).then("release"),
			client(parse("a", "select 1"), syncing).then("need"),
			leased().asks(refusedBind, syncing),
			step{do: func(r *rig) {
				r.server(failure("26000", `prepared statement "`+refusedName+`" does not exist`) + ready('I'))
				r.toClient = ""
			}}.then("release"),
			client(bind("", ""), execute("", 0), syncing).then("need"),
			leased().asks(parse("", "select pg_advisory_lock(1)"), bind("", ""), execute("", 0), syncing),
			server(parsed, bound, row(""), complete("SELECT 1"), ready('I')).
				tells(bound, row(""), complete("SELECT 1"), ready('I')).asks(string(question)),
		)},
		{"settings that are followed are no state", transactionMode, steps(
			begin(query("SET application_name = 'x'")),
			answers(complete("SET"), reported("application_name", "x"), ready('I')).then("release"),
			begin(query("set local work_mem = '1MB'")),
			answers(complete("SET"), ready('I')).then("release"),
		)},
		{"a text that goes on unseen is asked about", transactionMode, steps(
			client(long[:MaxMessage]).then("need"),
			leased().asks(long[:MaxMessage]),
			passes(long[MaxMessage:]),
			answers(complete("SELECT 1")),
			answers(ready('I')).asks(string(question)),
			server(columns, row(""), complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"strings are read as the client's setting has it", transactionMode, steps(
			with("client", wire.VarStandardConformingStrings, "off"),
			with("backend", wire.VarStandardConformingStrings, "off"),
			begin(query(`select 'a\'; listen b; select '`)),
			answers(complete("SELECT 1"), ready('I')).then("release"),
			begin(query(`select 'a\''; listen b; select '`)),
			answers(complete("LISTEN"), ready('I')).asks(string(question)),
		)},
		{"nothing is watched if it is not wanted", unwatched, steps(
			begin(query("set my.x = 1")),
			answers(complete("SET"), ready('I')).then("release"),
		)},
		{"nor in session mode", sessionMode, steps(
			leased(),
			passes(query("select pg_advisory_lock(1)")),
			answers(complete("SELECT 1"), ready('I')),
			check("it is not called pinned", func(s *Session) bool { return !s.Pinned() }),
		)},
		{"statement mode pins too", statementMode, steps(asked("create temp table t (a int)", "temporary objects"))},
	})
}

func TestSettingsAreToldApart(t *testing.T) {
	for text, want := range map[string]settingKind{
		"set application_name = 'a'":             settingFollowed,
		"SET SESSION timezone TO 'UTC'":          settingFollowed,
		"set time zone 'UTC';":                   settingFollowed,
		"set names 'UTF8'":                       settingFollowed,
		"set client_encoding to latin1 ;":        settingFollowed,
		"set DateStyle=iso":                      settingFollowed,
		"set work_mem = '1MB'":                   settingAsked,
		"set search_path to a, b":                settingAsked,
		"set role joe":                           settingAsked,
		"set time_zone = 1":                      settingAsked,
		"set session characteristics as x":       settingAsked,
		"reset work_mem":                         settingAsked,
		"set my.x = 1":                           settingUnseen,
		"set my . x = 1":                         settingUnseen,
		`set "my.x" = 1`:                         settingUnseen,
		"set/**/my.x = 1":                        settingUnseen,
		"set session authorization joe":          settingUnseen,
		"set session session authorization joe":  settingUnseen,
		"set session_authorization = joe":        settingUnseen,
		"/* who */ set my.x = 1":                 settingUnseen,
		"-- who\nset my.x = 1":                   settingUnseen,
		"set my/**/.x = 1":                       settingUnseen,
		"/* who */ set work_mem = 1":             settingAsked,
		"set work_mem = 1; set my.x = 2":         settingUnseen,
		"select 1; set session authorization j;": settingUnseen,
		"select 1; set work_mem = 1":             settingAsked,
	} {
		if got := settingOf([]byte(text)); got != want {
			t.Errorf("%q is of kind %d, want %d", text, got, want)
		}
	}
}
