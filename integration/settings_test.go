package integration

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

func TestTwoClientsOnOneBackendKeepTheirOwnSettings(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1"})
	settings := []string{"application_name", "timezone", "datestyle", "intervalstyle", "client_encoding", "standard_conforming_strings"}
	show := "select concat_ws('|', current_setting('" + strings.Join(settings, "'), current_setting('") + "'))"
	simple := "default_query_exec_mode=simple_protocol"
	berlin := connect(t, w.DSN(simple, "application_name=berlin", "timezone=Europe/Berlin", "datestyle='German, DMY'", "intervalstyle=iso_8601", "client_encoding=UTF8", "standard_conforming_strings=on"))
	lima := connect(t, w.DSN(simple, "application_name=lima", "timezone=America/Lima", "datestyle='SQL, MDY'", "intervalstyle=sql_standard", "client_encoding=LATIN1", "standard_conforming_strings=off"))
	plain := connect(t, w.DSN(simple))
	pids := map[string]bool{}
	for range 3 {
		for _, c := range []struct {
			conn *pgconn.PgConn
			want string
		}{
			{berlin.PgConn(), "berlin|Europe/Berlin|German, DMY|iso_8601|UTF8|on"},
			{lima.PgConn(), "lima|America/Lima|SQL, MDY|sql_standard|LATIN1|off"},
			{plain.PgConn(), "|UTC|ISO, MDY|postgres|UTF8|on"},
		} {
			results, err := c.conn.Exec(t.Context(), show+", pg_backend_pid()").ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			if got := string(results[0].Rows[0][0]); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			pids[string(results[0].Rows[0][1])] = true
		}
	}
	if len(pids) != 1 {
		t.Errorf("%d backends", len(pids))
	}
	// A SET goes with its client, and a RESET goes back to what it began with.
	ask(t, berlin, "set timezone = 'Asia/Tokyo'; select ''")
	ask(t, plain, "set application_name = 'renamed'; select ''")
	reset := func(conn *pgx.Conn, what, show string) string {
		ask(t, conn, "reset "+what+"; select ''")
		return ask(t, conn, "show "+show)
	}
	for _, c := range []struct{ got, want string }{
		{ask(t, lima, "show timezone"), "America/Lima"}, {ask(t, plain, "show timezone"), "UTC"}, {ask(t, berlin, "show timezone"), "Asia/Tokyo"},
		{ask(t, lima, "show application_name"), "lima"}, {ask(t, plain, "show application_name"), "renamed"},
		{reset(berlin, "timezone", "timezone"), "Europe/Berlin"}, {reset(plain, "timezone", "timezone"), "UTC"},
		{reset(lima, "all", "timezone"), "America/Lima"}, {ask(t, lima, "show application_name"), "lima"},
		{reset(plain, "application_name", "application_name"), ""}, {ask(t, berlin, "show application_name"), "berlin"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	if got := lima.PgConn().ParameterStatus("TimeZone"); got != "America/Lima" {
		t.Errorf("TimeZone was reported as %s", got)
	}
}

// clientStates are how state is left, how its owner and others see it, and how
// it is undone. ROLE is the clients' role.
var clientStates = []struct{ name, leave, see, mine, others, undo string }{
	{"a setting", "set search_path = pg_catalog", "show search_path", "pg_catalog", `"$user", public`, "reset search_path"},
	{"a setting through a function", "select set_config('work_mem', '7MB', false)", "show work_mem", "7MB", "4MB", "discard all"},
	{"a setting of an extension", "set my.own = 'x'", "select coalesce(current_setting('my.own', true), '')", "x", "", "discard all"},
	{"a role", "set role pg_monitor", "select current_user", "pg_monitor", "ROLE", "reset role"},
	{"a session authorization", "set session authorization pg_monitor", "select session_user", "pg_monitor", "ROLE", "discard all"},
	{"a temporary table", "create temp table mine as select 'x' as a", "select coalesce(to_regclass('pg_temp.mine')::text, '')", "mine", "", "drop table mine"},
	{"an advisory lock", "select pg_advisory_lock(11)", "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()", "1", "0", "select pg_advisory_unlock(11)"},
	{"a shared advisory lock", "select pg_try_advisory_lock_shared(1, 2)", "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()", "1", "0", "select pg_advisory_unlock_all()"},
	{"a channel", "listen mine", "select count(*) from pg_listening_channels()", "1", "0", "unlisten *"},
	{"a prepared statement", "prepare mine as select 1", "select count(*) from pg_prepared_statements", "1", "0", "deallocate mine"},
	{"a held cursor", "begin; declare mine cursor with hold for select 1; commit", "select count(*) from pg_cursors where is_holdable", "1", "0", "close mine"},
	{"a setting made in a transaction", "begin; set statement_timeout = '77s'; commit", "show statement_timeout", "77s", "0", "reset statement_timeout"},
	{"a setting made in a DO block", "do $$ begin perform set_config('statement_timeout', '78s', false); end $$", "show statement_timeout", "78s", "0", "reset statement_timeout"},
	{"a temporary table made in a DO block", "do $$ begin execute 'create temp table mine (a int)'; end $$", "select coalesce(to_regclass('pg_temp.mine')::text, '')", "mine", "", "discard temp"},
}

// TestStateOfOneClientIsNotSeenByAnother: settings and channels follow the
// client; who leaves anything else behind keeps its backend until that is gone.
// Nobody else ever sees it.
func TestStateOfOneClientIsNotSeenByAnother(t *testing.T) {
	t.Parallel()
	inBothSettings(t, func(t *testing.T, opts weirOptions) {
		opts.Database = "pool_size = 3"
		w := startWeir(t, opts)
		console := connect(t, w.Console(simpleProtocol))
		for _, c := range clientStates {
			c.others = strings.ReplaceAll(c.others, "ROLE", w.Role())
			if c.name == "a session authorization" && w.Role() != "postgres" {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				one, two := connect(t, w.DSN()), connect(t, w.DSN())
				follows := strings.Contains(c.name, "setting") || c.name == "a role" || c.name == "a session authorization" || c.name == "a channel"
				ask(t, one, c.leave+"; select ''")
				pid := ask(t, one, "select pg_backend_pid()")
				for range 3 {
					if got := ask(t, one, c.see); got != c.mine {
						t.Errorf("its owner sees %q, want %q", got, c.mine)
					}
					if got := ask(t, two, c.see); got != c.others {
						t.Errorf("another sees %q, want %q", got, c.others)
					}
					if got := ask(t, one, "select pg_backend_pid()"); got != pid && !follows {
						t.Errorf("its owner is on backend %s, was on %s", got, pid)
					}
					if got := ask(t, two, "select pg_backend_pid()"); got == pid && !follows {
						t.Error("another is on the same backend")
					}
				}
				if _, err := one.PgConn().Exec(t.Context(), c.undo).ReadAll(); err != nil {
					t.Fatal(err)
				}
				// Now the two can share one again.
				eventually(t, "the backend is shared", func() bool { return sharesBackend(t, w, console, one.PgConn(), two.PgConn()) })
				for _, conn := range []*pgconn.PgConn{one.PgConn(), two.PgConn()} {
					results, err := conn.Exec(t.Context(), c.see).ReadAll()
					if err != nil {
						t.Fatal(err)
					}
					if got := string(results[0].Rows[0][0]); got != c.others {
						t.Errorf("after %s: %q, want %q", c.undo, got, c.others)
					}
				}
				// What a client leaves behind at its end is gone too.
				ask(t, one, c.leave+"; select ''")
				if err := one.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				for range 4 {
					three, four := connect(t, w.DSN()), connect(t, w.DSN())
					ask(t, three, "begin; select ''")
					if got := ask(t, four, c.see); got != c.others {
						t.Errorf("after its owner's end another sees %q, want %q", got, c.others)
					}
					if got := ask(t, three, "commit; "+c.see); got != c.others {
						t.Errorf("after its owner's end another sees %q, want %q", got, c.others)
					}
				}
			})
		}
	})
}

// sharesBackend tells whether two clients are on the same backend in turn. While
// one is still asked what was left in it, the next client is given another.
func sharesBackend(t *testing.T, w *weir, console *pgx.Conn, conns ...*pgconn.PgConn) bool {
	t.Helper()
	pids := map[string]bool{}
	for _, conn := range conns {
		eventually(t, "no backend is lent", func() bool { return poolRow(t, w, console)["sv_active"] == "0" })
		results, err := conn.Exec(t.Context(), "select pg_backend_pid()").ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		pids[string(results[0].Rows[0][0])] = true
	}
	return len(pids) == 1
}

func TestUnnamedStatementsStayWithTheirClient(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1"})
	one, two := rawLogin(t, w.Addr(), "postgres", w.DB), rawLogin(t, w.Addr(), "postgres", w.DB)
	three := rawLogin(t, w.Addr(), "postgres", w.DB)
	one.Say(t, parse("", "select 'one', $1::text"), sync_)
	one.until(t, 'Z')
	two.Say(t, parse("", "select 'two', $1::text"), sync_)
	two.until(t, 'Z')
	for range 3 {
		one.Say(t, bind("", "1"), execute("", 0), sync_)
		if got := one.until(t, 'Z'); got != "one 1" {
			t.Errorf("the first client got %q", got)
		}
		two.Say(t, describe('S', ""), bind("", "2"), execute("", 0), sync_)
		if got := two.until(t, 'Z'); got != "two 2" {
			t.Errorf("the second client got %q", got)
		}
		three.Say(t, bind("", "3"), execute("", 0), sync_)
		if got := three.until(t, 'Z'); !strings.Contains(got, "26000") {
			t.Errorf("a client without a statement got %q", got)
		}
	}
}

// until reads up to a message of this type and gives the values of all rows
// and the codes of all errors, separated by blanks.
func (c *rawConn) until(t *testing.T, typ byte) string {
	t.Helper()
	var words []string
	for {
		switch m := c.Next(t).(type) {
		case *pgproto3.DataRow:
			for _, v := range m.Values {
				words = append(words, string(v))
			}
		case *pgproto3.ErrorResponse:
			words = append(words, m.Code)
		case *pgproto3.ReadyForQuery:
			c.Status = m.TxStatus
			if typ == 'Z' {
				return strings.Join(words, " ")
			}
		case *pgproto3.CopyInResponse:
			if typ == 'G' {
				return strings.Join(words, " ")
			}
		}
	}
}

func TestNamedStatementsAreRefusedWithoutMaxPreparedStatements(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"transaction", "statement"} {
		w := startWeir(t, weirOptions{Top: `pool_mode = "` + mode + "\"\nmax_prepared_statements = 0", Database: "pool_size = 1"})
		c := rawLogin(t, w.Addr(), "postgres", w.DB)
		for _, step := range []struct {
			say    []pgproto3.FrontendMessage
			want   string
			status byte
		}{
			{say(parse("name", "select 1"), describe('S', "name"), sync_), "0A000", 'I'},
			{say(parse("name", "select 1"), bind("name"), execute("", 0), sync_), "0A000", 'I'},
			{append(extended("select 1"), parse("name", "select 1"), execute("", 0), sync_), "1 0A000", 'I'},
			{append(extended("select 'still served'"), sync_), "still served", 'I'},
			{say(bind("name"), execute("", 0), sync_), "26000", 'I'},
			{say(query("begin")), "", 'T'},
			{append(extended("select 2"), sync_), "2", 'T'},
			{say(parse("name", "select 1"), sync_), "0A000", 'E'},
			{append(extended("select 3"), sync_), "25P02", 'E'},
			{say(query("rollback")), "", 'I'},
			{say(query("select name from pg_prepared_statements")), "", 'I'},
		} {
			if mode == "statement" && step.status != 'I' || len(step.say) == 1 && mode == "statement" {
				continue
			}
			c.Say(t, step.say...)
			if got := c.until(t, 'Z'); got != step.want || c.Status != step.status {
				t.Errorf("%s mode, %T: got %q with status %c, want %q with %c", mode, step.say[0], got, c.Status, step.want, step.status)
			}
		}
		// A driver that prepares by default is told so, with a hint.
		_, err := connect(t, w.DSN()).Exec(t.Context(), "select $1::int", 1)
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "0A000" || !strings.Contains(e.Message, mode) || e.Hint == "" {
			t.Errorf("%s mode: %v", mode, err)
		}
	}
}

