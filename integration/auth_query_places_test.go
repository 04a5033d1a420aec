package integration

import (
	"strings"
	"testing"

	"pgweir/cluster"
)

// startAskedApart starts a server whose database keys has functions that tell secrets, and
// a pgweir that asks there: in database by_path as the role finds names in its own
// search_path, in all others as PostgreSQL's default has it. Both are as people name them
// for PgBouncer.
func startAskedApart(t *testing.T) *weir {
	t.Helper()
	pg := startCluster(t, cluster.Options{HBA: []string{
		"local all all trust", "host all postgres,asker,guide all trust", "host all all all scram-sha-256",
	}})
	execSQL(t, pg.DSN("postgres"), `create role asker login; create role guide login; create role ann login password 'geheim'`)
	execSQL(t, pg.DSN("postgres"), "create database keys")
	execSQL(t, pg.DSN("keys"), `
		create schema own; alter role guide in database keys set search_path = own; grant usage on schema own to guide;
		create function public.user_lookup(text, out name, out text) language sql security definer set search_path = pg_catalog, pg_temp
			as 'select usename, passwd from pg_shadow where usename = $1';
		create function own.secret_of(text, out name, out text) language sql security definer set search_path = pg_catalog, pg_temp
			as 'select usename, passwd from pg_shadow where usename = $1';
		create schema evil; grant usage on schema evil to public;
		create function evil.user_lookup(text, out text, out text) language sql as $$ select $1, 'evil' $$`)
	return startWeir(t, weirOptions{
		Cluster: pg,
		Top: `auth_type = "scram-sha-256"
			server_login_retry = 0
			login_failure_delay = 0
			auth_user = "asker"
			auth_dbname = "keys"
			auth_query = "SELECT * FROM user_lookup($1)"`,
		Tables: `[databases.keys]
			host = "127.0.0.1"
			port = PGPORT
			[databases.by_path]
			host = "127.0.0.1"
			port = PGPORT
			dbname = "postgres"
			auth_user = "guide"
			auth_query = "SELECT * FROM secret_of($1)"
			[users.known]
			password = "here"
			[users.postgres]`,
	})
}

// TestAuthQueryFindsNamesAsItsUserDoes: its search_path is the role's, and never the client's.
func TestAuthQueryFindsNamesAsItsUserDoes(t *testing.T) {
	t.Parallel()
	w := startAskedApart(t)
	for _, db := range []string{w.DB, "by_path"} {
		conn := connect(t, dsn(w.Port, db, "user=ann", "password=geheim", "options='-c search_path=evil'"))
		if got := ask(t, conn, "select current_user"); got != "ann" {
			t.Errorf("%s: ann is %s", db, got)
		}
		if got := codeOf(t, tryLogin(t, dsn(w.Port, db, "user=ann", "password=evil", "options='-c search_path=evil'"))); got != "28P01" {
			t.Errorf("%s: another's secret gives %q", db, got)
		}
	}
}

func TestADisabledDatabaseIsNotAskedByAuthQuery(t *testing.T) {
	t.Parallel()
	w := startAskedApart(t)
	console := connect(t, w.Console("user=pgweir", "host="+w.Dir))
	in := func(db, user, password string) string {
		return dsn(w.Port, db, "user="+user, "password="+password)
	}
	refused := func(dsn, message string) {
		t.Helper()
		if e := refusedWith(t, dsn); e.Severity != "FATAL" || e.Code != "08P01" || e.Message != message {
			t.Errorf("%+v, want %s", e, message)
		}
	}
	ann := connect(t, in(w.DB, "ann", "geheim"))
	questions := asked(t, w, "questions")
	must(t, console, "DISABLE keys")
	for range 2 { // there is an answer that would serve
		refused(in(w.DB, "ann", "geheim"), `authentication database "keys" is disabled`)
	}
	refused(in("by_path", "nobody", "x"), `authentication database "keys" is disabled`)
	refused(in("keys", "ann", "geheim"), `database "keys" is disabled`)
	if e := refusedWith(t, in("nowhere", "ann", "geheim")); e.Code != "08006" || strings.Contains(e.Message+e.Detail+e.Hint, "keys") {
		t.Errorf("a database that is not here: %+v", e)
	}
	if got := codeOf(t, tryLogin(t, in(w.DB, "known", "wrong"))); got != "28P01" {
		t.Errorf("a user who is known here, with a wrong password: %q", got)
	}
	must(t, ann, "select 1")
	if got := asked(t, w, "questions"); got != questions {
		t.Errorf("%s questions, before %s", got, questions)
	}
	must(t, console, "ENABLE keys")
	connect(t, in("by_path", "ann", "geheim"))
}

// TestADisabledDatabaseIsNotAskedForRoles, on which a line of auth_hba_file hangs.
func TestADisabledDatabaseIsNotAskedForRoles(t *testing.T) {
	t.Parallel()
	w := startRoles(t, "auth_dbname = \"roles_db\"\n", "one", "roles_db")
	connect(t, dsn(w.Port, "one", "user=direct"))
	console := connect(t, w.Console("user=pgweir", "host="+w.Dir))
	must(t, console, "DISABLE roles_db")
	if e := refusedWith(t, dsn(w.Port, "one", "user=direct")); e.Code != "08P01" || e.Message != `authentication database "roles_db" is disabled` {
		t.Errorf("%+v", e)
	}
	must(t, console, "ENABLE roles_db")
	connect(t, dsn(w.Port, "one", "user=direct"))
}
