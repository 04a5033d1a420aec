package integration

import (
	"fmt"
	"strings"
	"testing"

	"pgweir/cluster"
)

func TestANameThatIsTooLongIsWhatItIsDirectly(t *testing.T) {
	t.Parallel()
	short := strings.Repeat("n", 63)
	half := strings.Repeat("m", 62)
	pg := startCluster(t, cluster.Options{HBA: []string{"local all all trust", "host all postgres all trust", "host all all all scram-sha-256"}})
	for _, name := range []string{short, half} {
		execSQL(t, pg.DSN("postgres"), fmt.Sprintf("create role %s login password 'secret'", name))
		execSQL(t, pg.DSN("postgres"), fmt.Sprintf("create database %s", name))
	}
	for _, auth := range []string{"md5", "scram-sha-256", "password"} {
		w := startWeir(t, weirOptions{
			Cluster: pg, DB: "postgres", Top: fmt.Sprintf("auth_type = %q\nserver_login_retry = 0\nauth_file = \"userlist.txt\"\nadmin_users = %q", auth, short+"_and_everything"),
			Tables: fmt.Sprintf("[users.%s_and_more]\npassword = \"secret\"\n[databases.\"*\"]\nhost = \"127.0.0.1\"\nport = PGPORT\n", short),
			Files:  map[string]string{"userlist.txt": fmt.Sprintf("%q \"secret\"\n", half+"üx")},
		})
		for _, c := range []struct{ user, db string }{
			{short, short}, {short + "x", short}, {short + "y", short + "z"}, {short, short + "_and_more"},
			{half + "ü", half}, {short, half + "ü"}, {short, half + "ö"},
		} {
			login := []string{"user=" + c.user, "dbname=" + c.db, "password=secret"}
			want := tryLogin(t, dsn(pg.Port, "postgres", login...))
			got := tryLogin(t, dsn(w.Port, "postgres", login...))
			if codeOf(t, got) != codeOf(t, want) {
				t.Errorf("%s, %s as %s: %v, directly %v", auth, c.db, c.user, got, want)
			}
			if got != nil {
				continue
			}
			const who = "select session_user || ' ' || current_database()"
			if got := ask(t, connect(t, dsn(w.Port, "postgres", login...)), who); got != short+" "+short {
				t.Errorf("%s: logged in as %s", auth, got)
			}
		}
		if got := codeOf(t, tryLogin(t, dsn(w.Port, short, "user="+short+"x", "password=wrong"))); got != "28P01" {
			t.Errorf("%s, with a wrong password: %q", auth, got)
		}
		pools := 0
		for _, row := range show(t, connect(t, w.Console(simpleProtocol, "password=secret", "user="+short+"_and_more")), "show pools") {
			if row["database"] == short {
				pools++
			}
		}
		if pools != 1 {
			t.Errorf("%s: %d pools serve the one name", auth, pools)
		}
	}
}
