package integration

import "github.com/jackc/pgx/v5/pgproto3"

// trigger makes a table and a trigger function; when is what fires it.
func trigger(when string, more ...string) []string {
	return append([]string{
		"create table @t (i int primary key, d text)", "insert into @t values (100, 'a')",
		"create function @tf() returns trigger language plpgsql as $f$ begin {body}; return coalesce(new, old); end $f$",
		"create " + when + " execute function @tf()",
	}, more...)
}

// triggerWays are triggers of every kind, and what fires them.
var triggerWays = []way{
	{name: "in a trigger before INSERT", broad: true, setup: trigger("trigger @tr before insert on @t for each row"), act: does("insert into @t values (1)")},
	{name: "in a trigger after INSERT", setup: trigger("trigger @tr after insert on @t for each row"), act: does("insert into @t values (1)")},
	{name: "in a statement trigger before INSERT", setup: trigger("trigger @tr before insert on @t"), act: does("insert into @t values (1)")},
	{name: "in a statement trigger after INSERT", setup: trigger("trigger @tr after insert on @t"), act: does("insert into @t select generate_series(1, 3)")},
	{name: "in a statement trigger of an UPDATE of nothing", setup: trigger("trigger @tr after update on @t"), act: does("update @t set d = 'b' where false")},
	{name: "in a trigger before UPDATE", setup: trigger("trigger @tr before update on @t for each row"), act: does("update @t set d = 'b'")},
	{name: "in a trigger after UPDATE OF a column", setup: trigger("trigger @tr after update of d on @t for each row"), act: does("update @t set d = 'b'")},
	{name: "in a trigger before DELETE", setup: trigger("trigger @tr before delete on @t for each row"), act: does("delete from @t")},
	{name: "in a trigger of TRUNCATE", setup: trigger("trigger @tr before truncate on @t"), act: does("truncate @t")},
	{name: "in a trigger with a transition table", setup: trigger("trigger @tr after insert on @t referencing new table as fresh"), act: does("insert into @t values (1)")},
	{name: "in a trigger's condition",
		setup: trigger("trigger @never before delete on @t for each row when (false)", "create function @w() returns text language plpgsql as $f$ begin {body}; return 'w'; end $f$",
			"create function @none() returns trigger language plpgsql as $f$ begin return new; end $f$", "create trigger @tr before insert on @t for each row when (@w() is null) execute function @none()"),
		act: does("insert into @t values (1)")},
	{name: "in a trigger INSTEAD OF INSERT on a view", setup: []string{"create view @v as select 1 as i",
		"create function @tf() returns trigger language plpgsql as $f$ begin {body}; return new; end $f$", "create trigger @tr instead of insert on @v for each row execute function @tf()"},
		act: does("insert into @v values (1)")},
	{name: "in a trigger of the table behind a view", setup: append(trigger("trigger @tr before insert on @t for each row"), "create view @v as select i from @t"), act: does("insert into @v values (1)")},
	{name: "in a deferred constraint trigger", setup: trigger("constraint trigger @tr after insert on @t deferrable initially deferred for each row"), act: does("insert into @t values (1)")},
	{name: "in a deferred constraint trigger at COMMIT", broad: true, not: []string{"a held cursor"},
		setup: trigger("constraint trigger @tr after insert on @t deferrable initially deferred for each row"), act: does("begin", "insert into @t values (1)", "select 1", "commit")},
	{name: "in a deferred constraint trigger that is fired early", setup: trigger("constraint trigger @tr after insert on @t deferrable initially deferred for each row"),
		act: does("begin", "insert into @t values (1)", "set constraints all immediate", "commit")},
	{name: "in a deferred constraint trigger that is rolled back", undone: true, setup: trigger("constraint trigger @tr after insert on @t deferrable initially deferred for each row"),
		act: does("begin", "insert into @t values (1)", "set constraints all immediate", "rollback")},
	{name: "in a trigger of a table that is cascaded to", setup: append(trigger("trigger @tr after delete on @t for each row"),
		"create table @parent (i int primary key)", "insert into @parent values (100)", "alter table @t add foreign key (i) references @parent on delete cascade"), act: does("delete from @parent")},
	{name: "in a trigger that a trigger fires", setup: append(trigger("trigger @tr before insert on @t for each row"), "create table @u (i int)",
		"create function @ug() returns trigger language plpgsql as $f$ begin insert into @t values (new.i); return new; end $f$", "create trigger @utr after insert on @u for each row execute function @ug()"),
		act: does("insert into @u values (1)")},
	{name: "in a trigger of COPY", setup: trigger("trigger @tr before insert on @t for each row"), act: saying(func(r *shapeRun) []message {
		return say(query(r.text("copy @t (i) from stdin")), data("1\n2\n"), done)
	})},
	{name: "in a trigger of COPY in the extended protocol", setup: trigger("trigger @tr before insert on @t for each row"), act: saying(func(r *shapeRun) []message {
		return say(parse("", r.text("copy @t (i) from stdin")), bind(""), execute("", 0), data("1\n"), done, sync_)
	})},
	{name: "in a trigger of COPY that fails", undone: true, setup: trigger("trigger @tr before insert on @t for each row"), act: saying(func(r *shapeRun) []message {
		return say(query(r.text("copy @t (i) from stdin")), data("1\n"), &pgproto3.CopyFail{Message: "no"})
	})},
	{name: "in a trigger of an UPSERT", setup: trigger("trigger @tr before update on @t for each row"), act: does("insert into @t values (100) on conflict (i) do update set d = 'b'")},
	{name: "in a trigger of a MERGE", since: 15, setup: trigger("trigger @tr before update on @t for each row"),
		act: does("merge into @t t using (values (100)) v(i) on t.i = v.i when matched then update set d = 'b'")},
	{name: "in a trigger of a partition", setup: []string{"create table @t (i int) partition by range (i)", "create table @p partition of @t for values from (0) to (10)",
		"create function @tf() returns trigger language plpgsql as $f$ begin {body}; return new; end $f$", "create trigger @tr before insert on @p for each row execute function @tf()"},
		act: does("insert into @t values (1)")},
	{name: "in a trigger of an INSERT in WITH", setup: trigger("trigger @tr before insert on @t for each row"), act: does("with x as (insert into @t values (1) returning i) select * from x")},
	{name: "in a trigger of an INSERT in a function", setup: append(trigger("trigger @tr before insert on @t for each row"),
		"create function @f() returns void language sql as $f$ insert into @t values (1) $f$"), act: does("select @f()")},
	{name: "in a trigger of a named INSERT", setup: trigger("trigger @tr before insert on @t for each row"), act: deeds(parses("q", "insert into @t values ($1)"), rerun("q", "1"))},
	{name: "in a trigger whose function calls one", setup: []string{"create table @t (i int)", "create function @g() returns text language plpgsql as $f$ begin {body}; return 'g'; end $f$",
		"create function @tf() returns trigger language plpgsql as $f$ begin perform @g(); return new; end $f$", "create trigger @tr after insert on @t for each row execute function @tf()"},
		act: does("insert into @t values (1)")},
	{name: "in an event trigger", admin: []string{"create function @tf() returns event_trigger language plpgsql as $f$ begin {body}; end $f$",
		"create event trigger @tr on ddl_command_start when tag in ('CREATE DOMAIN') execute function @tf()"},
		act: does("create domain @made as int"), after: []string{"drop event trigger @tr"}},
}

