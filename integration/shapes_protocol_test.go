package integration

import "github.com/jackc/pgx/v5/pgproto3"

// transactionWays are what becomes of it: a part of it may not stay.
var transactionWays = []way{
	{name: "in a savepoint that is kept", act: does("begin", "savepoint s", "{top}", "release s", "commit")},
	{name: "in a savepoint that is not released", act: does("begin", "savepoint s", "{top}", "commit")},
	{name: "in a savepoint that is rolled back", broad: true, undone: true, act: does("begin", "savepoint s", "{top}", "rollback to s", "commit")},
	{name: "ahead of a savepoint that is rolled back", act: does("begin", "{top}", "savepoint s", "select 1", "rollback to s", "commit")},
	{name: "in a savepoint within one that is rolled back", undone: true,
		act: does("begin", "savepoint s", "savepoint u", "{top}", "release u", "rollback to s", "commit")},
	{name: "in a transaction that is rolled back", broad: true, undone: true, act: does("begin", "{top}", "rollback")},
	{name: "in a transaction that fails", undone: true, act: does("begin", "{top}", "select 1/0", "commit")},
	{name: "in a text that fails", undone: true, not: []string{"a table in pg_temp by its path"}, act: does("{top}; select 1/0")},
	{name: "in a text with its own block", act: does("begin; {top}; commit")},
	{name: "in a text with its own block that is rolled back", undone: true, act: does("begin; {top}; rollback")},
	{name: "behind COMMIT AND CHAIN", act: does("begin", "select 1", "commit and chain", "{top}", "commit")},
	{name: "in a function in a savepoint that is kept",
		setup: []string{"create function @f() returns text language plpgsql as $f$ begin {body}; return 'f'; end $f$"}, act: does("begin", "savepoint s", "select @f()", "release s", "commit")},
	{name: "in a function in a savepoint that is rolled back", undone: true,
		setup: []string{"create function @f() returns text language plpgsql as $f$ begin {body}; return 'f'; end $f$"}, act: does("begin", "savepoint s", "select @f()", "rollback to s", "commit")},
	{name: "in a function, two deep, in a savepoint that is kept",
		setup: []string{"create function @g() returns text language plpgsql as $f$ begin {body}; return 'g'; end $f$", "create function @f() returns text language sql as $f$ select @g() $f$"},
		act:   does("begin", "savepoint s", "select @f()", "savepoint u", "select 1/0", "rollback to u", "commit")},
	{name: "in a function in a transaction that is rolled back", undone: true,
		setup: []string{"create function @f() returns text language plpgsql as $f$ begin {body}; return 'f'; end $f$"}, act: does("begin", "select @f()", "rollback")},
	{name: "in a read-only transaction", not: []string{"a temporary table", "SELECT INTO TEMP", "a table in pg_temp by its path", "a held cursor", "a sequence's last value", "an update of pg_settings"},
		act: does("begin read only", "select {value}", "commit")},
}

// protocolWays are the forms in which PostgreSQL can be asked.
var protocolWays = []way{
	{name: "at the top in the extended protocol", broad: true, not: []string{"a table in pg_temp by its path"}, act: unnamed("{top}")},
	{name: "at the top as a named statement", broad: true, not: []string{"a table in pg_temp by its path"}, act: deeds(parses("q", "{top}"), rerun("q"))},
	{name: "in a function in the extended protocol", setup: makesF, act: unnamed("select @f()")},
	{name: "in a function as a named statement", setup: makesF, act: deeds(parses("q", "select @f()"), rerun("q"))},
	{name: "in a function as a statement of PREPARE", not: []string{"a statement of PREPARE", "DEALLOCATE ALL"}, setup: makesF,
		act: does("prepare @q as select @f()", "execute @q", "deallocate @q")},
	{name: "in a function as a parameter of EXECUTE", not: []string{"a statement of PREPARE", "DEALLOCATE ALL"}, setup: makesF,
		act: does("prepare @q(text) as select $1", "execute @q({value})", "deallocate @q")},
	{name: "in a pipeline", setup: makesF, act: saying(func(r *shapeRun) []message {
		return join(extended("select 1"), extended(r.text("select @f()")), extended("select 2"), say(sync_))
	})},
	{name: "in a pipeline of several Syncs", setup: makesF, act: saying(func(r *shapeRun) []message {
		return join(extended("select 1"), say(sync_), extended(r.text("select @f()")), say(sync_), extended("select 2"), say(sync_))
	})},
	{name: "in a pipeline that fails behind it", undone: true, setup: makesF, act: saying(func(r *shapeRun) []message {
		return join(extended(r.text("select @f()")), extended("select 1/0"), extended("select 2"), say(sync_))
	})},
	{name: "in a pipeline with Flush", setup: makesF, act: saying(func(r *shapeRun) []message {
		return join(extended(r.text("select @f()")), say(flush), extended("select 2"), say(flush, sync_))
	})},
	{name: "in a Query behind a pipeline", setup: makesF, act: saying(func(r *shapeRun) []message {
		return join(extended("select 1"), say(sync_, query(r.text("select @f()"))))
	})},
	{name: "in a portal that is run in pieces", setup: makesF, act: saying(func(r *shapeRun) []message {
		return say(parse("", r.text("select i, case when i = 3 then @f() end from generate_series(1, 4) i")), portal("p", ""), execute("p", 2), execute("p", 2), closePortal("p"), sync_)
	})},
	{name: "in a portal that is not run to its end", setup: makesF, act: saying(func(r *shapeRun) []message {
		return say(parse("", r.text("select @f(), i from generate_series(1, 4) i")), portal("p", ""), execute("p", 1), sync_)
	})},
	{name: "in a statement that is only bound", varies: true,
		setup: []string{"create function @im(int) returns int language plpgsql immutable as $f$ begin perform {value}; return $1; end $f$"},
		act: saying(func(r *shapeRun) []message {
			return say(parse("", r.text("select @im(1)")), bind(""), sync_)
		})},
	{name: "in a statement that is bound twice", setup: makesF, act: saying(func(r *shapeRun) []message {
		return say(parse("q", r.text("select @f()")), bind("q"), execute("", 0), bind("q"), execute("", 0), sync_)
	})},
	{name: "in a statement in a block of its own", setup: makesF, act: deeds(does("begin"), unnamed("select @f()"), does("commit"))},
	{name: "in a fast-path call", only: []string{"a statement of PREPARE", "a temporary table", "a custom setting", "an advisory lock", "a setting", "a channel"}, setup: makesF, act: saying(func(r *shapeRun) []message {
		return say(&pgproto3.FunctionCall{Function: r.oid("@f")})
	})},
	{name: "in a fast-path call of a nested function", only: []string{"a custom setting", "an advisory lock"}, setup: append(makesF, "create function @h() returns text language sql as $f$ select @f() $f$"),
		act: saying(func(r *shapeRun) []message { return say(&pgproto3.FunctionCall{Function: r.oid("@h")}) })},
}

var makesF = []string{"create function @f() returns text language plpgsql as $f$ begin {body}; return 'f'; end $f$"}

// call is a fast-path call of a function whose number is known.
func call(function uint32, arguments ...string) *pgproto3.FunctionCall {
	m := &pgproto3.FunctionCall{Function: function}
	for _, a := range arguments {
		m.Arguments = append(m.Arguments, []byte(a))
	}
	return m
}
