package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestNobodyChoosesWhatRandomGivesToOthers, since a client that knows what the next one is
// given could tell its keys.
func TestNobodyChoosesWhatRandomGivesToOthers(t *testing.T) {
	t.Parallel()
	createRole(t, "seeds")
	w := startWeir(t, weirOptions{Top: "leak_check = 0.0\nquery_wait_timeout = \"5s\"", Database: "pool_size = 1", Tables: "[users.seeds]"})
	execSQL(t, w.Direct(), `create function in_sql() returns void language sql as 'select setseed(0.42)';
create function in_plpgsql() returns void language plpgsql as $$ begin set seed = 0.42; end $$;
create function in_execute(x text) returns void language plpgsql as $$ begin execute 'select ' || x; end $$;
create view in_view as select setseed(0.42)::text; grant select on in_view to seeds`)
	direct := rawLogin(t, fmt.Sprintf("127.0.0.1:%d", w.PG.Port), "seeds", w.DB)
	simply(t, direct, "select setseed(0.42)")
	chosen := simply(t, direct, "select random()")
	for _, texts := range [][]string{
		{"select setseed(0.42)"},
		{"begin", "select setseed(0.42)", "commit"},
		{"set seed = 0.42"},
		{"set seed to 0.42; select 1"},
		{"begin", "set seed = 0.42", "commit"},
		{"begin; set local seed = 0.42; commit"},
		{"select set_config('seed', '0.42', false)"},
		{"select set_config('seed', '0.42', true)"},
		{"select in_sql()"},
		{"begin", "select in_sql()", "commit"},
		{"begin; select in_plpgsql(); commit"},
		{"begin; select in_execute('setseed(0.42)'); commit"},
		{"begin; select in_execute(concat('set', 'seed(0.42)')); commit"},
		{"select count(*) from (select * from in_view offset 0) v where setseed is not null"},
		{"do $$ begin perform setseed(0.42); end $$"},
		{"begin; do $$ begin execute 'set seed = 0.42'; end $$; commit"},
	} {
		a, b := rawLogin(t, w.Addr(), "seeds", w.DB), rawLogin(t, w.Addr(), "seeds", w.DB)
		simply(t, b, "select 1")
		for _, text := range texts {
			simply(t, a, text)
		}
		a.Say(t, &pgproto3.Terminate{})
		if got := simply(t, b, "select random()"); got == chosen || !strings.ContainsAny(got, ".e") {
			t.Errorf("%q: the next client is given %q", texts, got)
		}
		b.Say(t, &pgproto3.Terminate{})
	}
}

// TestAClientChoosesWhatRandomGives to itself.
func TestAClientChoosesWhatRandomGives(t *testing.T) {
	t.Parallel()
	w := startWeir(t, weirOptions{Database: "pool_size = 2"})
	for _, text := range []string{"select setseed(0.42)", "set seed = 0.42", "select set_config('seed', '0.42', false)"} {
		other := rawLogin(t, w.Addr(), "postgres", w.DB)
		simply(t, other, "select random()")
		c := rawLogin(t, w.Addr(), "postgres", w.DB)
		var got [2]string
		for i := range got {
			simply(t, c, text)
			simply(t, other, "select random()")
			got[i] = simply(t, c, "select random()")
		}
		if got[0] != got[1] {
			t.Errorf("%s: %q", text, got)
		}
		c.Say(t, &pgproto3.Terminate{})
		other.Say(t, &pgproto3.Terminate{})
	}
}
