package integration

import (
	"slices"
	"strings"
)

// kind is a kind of state that a backend may be left with.
type kind struct {
	name string
	// expr is an expression that makes it, or stmt a statement.
	expr string
	stmt string
	body string // what a PL/pgSQL function says instead of stmt
	exec string // what EXECUTE says instead of stmt
	look string // a query that shows it
	say  func(*shapeRun) []message

	admin, setup []string

	local  bool // it ends with its transaction
	sturdy bool // it stays when its transaction is rolled back
	others bool // only what others read is compared (docs/limits.md)
	pool   int
}

const (
	lookLocks  = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
	lookTenant = "select coalesce(current_setting('app.tenant', true), '')"
	lookTemp   = "select count(*) from pg_class where relnamespace = pg_my_temp_schema() and relname like '@%'"
	lookMemory = "select current_setting('work_mem')"
)

// kinds are all of them. The first two are met in nearly every way.
var kinds = []kind{
	{name: "a custom setting", expr: "set_config('app.tenant', '42', false)", look: lookTenant},
	{name: "an advisory lock", expr: "pg_try_advisory_lock({n})", look: lookLocks, sturdy: true},
	{name: "a setting", expr: "set_config('work_mem', '9MB', false)", look: lookMemory},
	{name: "a setting by SET", stmt: "set statement_timeout = '77s'", look: "select current_setting('statement_timeout')"},
	{name: "a search path", expr: "set_config('search_path', 'app, pg_catalog', false)", look: "select current_setting('search_path')"},
	{name: "a reported setting", expr: "set_config('datestyle', 'German', false)", look: "select date '2024-02-01'"},
	{name: "read only", stmt: "set default_transaction_read_only = on", look: "select current_setting('default_transaction_read_only')"},
	{name: "SESSION CHARACTERISTICS", stmt: "set session characteristics as transaction isolation level serializable", look: "select current_setting('default_transaction_isolation')"},
	{name: "a role by set_config", expr: "set_config('role', 'shapes_deploy', false)", look: "select current_user"},
	{name: "a role by SET ROLE", stmt: "set role shapes_deploy", look: "select current_user"},
	{name: "a custom setting by SET", stmt: "set app.tenant = '42'", look: lookTenant},
	{name: "a custom setting of a composed name", expr: "set_config(concat('ap', 'p.ten', 'ant'), '42', false)", look: lookTenant},
	{name: "a shared advisory lock", expr: "pg_try_advisory_lock_shared(7, {n})", look: lookLocks, sturdy: true},
	{name: "an advisory lock that is waited for", expr: "pg_advisory_lock({n})", look: lookLocks, sturdy: true},
	{name: "a temporary table", stmt: "create temp table @tmp (i int)", look: lookTemp},
	{name: "SELECT INTO TEMP", stmt: "select 1 as i into temp @tmp", body: "create temp table @tmp as select 1 as i", exec: "create temp table @tmp as select 1 as i", look: lookTemp},
	{name: "a table in pg_temp by its path", stmt: "set local search_path = pg_temp; create table @tmp (i int)",
		body: "perform set_config('search_path', 'pg_temp', true); create table @tmp (i int); perform set_config('search_path', 'app, public', true)", look: lookTemp},
	{name: "a channel", stmt: "listen @channel", look: "select coalesce(string_agg(c, ','), '') from pg_listening_channels() c", pool: 3},
	{name: "a statement of PREPARE", stmt: "prepare @statement as select 1", look: "select coalesce(string_agg(name, ','), '') from pg_prepared_statements where from_sql", sturdy: true},
	{name: "a held cursor", stmt: "declare @cursor cursor with hold for select 1", body: "execute 'declare @cursor cursor with hold for select 1'",
		look: "select coalesce(string_agg(name, ','), '') from pg_cursors where is_holdable"},
	{name: "DEALLOCATE ALL", stmt: "deallocate all", sturdy: true,
		say: func(*shapeRun) []message { return say(bind("mine"), execute("", 0), sync_) }},
	{name: "a sequence's last value", expr: "nextval('app.@sequence')", setup: []string{"create sequence @sequence"}, look: "select lastval()", sturdy: true, others: true},
	{name: "an update of pg_settings", stmt: "update pg_settings set setting = '9216' where name = 'work_mem'", look: lookMemory},
	{name: "a dblink connection", expr: "dblink_connect_u('@link', concat('host=127.0.0.1 port={port} dbname=postgres user=postgres application_name=@link', pg_backend_pid()))",
		admin: []string{"create extension if not exists dblink schema public", "grant execute on function dblink_connect_u(text, text) to public"},
		look:  "select count(*) from pg_stat_activity where application_name = concat('@link', pg_backend_pid())", sturdy: true},
	{name: "a setting of the transaction", expr: "set_config('work_mem', '9MB', true)", look: lookMemory, local: true},
	{name: "a custom setting by SET LOCAL", stmt: "set local app.tenant = '42'", look: lookTenant, local: true},
}

// ready is what the kind needs, and its function if it has no expression.
func (k *kind) ready() []string {
	if k.expr != "" {
		return k.setup
	}
	return slices.Concat(k.setup, []string{"create function @kind() returns text language plpgsql as $k$ begin " + k.plpgsql() + "; return 'done'; end $k$"})
}

// value is an expression of type text.
func (k *kind) value() string {
	if k.expr != "" {
		return "(" + k.expr + ")::text"
	}
	return "@kind()"
}

// top is a statement.
func (k *kind) top() string {
	if k.expr != "" {
		return "select " + k.expr
	}
	return k.stmt
}

// plpgsql is the same for a PL/pgSQL function.
func (k *kind) plpgsql() string {
	switch {
	case k.body != "":
		return k.body
	case k.expr != "":
		return "perform " + k.expr
	}
	return k.stmt
}

// filler puts the kind's texts in the places that a way has for them: {value},
// {top}, {body}, and {exec} for EXECUTE; within a quoted text {'value}, {'body}
// and {'exec}.
func (k *kind) filler() *strings.Replacer {
	exec := k.exec
	if exec == "" {
		exec = k.top()
	}
	var places []string
	for name, text := range map[string]string{"value": k.value(), "top": k.top(), "body": k.plpgsql(), "exec": exec} {
		places = append(places, "{"+name+"}", text, "{'"+name+"}", strings.ReplaceAll(text, "'", "''"))
	}
	return strings.NewReplacer(places...)
}

// lookDeed is what shows the state.
func (k *kind) lookDeed() deed {
	if k.say != nil {
		return deed{'A', k.say}
	}
	return simple(k.look)
}
