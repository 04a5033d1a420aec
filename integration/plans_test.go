package integration

import (
	"fmt"
	"strings"
	"testing"
)

// foldedSchema has functions whose plans hold what a setting has made of a constant.
const foldedSchema = `create function day() returns text language plpgsql as $$ begin return to_char(date '01/02/2024', 'YYYY-MM-DD'); end $$;
create function chosen() returns text language plpgsql as $$ begin if date '01/02/2024' = date '2024-02-01' then return 'February'; end if; return 'January'; end $$;
create function declared() returns text language plpgsql as $$ declare c cursor for select to_char(date '01/02/2024', 'YYYY-MM-DD'); r text; begin open c; fetch c into r; return r; end $$;
create function rows_of() returns setof text language sql volatile as $$ select to_char(date '01/02/2024', 'YYYY-MM-DD') from generate_series(1, 2) $$;
create function moment() returns text language plpgsql as $$ begin return extract(epoch from timestamptz '2024-01-01 00:00')::text; end $$;
create function span() returns text language plpgsql as $$ begin return extract(epoch from interval '-1 2:03:04')::text; end $$;
create function isnull(a int) returns text language plpgsql as $$ begin return a = null; end $$;
create function element() returns text language plpgsql as $$ declare x text[]; begin x := '{NULL}'::text[]; return x[1] is null; end $$;
create function digits() returns text language plpgsql as $$ declare x text; begin select (1.23456789012345::float8)::text into x; return x; end $$;
create function bytes() returns text language plpgsql as $$ begin return (decode('4142', 'hex'))::text; end $$;
create procedure done(inout d text) language plpgsql as $$ begin d := day(); end $$;
create table t (d text);
create function stamp() returns trigger language plpgsql as $$ begin new.d := to_char(date '01/02/2024', 'YYYY-MM-DD'); return new; end $$;
create trigger stamp before insert on t for each row execute function stamp();
create view v as select day() as d;
grant all on t, v to plans;`

type foldedBy struct{ name, value, sql string }

func (f *foldedBy) setLocal() string { return fmt.Sprintf("set local %s = '%s'", f.name, f.value) }

// inside is a body that runs it under the setting.
func (f *foldedBy) inside() string {
	return " begin " + f.setLocal() + "; execute '" + strings.ReplaceAll(f.sql, "'", "''") + "'; end "
}

// folded are settings, and what asks for what they have made of a constant.
var folded = []foldedBy{
	{"datestyle", "German", "select day()"},
	{"datestyle", "German", "select chosen()"},
	{"datestyle", "German", "select declared()"},
	{"datestyle", "German", "select rows_of()"},
	{"datestyle", "German", "call done(null)"},
	{"datestyle", "German", "insert into t values (null) returning d"},
	{"datestyle", "German", "select d from v"},
	{"timezone", "Asia/Tokyo", "select moment()"},
	{"intervalstyle", "sql_standard", "select span()"},
	{"transform_null_equals", "on", "select isnull(null)"},
	{"array_nulls", "off", "select element()"},
	{"extra_float_digits", "-10", "select digits()"},
	{"bytea_output", "escape", "select bytes()"},
}

// TestFunctionsArePlannedUnderTheClientsOwnSettings, whoever has run them first on
// the same backend, and under whatever settings.
func TestFunctionsArePlannedUnderTheClientsOwnSettings(t *testing.T) {
	t.Parallel()
	createRole(t, "plans")
	for _, c := range []struct{ user, top string }{{"plans", "leak_check = 0.0"}, {"postgres", "leak_check = 1.0"}} {
		t.Run(c.user, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: c.top, Database: "pool_size = 1", Tables: "[users." + c.user + "]"})
			execSQL(t, w.Direct(), foldedSchema)
			for i, f := range folded {
				execSQL(t, w.Direct(), fmt.Sprintf("create function within%d() returns void language plpgsql as $$%s$$", i, f.inside()))
			}
			for i, f := range folded {
				set := f.setLocal()
				for way, first := range map[string][]string{
					"set":            {strings.Replace(set, "local ", "", 1), f.sql},
					"startup":        {f.sql},
					"locally":        {"begin", set, f.sql, "commit"},
					"rolled back":    {"begin", set, f.sql, "rollback"},
					"in one text":    {"begin; " + set + "; " + f.sql + "; commit"},
					"in a DO":        {"do $$" + f.inside() + "$$"},
					"in a function":  {fmt.Sprintf("select within%d()", i)},
					"set and undone": {strings.Replace(set, "local ", "", 1) + ";" + f.sql + "; reset " + f.name},
				} {
					t.Run(f.sql+" "+f.name+" "+way, func(t *testing.T) {
						playPlans(t, w, c.user, way, f, first)
					})
				}
			}
		})
	}
}

// playPlans has a client run a function in its own way, and another one by itself,
// also after a third. Each is answered as it would be directly; but one who changes
// settings in a transaction may find plans that were made under those before it.
func playPlans(t *testing.T, w *weir, user, way string, f foldedBy, first []string) {
	for _, othersFirst := range []bool{false, true} {
		play := func(port int) (got []string) {
			addr := fmt.Sprintf("127.0.0.1:%d", port)
			var params []string
			if way == "startup" {
				params = []string{f.name, f.value}
			}
			a, b, c := rawLogin(t, addr, user, w.DB, params...), rawLogin(t, addr, user, w.DB), rawLogin(t, addr, user, w.DB)
			if othersFirst {
				got = append(got, simply(t, b, f.sql))
			}
			for _, text := range first {
				got = append(got, simply(t, a, text))
			}
			if way != "set" && way != "startup" {
				got = nil
			}
			return append(got, simply(t, c, f.sql))
		}
		if got, want := play(w.Port), play(w.PG.Port); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("others first: %v: got %q, want %q", othersFirst, got, want)
		}
	}
}
