package integration

import (
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

// runFile runs a file of docs/sql as the superuser, as the file itself says.
func runFile(t *testing.T, pg *cluster.Cluster, database, name string) {
	t.Helper()
	cmd := psqlCommand(t, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", dsn(pg.Port, database), "-f", filepath.Join("../docs/sql", name))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// TestTheSQLOfTheDocumentationMakesTheRoles: the files run twice without an error, and
// pgweir works with the roles that they make, which may do nothing else.
func TestTheSQLOfTheDocumentationMakesTheRoles(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	for range 2 {
		runFile(t, pg, "postgres", "monitoring-role.sql")
		runFile(t, pg, "postgres", "auth-query.sql")
	}
	super := connect(t, pg.DSN("postgres"))
	must(t, super, `create role shopper login password 'open sesame'; create role boss superuser login password 'secret'`)

	t.Run("the census has all rights that it needs", func(t *testing.T) {
		other := connect(t, pg.DSN("postgres"))
		must(t, other, "begin; select 'a statement'")
		c := runCensus(t, "--dsn", dsn(pg.Port, "postgres", "user=pgweir_census"))
		if c.finding("census_rights") || c.finding("census_blind") {
			t.Errorf("%+v", c.Findings)
		}
		p, ok := c.byPID()[backendOf(t, other)]
		if !ok || or(p.State) != "idle in transaction" || or(p.Wait) == "" || or(p.User) != "postgres" || p.Since == nil {
			t.Errorf("of another's session it has %+v", p)
		}
		checkKinds(t, c)
	})
	t.Run("a served census", func(t *testing.T) {
		w := startWeir(t, weirOptions{Cluster: pg, Top: "census_user = \"pgweir_census\"\ncensus_interval = \"200ms\""})
		console := connect(t, w.Console())
		eventually(t, "a census is there", func() bool { return len(show(t, console, "show processes")) > 0 })
		for _, row := range show(t, console, "show findings") {
			if row["id"] == "census_rights" || row["id"] == "census_blind" {
				t.Errorf("%v", row)
			}
		}
	})
	t.Run("the roles may do no more", func(t *testing.T) {
		for role, granted := range map[string]string{"pgweir_census": "{pg_read_all_stats}", "pgweir_auth": "{}"} {
			var got string
			var special bool
			if err := super.QueryRow(t.Context(), `select array(select b.rolname::text from pg_auth_members m join pg_roles b on b.oid = m.roleid where m.member = r.oid)::text,
				rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls from pg_roles r where rolname = $1`, role).Scan(&got, &special); err != nil {
				t.Fatal(err)
			}
			if got != granted || special {
				t.Errorf("%s is a member of %s, with special rights: %v", role, got, special)
			}
			conn := connect(t, dsn(pg.Port, "postgres", "user="+role))
			if err := runSQL(t.Context(), conn, "select rolpassword from pg_authid"); sqlState(err) != "42501" {
				t.Errorf("%s reads secrets: %v", role, err)
			}
		}
		census := connect(t, dsn(pg.Port, "postgres", "user=pgweir_census"))
		if err := runSQL(t.Context(), census, "select * from pgweir.secret_of('shopper')"); sqlState(err) != "42501" {
			t.Errorf("the function is everybody's: %v", err)
		}
	})
	t.Run("auth_query", func(t *testing.T) {
		w := startWeir(t, weirOptions{Cluster: pg, Tables: "[users.pgweir_auth]\npassword = \"\"\n",
			Top: "auth_type = \"scram-sha-256\"\nauth_user = \"pgweir_auth\"\nauth_query = \"SELECT * FROM pgweir.secret_of($1)\""})
		runFile(t, pg, w.DB, "auth-query.sql")
		must(t, connect(t, w.DSN("user=shopper", "password='open sesame'")), "select 1")
		for _, login := range [][]string{{"user=shopper", "password=wrong"}, {"user=boss", "password=secret"}} {
			if _, err := pgx.Connect(t.Context(), w.DSN(login...)); sqlState(err) != "28P01" {
				t.Errorf("%q: %v", login, err)
			}
		}
	})
}

// checkKinds: with the right to see them no process is of a kind that is unknown.
func checkKinds(t *testing.T, c *censusOf) {
	t.Helper()
	for pid, p := range c.byPID() {
		if p.Kind == nil {
			t.Errorf("the kind of %d is unknown", pid)
		}
	}
}
