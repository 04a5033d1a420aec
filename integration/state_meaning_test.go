package integration

import (
	"net"
	"strconv"
	"testing"
)

// What a text means depends on settings: two clients that prepare the same text
// may mean different things, and a statement keeps its meaning when settings
// change, as far as it does so in PostgreSQL.
func TestTheSameTextMeansWhatItsClientsSettingsSay(t *testing.T) {
	t.Parallel()
	playScenes(t, stage{pool: 1, asShipped: true, schema: `
create schema s1; create table s1.t (x int, one text); insert into s1.t values (1, 'in s1');
create schema s2; create table s2.t (x text, two int, three int); insert into s2.t values ('1', 2, 3);
create function s1.f() returns text language sql as $$ select 'f of s1'::text $$;
create function s2.f() returns int language sql as $$ select 2 $$`}, meaningScenes())
}

func meaningScenes() []scene {
	both := func(steps ...step) (all []act) {
		for _, s := range steps {
			all = append(all, by(0, s)...)
			all = append(all, by(1, s)...)
		}
		return all
	}
	// In turn, and in the other order, so that either is the first somewhere.
	use := acts(both(synced(runs("q", "1"))), by(1, synced(runs("q", "1"))), by(0, synced(runs("q", "1"))), both(synced(runs("q", "1"), runs("q", "1"))))
	useNone := acts(both(synced(runs("q"))), by(1, synced(runs("q"))), by(0, synced(runs("q"))), both(synced(runs("q"), runs("q"))))
	return []scene{
		{name: "two search paths", acts: acts(
			by(0, sql("set search_path = s1")), by(1, sql("set search_path = s2")), both(talk(parse("q", "select * from t where x = $1"), describe('S', "q"), sync_)), use,
			both(talk(closeStatement("q"), parse("q", "select f(), $1::int"), describe('S', "q"), sync_)), use),
			has: []string{"in s1", "f of s1"}},
		{name: "two search paths from the startup on", startup: []string{"search_path", "s1"}, acts: acts(
			by(0, talk(parse("q", "select * from t where x = $1"), describe('S', "q"), sync_)), by(1, sql("set search_path = s2")), by(1, talk(parse("q", "select * from t where x = $1"), describe('S', "q"), sync_)), use)},
		{name: "two ways to read a date", acts: acts(
			by(0, sql("set datestyle = 'ISO, DMY'")), by(1, sql("set datestyle = 'ISO, MDY'")), both(talk(parse("q", "select '01/02/2020'::date, date '03/04/2020' + 1"), sync_)), useNone),
			has: []string{"2020-02-01", "2020-01-02"}},
		{name: "two time zones", acts: acts(
			by(0, sql("set timezone = 'Asia/Tokyo'")), by(1, sql("set timezone = 'America/Lima'")), both(talk(parse("q", "select '2020-01-01 12:00'::timestamptz, '2020-01-01 12:00'::timestamptz at time zone 'UTC'"), sync_)), useNone)},
		{name: "two kinds of strings", acts: acts(
			by(0, sql("set standard_conforming_strings = off; set escape_string_warning = off")), both(talk(parse("q", `select 'a\tb', length('\\')`), sync_)), useNone),
			has: []string{`a\tb`, `a\\tb`}},
		{name: "two intervals and numbers", acts: acts(
			by(0, sql("set intervalstyle = sql_standard; set bytea_output = escape; set extra_float_digits = 0")), both(talk(parse("q", `select interval '-1 2:03', '\x00ff'::bytea, 0.1::float8 + 0.2, '-1 2:03'::interval`), sync_)), useNone)},
		{name: "two ways to treat null", acts: acts(
			by(0, sql("set transform_null_equals = on")), both(talk(parse("q", "select count(*) from s1.t where null = null, pg_typeof(1)"), sync_), talk(parse("q", "select 1 where null = null"), sync_)), useNone)},
		{name: "two users", acts: acts(
			by(0, sql("set role pg_monitor")), both(talk(parse("q", "select current_user, (select count(*) from s1.t)"), sync_)), useNone),
			has: []string{"42501"}},
		{name: "two encodings", startup: []string{"client_encoding", "UTF8"}, acts: acts(
			by(0, sql("set client_encoding = latin1")), both(talk(parse("q", "select '\xc3\xa9', length('\xc3\xa9')"), sync_)), useNone),
			has: []string{"\\x012", "\\x011"}},
		{name: "a search path that changes", acts: acts(
			by(0, sql("set search_path = s1"), talk(parse("q", "select x::int from t where $1::int = 1"), sync_), synced(runs("q", "1")), sql("set search_path = s2"), synced(runs("q", "1")), sql("set search_path = s1"), synced(runs("q", "1")), sql("set search_path = pg_catalog"), synced(runs("q", "1"))))},
		{name: "a setting that is local to the transaction in which a statement is made", acts: acts(
			by(0, sql("begin; set local search_path = s1"), talk(parse("q", "select one from t where x = $1"), describe('S', "q"), sync_), synced(runs("q", "1")), sql("commit"), synced(runs("q", "1")), sql("set search_path = s1"), synced(runs("q", "1"))))},
	}
}

// TestAStatementIsWhatItWasWhenItWasMade: strings and constants are read when a
// statement is parsed, so settings that change afterwards do not matter; not
// even if the backend that parsed it is no more.
func TestAStatementIsWhatItWasWhenItWasMade(t *testing.T) {
	t.Parallel()
	s := &scene{steps: []step{
		sql(`set standard_conforming_strings = off; set escape_string_warning = off; set datestyle = 'ISO, DMY'`),
		talk(parse("strings", `select 'a\tb'`), parse("dates", "select '01/02/2020'::date"), sync_),
		sql("set standard_conforming_strings = on; set datestyle = 'ISO, MDY'"),
		synced(runs("strings")), synced(runs("dates")), sql("select 1"), synced(runs("dates")), synced(runs("strings")),
	}}
	db := createDatabase(t, shared)
	want := play(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(shared.Port)), db, s)
	for name, lost := range map[string]bool{"on one backend": false, "on another backend": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: stageTop, Database: "pool_size = 1"})
			console, direct := connect(t, w.Console(simpleProtocol)), connect(t, w.PG.DSN("postgres"))
			c, other := enter(t, w.Addr(), w.DB, s), newStranger(t, w)
			for i, st := range s.steps {
				other.interfere(t)
				c.do(t, st)
				if lost && i == 2 {
					// Nothing of the client's is asked there any more.
					eventually(t, "the backend is idle", func() bool { return rowsWith(show(t, console, "show servers"), "state", "idle") == 1 })
					ask(t, direct, "select count(pg_terminate_backend(pid, 10000)) from pg_stat_activity where datname = '"+w.DB+"'")
					eventually(t, "the backend is gone", func() bool { return len(show(t, console, "show servers")) == 0 })
				}
			}
			if got := c.out.String(); got != want {
				t.Errorf("differs behind\n%s", differing(want, got))
			}
		})
	}
}
