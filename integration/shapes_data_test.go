package integration

// defines has PL/pgSQL loaded, which defines settings that only a superuser may set.
const defines = "do $$ begin end $$"

// libraryShapes set what a library has defined, and are refused. A client that sets it
// ahead of the library is in refused_settings_test.go: what it is told depends on
// whether its backend has loaded that for others.
// Another client loads it again, since what is refused to its name has moved it.
var libraryShapes = []statefulShape{
	{name: "a setting of a library's that its client may not set", act: deeds(does(defines, "set plpgsql.variable_conflict = 'use_column'"), others('B', defines), does("select 1")), look: simple("select 1"), effect: vanishes},
	{name: "a setting of a library's that its client may not set, by set_config",
		act: deeds(does(defines, "select set_config('plpgsql.variable_conflict', 'use_column', false)"), others('B', defines), does("select 1")), look: simple("select 1"), effect: vanishes},
	{name: "a setting of a library's that a block sets and is refused",
		act: deeds(does(defines, "begin", "set plpgsql.extra_errors = 'all'", "rollback"), others('B', defines), does("select 1")), look: simple("select 1"), effect: vanishes},
	{name: "a setting of a library's that its owner may set", admin: []string{"create function @f() returns text language plpgsql security definer as $f$ begin return set_config('plpgsql.extra_warnings', 'all', false); end $f$"},
		act: does(defines, "select @f()"), look: simple("select current_setting('plpgsql.extra_warnings', true) is not distinct from 'all'")},
	{name: "a setting of a library's that everybody may set", admin: []string{"create extension if not exists pg_trgm schema public"},
		act: does("select 'a' % 'b'", "set pg_trgm.similarity_threshold = 0.75"), look: simple("select 'abcdef' % 'abcdeg', show_limit()"), after: []string{"drop extension pg_trgm"}},
}

// calc executes an expression that it is given.
const calc = "create function @calc(x text) returns text language plpgsql as $f$ declare r text; begin execute 'select ' || x into r; return r; end $f$"

// rules has an expression that sets a custom setting in a table.
var rules = []string{calc, "create table @rules as select 'set_config(''app.@t''||''en'',''42'',false)'::text as e"}

// runsRow executes what is inserted into @t.
var runsRow = []string{"create table @t (e text)", "create function @tf() returns trigger language plpgsql as $f$ begin execute 'select ' || new.e; return new; end $f$",
	"create trigger @tr before insert on @t for each row execute function @tf()"}

// foreignShapes execute SQL that stands in no text of the client's or the database's.
// Of the setting that it sets nobody can tell the name, so the client loses it.
var foreignShapes = foreign([]statefulShape{
	{name: "in a column", act: does("select @calc(e) from @rules")},
	{name: "in a column, by a view", setup: []string{"create view @v as select @calc(e) from @rules"}, act: does("select * from @v")},
	{name: "in a column, behind other statements", setup: []string{"create function @run(x text) returns void language plpgsql as $f$ begin execute 'select 1; '||x; end $f$"},
		act: does("select @run('select ' || e) from @rules")},
	{name: "in a column, by format", setup: []string{"create function @fmt(x text) returns text language plpgsql as $f$ declare r text; begin execute format('select %s', x) into r; return r; end $f$"},
		act: does("select @fmt(e) from @rules")},
	{name: "in a column, by a variable", setup: []string{"create function @var(x text) returns void language plpgsql as $f$ declare q text := 'select 1, '; begin q := q || x; execute q; end $f$"},
		act: does("select @var(e) from @rules")},
	{name: "in a column, by a name of a function", setup: []string{"create function @any(f text) returns text language plpgsql as $f$ declare r text; begin execute format('select %I(%L, %L, false)', f, concat('app', '.@ten'), '42') into r; return r; end $f$"},
		act: does("select @any(concat('set', '_', 'config'))")},
	{name: "in a column, by a trigger", setup: runsRow, act: does("insert into @t select e from @rules")},
	{name: "in a row of COPY, by a trigger", setup: runsRow, act: saying(func(r *shapeRun) []message {
		return say(query(r.text("copy @t from stdin")), data(r.text("set_config('app.@t'||'en','42',false)\n")), done)
	})},
	{name: "in a column, by DO", act: does("do $q$ declare x text; begin for x in select 'select ' || e from @rules loop execute x; end loop; end $q$")},
	{name: "in a column, by query_to_xml", act: does("select length(query_to_xml('select ' || e, true, true, '')::text) > 0 from @rules")},
	{name: "in a column, by query_to_xml in a view", setup: []string{"create view @v as select query_to_xml('select ' || e, true, true, '')::text from @rules"}, act: does("select count(*) from (select * from @v offset 0) v where query_to_xml is not null")},
	{name: "in a column, by crosstab", admin: []string{"create extension if not exists tablefunc schema public"}, act: does("select * from crosstab('select 1,2,length('||(select e from @rules)||')') as x (a int, b int)"), after: []string{"drop extension tablefunc"}},
	{name: "in a parameter", act: unnamed("select @calc($1)", "set_config('app.@t'||'en','42',false)")},
	{name: "in a column, several times", act: does("select @calc('1')", "select @calc('1')", "select @calc('1')", "select @calc(e) from @rules", "select @calc(e) from @rules")},
}, true)

