package integration

import (
	"fmt"
	"testing"

	"pgweir/cluster"
)

// TestEachDatabaseHasItsOwnAuthQuery: of one user, each knows another secret, since each
// asks something else, in another database.
func TestEachDatabaseHasItsOwnAuthQuery(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{HBA: []string{
		"local all all trust", "host all postgres,asker all trust", "host all all all scram-sha-256",
	}})
	execSQL(t, pg.DSN("postgres"), `create role asker login superuser; create role app login password 'app''s'; create role ann login password 'geheim'`)
	tables := "[users.postgres]\n"
	for _, name := range []string{"red", "blue"} {
		execSQL(t, pg.DSN("postgres"), "create database keys_"+name)
		execSQL(t, pg.DSN("keys_"+name), fmt.Sprintf("create table public.%[1]s (who text, secret text); insert into public.%[1]s values ('ann', 'for %[1]s'), ('%[1]s_only', 'x')", name))
		tables += fmt.Sprintf(`[databases.keys_%[1]s]
host = "127.0.0.1"
port = PGPORT
[databases.%[1]s]
host = "127.0.0.1"
port = PGPORT
dbname = "postgres"
user = "app"
password = "app's"
auth_dbname = "keys_%[1]s"
auth_query = "SELECT who, secret FROM public.%[1]s WHERE who = $1"
`, name)
	}
	w := startWeir(t, weirOptions{
		Cluster: pg, Tables: tables,
		Top: "auth_type = \"scram-sha-256\"\nauth_user = \"asker\"\nserver_login_retry = 0\nlogin_failure_delay = 0",
	})
	as := map[string]string{"red": "app", "blue": "app", w.DB: "ann"}
	good := map[string]string{"red": "for red", "blue": "for blue", w.DB: "geheim"}
	for range 2 { // the second time with answers that serve for a while
		for db, password := range good {
			conn := connect(t, dsn(w.Port, db, "user=ann", "password='"+password+"'"))
			if got := ask(t, conn, "select current_user"); got != as[db] {
				t.Errorf("ann is %s in %s, want %s", got, db, as[db])
			}
			for other, password := range good {
				if other == db {
					continue
				}
				if got := codeOf(t, tryLogin(t, dsn(w.Port, db, "user=ann", "password='"+password+"'"))); got != "28P01" {
					t.Errorf("with the secret for %s, %s says %q", other, db, got)
				}
			}
		}
	}
	for _, c := range []struct{ db, user, code string }{
		{"red", "red_only", ""}, {"blue", "blue_only", ""}, {"red", "blue_only", "28P01"}, {"blue", "red_only", "28P01"}, {w.DB, "red_only", "28P01"},
	} {
		if got := codeOf(t, tryLogin(t, dsn(w.Port, c.db, "user="+c.user, "password=x"))); got != c.code {
			t.Errorf("%s in %s: %q, want %q", c.user, c.db, got, c.code)
		}
	}
}
