package integration

// defines has PL/pgSQL loaded, which defines settings that only a superuser may set.
const defines = "do $$ begin end $$"

// libraryShapes set what a library has defined, or defines later, and are refused.
var libraryShapes = []statefulShape{
	{name: "a setting of a library's that its client may not set", act: does(defines, "set plpgsql.variable_conflict = 'use_column'", "select 1"), look: simple("select 1"), effect: vanishes},
	{name: "a setting of a library's that its client may not set, by set_config",
		act: does(defines, "select set_config('plpgsql.variable_conflict', 'use_column', false)", "select 1"), look: simple("select 1"), effect: vanishes},
	{name: "a setting of a library's that a block sets and is refused",
		act: does(defines, "begin", "set plpgsql.extra_errors = 'all'", "rollback"), look: simple("select 1"), effect: vanishes},
	{name: "a setting of a library's that comes later", act: does("set plpgsql.variable_conflict = 'use_column'", defines, "select 1"), look: simple("select 1"), effect: vanishes},
	{name: "a setting of a library's that another has loaded", act: deeds(does("set plpgsql.variable_conflict = 'use_column'"), others('B', defines)), look: simple("select 1"), effect: vanishes},
	{name: "a setting of a library's that its owner may set", admin: []string{"create function @f() returns text language plpgsql security definer as $f$ begin return set_config('plpgsql.extra_warnings', 'all', false); end $f$"},
		act: does(defines, "select @f()"), look: simple("select current_setting('plpgsql.extra_warnings', true) is not distinct from 'all'")},
	{name: "a setting of a library's that everybody may set", admin: []string{"create extension if not exists pg_trgm schema public"},
		act: does("select 'a' % 'b'", "set pg_trgm.similarity_threshold = 0.75"), look: simple("select 'abcdef' % 'abcdeg', show_limit()"), after: []string{"drop extension pg_trgm"}},
}
