package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/cluster"
)

// startAsking starts a server that asks everybody for a password but postgres and the
// role asker, and a pgweir that knows nobody's: only asker, and no secret of his.
func startAsking(t *testing.T, top string) *weir {
	t.Helper()
	pg := startCluster(t, cluster.Options{HBA: []string{
		"local all all trust", "host all postgres,asker,powerless all trust", "host all only_md5 all md5", "host all all all scram-sha-256",
	}})
	execSQL(t, pg.DSN("postgres"), `
		create role asker login superuser; create role powerless login; create role nobody_yet login;
		set password_encryption = 'md5'; create role only_md5 login password 'geheim';
		set password_encryption = 'scram-sha-256';
		create role ann login password 'geheim'; create role "Bob's ""x""; --" login password 'geheim';
		create role late login password 'geheim' valid until '2001-01-01'; create role later login password 'geheim' valid until 'infinity';
		create role no_login password 'geheim'; create role secretless login; create role boss superuser login password 'geheim'`)
	return startWeir(t, weirOptions{Cluster: pg, Top: "auth_type = \"md5\"\nserver_login_retry = 0\nauth_user = \"asker\"\n" + top})
}

// loggedInAs logs in and says who PostgreSQL says it is.
func loggedInAs(t *testing.T, w *weir, user, password string) string {
	t.Helper()
	conn, err := connectAs(t, w, user, password)
	if err != nil {
		t.Errorf("%s: %v", user, err)
		return ""
	}
	defer conn.Close(context.Background())
	result := conn.ExecParams(t.Context(), "select current_user || ' ' || session_user", nil, nil, nil, nil).Read()
	if result.Err != nil || len(result.Rows) != 1 {
		t.Errorf("%s: %v", user, result.Err)
		return ""
	}
	return string(result.Rows[0][0])
}

// connectAs logs in as any user, whatever bytes the name has.
func connectAs(t *testing.T, w *weir, user, password string) (*pgconn.PgConn, error) {
	t.Helper()
	c, err := pgconn.ParseConfig(w.DSN())
	if err != nil {
		t.Fatal(err)
	}
	c.User, c.Password = user, password
	return pgconn.ConnectConfig(t.Context(), c)
}

// refusedAs is the error with which a login ends.
func refusedAs(t *testing.T, w *weir, user, password string) string {
	t.Helper()
	conn, err := connectAs(t, w, user, password)
	if err == nil {
		conn.Close(context.Background())
		return ""
	}
	return codeOf(t, err)
}

// asked is one column of the one row of SHOW AUTH_QUERY.
func asked(t *testing.T, w *weir, column string) string {
	t.Helper()
	conn := connect(t, w.Console("user=pgweir", "host="+w.Dir))
	defer conn.Close(context.Background())
	results, err := conn.PgConn().Exec(t.Context(), "show auth_query").ReadAll()
	if err != nil || len(results[0].Rows) == 0 {
		t.Fatalf("SHOW AUTH_QUERY: %v, %d rows", err, len(results[0].Rows))
	}
	for i, f := range results[0].FieldDescriptions {
		if f.Name == column {
			return string(results[0].Rows[0][i])
		}
	}
	t.Fatalf("SHOW AUTH_QUERY has no column %s", column)
	panic("unreachable")
}

