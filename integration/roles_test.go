package integration

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/cluster"
)

// roleLines are read by PostgreSQL and by pgweir.
var roleLines = []string{
	"host one    +staff               all trust",
	"host one    all                  all reject",
	`host two    "+staff"             all trust`,
	"host three  +nosuch,+other       all trust",
	"host four   +staff               all reject",
	"host four   all                  all trust",
	"host five   +people,outsider     all trust",
	"host six    +staff               10.0.0.0/8 trust",
	"host six    all                  all trust",
	"host seven  +lone                all trust",
	"host samerole all                all trust",
	"host all    asker,postgres       all trust",
}

// rolesOnly is for an auth_user that is there for roles only, and may read no secrets.
const rolesOnly = "auth_query = \"SELECT $1::pg_catalog.text, NULL\"\n"

// startRoles starts a server with roles of all kinds, and a pgweir with the same lines,
// whose own connections come by the server's Unix socket.
func startRoles(t *testing.T, top string, databases ...string) *weir {
	t.Helper()
	pg := startCluster(t, cluster.Options{HBA: append([]string{"local all all trust"}, roleLines...)})
	execSQL(t, pg.DSN("postgres"), `
		create role asker login; create role people; create role staff login; grant people to staff; create role crew; grant staff to crew; create role other;
		create role direct login in role staff; create role indirect login in role crew; create role boss login superuser; create role "+staff" login;
		create role outsider login; create role lone login; create role noinherit login noinherit in role staff;
		create role admin login; grant staff to admin with admin option; create role "Staff" login; create role "x' or true --" login in role staff`)
	if pgVersion(t, pg) >= 16 {
		execSQL(t, pg.DSN("postgres"), `
			create role nothing login; grant staff to nothing with inherit false, set false;
			create role only_admin login; grant crew to only_admin with admin true, inherit false, set false`)
	}
	for _, db := range databases {
		execSQL(t, pg.DSN("postgres"), "create database "+db)
	}
	return startWeir(t, weirOptions{
		Cluster: pg,
		Top:     "auth_type = \"hba\"\nauth_hba_file = \"hba.conf\"\nauth_ident_file = \"ident.conf\"\nlogin_failure_delay = 0\nserver_login_retry = 0\nauth_user = \"asker\"\n" + rolesOnly + top,
		Tables:  "[databases.\"*\"]\nhost = \"" + pg.SocketDir + "\"\nport = PGPORT\n[users.postgres]\n",
		Files: map[string]string{
			"hba.conf":   strings.Join(roleLines, "\n") + "\nlocal pgweir postgres trust\nlocal all all peer map=os\n",
			"ident.conf": "os /^ +staff\nos /^ lone\n",
		},
	})
}

func pgVersion(t *testing.T, pg *cluster.Cluster) (major int) {
	t.Helper()
	if _, err := fmt.Sscan(ask(t, connect(t, pg.DSN("postgres")), "select current_setting('server_version_num')::int / 10000"), &major); err != nil {
		t.Fatal(err)
	}
	return major
}

// lets tells whether a user is let in: "in", or the error's SQLSTATE.
func lets(t *testing.T, port int, db, user string) string {
	t.Helper()
	c, err := pgconn.ParseConfig(dsn(port, db, "password=x"))
	if err != nil {
		t.Fatal(err)
	}
	c.User = user
	conn, err := pgconn.ConnectConfig(t.Context(), c)
	if err != nil {
		return codeOf(t, err)
	}
	conn.Close(context.Background())
	return "in"
}

// TestLinesWithGroupsGiveTheVerdictsThatPostgreSQLGives: direct and indirect members,
// superusers, who are none, and names that only look like a group's.
func TestLinesWithGroupsGiveTheVerdictsThatPostgreSQLGives(t *testing.T) {
	t.Parallel()
	databases := []string{"one", "two", "three", "four", "five", "six", "seven", "staff", "people"}
	w := startRoles(t, "", databases...)
	users := []string{"direct", "indirect", "boss", "staff", "+staff", "outsider", "lone", "noinherit", "admin", "Staff", "x' or true --"}
	if pgVersion(t, w.PG) >= 16 {
		users = append(users, "nothing", "only_admin")
	}
	in := 0
	for _, db := range databases {
		for _, user := range users {
			theirs := lets(t, w.PG.Port, db, user)
			want := "in"
			if theirs != "in" {
				want = "28P01" // where PostgreSQL has 28000
			} else {
				in++
			}
			if got := lets(t, w.Port, db, user); got != want {
				t.Errorf("%s as %s: %s, and PostgreSQL says %s", db, user, got, theirs)
			}
		}
	}
	if total := len(databases) * len(users); in < 30 || total-in < 30 {
		t.Errorf("%d of %d are let in, so this tests little", in, total)
	}
	for _, user := range []string{"direct", "indirect", "boss", "outsider"} { // what it is about, whatever PostgreSQL says
		want := map[bool]string{true: "in", false: "28P01"}[user == "direct" || user == "indirect"]
		if got := lets(t, w.Port, "one", user); got != want {
			t.Errorf("one as %s: %s", user, got)
		}
	}
	if got := lets(t, w.Port, "one", "nobody"); got != "28P01" {
		t.Errorf("a name that nobody has: %s", got)
	}
}