// relationWays are views, rules and what else a table brings with it.
var relationWays = []way{
	{name: "in a view", broad: true, setup: []string{"create view @v as select {value} as a"}, act: does("select * from @v")},
	{name: "in a view of a view", setup: []string{"create view @u as select {value} as a", "create view @v as select a from @u"}, act: does("select a from @v")},
	{name: "in a function that a view calls", setup: append(makesF, "create view @v as select @f() as a"), act: does("table @v")},
	{name: "in a view that a function reads", setup: []string{"create view @v as select {value} as a", "create function @f() returns text language plpgsql as $f$ begin return (select a from @v); end $f$"}, act: does("select @f()")},
	{name: "in a view with a condition", setup: []string{"create view @v with (security_barrier) as select 1 as i where {value} is not null"}, act: does("select * from @v")},
	{name: "in a view that is copied", setup: []string{"create view @v as select {value} as a"}, act: does("copy (select * from @v) to stdout")},
	{name: "in a cursor over a view", setup: []string{"create view @v as select {value} as a"}, act: does("begin", "declare c cursor for select * from @v", "fetch c", "close c", "commit")},
	{name: "in a cursor over a view that is rolled back", undone: true, setup: []string{"create view @v as select {value} as a"}, act: does("begin", "declare c cursor for select * from @v", "fetch c", "rollback")},
	{name: "in a held cursor over a view, at COMMIT", not: []string{"a held cursor"}, setup: []string{"create view @v as select {value} as a"},
		act: does("begin", "declare @w cursor with hold for select * from @v", "commit", "close @w")},
	{name: "in a materialized view", varies: true, setup: []string{"create materialized view @m as select {value} as a with no data"}, act: does("refresh materialized view @m")},
	{name: "in a rule beside an INSERT", setup: []string{"create table @t (i int)", "create rule @r as on insert to @t do also select {value}"}, act: does("insert into @t values (1)")},
	{name: "in a rule instead of an UPDATE", setup: []string{"create table @t as select 1 as i", "create rule @r as on update to @t do instead select {value}"}, act: does("update @t set i = 2")},
	{name: "in a rule instead of a DELETE on a view", setup: []string{"create view @v as select 1 as i", "create rule @r as on delete to @v do instead select {value}"}, act: does("delete from @v")},
	{name: "in a column's default", setup: []string{"create table @t (i int, d text default {value})"}, act: does("insert into @t (i) values (1)")},
	{name: "in a column's default in COPY", setup: []string{"create table @t (i int, d text default {value})"}, act: saying(func(r *shapeRun) []message {
		return say(query(r.text("copy @t (i) from stdin")), data("1\n"), done)
	})},
	{name: "in a column's default by DEFAULT VALUES", setup: []string{"create table @t (i int, d text default {value})"}, act: does("insert into @t default values")},
	{name: "in a column's default in an UPDATE", setup: []string{"create table @t (i int, d text default {value})", "insert into @t values (1, 'a')"}, act: does("update @t set d = default")},
	{name: "in a default of a column that is added", setup: []string{"create table @t as select 1 as i"}, act: does("alter table @t add d text default {value}")},
	{name: "in a check", setup: []string{"create table @t (i int check ({value} is not null))"}, act: does("insert into @t values (1)")},
	{name: "in a check that is added", setup: []string{"create table @t as select 1 as i"}, act: does("alter table @t add check ({value} is not null)")},
	{name: "in a check of a domain", setup: []string{"create domain @d as int check ({value} is not null)"}, act: does("select 1::@d")},
	{name: "in a check of a column's domain", setup: []string{"create domain @d as int check ({value} is not null)", "create table @t (i @d)"}, act: does("insert into @t values (1)")},
	{name: "in a check of a domain of a function's argument", setup: []string{"create domain @d as int check ({value} is not null)", "create function @f(@d) returns int language plpgsql as $f$ begin return 1; end $f$"}, act: does("select @f(1)")},
	{name: "in a policy for SELECT", varies: true, setup: []string{"create table @t as select 1 as i", "alter table @t enable row level security", "alter table @t force row level security",
		"create policy @p on @t using ({value} is not null)"}, act: does("select * from @t")},
	{name: "in a policy for INSERT", setup: []string{"create table @t (i int)", "alter table @t enable row level security", "alter table @t force row level security",
		"create policy @p on @t with check ({value} is not null)"}, act: does("insert into @t values (1)")},
	{name: "in an index", setup: append(makesImmutable, "create table @t (i int)", "create index on @t (@im(i))"), act: does("insert into @t values (1)")},
	{name: "in an index that is made", varies: true, setup: append(makesImmutable, "create table @t as select 1 as i"), act: does("create index on @t (@im(i))")},
	{name: "in an index's condition", setup: append(makesImmutable, "create table @t (i int)", "create index on @t (i) where @im(i) > 0"), act: does("insert into @t values (1)")},
	{name: "in a generated column", setup: append(makesImmutable, "create table @t (i int, g int generated always as (@im(i)) stored)"), act: does("insert into @t values (1)")},
	{name: "in a partition's key", setup: append(makesImmutable, "create table @t (i int) partition by range (@im(i))", "create table @p partition of @t for values from (0) to (10)"), act: does("insert into @t values (1)")},
	{name: "in an upsert's expression", setup: []string{"create table @t (i int primary key, d text)", "insert into @t values (1)"}, act: does("insert into @t values (1) on conflict (i) do update set d = {value}")},
	{name: "in a MERGE's expression", since: 15, setup: []string{"create table @t as select 1 as i, 'a'::text as d"},
		act: does("merge into @t t using (values (1)) v(i) on t.i = v.i when matched then update set d = {value}")},
	{name: "in RETURNING", setup: []string{"create table @t (i int)"}, act: does("insert into @t values (1) returning {value}")},
}