func TestUsersWhomOnlyPostgreSQLKnowsLogInAsThemselves(t *testing.T) {
	t.Parallel()
	w := startAsking(t, "")
	for _, user := range []string{"ann", "only_md5", `Bob's "x"; --`, "later"} {
		for range 2 {
			if got := loggedInAs(t, w, user, "geheim"); got != user+" "+user {
				t.Errorf("%s is %q", user, got)
			}
		}
		if got := refusedAs(t, w, user, "wrong"); got != "28P01" {
			t.Errorf("%s with a wrong password: %q", user, got)
		}
	}
	text, err := os.ReadFile(w.ConfigPath())
	if err != nil || strings.Contains(string(text), "geheim") || strings.Contains(string(text), "SCRAM-SHA") {
		t.Errorf("a secret is in pgweir's file: %v", err)
	}
	if strings.Contains(w.Log(), "geheim") || strings.Contains(w.Log(), "SCRAM-SHA") {
		t.Error("a secret is in the log")
	}
	for column, want := range map[string]string{
		"server": fmt.Sprintf("127.0.0.1:%d", w.PG.Port), "database": w.DB, "auth_user": "asker", "state": "connected",
		"cached_scram": "3", "cached_md5": "1", "cached_plain": "0", "questions": "4", "failures": "0", "error": "",
	} {
		if got := asked(t, w, column); got != want {
			t.Errorf("%s is %q, want %q", column, got, want)
		}
	}
	response, err := http.Get(w.HTTP("/metrics"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	metrics, err := io.ReadAll(response.Body)
	if err != nil || !strings.Contains(string(metrics), "pgweir_auth_query_users{kind=\"scram\"} 3\n") || strings.Contains(string(metrics), "SCRAM-SHA") {
		t.Errorf("the metrics: %v", err)
	}
}

func TestTheMethodsPasswordAndSCRAMAskPostgreSQLToo(t *testing.T) {
	t.Parallel()
	w := startAsking(t, "")
	for _, method := range []string{"password", "scram-sha-256"} {
		opts := w.opts
		opts.Top = strings.Replace(opts.Top, `"md5"`, `"`+method+`"`, 1)
		w.Rewrite(t, opts)
		reloadBySignal(t, w)
		if got := loggedInAs(t, w, "ann", "geheim"); got != "ann ann" {
			t.Errorf("%s: %q", method, got)
		}
		want := "only_md5 only_md5"
		if method == "scram-sha-256" { // it cannot be done with an MD5 secret
			if got := refusedAs(t, w, "only_md5", "geheim"); got != "28P01" {
				t.Errorf("%s: %q", method, got)
			}
		} else if got := loggedInAs(t, w, "only_md5", "geheim"); got != want {
			t.Errorf("%s: %q", method, got)
		}
	}
}

func TestWhoMayNotLogInIsRefusedAsForAWrongPassword(t *testing.T) {
	t.Parallel()
	w := startAsking(t, "")
	long := strings.Repeat("x", 63)
	execSQL(t, w.PG.DSN("postgres"), "create role "+long+" login password 'geheim'")
	loggedInAs(t, w, "ann", "geheim") // whose course unknown names take
	for _, user := range []string{
		"late", "no_login", "secretless", "nobody", "x'; drop role ann; --", `x"; drop role ann; --`, "$1", "%", "' or true --", "\xff\xfe", "ann ",
	} {
		conn, err := connectAs(t, w, user, "geheim")
		if err == nil {
			conn.Close(context.Background())
			t.Errorf("%q is let in", user)
			continue
		}
		wrong, e := refusalOf(t, w, "ann", "wrong"), new(pgconn.PgError)
		if *e = refusalOf(t, w, user, "geheim"); e.Code != wrong.Code || e.Message != strings.Replace(wrong.Message, `"ann"`, `"`+user+`"`, 1) || e.Hint != wrong.Hint || e.Detail != wrong.Detail {
			t.Errorf("%q reads %+v, and a wrong password %+v", user, e, wrong)
		}
		if got, want := methodAsked(t, w, user), methodAsked(t, w, "ann"); got != want {
			t.Errorf("%q is asked for %s, and ann for %s", user, got, want)
		}
	}
	if got := loggedInAs(t, w, "ann", "geheim"); got != "ann ann" {
		t.Errorf("ann is %q", got)
	}
	for _, name := range []string{long, long + "y"} { // the longer one is cut, as by PostgreSQL
		if got := loggedInAs(t, w, name, "geheim"); got != long+" "+long {
			t.Errorf("%d bytes: %q", len(name), got)
		}
	}
}

// refusalOf is the whole error of a login.
func refusalOf(t *testing.T, w *weir, user, password string) pgconn.PgError {
	t.Helper()
	_, err := connectAs(t, w, user, password)
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		t.Fatalf("%q: %v", user, err)
	}
	return *e
}

// failedLogins is how many have failed from 127.0.0.1.
func failedLogins(t *testing.T, w *weir) string {
	t.Helper()
	console := connect(t, w.Console("user=pgweir", "host="+w.Dir))
	defer console.Close(context.Background())
	for _, row := range show(t, console, "show logins") {
		if row["addr"] == "127.0.0.1" {
			return row["failed"]
		}
	}
	return "0"
}

// TestARotatedPasswordWorksAtTheNextTry, and by password, in clear text, at the first.
func TestARotatedPasswordWorksAtTheNextTry(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"md5", "password"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			w := startAsking(t, "")
			opts := w.opts
			opts.Top = strings.Replace(opts.Top, `"md5"`, `"`+method+`"`, 1)
			w.Rewrite(t, opts)
			reloadBySignal(t, w)
			for _, user := range []string{"ann", "only_md5"} {
				if got := loggedInAs(t, w, user, "geheim"); got != user+" "+user {
					t.Fatalf("%s: %q", user, got)
				}
				encryption := map[string]string{"ann": "scram-sha-256", "only_md5": "md5"}[user]
				execSQL(t, w.PG.DSN("postgres"), fmt.Sprintf("set password_encryption = '%s'; alter role %s password 'neu'", encryption, user))
				before, failures := w.Backends(t), failedLogins(t, w)
				if method == "md5" { // the client's response is made with the old secret's salt
					if got := refusedAs(t, w, user, "neu"); got != "28P01" {
						t.Errorf("%s: the first try: %q", user, got)
					}
				}
				conn, err := connectAs(t, w, user, "neu")
				if err != nil {
					t.Fatalf("%s: the try that is to succeed: %v", user, err)
				}
				if now := failedLogins(t, w); method == "password" && now != failures {
					t.Errorf("%s: it counts as a failure: %s, and before %s", user, now, failures)
				}
				pid := func() string {
					r := conn.ExecParams(t.Context(), "select pg_backend_pid()", nil, nil, nil, nil).Read()
					if r.Err != nil {
						t.Fatal(r.Err)
					}
					return string(r.Rows[0][0])
				}
				for _, old := range before {
					if pid() == fmt.Sprint(old) {
						t.Errorf("%s: a backend of the old secret serves", user)
					}
				}
				conn.Close(context.Background())
				eventually(t, "the old password is refused", func() bool { return refusedAs(t, w, user, "geheim") == "28P01" })
			}
		})
	}
}

