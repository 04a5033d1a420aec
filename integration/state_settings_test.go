package integration

import (
	"strings"
	"testing"
)

// stateSchema is what the scenes with settings find: functions that were there
// before any client came.
const stateSchema = `
create table items (id int primary key, word text);
insert into items select i, 'word ' || i from generate_series(1, 10) i;
create function sets_by_set() returns text language plpgsql as $$ begin set work_mem = '9MB'; return current_setting('work_mem'); end $$;
create function sets_by_config(name text, value text) returns text language plpgsql as $$ begin return set_config(name, value, false); end $$;
create function sets_in_sql(value text) returns text language sql as $$ select set_config('work_mem', value, false) $$;
create function sets_local(value text) returns text language plpgsql as $$ begin set local work_mem = '3MB'; return set_config('statement_timeout', value, true); end $$;
create function sets_and_fails() returns text language plpgsql as $$ begin set work_mem = '10MB'; raise exception 'failed'; end $$;
create function sets_and_recovers() returns text language plpgsql as $$
begin
  begin set work_mem = '10MB'; raise exception 'failed'; exception when others then null; end;
  return current_setting('work_mem');
end $$;
create function has_its_own() returns text language plpgsql set work_mem = '11MB' as $$ begin return current_setting('work_mem'); end $$;
create function resets() returns void language plpgsql as $$ begin reset work_mem; end $$;
create procedure commits_between() language plpgsql as $$
begin
  set work_mem = '12MB'; commit; set statement_timeout = '33s'; rollback; set lock_timeout = '34s'; commit;
end $$;
create schema evil;
create function evil.current_setting(text) returns text language plpgsql as $$ begin raise exception 'evil'; end $$;
create function evil.current_setting(text, boolean) returns text language plpgsql as $$ begin raise exception 'evil'; end $$;
create function evil.pg_backend_pid() returns int language plpgsql as $$ begin raise exception 'evil'; end $$;
create function evil.pg_my_temp_schema() returns oid language plpgsql as $$ begin raise exception 'evil'; end $$;
create function evil.no(int, int) returns boolean language plpgsql as $$ begin raise exception 'evil'; end $$;
create function evil.no(text, text) returns boolean language plpgsql as $$ begin raise exception 'evil'; end $$;
create function evil.no(oid, oid) returns boolean language plpgsql as $$ begin raise exception 'evil'; end $$;
create function evil.no(name, name) returns boolean language plpgsql as $$ begin raise exception 'evil'; end $$;
create operator evil.= (leftarg = int, rightarg = int, function = evil.no);
create operator evil.= (leftarg = text, rightarg = text, function = evil.no);
create operator evil.= (leftarg = oid, rightarg = oid, function = evil.no);
create operator evil.= (leftarg = name, rightarg = name, function = evil.no);
create view evil.pg_settings as select 1 as evil; create view evil.pg_locks as select 1 as evil; create view evil.pg_class as select 1 as evil;
create view evil.pg_cursors as select 1 as evil; create view evil.pg_prepared_statements as select 1 as evil`

// everySetting shows all settings that are not as they would be by themselves.
const everySetting = `select name, setting from pg_settings where context in ('user', 'superuser') and setting is distinct from boot_val order by name`

func TestSettingsReadTheSameWithAndWithoutPgweirOnOneBackend(t *testing.T) {
	t.Parallel()
	playScenes(t, stage{schema: stateSchema, pool: 1, leaks: true, asShipped: true}, append(settingScenes(), settingBlockScenes()...))
}

// TestSettingsThatCannotBeFollowedReadTheSame may cost a backend each.
func TestSettingsThatCannotBeFollowedReadTheSame(t *testing.T) {
	t.Parallel()
	playScenes(t, stage{schema: stateSchema, pool: 3, leaks: true, asShipped: true}, hiddenSettingScenes())
}

