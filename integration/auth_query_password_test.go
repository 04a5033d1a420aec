package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

// askingWithAPassword starts a server that asks the ordinary role asker for a password,
// "one", and has a function with which it looks up others' secrets. top are the lines
// for pgweir that go with it.
func askingWithAPassword(t *testing.T) (pg *cluster.Cluster, top string) {
	t.Helper()
	pg = guarded(t)
	execSQL(t, pg.DSN("postgres"), `
		create role asker login password 'one'; create role ann login password 'hers'; create role bob login password 'his';
		create role carl login password 'his'; create role dora login password 'hers';
		create function public.secret_of(text) returns table (name text, secret text) language sql security definer
			begin atomic select rolname::text, rolpassword::text from pg_authid where rolname = $1; end;
		revoke execute on function public.secret_of from public; grant execute on function public.secret_of to asker`)
	return pg, "auth_type = \"scram-sha-256\"\nauth_user = \"asker\"\nauth_dbname = \"asking\"\n" +
		"auth_query = \"SELECT name, secret FROM public.secret_of($1)\"\n"
}

// askingTables are where asker asks, with its password.
func askingTables(pg *cluster.Cluster, password string) string {
	return fmt.Sprintf("[databases.asking]\nhost = \"127.0.0.1\"\nport = %d\ndbname = \"postgres\"\n[users.asker]\n%s\n", pg.Port, password)
}

// endAsking ends the connection that questions run over.
func endAsking(t *testing.T, direct *pgx.Conn) {
	t.Helper()
	const where = " from pg_stat_activity where application_name = 'pgweir auth_query'"
	must(t, direct, "select pg_terminate_backend(pid)"+where)
	eventually(t, "the connection of auth_query has gone", func() bool { return ask(t, direct, "select count(*)"+where) == "0" })
}

// TestAuthQueryGoesOnWhileItsPasswordIsChanged, over a new connection too.
func TestAuthQueryGoesOnWhileItsPasswordIsChanged(t *testing.T) {
	t.Parallel()
	pg, top := askingWithAPassword(t)
	direct := connect(t, pg.DSN("postgres"))
	setPassword := func(password string) {
		t.Helper()
		must(t, direct, "alter role asker password '"+password+"'")
		endAsking(t, direct)
	}
	logsIn := func(t *testing.T, w *weir, user, password string) {
		t.Helper()
		if got := loggedInAs(t, w, user, password); got != user+" "+user {
			t.Errorf("%s is %q", user, got)
		}
	}
	healthy := func(t *testing.T, w *weir) {
		t.Helper()
		if n, failing := asked(t, w, "failures"), strings.Contains(w.Log(), "auth_query fails"); n != "0" || failing {
			t.Errorf("%s questions have failed: %s", n, w.Log())
		}
		noSecrets(t, w.Log(), "token-1", "token-2", "token-3")
	}

	t.Run("with password_next", func(t *testing.T) {
		opts := weirOptions{Cluster: pg, Top: top, Tables: askingTables(pg, "password = \"one\"\npassword_next = \"two\"")}
		w := startWeir(t, opts)
		logsIn(t, w, "ann", "hers")
		setPassword("two")
		logsIn(t, w, "bob", "his")
		opts.Tables = askingTables(pg, `password = "two"`)
		w.Rewrite(t, opts)
		reloadBySignal(t, w)
		logsIn(t, w, "carl", "his")
		if got := ask(t, direct, "select count(*) from pg_stat_activity where application_name = 'pgweir auth_query'"); got != "1" {
			t.Errorf("%s connections of auth_query", got)
		}
		endAsking(t, direct)
		logsIn(t, w, "dora", "hers")
		healthy(t, w)
	})

	t.Run("with a password_command", func(t *testing.T) {
		dir, write := sourceFolder(t)
		token := func(text string) {
			t.Helper()
			write("token", text)
			setPassword(text)
		}
		token("token-1")
		command, runs := tokenProgram(t, dir, write)
		w := startWeir(t, weirOptions{Cluster: pg, Top: top, Tables: askingTables(pg, fmt.Sprintf("password_command = [%q]", command))})
		logsIn(t, w, "ann", "hers")
		token("token-2")
		ran := runs()
		logsIn(t, w, "bob", "his")
		if n := runs() - ran; n != 1 {
			t.Errorf("the command ran %d times for it", n)
		}
		// What was known before is known still.
		questions := asked(t, w, "questions")
		logsIn(t, w, "ann", "hers")
		if now := asked(t, w, "questions"); now != questions || questions != "2" {
			t.Errorf("%s questions, and then %s", questions, now)
		}
		healthy(t, w)
	})
}
