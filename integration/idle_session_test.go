package integration

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// hastyLogin is a client that says all that it has to say ahead of any answer: so
// it is never idle until that is done. It reads the answers to its login and to all
// but the last of its queries.
func hastyLogin(t *testing.T, w *weir, user string, params []string, queries ...string) *wireClient {
	t.Helper()
	all := startupPacket(protocol30, append([]string{"user", user, "database", w.DB}, params...)...)
	for _, sql := range queries {
		all = append(all, simpleQuery(sql)...)
	}
	c := dialWire(t, w.Addr())
	c.send(all)
	for range queries {
		c.until('Z')
	}
	return c
}

func TestAnIdleSessionTimeoutIsTheClientsAndNotItsBackends(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		params              []string // names and values in turn
		role, database, sql string
	}{
		"SET":                   {sql: "set idle_session_timeout = '1s'"},
		"set_config":            {sql: "select set_config('idle_session_timeout', '1s', false)"},
		"DO":                    {sql: "do $$ begin set idle_session_timeout = 1000; end $$"},
		"a startup parameter":   {params: []string{"idle_session_timeout", "1s"}},
		"options":               {params: []string{"options", "-c idle_session_timeout=1000"}},
		"options and a setting": {params: []string{"options", "-c idle_session_timeout=1s -c work_mem=5MB"}},
		"ALTER ROLE":            {role: "1s"},
		"ALTER DATABASE":        {database: "1s"},
		"the role's counts":     {role: "1.2s", database: "1h"},
		"RESET":                 {role: "1s", sql: "reset idle_session_timeout"},
		"RESET ALL":             {params: []string{"options", "-c idle_session_timeout=1000"}, sql: "reset all"},
		"DISCARD ALL":           {database: "1s", sql: "discard all"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			user := "idle_" + strings.Map(func(r rune) rune {
				if r < 'A' || r > 'z' {
					return '_'
				}
				return r
			}, strings.ToLower(name))
			w := startWeir(t, weirOptions{Database: "pool_size = 1", Tables: "[users.postgres]\n[users." + user + "]"})
			roleIn(t, w.Direct(), user)
			if c.role != "" {
				execSQL(t, w.Direct(), "alter role "+user+" set idle_session_timeout = '"+c.role+"'")
			}
			if c.database != "" {
				execSQL(t, w.Direct(), "alter database "+w.DB+" set idle_session_timeout = '"+c.database+"'")
			}
			var queries []string
			if strings.HasPrefix(c.sql, "reset") {
				queries = append(queries, "set idle_session_timeout = '1h'")
			}
			if c.sql != "" {
				queries = append(queries, c.sql)
			}
			a := hastyLogin(t, w, user, c.params, append(queries, "select pg_backend_pid()")...)
			pid := string(a.until('D')[6:])
			if got := a.ended(patience); got != "57P05" {
				t.Errorf("ended with %q", got)
			}
			// Neither the backend nor another client has anything of it.
			b := connect(t, w.DSN("user="+user, "options='-c idle_session_timeout=0'"))
			if got := ask(t, b, "select pg_backend_pid()"); got != pid {
				t.Error("the backend has ended")
			}
			if got := ask(t, b, "select setting from pg_settings where name = 'idle_session_timeout'"); got != "0" {
				t.Errorf("the backend has %s", got)
			}
		})
	}
}

func TestAnIdleSessionTimeoutIsShownAsPostgreSQLDoes(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1"})
	for _, params := range []string{"", "idle_session_timeout=90s", "options='-c idle_session_timeout=2min'"} {
		direct, through, other := connect(t, w.Direct(params)), connect(t, w.DSN(params)), connect(t, w.DSN("application_name=other"))
		const show = "show idle_session_timeout"
		for _, sql := range []string{
			"select 1", "set idle_session_timeout = '5min'", "set work_mem = '5MB'", "reset work_mem", "begin", "set idle_session_timeout = '7min'", "rollback",
			"begin", "set local idle_session_timeout = '8min'", "commit", "begin", "set idle_session_timeout = '9min'", "commit",
			"set idle_session_timeout = 0", "begin", "set idle_session_timeout = '3min'", "rollback",
			"set idle_session_timeout = '1h'", "set idle_session_timeout to default", "set idle_session_timeout = '2h'", "reset all",
			"set idle_session_timeout = '4h'", "discard all",
		} {
			must(t, direct, sql)
			must(t, through, sql)
			want := ask(t, direct, show)
			if got := ask(t, through, show); got != want {
				t.Errorf("%s, behind %s: %q, want %q", params, sql, got, want)
			}
			block := through.PgConn().TxStatus() != 'I'
			for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec, pgx.QueryExecModeDescribeExec} {
				if !block {
					must(t, other, "select 1")
				}
				if mode == pgx.QueryExecModeCacheStatement && sql == "discard all" {
					continue // it has taken the driver's statements with it
				}
				var got string
				if err := through.QueryRow(t.Context(), show, mode).Scan(&got); err != nil || got != want {
					t.Errorf("%s, behind %s, %v: %q, %v, want %q", params, sql, mode, got, err, want)
				}
			}
			if block {
				continue
			}
			if got := ask(t, other, show); got != "0" {
				t.Errorf("%s, behind %s: another client has %q", params, sql, got)
			}
		}
	}
}

func TestAClientInATransactionIsNotIdle(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 2"})
	short := []string{"idle_session_timeout", "500ms"}
	busy := hastyLogin(t, w, "postgres", short, "begin")
	busy.until('Z')
	// Twice as long as that, at least.
	for range 2 {
		if got := hastyLogin(t, w, "postgres", short).ended(patience); got != "57P05" {
			t.Errorf("ended with %q", got)
		}
	}
	busy.does("commit")
	if got := busy.ended(patience); got != "57P05" {
		t.Errorf("ended with %q", got)
	}
}