func TestStartupParametersOfOthersAreNotUsedWhenThePoolIsFull(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 1"})
	one, two := connect(t, w.DSN("work_mem=7MB")), connect(t, w.DSN("work_mem=8MB"))
	begin := time.Now()
	for range 5 {
		if got := ask(t, one, "show work_mem"); got != "7MB" {
			t.Errorf("the first client got %s", got)
		}
		if got := ask(t, two, "show work_mem"); got != "8MB" {
			t.Errorf("the second client got %s", got)
		}
		if n := len(w.Backends(t)); n > 1 {
			t.Errorf("%d backends", n)
		}
	}
	if d := time.Since(begin); d > patience {
		t.Errorf("making room took %v", d)
	}
}

// TestASettingBehindALongTextIsNobodyElses: pgweir keeps no more than the beginning
// of a text that long.
func TestASettingBehindALongTextIsNobodyElses(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 2"})
	padding := "/* " + strings.Repeat("x", 1<<20) + " */"
	for _, sets := range []string{
		padding + " select set_config('app.x', 'mine', false)",
		padding + "; set app.x = 'mine'",
		"select '" + padding + "'; set session app.x to 'mine'",
		"do $$ begin " + padding + " perform pg_catalog.set_config('app.x', 'mine', false); end $$",
	} {
		one, two := connect(t, w.DSN(simpleProtocol)), connect(t, w.DSN(simpleProtocol))
		must(t, one, sets)
		name := sets[len(sets)-40:]
		for range 3 {
			if got := ask(t, two, "select coalesce(current_setting('app.x', true), '')"); got != "" {
				t.Errorf("%s: another client reads %q", name, got)
			}
			if got := ask(t, one, "select current_setting('app.x', true)"); got != "mine" {
				t.Errorf("%s: its own client reads %q", name, got)
			}
		}
		_, _ = one.Close(t.Context()), two.Close(t.Context())
	}
}

