package proof

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgweir/wire"
)

// function is the row of a function in SQL or PL/pgSQL, uses that of an object
// that uses another one.
func function(name, body string) Row { return Row{rowBody, name, body} }
func uses(user, used string) Row     { return Row{rowUses, user, used} }

// of are the hints of a statement by the names in it.
func of(k *Knowledge, sql string) wire.Hints {
	l := k.Of([]byte(sql), false)
	if l == nil {
		return 0
	}
	return l.Hints
}

func TestWhatIsLeftIsPassedOnToAllThatUsesIt(t *testing.T) {
	k := newKnowledge([]Row{
		function("locks", "begin perform pg_advisory_lock(1); end"),
		function("calls", "select locks()"), function("calls_it", `begin if x then perform "calls"(); end if; end`),
		function("loops", "begin perform loops_back(); end"), function("loops_back", "begin perform loops(); perform locks(); end"),
		function("Upper", "select locks()"), function("says", "begin raise notice 'locks'; end"), function("harmless", "select 1"),
		function("casts", "select pg_advisory_lock(1)"), uses("money2", "casts"), uses("===", "calls"),
		uses("view", "calls"), uses("view_of_view", "view"), uses("with_trigger", "calls"),
		uses("parent", "child"), uses("child", "calls"), uses("domain", "locks"), uses("has_domain", "domain"),
		function("in_body", "insert into with_trigger values (1)"),
		{rowText, "with_default", "pg_advisory_lock(3)"}, uses("refers", "with_default"),
	}, nil)
	for _, name := range []string{"locks", "calls", "calls_it", "loops", "loops_back", `"Upper"`, "view", "view_of_view", "with_trigger",
		"parent", "child", "domain", "has_domain", "in_body", "with_default", "refers", "money2", "s.CALLS", "1 === 2", "1 ====2"} {
		if of(k, "select x from "+name)&wire.HintAdvisoryLock == 0 {
			t.Errorf("%s leaves nothing", name)
		}
	}
	for _, name := range []string{"harmless", "says", "upper", "other", "'locks'", "1 == 2", `"LOCKS"`, "-- locks"} {
		if l := k.Of([]byte("select x from "+name), false); l != nil {
			t.Errorf("%s leaves %+v", name, l)
		}
	}
	if l := (*Knowledge)(nil).Of([]byte("select locks()"), false); l != nil {
		t.Error("something is known before anything was read")
	}
}

func TestDDLRunsEventTriggers(t *testing.T) {
	k := newKnowledge([]Row{function("on_ddl", "begin set x = 1; end"), {rowEvent, "on_ddl", ""}, {rowEvent, "harmless", ""}}, nil)
	for sql, want := range map[string]bool{"create table t ()": true, "drop table t": true, "alter table t add c int": true, "select 1": false} {
		if got := of(k, sql)&wire.HintSet != 0; got != want {
			t.Errorf("%q: %v, want %v", sql, got, want)
		}
	}
}

