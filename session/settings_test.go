package session

import (
	"testing"

	"pgweir/wire"
)

func TestReplay(t *testing.T) {
	list := func(pairs ...string) *Settings {
		var all []wire.Param
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, wire.Param{Name: pairs[i], Value: pairs[i+1]})
		}
		return NewSettings(all)
	}
	for _, c := range []struct {
		name     string
		from, to *Settings
		want     string
	}{
		{"nothing to nothing", nil, nil, ""},
		{"equal sets in another order", list("a", "1", "b", "2"), list("b", "2", "a", "1"), ""},
		{"a name that comes twice", list("a", "1"), list("a", "1", "a", "1"), ""},
		{"from nothing", nil, list("work_mem", "1024"), `SET "work_mem" = '1024';`},
		{"to nothing", list("work_mem", "1024"), nil, `RESET "work_mem";`},
		{"what is equal stays", list("a", "1", "b", "2", "c", "3"), list("a", "1", "b", "9", "d", "4"),
			`RESET "c";SET "b" = '9';SET "d" = '4';`},
		{"names and values with quotes", nil, list(`my."x`, `it's \`), `SET "my"."""x" = ` + string(wire.AppendLiteral(nil, `it's \`)) + ";"},
		{"extensions' settings", list("my.x", "1"), list("my.y", ""), `RESET "my"."x";SET "my"."y" = '';`},
		{"lists are set as lists", nil, list("search_path", `"$user", public`),
			`SELECT pg_catalog.set_config('search_path','"$user", public',false);`},
		{"the role comes last", nil, list("work_mem", "1", "role", "joe", "session_authorization", "ann", "zone", "2"),
			`SET "work_mem" = '1';SET "zone" = '2';SELECT pg_catalog.set_config('session_authorization','ann',false);` +
				`SELECT pg_catalog.set_config('role','joe',false);`},
		{"and what another's role was set with is taken back first", list("role", "joe"), list("work_mem", "1"),
			`RESET SESSION AUTHORIZATION;RESET ROLE;SET "work_mem" = '1';`},
		{"a role that stays is set anew all the same", list("role", "joe"), list("role", "joe", "work_mem", "1"),
			`RESET SESSION AUTHORIZATION;RESET ROLE;SET "work_mem" = '1';SELECT pg_catalog.set_config('role','joe',false);`},
	} {
		if got := string(c.to.appendReplay(nil, c.from, nil)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestSettingsAreComparedByTheirValues(t *testing.T) {
	a := NewSettings([]wire.Param{{Name: "b", Value: "2"}, {Name: "a", Value: "1"}})
	b := NewSettings([]wire.Param{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}, {Name: "a", Value: "1"}})
	other := NewSettings([]wire.Param{{Name: "a", Value: "1"}, {Name: "b", Value: "3"}})
	shifted := NewSettings([]wire.Param{{Name: "a", Value: "1b"}, {Name: "", Value: "2"}})
	if !a.equal(b) || a.Fingerprint != b.Fingerprint {
		t.Error("equal sets are not equal")
	}
	if a.equal(other) || a.equal(nil) || (*Settings)(nil).equal(a) || a.equal(shifted) {
		t.Error("sets that differ are equal")
	}
	if !(*Settings)(nil).equal(nil) || NewSettings(nil) != nil {
		t.Error("there are several empty sets")
	}
	if v, ok := a.get("b"); v != "2" || !ok {
		t.Errorf("b is %q", v)
	}
	if _, ok := a.get("c"); ok {
		t.Error("it has what was not put into it")
	}
	if !a.isPlain() || NewSettings([]wire.Param{{Name: "a", Value: "ü"}}).isPlain() {
		t.Error("plain is not what is ASCII")
	}
}

// TestStatementsAreSharedUnderSettingsThatDoNotMatterToThem: one hash for those
// under which constants are read, one for those that say what names mean.
func TestStatementsAreSharedUnderSettingsThatDoNotMatterToThem(t *testing.T) {
	librarySettings.Store("library.known", nil)
	for _, c := range []struct {
		name, value    string
		reading, names bool // whether it tells statements apart
	}{
		{"statement_timeout", "1s", false, false},
		{"Work_Mem", "1MB", false, false},
		{"app.tenant", "42", false, false},
		{"search_path", "a", false, true},
		{"role", "a", false, true},
		{"transform_null_equals", "on", true, false},
		{"extra_float_digits", "0", true, false},
		{"nobody_knows", "1", true, false},
		{"library.known", "1", true, false},
	} {
		s := NewSettings([]wire.Param{{Name: c.name, Value: c.value}})
		other := NewSettings([]wire.Param{{Name: c.name, Value: c.value + "0"}})
		if got := s.readingHash() != (*Settings)(nil).readingHash(); got != c.reading || got != (s.readingHash() != other.readingHash()) {
			t.Errorf("%s: constants are read otherwise: %v, want %v", c.name, got, c.reading)
		}
		if got := s.namesHash() != (*Settings)(nil).namesHash(); got != c.names || got != (s.namesHash() != other.namesHash()) {
			t.Errorf("%s: names mean something else: %v, want %v", c.name, got, c.names)
		}
	}
}

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
				r.link.settings = NewSettings([]wire.Param{{Name: "role", Value: "joe"}, {Name: "work_mem", Value: "1"}})
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