// TestALibraryThatAClientHasLoadedFollowsIt: a library defines settings, and does
// its work on whatever backend its client comes to.
func TestALibraryThatAClientHasLoadedFollowsIt(t *testing.T) {
	t.Parallel()
	// An ordinary role may not load this one.
	for _, top := range []string{stageTop, "leak_check = 0.0\n"} {
		w := startWeir(t, weirOptions{Top: top, Database: "pool_size = 2\nmax_pinned = 1"})
		const shows = "select count(*) from pg_settings where name = 'auto_explain.log_min_duration' and unit = 'ms' and setting = "
		var all []*pgx.Conn
		for i := range 5 {
			c := connect(t, w.DSN(simpleProtocol, fmt.Sprintf("application_name=%d", i)))
			must(t, c, "load 'auto_explain'")
			must(t, c, fmt.Sprintf("set auto_explain.log_min_duration = '%ds'", 1000+i))
			all = append(all, c)
		}
		// One in a block has the others come to the other backend, and back.
		for i, c := range all {
			must(t, c, "begin")
			for k, other := range all {
				if got := ask(t, other, fmt.Sprintf("%s'%d000'", shows, 1000+k)); got != "1" {
					t.Errorf("client %d, while %d is in a block: %q", k, i, got)
				}
			}
			must(t, c, "rollback")
		}
		if pins := show(t, connect(t, w.Console(simpleProtocol)), "show pins"); len(pins) != 0 {
			t.Errorf("SHOW PINS has %v", pins)
		}
	}
}