func TestNamesOfSettingsInBodies(t *testing.T) {
	k := newKnowledge([]Row{
		{rowName, "work_mem", ""}, {rowName, "role", ""}, {rowDefault, "my.b", "1"},
		function("fa", "begin set my.b = 1; perform set_config('My.A', x, false); set work_mem = '1MB'; end"),
		function("fb", "select fa(), set_config('other.c', '1', true)"),
		function("fc", "begin perform set_config(name, x, false); end"),
		function("fd", "begin set \"My\".\"ü\" = 1; end"), function("fe", "begin reset all; end"),
	}, nil)
	if want := []string{"my.a", "my.b"}; !slices.Equal(k.Customs, want) || k.Settings != "{work_mem,role,my.a,my.b}" {
		t.Errorf("customs %q, settings %s", k.Customs, k.Settings)
	}
	for sql, want := range map[string]string{
		"select fa()": "[my.b my.a] [my.b my.a work_mem] false",
		"select fb()": "[my.b my.a] [other.c my.b my.a work_mem] false",
		"select fc()": "[] [] true",
		"select fd()": "[] [my.ü] true", // cannot be asked for as it is
		"select fe()": "[] [all] false",
	} {
		l := k.Of([]byte(sql), false)
		if got := fmt.Sprint(l.Settings, l.Names, l.Unknown); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
	if l := k.Any(); !l.Unknown || len(l.Settings) != 2 || l.Hints&wire.HintReset == 0 {
		t.Errorf("all together leave %+v", l)
	}
	if got := k.With([]string{"my.a", `my."x\,`}); got != k.Settings[:len(k.Settings)-1]+`,"my.\"x\\,"}` {
		t.Errorf("with more names: %s", got)
	}
	for _, v := range []struct {
		name, value string
		set         bool
	}{{"my.b", "1", false}, {"my.b", "2", true}, {"my.a", "", false}, {"my.a", "1", true}} {
		if got := k.Set(wire.Param{Name: v.name, Value: v.value}); got != v.set {
			t.Errorf("%s = %q has been set: %v", v.name, v.value, got)
		}
	}
}

func TestBodiesThatExecuteWhatTheyPutTogether(t *testing.T) {
	for _, c := range []struct {
		body              string
		hints             wire.Hints
		settings          string
		unknown, executes bool
	}{
		{"begin execute 'select pg_advisory_lock(1)'; end", wire.HintAdvisoryLock, "", false, true},
		{"begin execute 'set my.x = 1'; end", wire.HintSet, "my.x", false, true},
		{"begin execute 'select set_config(''my.y'', ''1'', false)'; end", wire.HintSetConfig, "my.y", false, true},
		{"begin execute format('set %I = 1', n); end", 0, "", true, true},
		{"begin execute 'set ' || n; end", 0, "", true, true},
		{"begin execute 'set my.' || n || ' = 1'; end", 0, "", true, true},
		{"begin execute 'select set_config(' || n; end", 0, "", true, true},
		{"begin execute format('insert into %I values (1)', t); end", 0, "", false, true},
		{"begin execute sql; end", 0, "", true, true}, // it comes from elsewhere
		{"begin execute 'x' || y; end", 0, "", true, true},
		{"begin create trigger t before insert on a execute function f(); end", 0, "", false, false},
		{"begin grant execute on function f() to x; end", 0, "", false, false},
		{"begin perform x; end", 0, "", false, false},
		{"begin execute 'select ' || x; end", 0, "", false, true},
	} {
		l := Body(c.body)
		if l.Hints&c.hints != c.hints || strings.Join(l.Settings, " ") != c.settings || l.Unknown != c.unknown || (l.Hints&wire.HintDo != 0) != c.executes {
			t.Errorf("%q leaves %b %q, unknown %v", c.body, l.Hints, l.Settings, l.Unknown)
		}
	}
}

// TestBodiesThatExecuteWhatComesFromElsewhere, unless it is quoted.
func TestBodiesThatExecuteWhatComesFromElsewhere(t *testing.T) {
	for _, c := range []struct {
		body    string
		foreign bool
	}{
		{"begin execute 'select ' || x into r; end", true},
		{"begin execute 'select 1; ' || cmd; end", true},
		{"begin execute format('select %s', x); end", true},
		{"begin q := 'select ' || x; execute q; end", true},
		{"begin execute format('select %I(%L, %L, false)', f, n, v); end", true},
		{"begin execute 'select * from ' || quote_ident(s) || '.' || quote_ident(f) || ' (1)'; end", true},
		{"begin return query_to_xml(x, true, true, ''); end", true},
		{"begin execute 'select 1'; end", false},
		{"begin execute format('insert into %I values ($1.*)', 'p_' || to_char(new.at, 'YYYYMM')) using new; end", false},
		{"begin execute format('insert into %I (a, b) values (%L, %L)', t, x, y); end", false},
		{"begin execute format('create table if not exists %I.%I (like %I including all)', s, t, u); end", false},
		{"begin execute 'drop table ' || quote_ident(t) || ' cascade'; execute 'analyze ' || t::regclass; end", false},
		{"begin perform x; end", false},
	} {
		k := newKnowledge([]Row{function("f", c.body), uses("v", "f")}, nil)
		l := k.Of([]byte("select * from v"), false)
		if foreign := l != nil && l.Foreign; foreign != c.foreign || l != nil && l.Unknown {
			t.Errorf("%q leaves %+v", c.body, l)
		}
	}
	k := newKnowledge([]Row{{rowCode, "crosstab", ""}, {rowCode, "gen_salt", ""}, {rowOther, "py", "plpy.execute(x)"}, {rowOther, "js", "return 1"}}, nil)
	for text, want := range map[string]bool{"select crosstab(x)": true, "select gen_salt(x)": false, "select py()": true, "select js()": false, "select query_to_xml($1, true, true, '')": true} {
		if got := k.Of([]byte(text), false); got.Foreign != want {
			t.Errorf("%s leaves %+v", text, got)
		}
	}
}

// TestFunctionsThatLeaveSomethingAreKnownByTheirWordsAndInExpressions alike.
func TestFunctionsThatLeaveSomethingAreKnownByTheirWordsAndInExpressions(t *testing.T) {
	for _, name := range strings.Fields(leaving) {
		text := "select " + name + "('x', 'y', false)"
		if wire.Scan([]byte(text)) == 0 {
			t.Errorf("%s gives no hint", text)
		}
		if !strings.Contains(learnQuestion, "'"+name+"'") {
			t.Errorf("nobody asks which expressions call %s", name)
		}
		k := newKnowledge([]Row{{rowText, "v", text}}, nil)
		if l := k.Of([]byte("select * from v"), false); l == nil && !k.HidesSequences {
			t.Errorf("a view that calls %s leaves nothing", name)
		}
	}
	k := newKnowledge([]Row{{rowText, "v", "select table_to_xml('t', true, true, '')"}}, nil)
	if of(k, "select * from v")&wire.HintDo == 0 || !strings.Contains(learnQuestion, "'table_to_xml'") {
		t.Error("a view that reads a table by its name leaves nothing")
	}
}

func TestWordsThatAreMadeOfConstants(t *testing.T) {
	l := Body("begin execute 'select set_con' || 'fig(''my' || '.x'', ''1'', false), pg_create_phys' || 'ical_replication_slot(''x'', true, true)'; end")
	if strings.Join(l.Settings, " ") != "my.x" || l.Hints&wire.HintProcess == 0 || l.Foreign {
		t.Errorf("%+v", l)
	}
}

func TestBodiesThatChooseWhatRandomGives(t *testing.T) {
	for body, want := range map[string]bool{
		"select setseed(0.5)": true, "begin set local SEED = 0.5; end": true, "begin perform set_config('seed', x, true); end": true,
		"begin execute 'set session seed to 0.5'; end": true, "select seed from seeds": false, "select random()": false,
	} {
		k := newKnowledge([]Row{function("f", body), uses("v", "f")}, nil)
		if l := k.Of([]byte("select * from v"), false); (l != nil && l.Seeds) != want {
			t.Errorf("%q leaves %+v", body, l)
		}
	}
}

// TestSettingsThatAreReadAreAskedFor behind those that are set, and leave nothing by
// themselves.
func TestSettingsThatAreReadAreAskedFor(t *testing.T) {
	k := newKnowledge([]Row{{rowRead, "App.Tenant", ""}, {rowRead, "a.b", ""}, {rowRead, "no", ""}, function("f", "set z.z = 1")}, []string{"c.c", "a.b"})
	if got := strings.Join(k.Customs, " "); got != "z.z a.b app.tenant c.c" {
		t.Errorf("these are asked for: %s", got)
	}
	if k.Any().Settings[0] != "z.z" || len(k.Any().Settings) != 1 {
		t.Errorf("all may set %q", k.Any().Settings)
	}
}

func TestFunctionsInOtherLanguages(t *testing.T) {
	for _, c := range []struct {
		body, settings string
		unknown        bool
	}{
		{"return 1", "", false},
		{"plpy.execute(\"set my.x = 1\")", "my.x", false},
		{"plpy.execute(\"select set_config('My.Y', '1', false)\")", "my.y", false},
		{"spi_exec \"SET SESSION my.z TO 1\"", "my.z", false},
		{"plpy.execute('set ' + name)", "", true},
		{"settle()", "", false},
	} {
		k := newKnowledge([]Row{{rowOther, "f", c.body}}, nil)
		l := k.Of([]byte("select f()"), false)
		if l == nil || l.Hints&wire.HintDo == 0 || strings.Join(l.Settings, " ") != c.settings || l.Unknown != c.unknown {
			t.Errorf("%q leaves %+v", c.body, l)
		}
	}
}

func TestDblinkIsFoundByWhoUsesIt(t *testing.T) {
	k := newKnowledge([]Row{{rowDblink, "public.dblink_get_connections", ""}, uses("f", "dblink_connect_u")}, nil)
	if k.Dblink != "public.dblink_get_connections" || of(k, "select f()")&wire.HintDblink == 0 {
		t.Errorf("%q, %b", k.Dblink, of(k, "select f()"))
	}
}

func TestDblinkIsFoundByWhatItsFunctionsAre(t *testing.T) {
	k := newKnowledge([]Row{{rowConnects, "zz", ""}, uses("v", "zz")}, nil)
	if of(k, "select zz('x')")&of(k, "select * from v")&wire.HintDblink == 0 || k.Disconnect() != "" {
		t.Errorf("%b, %q", of(k, "select zz('x')"), k.Disconnect())
	}
	k = newKnowledge([]Row{{rowDblink, "x.dblink_get_connections", ""}}, nil)
	if !strings.Contains(k.Disconnect(), "PERFORM x.dblink_disconnect()") {
		t.Errorf("%q", k.Disconnect())
	}
}

func TestSequencesThatAreReadOutOfSight(t *testing.T) {
	k := newKnowledge([]Row{{rowText, "with_default", "currval('s')"}}, nil)
	if !k.HidesSequences || of(k, "insert into with_default values (1)") != 0 {
		t.Error("a default that reads a sequence pins")
	}
	k = newKnowledge([]Row{function("f", "select lastval()")}, nil)
	if k.HidesSequences || of(k, "select f()")&wire.HintSequence == 0 {
		t.Error("a function that reads a sequence does not")
	}
}

func TestBoundsOfWhatIsLearned(t *testing.T) {
	body := "begin "
	for i := range 2 * maxCustoms {
		body += fmt.Sprintf("set my.x%03d = 1; ", i)
	}
	k := newKnowledge([]Row{function("f", body+"end")}, nil)
	if len(k.Customs) != maxCustoms {
		t.Errorf("%d settings of extensions are asked for", len(k.Customs))
	}
	if again := newKnowledge([]Row{function("g", "begin set a.b = 1; end")}, k.Customs); len(again.Customs) != maxCustoms || again.Customs[0] != "a.b" {
		t.Errorf("%d settings are asked for, first of all %q", len(again.Customs), again.Customs[0])
	}
	l := k.Of([]byte("select f()"), false)
	if len(l.Names) != maxNames+1 || l.Names[maxNames] != "" {
		t.Errorf("%d names, the last one %q", len(l.Names), l.Names[len(l.Names)-1])
	}
}