var makesImmutable = []string{"create function @im(int) returns int language plpgsql immutable as $f$ begin perform {value}; return $1; end $f$"}

// expressionWays are what an expression may stand in, or be hidden behind.
var expressionWays = []way{
	{name: "in an operator", setup: onPair("@pair, @pair", "create operator ### (function = @f, leftarg = @pair, rightarg = @pair)"), act: does("select row(1)::@pair ### row(2)::@pair")},
	{name: "in a prefix operator", setup: onPair("@pair", "create operator ### (function = @f, rightarg = @pair)"), act: does("select ### row(1)::@pair")},
	{name: "in an operator of its schema", setup: onPair("@pair, @pair", "create operator ### (function = @f, leftarg = @pair, rightarg = @pair)"), act: does("select row(1)::@pair operator(app.###) row(2)::@pair")},
	{name: "in a cast", setup: onPair("@pair", "create cast (@pair as text) with function @f(@pair)"), act: does("select row(1)::@pair::text")},
	{name: "in a cast by assignment", setup: onPair("@pair", "create cast (@pair as text) with function @f(@pair) as assignment", "create table @t (d text)"), act: does("insert into @t select row(1)::@pair")},
	{name: "in a cast that is implied", setup: onPair("@pair", "create cast (@pair as text) with function @f(@pair) as implicit"), act: does("select upper(row(1)::@pair)")},
	{name: "in an aggregate's transition", setup: []string{"create function @sf(text, int) returns text language plpgsql as $f$ begin {body}; return 'a'; end $f$", "create aggregate @agg(int) (sfunc = @sf, stype = text)"},
		act: does("select @agg(i) from generate_series(1, 1) i")},
	{name: "in an aggregate's end", setup: []string{"create function @sf(text, int) returns text language sql as $f$ select 'a' $f$", "create function @ff(text) returns text language plpgsql as $f$ begin {body}; return 'a'; end $f$",
		"create aggregate @agg(int) (sfunc = @sf, stype = text, finalfunc = @ff)"}, act: does("select @agg(i) from generate_series(1, 1) i")},
	{name: "in an aggregate over a window", setup: []string{"create function @sf(text, int) returns text language plpgsql as $f$ begin {body}; return 'a'; end $f$", "create aggregate @agg(int) (sfunc = @sf, stype = text)"},
		act: does("select @agg(i) over (order by i) from generate_series(1, 1) i")},
	{name: "in an order of its own", setup: []string{"create type @pair as (a int)",
		"create function @less(@pair, @pair) returns bool language plpgsql immutable as $f$ begin perform {value}; return ($1).a < ($2).a; end $f$",
		"create function @order(@pair, @pair) returns int language plpgsql immutable as $f$ begin perform {value}; return ($1).a - ($2).a; end $f$",
		"create operator <<< (function = @less, leftarg = @pair, rightarg = @pair)"}, act: does("select row(1)::@pair <<< row(2)::@pair")},
	{name: "in a function written as a column", setup: []string{"create table @t as select 1 as i", "create function @f(@t) returns text language sql as $f$ select {value} $f$"}, act: does("select x.@f from @t x")},
	{name: "in a function written as a field", setup: onPair("@pair"), act: does("select (row(1)::@pair).@f")},
	{name: "in an argument's default", setup: []string{"create function @f(a text default {value}) returns text language plpgsql as $f$ begin return a; end $f$"}, act: does("select @f()")},
	{name: "in a range's bounds", setup: []string{"create function @diff(float8, float8) returns float8 language plpgsql immutable as $f$ begin perform {value}; return $1 - $2; end $f$",
		"create type @range as range (subtype = float8, subtype_diff = @diff)", "create table @t (r @range)", "create index on @t using gist (r)"}, varies: true,
		act: does("insert into @t select @range(i, i + 1) from generate_series(1, 1000) i")},
	{name: "in query_to_xml", act: does("select query_to_xml('select {'value}', true, true, '')")},
	{name: "in table_to_xml of a view", setup: []string{"create view @v as select {value} as a"}, act: does("select table_to_xml('app.@v', true, true, '')")},
	{name: "in cursor_to_xml", setup: []string{"create view @v as select {value} as a"}, act: does("begin", "declare c cursor for select * from @v", "select cursor_to_xml('c', 1, true, true, '')", "commit")},
	{name: "in ts_stat", setup: makesF, act: does("select * from ts_stat('select to_tsvector(@f())')")},
	{name: "in ts_rewrite", setup: makesF, act: does("select ts_rewrite('a & b'::tsquery, 'select to_tsquery(''c''), to_tsquery(@f())')")},
	{name: "in EXPLAIN ANALYZE", setup: makesF, act: does("explain (analyze, buffers off, costs off, timing off, summary off) select @f()")},
	{name: "in EXPLAIN of a constant", setup: makesImmutable, act: does("explain (costs off) select @im(1)")},
	{name: "in EXPLAIN of an estimate", varies: true, setup: []string{"create table @t as select generate_series(1, 100) as i", "analyze @t",
		"create function @st() returns int language plpgsql stable as $f$ begin perform {value}; return 1; end $f$"}, act: does("explain (costs off) select * from @t where i = @st()")},
	{name: "in COPY of a query", setup: makesF, act: does("copy (select @f()) to stdout")},
	{name: "in CREATE TABLE AS", setup: makesF, act: does("create table @made as select @f() as a")},
	{name: "in SELECT INTO", setup: makesF, act: does("select @f() as a into @made")},
	{name: "in WITH", setup: makesF, act: does("with x as materialized (select @f() as a) select * from x")},
	{name: "in WITH RECURSIVE", setup: makesF, act: does("with recursive x(i, a) as (select 1, 'a' union all select i + 1, @f() from x where i < 2) select * from x")},
	{name: "in a subquery", setup: makesF, act: does("select 1 where exists (select @f() offset 0)")},
	{name: "in LIMIT", setup: makesF, act: does("select 1 limit length(@f())")},
	{name: "in ORDER BY", setup: makesF, act: does("select i from generate_series(1, 1) i order by @f(), i")},
	{name: "in VALUES", setup: makesF, act: does("values (@f()), ('a')")},
	{name: "in CASE", setup: makesF, act: does("select case when @f() = 'f' then 1 else 2 end")},
	{name: "in an argument of an argument", setup: makesF, act: does("select upper(concat('a', @f()))")},
	{name: "in a join", setup: makesF, act: does("select 1 from generate_series(1, 1) a join generate_series(1, 1) b on a = b and @f() is not null")},
	{name: "in an array", setup: makesF, act: does("select array[@f()], array(select 1)")},
	{name: "in a row", setup: makesF, act: does("select row(1, @f())")},
	{name: "in GROUP BY and HAVING", setup: makesF, act: does("select count(*) from generate_series(1, 2) i group by i > 0 having @f() is not null")},
	{name: "in pg_notify's payload", setup: makesF, act: does("select pg_notify('@elsewhere', @f())")},
	{name: "in json_object_agg", setup: makesF, act: does("select json_object_agg(i, @f()) from generate_series(1, 1) i")},
	{name: "in FILTER", setup: makesF, act: does("select count(*) filter (where @f() is not null)")},
}

// onPair makes a composite type, and a function of it.
func onPair(arguments string, more ...string) []string {
	return append([]string{"create type @pair as (a int)", "create function @f(" + arguments + ") returns text language plpgsql as $f$ begin {body}; return 'f'; end $f$"}, more...)
}