func settingScenes() []scene {
	return []scene{
		{name: "set, show and reset", steps: sqls(
			"set work_mem = '7MB'", "show work_mem", "select 1", "show work_mem", "set work_mem to 8192", "show work_mem", "set work_mem = default", "show work_mem",
			"set session statement_timeout = '61s'", "show statement_timeout", "reset statement_timeout", "show statement_timeout", "set enable_seqscan = off", "set enable_hashjoin to false", "set random_page_cost = 1.25",
			"set extra_float_digits = 0", "select 0.1::float8 + 0.2::float8", everySetting, "reset all", everySetting, "select 0.1::float8 + 0.2::float8"),
			has: []string{"7MB", "8MB", "61s"}},
		{name: "words and values of every kind", steps: sqls(
			`set search_path = "Weird, ""Name""", 'x y', pg_catalog`, "show search_path", "select 1", "show search_path", "set search_path = ''", "show search_path", "select count(*) from pg_catalog.pg_class where relname = 'items'", "set search_path to default", "show search_path",
			`set search_path = '"$user"', public`, "show search_path", "set application_name = 'it''s \\ a \"name\"'", "show application_name", `set application_name = E'line\nbreak'`, "show application_name", "set application_name = mine", "show application_name",
			"set datestyle = sql, dmy", "show datestyle", "set datestyle = 'ymd'", "show datestyle", "set bytea_output = escape", "select '\\x00ff'::bytea", "set client_min_messages = error", "do $$ begin raise warning 'unheard'; end $$", "reset client_min_messages", "do $$ begin raise warning 'heard'; end $$",
			"set timezone to 'Asia/Tokyo'", "set time zone 5", "show timezone", "set time zone interval '-03:30' hour to minute", "show timezone", "select '2020-01-01 00:00Z'::timestamptz", "set time zone local", "show timezone", "set names 'latin1'", "show client_encoding", "set names default", "show client_encoding",
			"set xmloption = document", "set xml option content", "set schema 'pg_catalog'", "show search_path", everySetting, "reset all", everySetting),
			has: []string{"Weird", "heard"}},
		{name: "values of any length", steps: sqls(
			"set search_path = '"+strings.Repeat("a_schema_of_no_use, ", 400)+"public'", "select length(current_setting('search_path'))", "set long.var = '"+strings.Repeat("x''y\\z ", 20_000)+"'", "select length(current_setting('long.var')), md5(current_setting('long.var'))", "select count(*) from items",
			"select md5(current_setting('long.var'))", "reset all", "select length(current_setting('search_path')), length(current_setting('long.var'))")},
		{name: "set_config", steps: sqls(
			"select set_config('work_mem', '6MB', false)", "show work_mem", "select set_config('work_mem', '7MB', true)", "show work_mem", "select set_config('custom.var', 'x', false), set_config('statement_timeout', '62s', false)", "select current_setting('custom.var')", "show statement_timeout",
			"select set_config('timezone', 'Asia/Seoul', false)", "show timezone", "select set_config('work_mem', null, false)", "show work_mem", "select pg_catalog.set_config('search_path', '', false)", "show search_path", "select set_config('nonsense', 'x', false)", "select set_config('work_mem', 'x', false)", "show search_path",
			"update pg_settings set setting = '5000' where name = 'lock_timeout'", "show lock_timeout", everySetting, "discard all", everySetting),
			has: []string{"62s", "42704", "22023"}},
		{name: "set_config with parameters", steps: []step{
			synced(extended("select set_config('work_mem', $1, false)", "6MB")), sql("show work_mem"), synced(extended("select set_config('work_mem', $1, $2::bool)", "7MB", "t")), sql("show work_mem"), synced(extended("select set_config('work_mem', $1, $2::bool)", "8MB", "f")), sql("show work_mem"),
			talk(parse("s", "select set_config('statement_timeout', $1, false)"), sync_), synced(runs("s", "63s")), synced(runs("s", "64s")), sql("show statement_timeout"), sql("reset all"), sql("show statement_timeout")}},
		{name: "custom settings", steps: sqls(
			"show own.one", "set own.one = 'x'", "show own.one", "select current_setting('own.one'), current_setting('own.two', true)", "set own.one to default", "show own.one", "set own.one = 'y'; set own.two = 'z'", "select current_setting('own.one'), current_setting('own.two')", `set "Own"."Quoted Name" = 'q'`,
			`show "Own"."Quoted Name"`, "set own.three.deep = '3'", "show own.three.deep", "set OWN.ONE = 'folded'", "show own.one", "reset own.one", "show own.one", "discard all", "show own.two", "set own.two = 'after'", "show own.two", "reset all", "show own.two"),
			has: []string{"42704", "folded"}},
		{name: "role", steps: sqls(
			"set role pg_monitor", "select current_user, session_user", "select * from items", "show role", "show is_superuser", "set role none", "select current_user", "select count(*) from items", "set role 'pg_read_all_data'", "select current_user, (select count(*) from items)", "reset role", "select current_user", "set role nobody_at_all",
			"select set_config('role', 'pg_monitor', false)", "select current_user", "discard all", "select current_user, session_user", "begin", "set local role pg_monitor", "select current_user", "commit", "select current_user", "set session role pg_monitor", "begin", "set role none", "select current_user", "rollback", "select current_user", "reset all", "select current_user", "reset role"),
			has: []string{"pg_monitor", "42501", "22023"}},
		{name: "session authorization", steps: sqls(
			"set session authorization pg_monitor", "select current_user, session_user", "select * from items", "show is_superuser", "select 1", "select current_user, session_user", "set role pg_read_all_data", "reset session authorization", "select current_user, session_user", "set session authorization 'pg_monitor'", "set session authorization default", "select session_user",
			"begin", "set local session authorization pg_monitor", "select session_user", "commit", "select session_user", "begin", "set session authorization pg_monitor", "rollback", "select session_user", "set session authorization pg_monitor", "set work_mem = '6MB'", "set role none", "select session_user, current_setting('work_mem')", "discard all", "select session_user, current_user"),
			has: []string{"pg_monitor", "42501"}},
		{name: "session characteristics", steps: sqls(
			"set session characteristics as transaction read only", "show default_transaction_read_only", "show transaction_read_only", "insert into items values (100, 'x')", "select 1", "insert into items values (100, 'x')", "set session characteristics as transaction isolation level serializable, read write, deferrable",
			"show transaction_isolation", "show default_transaction_deferrable", "begin isolation level repeatable read", "show transaction_isolation", "commit", "set default_transaction_isolation = 'repeatable read'", "begin", "show transaction_isolation", "set transaction isolation level read committed", "show transaction_isolation", "rollback", "show transaction_isolation", "reset all", "show transaction_isolation", "show transaction_read_only"),
			has: []string{"25006", "serializable"}},
		{name: "settings that PostgreSQL reports", steps: []step{
			sql("set datestyle = german"), sql("set timezone = 'America/Lima'"), sql("set intervalstyle = iso_8601"), sql("set client_encoding = latin1"), sql("set standard_conforming_strings = off"), sql("set application_name = 'reported'"), sql("set default_transaction_read_only = on"), sql("select 1"),
			sql("set datestyle = german"), sql("set role pg_monitor"), sql("reset role"), sql("set session authorization pg_monitor"), sql("reset session authorization"), sql("select set_config('timezone', 'UTC', false), set_config('datestyle', 'ISO', false)"), sql("begin; set timezone = 'Asia/Tokyo'"), sql("select 1/0"), sql("rollback"),
			sql("begin; set timezone = 'Asia/Tokyo'; commit"), sql("begin"), sql("set local timezone = 'Asia/Dubai'"), sql("commit"), sql("reset timezone"), sql("reset all"), sql("set timezone = 'Asia/Tokyo'; set timezone = 'Asia/Dubai'"), sql("set search_path = public"), sql("discard all"), sql("select 1")},
			has: []string{`S "TimeZone\x00Asia/Dubai`, `S "is_superuser\x00off`, `S "session_authorization\x00pg_monitor`}},
		{name: "wrong settings", steps: sqls(
			"set nonsense = 1", "set work_mem = 'much'", "show work_mem", "set work_mem = -5", "set timezone = 'Mars'", "show timezone", "set port = 5", "set shared_buffers = '1GB'", "set fsync = off", "set work_mem = 1, 2", "set", "reset nonsense", "reset port", "show nonsense", "set session authorization nobody_at_all", "set role", "select 1", everySetting),
			has: []string{"42704", "22023", "55P02"}},
		{name: "several in one query", steps: sqls(
			"set work_mem = '6MB'; set statement_timeout = '65s'; select 1", "select current_setting('work_mem'), current_setting('statement_timeout')", "set work_mem = '7MB'; select 1/0", "show work_mem", "set work_mem = '8MB'; set work_mem = 'x'", "show work_mem", "set work_mem = '9MB'; begin; set work_mem = '10MB'; rollback; set lock_timeout = '66s'",
			"select current_setting('work_mem'), current_setting('lock_timeout')", "reset work_mem; show work_mem; set work_mem = '11MB'", "show work_mem", "discard all", "begin; set work_mem = '12MB'; commit; show work_mem", "show work_mem", "set local work_mem = '13MB'; show work_mem", "show work_mem")},
		{name: "the extended protocol", steps: []step{
			synced(extended("set work_mem = '6MB'")), synced(extended("show work_mem")), synced(extended("set work_mem = '7MB'"), extended("select 1/0")), synced(extended("show work_mem")), synced(extended("set work_mem = '8MB'"), extended("show work_mem"), extended("set statement_timeout = '67s'")), synced(extended("show work_mem"), extended("show statement_timeout")),
			talk(parse("s", "set work_mem = '9MB'"), parse("r", "reset work_mem"), parse("show", "show work_mem"), sync_), synced(runs("s")), synced(runs("show")), synced(runs("r"), runs("show"), runs("s")), synced(runs("show")),
			{join(runs("s"), say(sync_), runs("show"), say(sync_), runs("r"), say(sync_), runs("show"), say(sync_)), "ZZZZ"}, {say(parse("", "set work_mem = '10MB'"), bind(""), execute("", 0), flush), "C"}, talk(sync_), synced(runs("show")), sql("discard all"), sql("show work_mem")}},
		{name: "discards", steps: sqls(
			"set work_mem = '6MB'; set own.var = 'x'; set timezone = 'Asia/Tokyo'", "discard plans", "discard temp", "discard sequences", "show work_mem", "discard all", "show work_mem", "show timezone", everySetting, "begin", "set work_mem = '7MB'", "discard all", "rollback", "show work_mem"),
			has: []string{"25001"}},
		{name: "a search_path full of traps", steps: sqls(
			"set search_path = evil, pg_catalog", "show search_path", "select 1 = 2", "select set_config('work_mem', '6MB', false)", "show work_mem", "set role pg_monitor", "set evil.var = 'x'", "select 1", "reset role", "begin", "set local work_mem = '7MB'", "savepoint s", "set work_mem = '8MB'", "commit", "show work_mem", "reset all", "show search_path"),
			has: []string{"evil, pg_catalog", "P0001"}},
		// Long enough for all but the sleep, and for the question behind it.
		{name: "timeouts are each client's own", steps: sqls(
			"set statement_timeout = '1s'", "select pg_sleep(60)", "reset statement_timeout", "select pg_sleep(1.1)", "set transaction_timeout = '10s'", "set lock_timeout = '20ms'", "set lock_timeout = 0", "select 'still here'"),
			has: []string{"57014", "still here"}},
		{name: "queries sent ahead", steps: []step{
			{say(query("set work_mem = '6MB'"), query("show work_mem"), query("set timezone = 'Asia/Tokyo'"), query("show timezone"), query("reset all"), query("show work_mem")), "ZZZZZZ"}, sql("show timezone"),
			{join(extended("set work_mem = '7MB'"), say(sync_, query("show work_mem"), query("begin; set work_mem = '8MB'"), query("rollback")), extended("show work_mem"), say(sync_)), "ZZZZZ"}}},
	}
}

