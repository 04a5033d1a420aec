package integration

import "strings"

// steeredShapes do nothing as often as it takes to be trusted. Then another
// constant, or what a table has meanwhile, makes the same statement leave
// something.
var steeredShapes = []statefulShape{
	{name: "a setting by UPDATE of pg_settings, of another value", act: steered("update pg_settings set setting = '{}' where name = 'work_mem'", "4096", "9999"), look: simple("show work_mem")},
	{name: "a setting by UPDATE of a view of pg_settings, of another value", setup: []string{"create view @v as select * from pg_settings"},
		act: steered("update @v set setting = '{}' where name = 'work_mem'", "4096", "9999"), look: simple("show work_mem")},
	{name: "a setting by UPDATE of pg_settings in a function, of another value",
		setup: []string{"create function @f(int) returns void language plpgsql as $f$ begin update pg_settings set setting = $1::text where name = 'work_mem'; end $f$"},
		act:   steered("select @f({})", "4096", "9999"), look: simple("show work_mem")},
	{name: "a setting by UPDATE of pg_settings that is turned back with it, then alone",
		act: deeds(steered("begin; update pg_settings set setting = '{}' where name = 'work_mem'; reset work_mem; commit", "9999", "9999"),
			does("update pg_settings set setting = '9999' where name = 'work_mem'")), look: simple("show work_mem")},
	{name: "a setting that its client may not set, by UPDATE of pg_settings, again",
		admin: []string{"create function @f(text) returns void language plpgsql security definer as $f$ begin update pg_settings set setting = $1 where name = 'log_min_messages'; end $f$"},
		act:   does("select @f('debug1')", "select @f('warning')", "select @f('debug1')"), look: simple("show log_min_messages")},
	{name: "a custom setting in table_to_xml of another table", setup: tenantInView("create table @t (i int)"),
		act: steered("select table_to_xml('{}', true, true, '')", "@t", "@v"), look: simple(lookTenant)},
	{name: "a custom setting in schema_to_xml of another schema",
		// A schema of its own has no other shape's views, which may fail or take locks.
		admin: []string{"create schema @s authorization {role}"},
		setup: []string{"create table @s.t (i int)", "create view @s.v as select set_config('app.tenant', '42', false) as a where current_setting('app.armed', true) = '1'"},
		act:   deeds(does("begin; select length(schema_to_xml('@s', true, true, '')::text) > 0; commit"), steered("begin; set local app.armed = '{}'; select length(schema_to_xml('@s', true, true, '')::text) > 0; commit", "0", "1")), look: simple(lookTenant)},
	{name: "a custom setting in domain_in of another domain", setup: tenantInDomain(),
		act: steered("select 1 where domain_in('1'::cstring, '{}'::regtype::oid, -1) is not null", "@d", "@e"), look: simple(lookTenant)},
	{name: "a custom setting in array_in of another domain", setup: tenantInDomain(),
		act: steered("select 1 where array_in('{1}'::cstring, '{}'::regtype::oid, -1) is not null", "@d", "@e"), look: simple(lookTenant)},
	{name: "a custom setting in record_in of another type", setup: append(tenantInDomain(), "create type @r as (a @d)", "create type @s as (a @e)"),
		act: steered("select 1 where record_in('(1)'::cstring, '{}'::regtype::oid, -1) is not null", "@r", "@s"), look: simple(lookTenant)},
	{name: "a custom setting in pg_input_is_valid of another domain", since: 16, setup: tenantInDomain(),
		act: steered("select pg_input_is_valid('1', '{}')", "@d", "@e"), look: simple(lookTenant)},
	{name: "an advisory lock in brin_summarize_new_values of another index",
		setup: []string{"create function @im(int) returns int language plpgsql immutable as $f$ begin perform pg_advisory_lock_shared({n}); return $1; end $f$",
			"create table @t (i int)", "create index @ti on @t using brin (i) with (pages_per_range = 1)", "create table @u (i int)", "create index @ui on @u using brin (@im(i)) with (pages_per_range = 1)",
			"insert into @t select generate_series(1, 5000)", "insert into @u select generate_series(1, 5000)"},
		act: steered("select brin_summarize_new_values('{}') >= 0", "@ti", "@ui"), look: simple("select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()")},
	{name: "a custom setting in crosstab of another text", admin: []string{"create extension if not exists tablefunc schema public"},
		act: steered("select * from crosstab('select 1, 2, {}') as x (a int, b int)", "3", "length(set_config(''app.tenant'', ''42'', false))"), look: simple(lookTenant), after: []string{"drop extension tablefunc"}},
	{name: "a custom setting in connectby of another view", admin: []string{"create extension if not exists tablefunc schema public"},
		setup: []string{"create table @t (i int, p int)", "create view @v as select 1 as i, length(set_config('app.tenant', '42', false)) * 0 as p"},
		act:   steered("select * from connectby('{}', 'i', 'p', '1', 0) as x (a int, b int, c int)", "@t", "@v"), look: simple(lookTenant), after: []string{"drop extension tablefunc"}},
	{name: "a setting by a function in C, of another value", admin: []string{"create extension if not exists pg_trgm schema public"},
		act: steered("select set_limit({})", "0.3", "0.9"), look: simple("select show_limit()"), after: []string{"drop extension pg_trgm"}},
	firedShape("GRANT", "grant select on @t to shapes_deploy"),
	firedShape("COMMENT", "comment on table @t is 'x'"),
	firedShape("REFRESH", "refresh materialized view @m"),
	firedShape("a function's COMMENT", "select @f()"),
	misreadShape("a pipeline", func(*shapeRun) []message {
		return say(query("set standard_conforming_strings = off"), query(misread), query("set standard_conforming_strings = on"))
	}),
	misreadShape("one Sync", func(*shapeRun) []message {
		return append(append(extended("select set_config('standard_conforming_strings', 'off', true)"), extended(misread)...), sync_)
	}),
	misreadShape("a block", func(*shapeRun) []message {
		return say(query("begin; set local standard_conforming_strings = off"), query(misread), query("commit"))
	}),
	misreadShape("a block, after a function", func(r *shapeRun) []message {
		return say(query("begin"), query(r.text("select @f()")), query(misread), query("commit"))
	}),
	misreadShape("a block, after UPDATE of pg_settings", func(*shapeRun) []message {
		return say(query("begin"), query("update pg_settings set setting = 'off' where name = 'standard_conforming_strings'"), query(misread), query("rollback"),
			query("set standard_conforming_strings = off"), query(misread), query("set standard_conforming_strings = on"))
	}),
}

