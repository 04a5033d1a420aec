package integration

import "slices"

// What is proven of a statement by leases that have left nothing holds for leases
// in which it leaves something: another statement has undone it, the client had
// set the same itself, or names have come to mean something else since. Nothing in
// the text gives a hint: a partition's constraint calls the function, or syntax
// implies the operator.

// partitioned has a function called by an insert into @c.
func partitioned(body string) []string {
	return []string{
		"create function @im(a int) returns int language plpgsql immutable as $f$ begin " + body + "; return $1; end $f$",
		"create table @p (i int) partition by list (@im(i))", "create table @c partition of @p for values in (1)",
	}
}

// implied has a function called by =, of a type of its own, which is in no text.
func implied(body string) []string {
	return []string{
		"create type @y as (a int)", "create function @eq(@y, @y) returns boolean language plpgsql as $f$ begin " + body + "; return true; end $f$",
		"create operator = (leftarg = @y, rightarg = @y, function = @eq)", "create table @t (a @y, b @y)", "insert into @t values (row(1), row(1))",
	}
}

const tenantBody = "perform set_config('app.tenant', '42', false)"

var proofShapes = func() (all []statefulShape) {
	for _, way := range []struct {
		name string
		made func(string) []string
		runs string
	}{
		{"a partition's constraint", partitioned, "insert into @c values (1)"},
		{"the operator of IN", implied, "select a in (b) from @t"},
		{"the operator of IS DISTINCT FROM", implied, "select a is distinct from b from @t"},
		{"the operator of CASE", implied, "select case a when b then 1 end from @t"},
	} {
		for _, state := range []struct{ name, body, undo, look string }{
			{"a custom setting", tenantBody, "reset app.tenant", lookTenant},
			{"a setting", "perform set_config('work_mem', '9999', false)", "reset work_mem", lookMemory},
			{"an advisory lock", "perform pg_advisory_lock({n})", "select pg_advisory_unlock_all()", lookLocks},
			{"a role", "perform set_config('role', 'shapes_deploy', false)", "reset role", "select current_user"},
			{"a temporary table", "create temp table if not exists @tmp (i int)", "drop table @tmp", lookTemp},
		} {
			if state.look == lookTemp && way.runs == "insert into @c values (1)" {
				continue // an immutable function may not make one
			}
			undone := []string{"begin", way.runs, state.undo, "commit"}
			all = append(all, statefulShape{
				name: state.name + " that was undone in the block before, by " + way.name, setup: way.made(state.body),
				act: does(append(append(append([]string{}, undone...), undone...), way.runs)...), look: simple(state.look),
			})
		}
		all = append(all, statefulShape{
			name: "a custom setting that another client has set itself, by " + way.name, setup: way.made(tenantBody),
			act: deeds(others('B', "set app.tenant = '42'", way.runs, way.runs, "reset app.tenant"), does(way.runs)), look: simple(lookTenant),
		})
	}
	return append(all, changedShapes...)
}()

// changes is a statement that is run to no effect, and again behind DDL past
// pgweir, or through it, that makes it call @hid.
func changes(ddl, runs string) []deed {
	return deeds(does(runs, runs, runs, runs, runs), others('D', ddl), others('B', "select 1"), does(runs))
}

// hidden is what changes calls then; no name of it is in a text.
var hidden = []string{
	"create function @leave(int) returns int language plpgsql immutable as $f$ begin " + tenantBody + "; return $1; end $f$",
	"create operator <+> (rightarg = int, function = @leave)",
	"create function @hid() returns int language plpgsql as $f$ begin return <+>-2; end $f$",
}

var dropHidden = []string{"drop operator <+> (none, int) cascade"}

const throughTable = "begin; select set_config('search_path', path || ', app', true) from @cfg; select @f(); commit"

var changedShapes = []statefulShape{
	{name: "an advisory lock by an expression of statistics that are new", setup: append(partitioned("perform pg_advisory_lock_shared({n})"), "create table @t (i int)", "insert into @t select generate_series(1, 10)"),
		act: changes("create statistics @s on (@im(i)) from @t", "analyze @t"), look: simple(lookLocks)},
	{name: "a custom setting by a function of a column whose type is another", after: dropHidden, setup: append(slices.Clone(hidden), "create table @t (x int)", "insert into @t values (1)",
		"create function @o(int) returns int language sql as $f$ select 1 $f$", "create function @o(text) returns int language plpgsql as $f$ begin return @hid(); end $f$"),
		act: changes("alter table @t alter x type text", "select @o(x) from @t"), look: simple(lookTenant)},
	{name: "a custom setting by a function in place of a column that is gone", after: dropHidden, setup: append(slices.Clone(hidden), "create table @t (@col int, x int)", "insert into @t values (1, 1)",
		"create function @col(@t) returns int language plpgsql as $f$ begin return @hid(); end $f$"),
		act: changes("alter table @t drop column @col", "select @t.@col from @t"), look: simple(lookTenant)},
	{name: "a custom setting by a policy of a table with another owner", after: dropHidden, setup: append(slices.Clone(hidden), "create table @t (i int)", "insert into @t values (1)",
		"create policy @p on @t using (@hid() = 1)", "alter table @t enable row level security", "grant all on @t to {role}"),
		act:  deeds(does("select * from @t", "select * from @t", "select * from @t"), others('D', "alter table @t owner to shapes_deploy; set role shapes_deploy; grant select on @t to shapes_app; reset role"), others('B', "select 1"), does("select * from @t")),
		look: simple(lookTenant), effect: varies},
	{name: "a custom setting by a search_path that stands in a table",
		admin: []string{"create schema @a authorization {role}", "create schema @b authorization {role}"},
		after: dropHidden, setup: append(slices.Clone(hidden), "create function @a.@f() returns int language sql as $f$ select 1 $f$",
			"create function @b.@f() returns int language plpgsql as $f$ begin return @hid(); end $f$", "create table @cfg as select '@a'::text as path"),
		act:  deeds(does(throughTable, throughTable, throughTable, throughTable, throughTable), others('D', "update @cfg set path = '@b'"), does(throughTable)),
		look: simple(lookTenant)},
	{name: "custom settings whose values have a bar", setup: partitioned("perform set_config('app.tenant', 'x', false); perform set_config('app.zone', '|', false)"),
		act: does("set app.tenant = 'x|'", "select 1", "insert into @c values (1)"), look: simple("select coalesce(current_setting('app.tenant', true), ''), coalesce(current_setting('app.zone', true), '')")},
	{name: "a custom setting by another name of set_config",
		admin: []string{"create function app.@ms(text, text, bool) returns text language internal as 'set_config_by_name'"},
		act:   does("select @ms('app.hidden', '1', false)"), look: simple("select current_setting('app.hid' || 'den', true)")},
	{name: "a custom setting by a function in pg_catalog",
		admin: []string{"create function pg_catalog.@pcf() returns int language plpgsql as $f$ begin perform set_config('app.onlyhere', '42', false); return 1; end $f$"},
		act:   does("select pg_catalog.@pcf()"), look: simple("select current_setting('app.only' || 'here', true)"), after: []string{"drop function pg_catalog.@pcf()"}},
}