func settingBlockScenes() []scene {
	return []scene{
		{name: "in blocks", steps: sqls(
			"begin", "set work_mem = '6MB'", "show work_mem", "commit", "show work_mem", "begin", "set work_mem = '7MB'", "rollback", "show work_mem", "begin", "reset work_mem", "rollback", "show work_mem", "begin", "set work_mem = '8MB'", "select 1/0", "commit", "show work_mem",
			"begin; set work_mem = '9MB'; set local work_mem = '10MB'; commit", "show work_mem", "begin; set local work_mem = '10MB'; set work_mem = '11MB'; commit", "show work_mem", "begin; set work_mem = '12MB'; commit and chain", "show work_mem", "set work_mem = '13MB'", "rollback and chain", "show work_mem", "rollback", "show work_mem"),
			has: []string{"6MB", "9MB", "11MB", "12MB"}},
		{name: "in savepoints", steps: sqls(
			"begin", "set work_mem = '6MB'", "savepoint a", "set work_mem = '7MB'", "rollback to a", "show work_mem", "commit", "show work_mem", "begin; savepoint a; set work_mem = '8MB'; release a; commit", "show work_mem", "begin; savepoint a; set work_mem = '9MB'; release a; rollback", "show work_mem",
			"begin", "set work_mem = '10MB'", "savepoint a", "set own.sp = 'x'", "select 1/0", "rollback to a", "select current_setting('own.sp', true)", "set own.sp = 'y'", "release a", "commit", "show own.sp", "show work_mem", "begin; set role pg_monitor; savepoint a; reset role; rollback to a; commit", "select current_user", "discard all", "select current_user")},
		{name: "local settings", steps: sqls(
			"set local work_mem = '6MB'", "show work_mem", "begin", "set local work_mem = '6MB'", "show work_mem", "commit", "show work_mem", "begin; set local own.local = 'x'; show own.local; commit", "select coalesce(current_setting('own.local', true), '')", "set own.local = 'kept'", "begin; set local own.local = 'y'; commit", "show own.local",
			"begin", "set local timezone = 'Asia/Tokyo'", "savepoint s", "set local timezone = 'Asia/Dubai'", "rollback to s", "show timezone", "commit", "show timezone", "begin; select set_config('work_mem', '7MB', true); commit", "show work_mem"),
			has: []string{"25P01"}},
		{name: "in DO blocks", steps: sqls(
			"do $$ begin set work_mem = '6MB'; end $$", "show work_mem", "do $$ begin perform set_config('statement_timeout', '68s', false); end $$", "show statement_timeout", "do $$ begin set local work_mem = '7MB'; end $$", "show work_mem", "do $$ begin set work_mem = '8MB'; raise exception 'no'; end $$", "show work_mem",
			"do $$ begin execute 'set lock_timeout = ''69s'''; end $$", "show lock_timeout", "begin", "do $$ begin set work_mem = '10MB'; end $$", "rollback", "show work_mem", "do $$ begin set work_mem = '11MB'; commit; set work_mem = '12MB'; rollback; end $$", "show work_mem",
			"do $$ begin set role pg_monitor; end $$", "select current_user", "do $$ begin reset role; reset work_mem; end $$", "select current_user", "show work_mem"),
			has: []string{"68s", "69s", "11MB"}},
		{name: "in functions that were there", steps: sqls(
			"select sets_by_set()", "show work_mem", "select sets_in_sql('8MB')", "show work_mem", "select sets_local('70s')", "show statement_timeout", "show work_mem", "select sets_and_fails()", "show work_mem", "select sets_and_recovers()", "show work_mem", "select has_its_own()", "show work_mem", "select resets()", "show work_mem",
			"begin", "select sets_by_set()", "rollback", "show work_mem", "select public.sets_by_set() from items", "show work_mem", `select "sets_in_sql" ( '6MB' )`, "show work_mem", "call commits_between()", "show work_mem", "show statement_timeout", "show lock_timeout", "select sets_in_sql(id || 'MB') from items order by id", "show work_mem", "explain (analyze, costs off, timing off, summary off) select sets_by_set()", "show work_mem", "discard all")},
		{name: "in functions made just now", alone: true, steps: sqls(
			"create function new_one() returns text language plpgsql as $$ begin set work_mem = '9MB'; return 'new'; end $$", "select new_one()", "show work_mem", "reset work_mem", "create or replace function new_one() returns text language plpgsql as $$ begin set statement_timeout = '71s'; return 'newer'; end $$",
			"select new_one()", "show statement_timeout", "show work_mem", "reset all", "begin", "create function new_two() returns text language sql as $$ select set_config('lock_timeout', '72s', false) $$", "select new_two()", "commit", "show lock_timeout", "alter function new_two() rename to new_three", "reset all", "select new_three()", "show lock_timeout", "reset all", "drop function new_one, new_three")},
		{name: "in the extended protocol", steps: []step{
			synced(extended("begin")), synced(extended("set work_mem = '6MB'")), synced(extended("rollback")), synced(extended("show work_mem")), synced(extended("begin"), extended("set work_mem = '7MB'"), extended("commit"), extended("show work_mem")), synced(extended("select sets_in_sql($1)", "8MB")), synced(extended("show work_mem")),
			talk(parse("f", "select sets_in_sql($1)"), sync_), synced(runs("f", "9MB")), synced(runs("f", "10MB"), extended("select 1/0")), synced(extended("show work_mem")), synced(extended("discard all")), synced(extended("show work_mem"))}},
		{name: "function call messages", alone: true, steps: []step{
			// set_config(text, text, bool) is function 2078.
			talk(functionCall(2078, "work_mem", "6MB", "f")), sql("show work_mem"), sql("reset all")},
			has: []string{"6MB"}},
		{name: "views and defaults that set", alone: true, steps: sqls(
			"begin", "create view sly as select set_config('work_mem', '6MB', false)", "commit", "select * from sly", "show work_mem", "reset work_mem", "drop view sly", "show work_mem")},
	}
}