// TestASecretByAuthQueryThatPostgreSQLDoesNotTakeIsNamedInTheLog: the answer that was kept lets
// the client in, and is no good for a backend.
func TestASecretByAuthQueryThatPostgreSQLDoesNotTakeIsNamedInTheLog(t *testing.T) {
	t.Parallel()
	w := startAsking(t, "")
	conn, err := connectAs(t, w, "ann", "geheim")
	if err != nil {
		t.Fatal(err)
	}
	execSQL(t, w.PG.DSN("postgres"), "alter role ann password 'neu'")
	if r := conn.ExecParams(t.Context(), "select pg_terminate_backend(pg_backend_pid())", nil, nil, nil, nil).Read(); r.Err == nil {
		t.Fatal("the backend has not gone")
	}
	if got := codeOf(t, tryLogin(t, w.DSN("user=ann", "password=geheim"))); got != "28P01" {
		t.Errorf("%q, want 28P01", got)
	}
	saysWhy(t, w, "another secret by auth_query", "user=ann database="+w.DB, "the user's secret by auth_query differs from the one at PostgreSQL")
}

func TestManyLoginsOfOneUserAskPostgreSQLOnce(t *testing.T) {
	t.Parallel()
	w := startAsking(t, "")
	var logins sync.WaitGroup
	for range 50 {
		logins.Go(func() {
			if got := loggedInAs(t, w, "ann", "geheim"); got != "ann ann" {
				t.Errorf("%q", got)
			}
		})
	}
	logins.Wait()
	if got := asked(t, w, "questions"); got != "1" {
		t.Errorf("%s questions", got)
	}
}