// misread is one string with standard_conforming_strings, and calls set_config
// without.
const misread = `select 'x\'', set_config($$app.tenant$$, $$42$$, false) --'`

// misreadShape has standard_conforming_strings turned off just ahead of misread.
func misreadShape(where string, says func(*shapeRun) []message) statefulShape {
	return statefulShape{name: "a custom setting behind a backslash that does not escape, in " + where,
		setup: []string{"create function @f() returns void language plpgsql as $f$ begin execute 'set local standard_conf' || 'orming_strings = off'; end $f$"},
		act:   deeds(does("select 'a'", "select 'b'", "select 'c'", "select 'd'", "select 'e'"), saying(says)), look: simple(lookTenant)}
}

// steered has A say a text with a constant that does nothing, several times, and
// with another one once.
func steered(text, harmless, other string) []deed {
	fill := func(constant string) string { return strings.ReplaceAll(text, "{}", constant) }
	calm := fill(harmless)
	return does(calm, calm, calm, calm, calm, calm, fill(other))
}

func tenantInView(more ...string) []string {
	return append(more, "create view @v as select set_config('app.tenant', '42', false) as a")
}

func tenantInDomain() []string {
	return []string{"create domain @d as int", "create domain @e as int check (set_config('app.tenant', '42', false) is not null)"}
}

// firedShape is an event trigger that leaves something once a table says so.
func firedShape(name, text string) statefulShape {
	return statefulShape{name: "a custom setting in an event trigger of " + name,
		admin: []string{"create table @flag (i int)", "grant all on @flag to public",
			"create function @ev() returns event_trigger language plpgsql as $f$ begin if exists (select from app.@flag) then perform set_config('app.tenant', '42', false); end if; end $f$",
			"create event trigger @ev on ddl_command_end when tag in ('GRANT', 'COMMENT', 'REFRESH MATERIALIZED VIEW') execute function @ev()"},
		setup: []string{"create table @t (i int)", "create materialized view @m as select 1 as i",
			"create function @f() returns void language plpgsql as $f$ begin comment on table @t is 'x'; end $f$"},
		act:   deeds(does(text, text, text, text, text), others('D', "insert into @flag values (1)"), does(text)),
		look:  simple(lookTenant),
		after: []string{"drop event trigger @ev"}}
}
