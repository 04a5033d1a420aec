package integration

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"pgweir/cluster"
)

// courses are what clients see who are not let in, by who they are and where they
// come from.
type courses struct {
	w         *weir
	databases []string // to ask for
	users     []string // all of names of equal length
}

// coursesLines are a file for auth_hba_file: the second address is refused by a line,
// the third by having none.
const coursesLines = "local all all trust\nhost all all 127.0.0.2/32 reject\nhost all all 127.0.0.1/32 %s\n"

// coursesUsers are of every kind: with a password, without, NOLOGIN, past VALID UNTIL,
// in the auth_file without a secret, and known to nobody.
var coursesUsers = []string{"nob", "ann", "bob", "sec", "nol", "lat", "emp"}

// startCourses starts a server that stores secrets in one way.
func startCourses(t *testing.T, encryption string) *cluster.Cluster {
	t.Helper()
	pg := startCluster(t, cluster.Options{
		Settings: map[string]string{"password_encryption": encryption},
		HBA:      []string{"local all all trust", "host all postgres,asker all trust", "host all all all " + encryption},
	})
	execSQL(t, pg.DSN("postgres"), `create role asker login superuser;
		create role ann login password 'geheim'; create role bob login password 'anders';
		create role sec login; create role nol password 'geheim'; create role emp login password 'geheim';
		create role lat login password 'geheim' valid until '2001-01-01'`)
	return pg
}

func startCourse(t *testing.T, pg *cluster.Cluster, method, tables string, more ...string) *courses {
	t.Helper()
	w := startWeir(t, weirOptions{
		Cluster: pg,
		// Without delays: there are hundreds of wrong passwords from one address.
		Top:    "auth_type = \"hba\"\nauth_hba_file = \"hba.conf\"\nauth_file = \"users.txt\"\nserver_login_retry = 0\nauth_user = \"asker\"\nlogin_failure_delay = 0\n",
		Tables: "[users.postgres]\n" + tables,
		Files:  map[string]string{"hba.conf": fmt.Sprintf(coursesLines, method), "users.txt": "\"emp\" \"\"\n"},
	})
	return &courses{w: w, databases: append([]string{w.DB, "pgweir"}, more...), users: coursesUsers}
}

// see logs in with a wrong password and with one that is right for two, and compares.
// It gives the salts.
func (c *courses) see(t *testing.T) map[string]string {
	t.Helper()
	const base = "ann"
	var want string
	salts := map[string]string{}
	for _, user := range c.users {
		for _, database := range c.databases {
			for i := byte(1); i <= 3; i++ {
				for _, password := range []string{"wrong", "geheim"} {
					if password == "geheim" && user == base && i == 1 && (database == c.w.DB || database == "postgres") {
						continue // who gets in
					}
					got, salt := loginFrom(t, dsn(c.w.Port, database, "user="+user, "password="+password), &net.TCPAddr{IP: net.IPv4(127, 0, 0, i)})
					got = strings.ReplaceAll(got, `"`+user+`\"`, `"`+base+`\"`)
					got = strings.ReplaceAll(got, user, base)
					if want == "" {
						want = got
					}
					if got != want {
						t.Errorf("%s from 127.0.0.%d, database %s, password %s:\n%sothers:\n%s", user, i, database, password, got, want)
					}
					if before, ok := salts[user]; ok && before != salt {
						t.Errorf("%s from 127.0.0.%d, database %s: salt %s, elsewhere %s", user, i, database, salt, before)
					}
					salts[user] = salt
				}
			}
		}
	}
	if !strings.Contains(want, "28P01") {
		t.Errorf("no 28P01:\n%s", want)
	}
	return salts
}

