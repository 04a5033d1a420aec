package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

// TestTwoPasswordsServeWhileOneIsChanged, with clients and with PostgreSQL, by every
// method.
func TestTwoPasswordsServeWhileOneIsChanged(t *testing.T) {
	t.Parallel()
	pg := guarded(t)
	execSQL(t, pg.DSN("postgres"), "create role app login password 'old'; create role ann login password 'old'; create role bob login password 'old'; create role carl login password 'old'; create role with_clear login password 'old'")
	stored := ask(t, connect(t, pg.DSN("postgres")), "select rolpassword from pg_authid where rolname = 'bob'")
	users := func(more string) string {
		return "[users.ann]\npassword = \"old\"\npassword_next = \"new\"\n" +
			fmt.Sprintf("[users.bob]\npassword = %q\npassword_next = \"new\"\n", stored) +
			fmt.Sprintf("[users.carl]\npassword = %q\npassword_next = \"new\"\n", md5Secret("carl", "old")) + more
	}
	for _, method := range []string{"scram-sha-256", "md5", "password"} {
		t.Run("clients by "+method, func(t *testing.T) {
			w := startWeir(t, weirOptions{
				Cluster: pg, Top: fmt.Sprintf("auth_type = %q", method),
				Database: "user = \"app\"\npassword = \"old\"", Tables: users(""),
			})
			for _, user := range []string{"ann", "bob", "carl"} {
				for password, code := range map[string]string{"old": "", "new": "", "other": "28P01"} {
					if method == "scram-sha-256" && user == "carl" && password == "old" {
						code = "28P01" // an MD5 secret is none for SCRAM
					}
					if err := canLogIn(t, w.DSN("user="+user, "password="+password)); sqlState(err) != code {
						t.Errorf("%s with %s: %v, want %q", user, password, err, code)
					}
				}
			}
		})
	}

	t.Run("with PostgreSQL", func(t *testing.T) {
		w := startWeir(t, weirOptions{
			Cluster: pg, Top: "auth_type = \"scram-sha-256\"\nserver_login_retry = 0",
			Tables: users("[databases.app]\nhost = \"127.0.0.1\"\nport = PGPORT\ndbname = \"postgres\"\nuser = \"app\"\npassword = \"old\"\npassword_next = \"new\"\n"),
		})
		clients := map[string]*pgx.Conn{}
		open := func(when string) {
			t.Helper()
			for db, user := range map[string]string{"app": "ann", w.DB: "ann", "": "bob"} {
				key := when + db
				if db == "" {
					db = w.DB
				}
				conn, err := pgx.Connect(t.Context(), dsn(w.Port, db, "user="+user, "password=old"))
				if err != nil {
					t.Fatalf("%s: %s to %s: %v", when, user, db, err)
				}
				t.Cleanup(func() { conn.Close(t.Context()) })
				must(t, conn, "begin") // so that the next one needs a backend of its own
				clients[key] = conn
			}
		}
		open("with the old password there")
		execSQL(t, pg.DSN("postgres"), "alter role app password 'new'; alter role ann password 'new'; alter role bob password 'new'")
		open("with the new one")
		open("with the new one again")
		if strings.Contains(w.Log(), "refuses the login") {
			t.Errorf("a login has failed: %s", w.Log())
		}
		// Only the first login with the new one was tried with the old.
		eventually(t, "PostgreSQL's log has come", func() bool { return strings.Count(pg.Log(), `password authentication failed for user "app"`) >= 1 })
		if n := strings.Count(pg.Log(), `password authentication failed for user "app"`); n != 1 {
			t.Errorf("PostgreSQL has refused app %d times", n)
		}
		for what, conn := range clients {
			if _, err := conn.Exec(t.Context(), "commit"); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// TestAChangedServerLoginReplacesBackends when its password, user, host or port is
// another after a reload: idle backends at once, held ones as they come back. No
// client notices, and one in a transaction finishes on what it has.
func TestAChangedServerLoginReplacesBackends(t *testing.T) {
	t.Parallel()
	pg, other := guarded(t), guarded(t)
	for _, c := range []*cluster.Cluster{pg, other} {
		execSQL(t, c.DSN("postgres"), "create role app login password 'one'; create role app2 login password 'one'")
	}
	execSQL(t, other.DSN("postgres"), "create database weir_moved")
	at := func(host string, port int, user, password string) string {
		return fmt.Sprintf("host = %q\nport = %d\ndbname = \"postgres\"\nuser = %q\npassword = %q\nmin_pool_size = 2\n", host, port, user, password)
	}
	for what, c := range map[string]struct {
		after  string
		before func()
		server *cluster.Cluster // where the backends are to be afterwards
		user   string
	}{
		"password": {after: at("127.0.0.1", pg.Port, "app", "two"), server: pg, user: "app"},
		"user":     {after: at("127.0.0.1", pg.Port, "app2", "one"), server: pg, user: "app2"},
		"host":     {after: at("localhost", pg.Port, "app", "one"), server: pg, user: "app"},
		"port":     {after: at("127.0.0.1", other.Port, "app", "one"), server: other, user: "app"},
	} {
		t.Run(what, func(t *testing.T) {
			execSQL(t, pg.DSN("postgres"), "alter role app password 'one'")
			table := func(lines string) string { return "[databases.moving]\n" + lines + "[users.postgres]\n" }
			opts := weirOptions{Cluster: pg, Tables: table(at("127.0.0.1", pg.Port, "app", "one"))}
			w := startWeir(t, opts)
			console := connect(t, w.Console())
			before := connect(t, pg.DSN("postgres"))
			after := connect(t, c.server.DSN("postgres"))
			resting, busy := connect(t, dsn(w.Port, "moving")), connect(t, dsn(w.Port, "moving"))
			must(t, resting, "set application_name = 'resting'")
			must(t, busy, "begin; create temporary table kept (x int)")
			held, idle := servingPID(t, busy), servingPID(t, resting)

			if what == "password" {
				execSQL(t, pg.DSN("postgres"), "alter role app password 'two'")
			}
			opts.Tables = table(c.after)
			w.Rewrite(t, opts)
			reload(t, console)
			gone(t, before, idle)
			if got := servingPID(t, busy); got != held {
				t.Errorf("the client in a transaction is on %s, and was on %s", got, held)
			}
			if got := ask(t, before, "select usename from pg_stat_activity where pid = "+held); got != "app" {
				t.Errorf("the held backend is %s's", got)
			}
			now := servingPID(t, resting)
			if now == idle {
				t.Errorf("the backend %s serves on", now)
			}
			if got := ask(t, after, "select usename from pg_stat_activity where pid = "+now); got != c.user {
				t.Errorf("the new backend is %s's, want %s's", got, c.user)
			}
			must(t, busy, "drop table kept; commit")
			gone(t, before, held)
			for range 3 {
				for _, conn := range []*pgx.Conn{resting, busy} {
					if got := ask(t, conn, "select session_user || ' ' || current_user"); got != c.user+" "+c.user {
						t.Errorf("a client is served as %s, want %s", got, c.user)
					}
				}
			}
			if got := ask(t, resting, "show application_name"); got != "resting" {
				t.Errorf("application_name is %q", got)
			}
			if strings.Contains(w.Log(), "client disconnected") {
				t.Errorf("a client was dropped: %s", w.Log())
			}
			if what != "user" {
				return
			}
			// The pool of the user before goes with its clients, and its backends with it.
			newcomer := connect(t, dsn(w.Port, "moving"))
			must(t, newcomer, "select 1")
			for _, conn := range []*pgx.Conn{resting, busy} {
				conn.Close(t.Context())
			}
			eventually(t, "the pool of the user before is gone", func() bool {
				pools := show(t, console, "show pools")
				for _, row := range pools {
					if row["database"] == "moving" && row["user"] == "app" {
						return false
					}
				}
				return true
			})
			eventually(t, "no backend of app is left", func() bool {
				return ask(t, before, "select count(*) from pg_stat_activity where usename = 'app'") == "0"
			})
			must(t, newcomer, "select 1")
		})
	}
}

// TestWhatIsNotChangedReplacesNoBackend: a reload of the same, a second password, and
// the two in another order.
func TestWhatIsNotChangedReplacesNoBackend(t *testing.T) {
	t.Parallel()
	pg := guarded(t)
	execSQL(t, pg.DSN("postgres"), "create role app login password 'one'; create role ann login password 'one'")
	options := func(passwords string) weirOptions {
		return weirOptions{
			// Of more backends another could serve while one is asked what is left in it.
			Cluster: pg, Top: "auth_type = \"scram-sha-256\"\ndefault_pool_size = 1",
			Tables: "[databases.app]\nhost = \"127.0.0.1\"\nport = PGPORT\ndbname = \"postgres\"\nuser = \"app\"\n" + passwords + "\n[users.ann]\n" + passwords + "\n[users.postgres]\npassword = \"x\"\n",
		}
	}
	w := startWeir(t, options(`password = "one"`))
	console := connect(t, w.Console("password=x"))
	byDatabase, byUser := connect(t, dsn(w.Port, "app", "user=ann", "password=one")), connect(t, w.DSN("user=ann", "password=one"))
	a, b := servingPID(t, byDatabase), servingPID(t, byUser)
	for _, passwords := range []string{
		`password = "one"`, "password = \"one\"\npassword_next = \"two\"", "password = \"two\"\npassword_next = \"one\"", "password = \"two\"\npassword_next = \"one\"\n",
	} {
		w.Rewrite(t, options(passwords))
		reload(t, console)
		if x, y := servingPID(t, byDatabase), servingPID(t, byUser); x != a || y != b {
			t.Errorf("with %q the backends are %s and %s, and were %s and %s", passwords, x, y, a, b)
		}
	}
	execSQL(t, pg.DSN("postgres"), "alter role app password 'two'; alter role ann password 'two'")
	w.Rewrite(t, options(`password = "two"`))
	reload(t, console)
	direct := connect(t, pg.DSN("postgres"))
	gone(t, direct, a)
	gone(t, direct, b)
	must(t, byDatabase, "select 1")
	must(t, byUser, "select 1")
}
