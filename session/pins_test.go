package session

import (
	"strings"
	"testing"

	"pgweir/session/follow"
	"pgweir/session/proof"
	"pgweir/wire"
)

// question is the text that asks the backend about some parts, as a Query.
func question(parts Reason, customs ...string) string {
	q := proof.Question{Parts: parts, Customs: customs, Prefix: follow.NamePrefix, User: "postgres"}
	return query(string(q.Append(nil)))
}

// questionAgain is question after it was canceled: under settings of pgweir's
// own.
func questionAgain(parts Reason) string {
	q := proof.Question{Parts: parts, Prefix: follow.NamePrefix, Guarded: true, User: "postgres"}
	return query(string(q.Append(nil)))
}

// left is a row of the answer: a reason's letter, with the channel of 'c'.
func left(kind string, name ...string) string {
	return row(kind, join(name), "")
}

// setting is the row of a setting.
func setting(name, value string) string { return row("s", name, value) }

// who are the rows of the role and the user.
func who(role, user string) string {
	return row("i", "role", role) + row("i", "session_authorization", user)
}

// nobodyElse is who for the one who has logged in.
func nobodyElse() string { return who("none", "postgres") }

// says is the answer to a question.
func says(rows ...string) string {
	return columns + join(rows) + complete("SELECT 1") + ready('I')
}

// asked is a query after which the backend is asked about parts; what it
// answers has the consequence that flags name.
func asked(sql string, parts Reason, answer, flags string) []step {
	return steps(
		begin(query(sql)),
		answers(columns, row("1"), complete("SELECT 1")),
		answers(ready('I')).asks(question(parts)),
		server(answer).then(flags),
	)
}

// inside is asked for a client that has its backend already, which may be asked
// about more.
func inside(sql string, parts Reason, answer, flags string) []step {
	return steps(
		passes(query(sql)),
		answers(columns, row("1"), complete("SELECT 1")),
		asksAbout(parts, answers(ready('I'))),
		server(answer).then(flags),
	)
}

// asksAbout is a step that has the backend asked about some parts, at least.
func asksAbout(parts Reason, s step) step {
	do := s.do
	s.do = func(r *rig) {
		do(r)
		for part := Reason(1); part != 0; part <<= 1 {
			q := proof.Question{Parts: parts & part, Prefix: follow.NamePrefix, User: "postgres"}
			if !strings.Contains(r.toServer, string(q.Append(nil))) {
				r.t.Fatalf("the backend is not asked about %b, but told %s", parts, show(r.toServer))
			}
		}
		if all, _ := frames(r.toServer); len(all) != 1 {
			r.t.Fatalf("the backend is told %s", show(r.toServer))
		}
		r.toServer = ""
	}
	return s
}

// canceledQuestion is the answer to a question that a cancel has hit.
var canceledQuestion = failure("57014", "canceling statement due to statement timeout") + ready('I')

// many is a step again and again.
func many(n int, s step) (all []step) {
	for range n {
		all = append(all, s)
	}
	return all
}