func TestMembershipIsAskedOnceAndAgainWhenItIsOld(t *testing.T) {
	t.Parallel()
	w := startRoles(t, "auth_dbname = \"postgres\"\nauth_query_ttl = \"1h\"", "one", "six")
	for range 3 {
		if got := lets(t, w.Port, "one", "direct"); got != "in" {
			t.Errorf("direct: %s", got)
		}
	}
	if got := lets(t, w.Port, "six", "direct"); got != "in" { // its line is for another network
		t.Errorf("six: %s", got)
	}
	if got := connectionsOf(t, w, "pgweir auth_query"); got != "1" {
		t.Errorf("%s connections", got)
	}
	conn := connect(t, w.Console("user=postgres", "host="+w.Dir, "password=x"))
	if got := ask(t, conn, "show version"); !strings.Contains(got, "pgweir") {
		t.Errorf("%q", got)
	}
	opts := w.opts
	opts.Top += "\nauth_query_ttl = \"100ms\""
	opts.Top = strings.Replace(opts.Top, "auth_query_ttl = \"1h\"", "", 1)
	w.Rewrite(t, opts)
	reloadBySignal(t, w)
	execSQL(t, w.PG.DSN("postgres"), "revoke staff from direct; grant staff to outsider")
	eventually(t, "direct is none any more", func() bool { return lets(t, w.Port, "one", "direct") == "28P01" })
	eventually(t, "outsider is one now", func() bool { return lets(t, w.Port, "one", "outsider") == "in" })
	if err := os.WriteFile(w.Dir+"/hba.conf", []byte("host one +staff all scram-sha-256\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	reloadBySignal(t, w)
	if got := lets(t, w.Port, "one", "outsider"); got != "28P01" {
		t.Errorf("a member without a secret: %s", got)
	}
}

func connectionsOf(t *testing.T, w *weir, application string) string {
	t.Helper()
	return ask(t, connect(t, w.PG.DSN("postgres")), "select count(*)::text from pg_stat_activity where application_name = '"+application+"'")
}

// TestWhileMembershipIsNotKnownNoLaterLineLetsIn: it may ask for less.
func TestWhileMembershipIsNotKnownNoLaterLineLetsIn(t *testing.T) {
	t.Parallel()
	w := startRoles(t, "", "one", "four", "six", "seven")
	opts := w.opts
	opts.Top = strings.Replace(opts.Top, `"asker"`, `"nobody_asks"`, 1)
	w.Rewrite(t, opts)
	reloadBySignal(t, w)
	for _, c := range [][3]string{
		{"four", "outsider", "08006"}, // whose second line would let in
		{"one", "direct", "08006"},
		{"six", "direct", "in"}, // whose line cannot be the client's
		{"seven", "lone", "in"}, // a role is a member of itself
	} {
		if got := lets(t, w.Port, c[0], c[1]); got != c[2] {
			t.Errorf("%s as %s: %s, want %s", c[0], c[1], got, c[2])
		}
	}
	w.Says(t, "which roles the user is a member of: ", 2)
	out, code := pgweir(t, "check", "-c", w.ConfigPath(), "--as", "direct", "--database", "one", "--from", "127.0.0.1")
	if code != 0 || !strings.Contains(out, `whether user "direct" is a member of role "staff" is not known`) || !strings.Contains(out, `could not be asked: `) {
		t.Errorf("check: %d, %s", code, out)
	}
	w.Rewrite(t, w.opts)
	for user, want := range map[string]string{"direct": "applies: database \"one\" is in \"one\", user \"direct\" in +staff", "outsider": "user \"outsider\" is not in +staff"} {
		out, code := pgweir(t, "check", "-c", w.ConfigPath(), "--as", user, "--database", "one", "--from", "127.0.0.1")
		if code != 0 || !strings.Contains(out, want) || strings.Contains(out, "not known") {
			t.Errorf("check: %d, %s", code, out)
		}
	}
	reloadBySignal(t, w)
	eventually(t, "it is known again", func() bool { return lets(t, w.Port, "four", "outsider") == "in" })
	// Where nobody is asked, a mistake in the lines.
	opts.Top = strings.Replace(opts.Top, "auth_user = \"nobody_asks\"", "", 1)
	w.Rewrite(t, opts)
	out, code = pgweir(t, "check", "-c", w.ConfigPath())
	for _, line := range []string{"hba.conf:1: ", "hba.conf:11: ", "ident.conf:1: "} {
		if want := line + "groups (+role, samerole) can be known only with auth_user"; code != 1 || !strings.Contains(out, want) {
			t.Errorf("check: %d, %s\nwant %s", code, out, want)
		}
	}
}

func TestAMapMayLetTheMembersOfAGroupIn(t *testing.T) {
	t.Parallel()
	w := startRoles(t, "", "seven")
	for user, want := range map[string]string{"direct": "in", "indirect": "in", "lone": "in", "boss": "28000", "outsider": "28000"} {
		c, err := pgconn.ParseConfig(dsn(w.Port, "seven", "host="+w.Dir, "user="+user))
		if err != nil {
			t.Fatal(err)
		}
		got := "in"
		if conn, err := pgconn.ConnectConfig(t.Context(), c); err != nil {
			got = codeOf(t, err)
		} else {
			conn.Close(context.Background())
		}
		if got != want {
			t.Errorf("%s: %s, want %s", user, got, want)
		}
	}
}

func TestNobodyIsAMemberOfMoreRolesThanCanBeTold(t *testing.T) {
	t.Parallel()
	w := startRoles(t, "", "four")
	execSQL(t, w.PG.DSN("postgres"), `
		do $$ begin for i in 1..10000 loop execute format('create role r%s role direct', i); end loop; end $$`)
	if got := lets(t, w.Port, "four", "direct"); got != "08006" {
		t.Errorf("%s", got)
	}
	w.Says(t, "the user is a member of too many roles", 2)
	if err := os.WriteFile(w.Dir+"/hba.conf", []byte("host all all all trust\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	reloadBySignal(t, w)
	if got := lets(t, w.Port, "four", "direct"); got != "in" {
		t.Errorf("%s", got)
	}
}
