package integration

import (
	"fmt"
	"testing"
)

// ordinaryUser are the lines of config.toml for a user who is no superuser.
const ordinaryUser = "[users.postgres]\npassword = \"\"\n[users.ordinary]\npassword = \"\"\n"

// TestASettingOfAnotherThatCannotBeResetIsNotTheClientsAffair: a function of a
// superuser's has made it. The client is served by another backend.
func TestASettingOfAnotherThatCannotBeResetIsNotTheClientsAffair(t *testing.T) {
	t.Parallel()
	for _, leaks := range []string{"0.0", "1.0"} {
		t.Run("leak_check "+leaks, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Database: "pool_size = 1", Top: "leak_check = " + leaks, Leaks: true,
				Tables: ordinaryUser})
			createRole(t, "ordinary")
			execSQL(t, w.Direct(), `create function sets() returns text security definer
				language sql as $$ select set_config('log_min_duration_statement', '1000000', false) $$`)
			for i, ask := range [][]byte{
				simpleQuery("select 1"),
				append(simpleQuery("select 1"), simpleQuery("select 2")...),
				append(append(append(frame('P', "\x00select 1\x00\x00\x00"), frame('B', "\x00\x00\x00\x00\x00\x00\x00\x00")...),
					frame('E', "\x00\x00\x00\x00\x00")...), frame('S', "")...),
			} {
				a, b := dialWire(t, w.Addr()), dialWire(t, w.Addr())
				a.login(protocol30, "user", "ordinary", "database", w.DB)
				b.login(protocol30, "user", "ordinary", "database", w.DB)
				a.does("select sets()")
				a.conn.Close()
				b.send(ask)
				if code, err := b.answer(); code != "" || err != nil {
					t.Errorf("%d: %q, %v", i, code, err)
				}
			}
		})
	}
}

// TestACleanUpThatFailsLeavesNothing: with max_pinned, what a DO block leaves is
// thrown away, and if that is canceled, the backend is.
func TestACleanUpThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 2\nmax_pinned = 1", Leaks: true})
	pins, makes := loginWire(t, w), loginWire(t, w)
	pins.does("select pg_advisory_lock(1)")
	makes.send(simpleQuery(`do $$ begin
		for i in 1..1000 loop execute 'create temp table made' || i || '(x int)'; end loop;
		perform set_config('statement_timeout', '5', false);
	end $$`))
	if code, err := makes.answer(); code != "53400" || err != nil {
		t.Fatalf("%q, %v", code, err)
	}
	other := connect(t, w.DSN("default_query_exec_mode=simple_protocol"))
	left := ask(t, other, "select count(*) || ' tables, ' || current_setting('statement_timeout') from pg_class where relnamespace = pg_my_temp_schema()")
	if want := "0 tables, 0"; left != want {
		t.Errorf("the next client finds %s, want %s", fmt.Sprint(left), want)
	}
}

// TestASettingOfALibrarysThatIsRefusedEndsNobody: its client goes on, wherever the
// library is loaded.
func TestASettingOfALibrarysThatIsRefusedEndsNobody(t *testing.T) {
	t.Parallel()
	createRole(t, "loads")
	w := startWeir(t, weirOptions{Top: "leak_check = 0.0", Database: "pool_size = 1", Tables: "[users.loads]"})
	const load = "do $$ begin end $$"
	for _, texts := range [][]string{
		{load, "set plpgsql.variable_conflict = 'use_column'"},
		{load, "select set_config('plpgsql.variable_conflict', 'use_column', false)"},
		{load, "begin", "set plpgsql.extra_errors = 'all'", "rollback"},
		{"set plpgsql.variable_conflict = 'use_column'", load},
		{"set plpgsql.variable_conflict = 'use_column'"},
		{"set plpgsql.foo = '1'", load},
		{"set plpgsql.foo = '1'"},
	} {
		a, b := rawLogin(t, w.Addr(), "loads", w.DB), rawLogin(t, w.Addr(), "loads", w.DB)
		simply(t, b, "select 1")
		for _, text := range texts {
			simply(t, a, text)
		}
		for _, c := range []*rawConn{b, a, b, a} {
			simply(t, c, load)
			if got := simply(t, c, "select 'served'"); got != "served" {
				t.Fatalf("%q: the client is answered %q", texts, got)
			}
		}
		a.Say(t, bye)
		b.Say(t, bye)
	}
}