// namedShapes do the same, and the setting's name stands somewhere.
var namedShapes = foreign([]statefulShape{
	{name: "in a parameter, with its name", act: unnamed("select @calc($1)", "set_config('app.@ten','42',false)")},
	{name: "in a named statement's parameter, with its name", act: deeds(parses("q", "select @calc($1)"), rerun("q", "1"), rerun("q", "set_config('app.@ten','42',false)"))},
	{name: "in a parameter of query_to_xml, with its name", act: unnamed("select length(query_to_xml($1, true, true, '')::text) > 0", "select set_config('app.@ten','42',false)")},
	{name: "in a column, where a policy reads it", setup: []string{"create table @u (i int)", "create policy @p on @u using (i::text = current_setting('app.@ten', true))"}, act: does("select @calc(e) from @rules")},
	{name: "in a column, where a function reads it", setup: []string{"create function @tenant() returns text language sql as $f$ select current_setting('app.@ten') $f$"}, act: does("select @calc(e) from @rules")},
	{name: "in a column, where a view reads it", setup: []string{"create view @u as select current_setting('app.@ten', true) as t"}, act: does("select @calc(e) from @rules")},
	{name: "in a column, where a default reads it", setup: []string{"create table @u (t text default current_setting('app.@ten', true))"}, act: does("select @calc(e) from @rules")},
}, false)

func foreign(shapes []statefulShape, others bool) []statefulShape {
	for i := range shapes {
		s := &shapes[i]
		s.name, s.others = "a custom setting by SQL "+s.name, others
		s.setup = append(append([]string{}, rules...), s.setup...)
		s.look = simple("select coalesce(current_setting('app.@t' || 'en', true), '')")
	}
	return shapes
}

// lookLink asks for the connection of dblink's that has no name.
const lookLink = "select x from dblink('select 1') as t (x int)"

// linkShapes open one.
var linkShapes = func() []statefulShape {
	const conn = "'host=127.0.0.1 port={port} dbname=postgres user=postgres'"
	dblink := []string{"create extension if not exists dblink schema public", "grant execute on function dblink_connect_u(text) to public"}
	rule := []string{calc, "create table @rules as select $q$dblink_connect_u(" + conn + ")$q$::text as e"}
	all := []statefulShape{
		{name: "by a function in C of another name", admin: append(dblink, "create function app.@mine(text) returns text language c strict security definer as '$libdir/dblink', 'dblink_connect'"), act: does("select @mine(" + conn + ")")},
		{name: "by a view of such a function", admin: append(dblink, "create function app.@mine(text) returns text language c strict security definer as '$libdir/dblink', 'dblink_connect'"),
			setup: []string{"create view @v as select @mine(" + conn + ") as a"}, act: does("select * from @v")},
		{name: "by SQL in a column", admin: dblink, setup: rule, act: does("select @calc(e) from @rules")},
		{name: "by SQL that is put together", admin: dblink,
			setup: []string{"create function @f() returns text language plpgsql as $f$ declare r text; begin execute 'select dbl' || 'ink_conn' || 'ect_u(' || quote_literal(" + conn + ") || ')' into r; return r; end $f$"}, act: does("select @f()")},
	}
	for i := range all {
		s := &all[i]
		s.others = true // A loses what nobody can tell that it has made
		s.name, s.look, s.after = "a connection of dblink's without a name, "+s.name, simple(lookLink), []string{"drop extension dblink cascade"}
	}
	return all
}()