// TestWhoComparesDoesNotSeeWhoIsThere: whatever the user, the line and the database,
// all see the same, and each user the same salt everywhere.
func TestWhoComparesDoesNotSeeWhoIsThere(t *testing.T) {
	t.Parallel()
	pg, old := startCourses(t, "scram-sha-256"), startCourses(t, "md5")
	star := "[databases.\"*\"]\nhost = \"127.0.0.1\"\nport = PGPORT\n"
	for _, method := range []string{"scram-sha-256", "md5", "password"} {
		for name, tables := range map[string]string{"named": "", "star": star} {
			t.Run(method+" "+name, func(t *testing.T) {
				t.Parallel()
				c := startCourse(t, pg, method, tables, "nowhere")
				if name == "star" {
					c.databases = append(c.databases, "template0", "postgres")
				}
				before := c.see(t)
				if (before["nob"] == "") != (method == "password") {
					t.Errorf("salts are %v", before)
				}
				execSQL(t, pg.DSN("postgres"), "select pg_terminate_backend(pid, 20000) from pg_stat_activity where application_name = 'pgweir auth_query' and datname = '"+c.w.DB+"'")
				reloadBySignal(t, c.w)
				for user, salt := range c.see(t) {
					if before[user] != salt {
						t.Errorf("%s: salt %s, then %s", user, before[user], salt)
					}
				}
			})
		}
	}
	t.Run("a server that stores MD5 secrets", func(t *testing.T) {
		t.Parallel()
		startCourse(t, old, "md5", "", "nowhere").see(t)
	})
}

// TestTwoServersThatKnowNobodyShowTwoSalts, as two that know the same user do.
func TestTwoServersThatKnowNobodyShowTwoSalts(t *testing.T) {
	t.Parallel()
	one, two := startCourses(t, "scram-sha-256"), startCourses(t, "scram-sha-256")
	c := startCourse(t, one, "scram-sha-256", fmt.Sprintf(
		"[databases.two]\nhost = \"127.0.0.1\"\nport = %d\ndbname = \"postgres\"\n[databases.again]\nhost = \"localhost\"\nport = PGPORT\ndbname = \"postgres\"\n", two.Port))
	salt := func(database, user string) string {
		_, s := loginFrom(t, dsn(c.w.Port, database, "user="+user, "password=wrong"), nil)
		return s
	}
	for _, user := range []string{"nob", "ann", "sec"} {
		if here, there, again := salt(c.w.DB, user), salt("two", user), salt("again", user); here == there || here != again || here == "" {
			t.Errorf("%s: %s, on another server %s, on the same %s", user, here, there, again)
		}
	}
}

// TestDatabasesThatClientsMakeUpCostTheServerNothing: no login, no connection, no line
// of the log.
func TestDatabasesThatClientsMakeUpCostTheServerNothing(t *testing.T) {
	t.Parallel()
	pg := startCourses(t, "scram-sha-256")
	c := startCourse(t, pg, "scram-sha-256", "[databases.\"*\"]\nhost = \"127.0.0.1\"\nport = PGPORT\n")
	if got := loggedInAs(t, c.w, "ann", "geheim"); got != "ann ann" {
		t.Fatal(got)
	}
	var all []string
	for i := range 60 {
		name := fmt.Sprintf("made_up_%d", i)
		if code := codeOf(t, tryLogin(t, dsn(c.w.Port, name, "user=ann", "password=geheim"))); code != "28P01" {
			t.Errorf("%s: %s", name, code)
		}
		all = append(all, name)
	}
	c.w.Says(t, "the server has no such database", len(all))
	if strings.Contains(c.w.Log(), "auth_query fails") {
		t.Error("it is a failing auth_query")
	}
	if got := ask(t, connect(t, pg.DSN("postgres")), "select count(*) from pg_stat_activity where application_name = 'pgweir auth_query'"); got != "2" {
		t.Errorf("%s connections", got)
	}
	execSQL(t, pg.DSN("postgres"), "create database made_up_0")
	if err := tryLogin(t, dsn(c.w.Port, "made_up_0", "user=ann", "password=geheim")); err != nil {
		t.Errorf("a new database: %v", err)
	}
	if n := strings.Count(pg.Log(), "made_up_"); n != 0 {
		t.Errorf("the server's log has %d lines of them", n)
	}
}