func TestPins(t *testing.T) {
	long := query("select '" + strings.Repeat("x", MaxMessage) + "'")
	hidden := "select '" + strings.Repeat("x", MaxMessage) + "', set_config('my.x', 'y', false)"
	sets, setsParse := query(hidden), parse("", hidden)
	early := parse("", "select set_config('my.y', 'y', false), '"+strings.Repeat("x", MaxMessage)+"'")
	lock, unlock := "select pg_advisory_lock(1)", "select pg_advisory_unlock(1)"
	play(t, []transcript{
		{"nothing is left behind", transactionMode, steps(
			asked(lock, ReasonLock, says(), "release"),
			begin(query("select 1")),
		)},
		{"what is left keeps the backend until it is gone", transactionMode, steps(
			asked(lock, ReasonLock, says(left("l")), "pinned: advisory lock"),
			check("it is pinned", (*Session).Pinned),
			passes(query("select 1")),
			answers(complete("SELECT 1"), ready('I')),
			inside("create temp table t (a int)", ReasonTemp, says(left("t")), "pinned: advisory lock, temporary table"),
			inside(unlock, ReasonLock, says(left("l"), left("t")), ""),
			inside(unlock, ReasonLock, says(left("t")), "pinned: temporary table"),
			inside("drop table t", ReasonTemp, says(), "release unpinned"),
			begin(query("select 1")),
		)},
		{"what there is none of is not asked for when it may have ended", transactionMode, steps(
			begin(query(unlock)),
			answers(complete("SELECT 1"), ready('I')).then("release"),
		)},
		{"the question comes after the transaction, not in it", transactionMode, steps(
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			passes(query("create temp table t (a int)")),
			answers(complete("CREATE TABLE"), ready('T')),
			passes(query("commit")),
			answers(complete("COMMIT")),
			answers(ready('I')).asks(question(ReasonTemp)),
			server(says(left("t"))).then("pinned: temporary table"),
		)},
		{"nor in the midst of a pipeline", transactionMode, steps(
			begin(query("declare c cursor with hold for select 1"), query("select 1")),
			answers(complete("DECLARE CURSOR"), ready('I')),
			answers(columns, row("1"), complete("SELECT 1"), ready('I')).asks(question(ReasonCursor)),
			server(says(left("h"))).then("pinned: held cursor"),
			inside("close c", ReasonCursor, says(), "release unpinned"),
		)},
		{"what the client says while the question is under way waits for the answer", transactionMode, steps(
			begin(query(lock)),
			answers(complete("SELECT 1"), ready('I')).asks(question(ReasonLock)),
			check("the client waits for nothing", func(s *Session) bool { return !s.Owes() }),
			client(query("select 1"), query("select 2")),
			server(says(left("l"))).asks(query("select 1"), query("select 2")).then("pinned: advisory lock"),
			check("now it does", (*Session).Owes),
			answers(notice("for the client"), complete("SELECT 1"), ready('I')),
		)},
		{"or for another backend", transactionMode, steps(
			begin(query(lock)),
			answers(complete("SELECT 1"), ready('I')).asks(question(ReasonLock)),
			client(query("select 1")),
			server(says()).then("need release"),
			leased().asks(query("select 1")),
		)},
		{"a question that fails pins until another does not", transactionMode, steps(
			begin(query("do 'x'")),
			answers(complete("DO"), ready('I')).asks(question(partsAll)),
			server(failure("42501", "no"), ready('I')).then("pinned: unknown"),
			inside("select 1", partsAll, failure("42501", "no")+ready('I'), ""),
			inside("select 1", partsAll, says(nobodyElse()), "release unpinned"),
		)},
		{"one that is canceled is asked again", transactionMode, steps(
			begin(query(lock)),
			answers(complete("SELECT 1"), ready('I')).asks(question(ReasonLock)),
			server(canceledQuestion).asks(questionAgain(ReasonLock)),
			server(says(left("l"))).then("pinned: advisory lock"),
		)},
		{"but not for ever, for that may be the client's own statement_timeout", transactionMode, steps(
			begin(query(lock)),
			answers(complete("SELECT 1"), ready('I')).asks(question(ReasonLock)),
			many(maxTries, server(canceledQuestion).asks(questionAgain(ReasonLock))),
			server(canceledQuestion).then("pinned: unknown"),
			inside("select 1", partsAll, says(nobodyElse()), "release unpinned"),
			begin(query(lock)),
			answers(complete("SELECT 1"), ready('I')).asks(question(ReasonLock)),
			many(maxTries, server(canceledQuestion).asks(questionAgain(ReasonLock))),
			server(says()).then("release"),
		)},
		{"the client need not say anything for it to be asked anew", transactionMode, steps(
			begin(query(lock)),
			answers(complete("SELECT 1"), ready('I')).asks(question(ReasonLock)),
			many(maxTries, server(canceledQuestion).asks(questionAgain(ReasonLock))),
			server(canceledQuestion).then("pinned: unknown"),
			rest().asks(question(partsAll)),
			many(maxTries, server(canceledQuestion).asks(questionAgain(partsAll))),
			server(canceledQuestion),
			rest().asks(question(partsAll)),
			server(says(nobodyElse())).then("release unpinned"),
			rest(),
		)},
		{"but where it fails for another reason it is not", transactionMode, steps(
			begin(query("do 'x'")),
			answers(complete("DO"), ready('I')).asks(question(partsAll)),
			server(failure("42501", "no"), ready('I')).then("pinned: unknown"),
			rest(), rest(),
		)},
		{"nor of a client that has gone", transactionMode, steps(
			begin(query(lock)),
			answers(complete("SELECT 1"), ready('I')).asks(question(ReasonLock)),
			gone().then("end"),
			many(maxTries, server(canceledQuestion).asks(questionAgain(ReasonLock))),
			server(canceledQuestion).asks(query("DISCARD ALL")).then("end"),
			server(complete("DISCARD ALL"), ready('I')).then("release"),
		)},
		{"what undoes nothing pins until the end, and the backend is nobody else's", transactionMode, steps(
			begin(query("select pg_backup_start('x')")),
			answers(complete("SELECT 1"), ready('I')).then("pinned: library"),
			passes(query("discard all")),
			answers(complete("DISCARD ALL"), ready('I')),
			gone().then("drop end"),
		)},
		{"settings of an unknown name pin", transactionMode, steps(
			begin(query("select set_config(x, '1', false) from t")),
			answers(complete("SELECT 1")),
			answers(ready('I')).asks(question(partSettings)).then("pinned: setting"),
			server(says(nobodyElse())),
			passes(query("select 1")),
			answers(complete("SELECT 1"), ready('I')),
			passes(query("discard all")),
			answers(complete("DISCARD ALL"), ready('I')).then("release unpinned"),
		)},
		{"DISCARD ALL does not unpin what is sent behind it", transactionMode, steps(
			asked(lock, ReasonLock, says(left("l")), "pinned: advisory lock"),
			client(query("discard all"), query(lock)).asks(query("discard all")),
			server(complete("DISCARD ALL"), ready('I')).tells(complete("DISCARD ALL"), ready('I')).then("need release unpinned"),
			leased().asks(query(lock)),
		)},
		{"DISCARD ALL ends all but libraries, in the extended protocol too", transactionMode, steps(
			asked(lock, ReasonLock, says(left("l")), "pinned: advisory lock"),
			passes(parse("", "discard all"), bind("", ""), execute("", 0), syncing),
			answers(parsed, bound, complete("DISCARD ALL"), ready('I')).then("release unpinned"),
		)},
		{"a client that goes leaves no pinned state behind", transactionMode, steps(
			asked(lock, ReasonLock, says(left("l")), "pinned: advisory lock"),
			gone().asks(query("DISCARD ALL")).then("end"),
			server(complete("DISCARD ALL"), ready('I')).then("release"),
		)},
		{"nor when it says good-bye at once", transactionMode, steps(
			client(query(lock), terminate).then("need"),
			leased().asks(query(lock)),
			answers(complete("SELECT 1")),
			answers(ready('I')).asks(query("DISCARD ALL")).then("end"),
			server(complete("DISCARD ALL"), ready('I')).then("release"),
		)},
		{"an extended statement hints when it is bound, not only when it is parsed", transactionMode, steps(
			begin(parse("", lock), syncing),
			answers(parsed, ready('I')).asks(question(ReasonLock)),
			server(says()).then("release"),
			client(bind("", ""), execute("", 0), syncing).then("need"),
			leased().asks(parse("", lock), bind("", ""), execute("", 0), syncing),
			server(parsed, bound, row(""), complete("SELECT 1"), ready('I')).
				tells(bound, row(""), complete("SELECT 1"), ready('I')).asks(question(ReasonLock)),
			server(says(left("l"))).then("pinned: advisory lock"),
			// The question was a simple query: there is no unnamed statement now.
			client(bind("", ""), syncing).asks(parse("", lock), bind("", ""), syncing),
		)},
		{"so does a named one", transactionMode, steps(
			client(parse("s", "select 1"), parse("l", lock), syncing).then("need"),
			anyLease(),
			answers(parsed, parsed, ready('I')).then("release"),
			client(bind("", "s"), execute("", 0), syncing).then("need"),
			anyLease(),
			answers(bound, row("1"), complete("SELECT 1"), ready('I')).then("release"),
			client(bind("", "l"), execute("", 0), syncing).then("need"),
			anyLease(),
			answers(bound, row(""), complete("SELECT 1"), ready('I')).asks(question(ReasonLock)),
		)},
		{"a refused Parse does not hide what the unnamed statement hints at", unnamedOnly, steps(
			begin(parse("", lock), syncing),
			answers(parsed, ready('I')).asks(question(ReasonLock)),
			server(says()).then("release"),
			client(parse("a", "select 1"), syncing).then("need"),
			leased().asks(refusedBind, syncing),
			step{do: func(r *rig) {
				r.server(failure("26000", `prepared statement "`+refusedName+`" does not exist`) + ready('I'))
				r.toClient = ""
			}}.then("release"),
			client(bind("", ""), execute("", 0), syncing).then("need"),
			leased().asks(parse("", lock), bind("", ""), execute("", 0), syncing),
			server(parsed, bound, row(""), complete("SELECT 1"), ready('I')).
				tells(bound, row(""), complete("SELECT 1"), ready('I')).asks(question(ReasonLock)),
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
			answers(ready('I')).asks(question(partsAll)),
			server(says(nobodyElse())).then("release"),
		)},
		{"a setting that it sets there is not known", transactionMode, steps(
			client(sets[:MaxMessage]).then("need"),
			leased().asks(sets[:MaxMessage]),
			passes(sets[MaxMessage:]),
			answers(complete("SELECT 1")),
			answers(ready('I')).asks(question(partsAll)).then("pinned: setting"),
			server(says(nobodyElse())),
		)},
		{"nor in a Parse", transactionMode, steps(
			client(setsParse[:MaxMessage]).then("need"),
			leased().asks(setsParse[:MaxMessage]),
			passes(setsParse[MaxMessage:], bind("", ""), execute("", 0), syncing),
			answers(parsed, bound, complete("SELECT 1"), ready('I')).asks(question(partsAll)).then("pinned: setting"),
		)},
		{"but one that it sets early is, and data behind is no text", transactionMode, steps(
			client(early[:MaxMessage]).then("need"),
			leased().asks(early[:MaxMessage]),
			passes(early[MaxMessage:], bind("", ""), execute("", 0), copyData(strings.Repeat("set_config ", MaxMessage)), syncing),
			answers(parsed, bound, complete("SELECT 1"), ready('I')).asks(question(partsAll, "my.y")),
			server(says(nobodyElse())).then("release"),
		)},
		{"strings are read as the client's setting has it", transactionMode, steps(
			with("client", wire.VarStandardConformingStrings, "off"),
			with("backend", wire.VarStandardConformingStrings, "off"),
			begin(query(`select 'a\'; prepare b as select 1; select '`)),
			answers(complete("SELECT 1"), ready('I')).then("release"),
			begin(query(`select 'a\''; prepare b as select 1; select '`)),
			answers(complete("PREPARE"), ready('I')).asks(question(ReasonPrepared)),
		)},
		{"nothing is watched if it is not wanted", unwatched, steps(
			begin(query("set my.x = 1")),
			answers(complete("SET"), ready('I')).then("release"),
		)},
		{"nor in session mode", sessionMode, steps(
			leased(),
			passes(query(lock)),
			answers(complete("SELECT 1"), ready('I')),
			check("it is not called pinned", func(s *Session) bool { return !s.Pinned() }),
		)},
		{"statement mode pins too", statementMode, steps(
			asked("create temp table t (a int)", ReasonTemp, says(left("t")), "pinned: temporary table"),
		)},
		{"with session_state = pin settings do too", pinMode, steps(
			asked("set work_mem = '1MB'", partSettings, says(nobodyElse(), setting("work_mem", "1024")), "pinned: setting"),
			inside("reset work_mem", partSettings, says(nobodyElse()), "release unpinned"),
		)},
	})
}