// hiddenSettingScenes are settings whose names are not in the text.
func hiddenSettingScenes() []scene {
	return []scene{
		{name: "a name as a parameter", steps: []step{
			synced(extended("select set_config($1, $2, false)", "work_mem", "6MB")), sql("show work_mem"), synced(extended("select set_config($1, $2, false)", "hidden.var", "x")), sql("show hidden.var"), sql("select 1"), sql("show hidden.var"), sql("reset hidden.var"), sql("show hidden.var"), sql("discard all"), sql("show work_mem"),
			synced(extended("select set_config($1, $2, false)", "role", "pg_monitor")), sql("select current_user"), sql("reset role"), sql("select current_user"), sql("discard all")}},
		{name: "a name that is computed", steps: sqls(
			"select set_config('hidden' || '.' || 'other', 'y', false)", "show hidden.other", "select 1", "show hidden.other", "select set_config(n, '8MB', false) from (values ('work_mem'), ('maintenance_work_mem')) v (n)", "show work_mem", "show maintenance_work_mem", "select sets_by_config('hid' || 'den.third', 'z')", "show hidden.third",
			"do $$ begin execute 'set ' || 'hidden' || '.fourth = 4'; end $$", "show hidden.fourth", "do $$ begin execute format('set %I = %L', 'work_mem', '9MB'); end $$", "show work_mem", "discard all", "show work_mem")},
		{name: "a name passed to a function", steps: []step{
			sql("select sets_by_config('work_mem', '7MB')"), sql("show work_mem"), synced(extended("select sets_by_config($1, $2)", "statement_timeout", "73s")), sql("show statement_timeout"), sql("begin"), sql("select sets_by_config('my.rolled', 'x')"), sql("rollback"), sql("select coalesce(current_setting('my.rolled', true), '')"), sql("reset all")}},
		{name: "libraries", superusers: true, steps: sqls("load 'plpgsql'", "set plpgsql.variable_conflict = use_column", "show plpgsql.variable_conflict", "discard all", "show plpgsql.variable_conflict", "load 'nowhere'")},
	}
}