func TestWhilePostgreSQLIsAwayThoseItHasVouchedForLogIn(t *testing.T) {
	t.Parallel()
	w := startAsking(t, "auth_query_ttl = \"100ms\"\nauth_query_stale = \"60s\"")
	loggedInAs(t, w, "ann", "geheim")
	if err := w.PG.Stop(cluster.Fast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nobody else is told that the password is wrong", func() bool { return refusedAs(t, w, "only_md5", "geheim") == "08006" })
	e := refusalOf(t, w, "only_md5", "geheim")
	if e.Code != "08006" || !strings.Contains(e.Message, `the server could not be asked how user "only_md5" logs in`) {
		t.Errorf("%+v", e)
	}
	conn, err := connectAs(t, w, "ann", "geheim") // the pool has met these startup parameters
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if got := refusedAs(t, w, "ann", "wrong"); got != "28P01" {
		t.Errorf("a wrong password: %q", got)
	}
	w.Says(t, "auth_query fails", 1)
	if err := w.PG.Restart(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "others log in again", func() bool { return refusedAs(t, w, "only_md5", "geheim") == "" })
	w.Says(t, "auth_query works again", 1)
}

func TestAnAnswerThatIsTooOldDoesNotServe(t *testing.T) {
	t.Parallel()
	w := startAsking(t, "auth_query_ttl = \"100ms\"\nauth_query_stale = \"1s\"")
	loggedInAs(t, w, "ann", "geheim")
	if err := w.PG.Stop(cluster.Immediate); err != nil {
		t.Fatal(err)
	}
	eventually(t, "ann is refused", func() bool { return refusedAs(t, w, "ann", "geheim") == "08006" })
}

func TestAnAuthUserWithoutRightsIsSeen(t *testing.T) {
	t.Parallel()
	w := startAsking(t, "")
	opts := w.opts
	opts.Top = strings.Replace(opts.Top, `"asker"`, `"powerless"`, 1)
	w.Rewrite(t, opts)
	reloadBySignal(t, w)
	for range 5 {
		for _, user := range []string{"ann", "nobody"} {
			if got := refusedAs(t, w, user, "geheim"); got != "08006" {
				t.Errorf("%s reads %q", user, got)
			}
		}
	}
	w.Says(t, "auth_query fails", 1)
	eventually(t, "the log says why", func() bool { return strings.Contains(w.Log(), "permission denied for table pg_authid") })
	if got := asked(t, w, "state"); got != "failing" {
		t.Errorf("it is %s", got)
	}
	out, code := pgweir(t, "check", "-c", w.ConfigPath())
	if code != 0 || !strings.Contains(out, `does not work: permission denied for table pg_authid (SQLSTATE 42501)`) {
		t.Errorf("check: %d, %s", code, out)
	}
	w.Rewrite(t, w.opts)
	if out, _ := pgweir(t, "check", "-c", w.ConfigPath()); strings.Contains(out, "does not work") || !strings.Contains(out, `auth_query: user "asker" asks in database`) {
		t.Errorf("check: %s", out)
	}
	// A function that is the owner's needs no superuser.
	execSQL(t, w.PG.DSN(w.DB), `create function public.secret_of(text, out name, out text) language sql security definer set search_path = pg_catalog
		as $$ select rolname, rolpassword from pg_authid where rolname = $1 $$`)
	opts.Top += "\nauth_query = \"select * from public.secret_of($1)\"\nauth_dbname = \"" + w.DB + "\""
	w.Rewrite(t, opts)
	reloadBySignal(t, w)
	if got := loggedInAs(t, w, "ann", "geheim"); got != "ann ann" {
		t.Errorf("ann is %q", got)
	}
	// With auth_dbname, users of the console are asked about too.
	opts.Top = strings.Replace(opts.Top, "auth_type", "admin_users = [\"postgres\", \"ann\"]\nauth_type", 1)
	w.Rewrite(t, opts)
	reloadBySignal(t, w)
	conn := connect(t, w.Console("user=ann", "password=geheim"))
	if got := ask(t, conn, "show version"); !strings.Contains(got, "pgweir") {
		t.Errorf("%q", got)
	}
}

func TestAUserWithASecretHereIsNotAskedAbout(t *testing.T) {
	t.Parallel()
	w := startAsking(t, "")
	opts := w.opts
	opts.Tables = "[users.postgres]\n[users.nobody_yet]\npassword = \"here\"\n[users.ann]\npool_size = 2\n"
	w.Rewrite(t, opts)
	reloadBySignal(t, w)
	if got := refusedAs(t, w, "nobody_yet", "there"); got != "28P01" {
		t.Errorf("%q", got)
	}
	if got := loggedInAs(t, w, "ann", "geheim"); got != "ann ann" { // a table without a password
		t.Errorf("%q", got)
	}
	if got := asked(t, w, "questions"); got != "1" {
		t.Errorf("%s questions", got)
	}
}

func TestTheConnectionOfAuthQueryIsPgweirsOwn(t *testing.T) {
	t.Parallel()
	w := startAsking(t, "")
	execSQL(t, w.PG.DSN(w.DB), `
		alter role asker set search_path = evil, pg_catalog; alter role asker set statement_timeout = 0;
		create schema evil; create table evil.pg_authid (rolname name, rolpassword text, rolvaliduntil timestamptz, rolcanlogin bool);
		insert into evil.pg_authid values ('ghost', 'geheim', null, true)`)
	if got := refusedAs(t, w, "ghost", "geheim"); got != "28P01" {
		t.Errorf("ghost: %q", got)
	}
	conn := connect(t, w.PG.DSN(w.DB))
	const mine = " from pg_stat_activity where application_name = 'pgweir auth_query'"
	if got := ask(t, conn, "select string_agg(usename || ' ' || datname, ',')"+mine); got != "asker "+w.DB {
		t.Errorf("%q", got)
	}
	// What is asked is a parameter, and never text.
	if got := ask(t, conn, "select query"+mine); strings.Contains(got, "ghost") || !strings.Contains(got, "$1") {
		t.Errorf("%q", got)
	}
	// It leaves a database that is to be dropped.
	opts := w.opts
	opts.Tables = "[users.postgres]\n[databases.other]\nhost = \"127.0.0.1\"\nport = PGPORT\ndbname = \"postgres\"\n[databases.doomed]\nhost = \"127.0.0.1\"\nport = PGPORT\n"
	w.Rewrite(t, opts)
	reloadBySignal(t, w)
	execSQL(t, w.PG.DSN("postgres"), "create database doomed")
	c, err := pgconn.ParseConfig(dsn(w.Port, "doomed", "user=ann", "password=geheim"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := pgconn.ConnectConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	client.Close(context.Background())
	execSQL(t, dsn(w.Port, "other", "user=boss", "password=geheim"), "drop database doomed")
}

// TestAuthQueryTrustsWhomThePoolsTrust: its connection is encrypted, and its server
// verified, as the configuration says.
func TestAuthQueryTrustsWhomThePoolsTrust(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "the authority")
	pg := startTLSCluster(t, ca, "local all all trust", "hostssl all postgres,asker all trust", "hostssl all all all scram-sha-256", "host all postgres all trust")
	execSQL(t, pg.DSN("postgres"), "create role asker login superuser; create role ann login password 'geheim'")
	options := weirOptions{
		Cluster: pg,
		Top: `auth_type = "scram-sha-256"
server_tls_sslmode = "verify-full"
server_tls_ca_file = "ca.crt"
server_login_retry = 0
auth_user = "asker"
`,
		Files: map[string]string{"ca.crt": ca.PEM},
	}
	w := startWeir(t, options)
	if got := loggedInAs(t, w, "ann", "geheim"); got != "ann ann" {
		t.Errorf("ann is %q", got)
	}
	options.Files = map[string]string{"ca.crt": newAuthority(t, "another authority").PEM}
	other := startWeir(t, options)
	if conn, err := connectAs(t, other, "ann", "geheim"); err == nil {
		conn.Close(context.Background())
		t.Error("a server of nobody we trust was asked, and believed")
	} else if code := codeOf(t, err); code != "08006" {
		t.Errorf("%v", err)
	}
}