// anyLease is leased, whatever the backend is sent.
func anyLease() step {
	return step{does: "lease", do: func(r *rig) { r.lease(); r.toServer = "" }}
}

// TestWhatATextIsAskedAbout: whether settings have to be asked for after a
// statement, and which of them by name.
func TestWhatATextIsAskedAbout(t *testing.T) {
	for text, want := range map[string]string{
		"set application_name = 'a'":                          "",
		"SET SESSION timezone TO 'UTC'":                       "",
		"set time zone 'UTC';":                                "",
		"set names 'UTF8'":                                    "",
		"set client_encoding to latin1 ;":                     "",
		"set DateStyle=iso":                                   "",
		"set work_mem = '1MB'":                                "asked",
		"set search_path to a, b":                             "asked",
		"set role joe":                                        "asked",
		"set time_zone = 1":                                   "asked",
		"set session characteristics as x":                    "asked",
		"set my.x = 1":                                        "asked my.x",
		"set my . x = 1":                                      "asked my.x",
		`set "my.x" = 1`:                                      "asked my.x",
		"set/**/MY.X = 1":                                     "asked my.x",
		"set session authorization joe":                       "asked",
		"set session_authorization = joe":                     "asked",
		"/* who */ set my.x = 1":                              "asked my.x",
		"-- who\nset my.x = 1":                                "asked my.x",
		"set work_mem = 1; set my.x = 2":                      "asked my.x",
		"select 1; set work_mem = 1":                          "asked",
		"set application_name = 'a'; set work_mem = 1":        "asked",
		"select set_config('my.x', '1', false)":               "asked my.x",
		"select set_config('timezone', 'UTC', false)":         "asked",
		"select set_config('my.x', '1', true)":                "",
		"select set_config(name, '1', false)":                 "asked unknown",
		"do $$ begin set my.x = 1; end $$":                    "asked my.x",
		"do $$ begin set application_name = 'x'; end $$":      "asked",
		"do $a$ begin perform set_config(v, 'x', f); end $a$": "asked unknown",
		"set local work_mem = 1":                              "",
	} {
		r := newRig(t, &transactionMode)
		h, _ := r.s.scan([]byte(text), nil)
		got := ""
		if r.s.parts(h)&partSettings != 0 {
			got = "asked"
		}
		if r.s.extra != nil {
			for _, name := range r.s.extra.customs {
				got += " " + name
			}
			if r.s.extra.unknown {
				got += " unknown"
			}
		}
		if got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
