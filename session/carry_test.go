package session

import (
	"testing"

	"pgweir/session/follow"
	"pgweir/wire"
)

// elsewhere: the next lease is of a backend on which nobody was.
func elsewhere() step { return step{do: func(r *rig) { r.link = newLink() }} }

func TestSettingsAreCarriedOver(t *testing.T) {
	memory := func(value string) string { return says(setting("work_mem", value), nobodyElse()) }
	replayed := query(guard + `SET "work_mem" = '1024';` + unguard)
	played := complete("SET") + complete("SET") + complete("RESET") + ready('I')
	play(t, []transcript{
		{"to another backend, ahead of the client's message", transactionMode, steps(
			asked("set work_mem = '1MB'", partSettings, memory("1024"), "release"),
			begin(query("select 1")), // here it is set
			answers(complete("SELECT 1"), ready('I')).then("release"),
			elsewhere(),
			client(query("select 1")).then("need"),
			leased().asks(replayed, query("select 1")),
			server(played, complete("SELECT 1"), ready('I')).
				tells(complete("SELECT 1"), ready('I')).then("release"),
			check("the backend has it", func(s *Session) bool { return s.Settings() != nil }),
			asked("reset work_mem", partSettings, says(nobodyElse()), "release"),
			check("nothing is set", func(s *Session) bool { return s.Settings() == nil }),
			elsewhere(),
			begin(query("select 1")),
		)},
		{"with the settings that are followed, in one message", transactionMode, steps(
			asked("set work_mem = '1MB'", partSettings, memory("1024"), "release"),
			elsewhere(),
			with("client", wire.VarTimeZone, "CET"),
			client(query("select 1")).then("need"),
			leased().asks(query(guard+`SET TimeZone = 'CET';SET "work_mem" = '1024';`+unguard), query("select 1")),
		)},
		{"but the encoding is in force before what is written in it", transactionMode, steps(
			begin(query("set my.x = 'ü'")),
			answers(complete("SET"), ready('I')).asks(question(partSettings, "my.x")),
			server(says(nobodyElse(), setting("my.x", "ü"))).then("release"),
			elsewhere(),
			with("client", wire.VarClientEncoding, "LATIN1"),
			client(query("select 1")).then("need"),
			leased().asks(query(guard+`SET client_encoding = 'LATIN1';`+unguard), query(guard+`SET "my"."x" = 'ü';`+unguard), query("select 1")),
		)},
		{"not what a block has rolled back", transactionMode, steps(
			begin(query("begin")),
			answers(complete("BEGIN"), ready('T')),
			passes(query("set work_mem = '1MB'")),
			answers(complete("SET"), ready('T')),
			passes(query("rollback")),
			answers(complete("ROLLBACK"), ready('I')).asks(question(partSettings)),
			server(says(nobodyElse())).then("release"),
			check("nothing is set", func(s *Session) bool { return s.Settings() == nil }),
		)},
		{"those of the one before are taken back", transactionMode, steps(
			step{do: func(r *rig) {
				r.link.settings = follow.NewSettings([]wire.Param{{Name: "role", Value: "joe"}, {Name: "work_mem", Value: "1"}})
			}},
			client(query("select 1")).then("need"),
			leased().asks(query(guard+`RESET SESSION AUTHORIZATION;RESET ROLE;RESET "work_mem";`+unguard), query("select 1")),
			server(complete("RESET"), complete("RESET"), complete("RESET"), ready('I')),
			answers(complete("SELECT 1"), ready('I')).then("release"),
			begin(query("select 1")),
		)},
		{"DISCARD ALL forgets them", transactionMode, steps(
			asked("set work_mem = '1MB'", partSettings, memory("1024"), "release"),
			begin(query("discard all")),
			answers(complete("DISCARD ALL"), ready('I')).then("release"),
			check("nothing is set", func(s *Session) bool { return s.Settings() == nil }),
			begin(query("select 1")),
		)},
		{"a setting that the server does not take any more ends the client", transactionMode, steps(
			asked("set work_mem = '1MB'", partSettings, memory("1024"), "release"),
			elsewhere(),
			client(query("select 1")).then("need"),
			leased().asks(replayed, query("select 1")),
			server(complete("SET"), fatal("22023", "no")).tells(fatal("22023", "no")).then("drop busy end"),
		)},
	})
}

// TestAPinnedClientHasItsStartupParametersBehindAReset: they were set on its backend
// like other settings, which RESET takes back.
func TestAPinnedClientHasItsStartupParametersBehindAReset(t *testing.T) {
	r := newRig(t, &transactionMode)
	base := follow.NewSettings([]wire.Param{{Name: "search_path", Value: "app"}})
	r.s.Begin(base, base, 0)
	r.client(query("select pg_advisory_lock(1)"))
	r.lease()
	r.server(complete("SET") + complete("SET") + complete("RESET") + ready('I'))
	r.server(columns + row("1") + complete("SELECT 1") + ready('I'))
	r.server(says(left("l"), setting("search_path", "app"), nobodyElse()))
	r.client(query("reset search_path"))
	r.server(complete("RESET") + ready('I'))
	r.server(says(left("l"), nobodyElse()))
	r.toServer = ""
	r.client(query("select * from t"))
	mustEqual(t, "the backend is told", r.toServer,
		query(guard+`SELECT pg_catalog.set_config('search_path','app',false);`+unguard)+query("select * from t"))
}
