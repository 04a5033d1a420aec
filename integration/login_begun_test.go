package integration

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
)

// roleIn makes an ordinary role that may use a test's database, and drops it when
// the test ends.
func roleIn(t *testing.T, dsn, name string) {
	t.Helper()
	execSQL(t, dsn, "create role "+name+" login; grant all on schema public to "+name)
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		if _, err := conn.PgConn().Exec(context.Background(), "drop owned by "+name+"; drop role "+name).ReadAll(); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatALoginEventTriggerHasSetIsThereForEachClient(t *testing.T) {
	t.Parallel()
	for _, leakCheck := range []string{"0", "1.0"} {
		t.Run("leak_check "+leakCheck, func(t *testing.T) {
			t.Parallel()
			db := createDatabase(t, shared)
			admin := connect(t, dsn(shared.Port, db))
			version, err := strconv.Atoi(ask(t, admin, "show server_version_num"))
			if err != nil {
				t.Fatal(err)
			}
			must(t, admin, `create function at_login() returns event_trigger language plpgsql as $$ begin
				perform set_config('work_mem', '77MB', false), set_config('statement_timeout', '59s', false), set_config('app.site', 'here', false),
				set_config('idle_session_timeout', '1h', false); end $$`)
			if version < 170000 {
				if _, err := admin.Exec(t.Context(), "create event trigger greet on login execute function at_login()"); codeOf(t, err) != "42601" {
					t.Errorf("version %d: %v", version, err)
				}
				return
			}
			must(t, admin, "create event trigger greet on login execute function at_login()")
			if err := admin.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			w := startWeir(t, weirOptions{DB: db, Top: "leak_check = " + leakCheck, Database: "pool_size = 1"})
			seen := func(conn *pgx.Conn) string {
				return ask(t, conn, "select concat_ws(' ', current_setting('work_mem'), current_setting('statement_timeout'), current_setting('app.site', true))")
			}
			const want = "77MB 59s here"
			a, b := connect(t, w.DSN()), connect(t, w.DSN("options='-c work_mem=5MB -c app.x=1'"))
			for _, sql := range []string{
				"select set_config('x.y', '1', false)", "set work_mem = '9MB'", "reset work_mem", "discard all",
				"set app.site = 'elsewhere'", "set statement_timeout = 0", "reset all",
			} {
				must(t, a, sql)
				if got := seen(b); got != want {
					t.Errorf("behind another client's %s: %q", sql, got)
				}
				if got := seen(connect(t, w.DSN())); got != want {
					t.Errorf("a new client behind another's %s: %q", sql, got)
				}
			}
			direct := connect(t, w.Direct())
			for _, sql := range []string{"reset work_mem", "discard all", "reset statement_timeout"} {
				must(t, direct, sql)
				must(t, b, sql)
			}
			must(t, b, "set work_mem = '4MB'")
			if want, got := seen(direct), seen(b); got != want {
				t.Errorf("behind DISCARD ALL: %q, want %q", got, want)
			}
		})
	}
}

func TestARoleThatALoginBeginsWithIsNoLeak(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1", Tables: "[users.postgres]\n[users.rolled_app]"})
	roleIn(t, w.Direct(), "rolled_app")
	roleIn(t, w.Direct(), "rolled_owner")
	execSQL(t, w.Direct(), "grant rolled_owner to rolled_app; alter role rolled_app set role = 'rolled_owner'")
	a, b := connect(t, w.DSN("user=rolled_app")), connect(t, w.DSN("user=rolled_app"))
	who := func(conn *pgx.Conn) string { return ask(t, conn, "select current_user || ' ' || session_user") }
	const begun = "rolled_owner rolled_app"
	pid := ask(t, a, "select pg_backend_pid()")
	for _, c := range []struct{ sql, want string }{
		{"select 1", begun}, {"set role none", "rolled_app rolled_app"}, {"reset role", begun}, {"set work_mem = '5MB'", begun},
		{"discard all", begun}, {"set role rolled_app", "rolled_app rolled_app"}, {"discard all", begun},
		{"select set_config('role', 'none', false)", "rolled_app rolled_app"},
	} {
		must(t, a, c.sql)
		if got := who(b); got != begun {
			t.Errorf("behind another client's %s: %s", c.sql, got)
		}
		if got := who(a); got != c.want {
			t.Errorf("behind its own %s: %s, want %s", c.sql, got, c.want)
		}
	}
	if got := ask(t, a, "select pg_backend_pid()"); got != pid {
		t.Error("the backend was closed")
	}
}

// TestOwnQuestionsAtALoginRunUnderOwnSettings has clients log in under settings
// that would have the questions fail, or answer something else.
func TestOwnQuestionsAtALoginRunUnderOwnSettings(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Top: "leak_check = 0", Tables: "[users.postgres]\n[users.hasty]"})
	roleIn(t, w.Direct(), "hasty")
	execSQL(t, w.Direct(), `
		create sequence calls; grant all on calls to public;
		create function stolen(name, text) returns boolean language sql as $$ select nextval('public.calls') > 0 $$;
		create function stolen(text, text) returns boolean language sql as $$ select nextval('public.calls') > 0 $$;
		create operator = (leftarg = name, rightarg = text, function = stolen);
		create operator = (leftarg = text, rightarg = text, function = stolen);
		alter role hasty set statement_timeout = '1ms';
		alter role hasty set search_path = public, pg_catalog`)
	for i := range 20 {
		for _, params := range []string{
			fmt.Sprintf("options='-c statement_timeout=%d'", 1+i%5),
			fmt.Sprintf("options='-c statement_timeout=1 -c work_mem=%dkB'", 200+i),
			fmt.Sprintf("options='-c lock_timeout=1 -c application_name=x%d'", i),
			fmt.Sprintf("options='-c search_path=public,pg_catalog -c x.y=%d'", i),
			fmt.Sprintf("options='-c standard_conforming_strings=off -c x.y=\\\\\\\\\\\\\\\\%d'", i),
			fmt.Sprintf("client_encoding=LATIN1 options='-c search_path=bär -c x.z=%d'", i),
			"user=hasty",
			fmt.Sprintf("user=hasty options='-c x.y=%d'", i),
		} {
			conn, err := pgx.Connect(t.Context(), w.DSN(params))
			if err != nil {
				t.Fatalf("%s: %v", params, err)
			}
			conn.Close(t.Context())
		}
	}
	if got := ask(t, connect(t, w.Direct()), "select is_called from calls"); got != "f" {
		t.Error("an operator of somebody's was called")
	}
	conn := connect(t, w.DSN("options='-c statement_timeout=77777 -c lock_timeout=5s -c search_path=x'"))
	if got := ask(t, conn, "select pg_catalog.concat_ws(' ', pg_catalog.current_setting('statement_timeout'), pg_catalog.current_setting('lock_timeout'), pg_catalog.current_setting('search_path'))"); got != "77777ms 5s x" {
		t.Errorf("the client has %q", got)
	}
}
