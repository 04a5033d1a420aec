package integration

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// hiddenReaders ask for currval or lastval where no text of a client's says so.
// Each is read by the statement behind it.
var hiddenReaders = []struct{ name, schema, sql string }{
	{"a default", "create table child (p int default currval('s'))", "insert into child default values returning p"},
	{"a default of lastval", "create table child (p int default lastval())", "insert into child default values returning p"},
	{"a view", "create view mine as select currval('s') as p", "select p from mine"},
	{"a rule", "create table child (p int); create rule r as on insert to child do also update child set p = currval('s')",
		"insert into child values (0); select p from child"},
	{"a trigger", `create table child (p int);
create function t() returns trigger language plpgsql as $$ begin new.p := currval('s'); return new; end $$;
create trigger t before insert on child for each row execute function t()`, "insert into child values (0) returning p"},
	{"a trigger's condition", `create table child (p int);
create function t() returns trigger language plpgsql as $$ begin new.p := -1; return new; end $$;
create trigger t before insert on child for each row when (new.p = currval('s')) execute function t()`, "insert into child values (2) returning p"},
	{"a constraint", "create table child (p int check (p = currval('s')))", "insert into child values (2) returning p"},
	{"a domain", "create domain d as bigint default currval('s'); create table child (p d)", "insert into child default values returning p"},
	{"a function's default", "create function f(p bigint default currval('s')) returns bigint language sql as 'select p'; create view mine as select f() as p", "select p from mine"},
	{"a function within a function", `create function g() returns bigint language sql as $$ select currval('s') $$;
create function f() returns bigint language sql as $$ select g() $$; create view mine as select f() as p`, "select p from mine"},
}

// TestNobodyReadsWhatNextvalHasGivenToOthers where an object of the database asks
// for it unseen: its own, an error, but never another client's.
func TestNobodyReadsWhatNextvalHasGivenToOthers(t *testing.T) {
	t.Parallel()
	createRole(t, "counts")
	for _, h := range hiddenReaders {
		for _, late := range []bool{false, true} {
			name := h.name
			if late {
				name += " that is made later"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := startWeir(t, weirOptions{Top: "leak_check = 0.0", Database: "pool_size = 1", Tables: "[users.counts]"})
				execSQL(t, w.Direct(), "create sequence s; grant all on sequence s to counts; grant create on schema public to counts")
				a, b := rawLogin(t, w.Addr(), "counts", w.DB), rawLogin(t, w.Addr(), "counts", w.DB)
				port := w.PG.Port
				if late {
					port = w.Port
					simply(t, a, "select 'the functions have been read'")
				}
				// One that has asked for currval keeps its backend.
				maker := rawLogin(t, fmt.Sprintf("127.0.0.1:%d", port), "counts", w.DB)
				simply(t, maker, h.schema)
				maker.Say(t, &pgproto3.Terminate{})
				if got := simply(t, a, "select nextval('s')"); got != "1" {
					t.Fatalf("%q, want 1", got)
				}
				if got := simply(t, b, "select nextval('s')"); got != "2" {
					t.Fatalf("%q, want 2", got)
				}
				if got := simply(t, a, h.sql); got != "55000" {
					t.Errorf("after another client's nextval: %q, want 55000", got)
				}
				if got := simply(t, b, "begin; select nextval('s'); select 'committed'; commit"); got != "3 committed" {
					t.Fatalf("%q, want 3", got)
				}
				a.Say(t, query("begin"), query("select nextval('s')"), query("savepoint a"), query(h.sql), query("rollback"))
				for _, want := range []string{"", "4", ""} {
					if got := a.until(t, 'Z'); got != want {
						t.Errorf("in a block: %q, want %q", got, want)
					}
				}
				if got := a.until(t, 'Z'); got == "55000" {
					t.Errorf("in a block of its own: %q", got)
				}
				a.until(t, 'Z')
			})
		}
	}
}

// askers ask in their texts, or where no word can be seen.
var askers = []struct {
	name string
	said [][]message
}{
	{"in a second transaction", [][]message{say(query("select 1")), say(query("select lastval()"))}},
	{"in a block", [][]message{say(query("begin")), say(query("select lastval()")), say(query("rollback"))}},
	{"in a block that has used another sequence in a part that is undone", [][]message{say(query("begin")), say(query("savepoint a")),
		say(query("insert into ids default values")), say(query("rollback to a")), say(query("select lastval()")), say(query("rollback"))}},
	{"in a block for its own", [][]message{say(query("begin"), query("insert into ids default values"), query("select lastval(), currval('ids_i_seq')"), query("commit"))}},
	{"in a function in a block", [][]message{say(query("begin")), say(query("select hides()")), say(query("rollback"))}},
	{"in a block that fails", [][]message{say(query("begin")), say(query("select 1 / 0")), say(query("select lastval()")), say(query("rollback"))}},
	{"behind its own nextval ahead of a Sync", [][]message{append(append(extended("insert into ids default values"), extended("select lastval()")...), sync_)}},
	{"in a transaction that fails ahead of its Sync", [][]message{
		append(append(append(extended("insert into ids default values"), extended("select lastval()")...), extended("select 1 / 0")...), sync_),
		say(query("select count(*) from ids"))}},
	{"in a statement that was prepared before", [][]message{say(parse("q", "select lastval()"), sync_), say(query("select 1")), append(runs("q"), sync_)}},
	{"in a function that puts it together", [][]message{say(query("select hides()"))}},
	{"in DO that puts it together", [][]message{say(query("do $$ begin execute 'select last' || 'val()'; end $$"))}},
	{"in query_to_xml", [][]message{say(query("select query_to_xml('select lastval()', true, true, '')"))}},
	{"in a block that has set another", [][]message{say(query("begin")), say(query("select setval('ids_i_seq', 5)")), say(query("select lastval()")), say(query("rollback"))}},
	{"in a block that has set another, for that", [][]message{say(query("begin")), say(query("select setval('ids_i_seq', 5)")), say(query("select currval('ids_i_seq')")), say(query("rollback"))}},
	{"in a block that has used another", [][]message{say(query("begin")), say(query("insert into ids default values")), say(query("select currval('s')")), say(query("rollback"))}},
	{"in a block that has used another, for both", [][]message{say(query("begin")), say(query("insert into ids default values")),
		say(query("select lastval(), currval('ids_i_seq')")), say(query("savepoint a")), say(query("select currval('s')")), say(query("rollback to a")), say(query("commit"))}},
	{"in a block, by messages ahead of a Sync", [][]message{say(query("begin")), append(append(extended("insert into ids default values"), extended("select currval('public.s'::regclass)")...), sync_), say(query("rollback"))}},
	{"in a block, by a statement that was prepared before", [][]message{say(parse("q", "select currval('s')"), sync_), say(query("begin")), say(query("insert into ids default values")), append(runs("q"), sync_), say(query("rollback"))}},
	{"in a block that has set another, in a function", [][]message{say(query("begin")), say(query("select setval('ids_i_seq', 5)")), say(query("select hides()")), say(query("rollback"))}},
	{"by a function call", [][]message{say(&pgproto3.FunctionCall{Function: 2559})}},
}

// TestNobodyAsksForWhatNextvalHasGivenToOthers plays them with PostgreSQL and
// through pgweir.
func TestNobodyAsksForWhatNextvalHasGivenToOthers(t *testing.T) {
	t.Parallel()
	createRole(t, "counts_by_text")
	for _, a := range askers {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			w := startWeir(t, weirOptions{Top: "leak_check = 0.0", Database: "pool_size = 1", Tables: "[users.counts_by_text]"})
			execSQL(t, w.Direct(), "create sequence s start 77; create table ids (i serial); grant all on all sequences in schema public to counts_by_text; grant all on ids to counts_by_text;"+
				"create function hides() returns bigint language plpgsql as $$ declare x bigint; begin execute 'select last' || 'val()' into x; return x; end $$")
			play := func(port int) (got []string) {
				addr := fmt.Sprintf("127.0.0.1:%d", port)
				one, other := rawLogin(t, addr, "counts_by_text", w.DB), rawLogin(t, addr, "counts_by_text", w.DB)
				simply(t, other, "select nextval('s')")
				for _, messages := range a.said {
					one.Say(t, messages...)
					for _, m := range messages {
						switch m.(type) {
						case *pgproto3.Query, *pgproto3.Sync, *pgproto3.FunctionCall:
							got = append(got, one.until(t, 'Z'))
						}
					}
				}
				return got
			}
			want := play(w.PG.Port)
			execSQL(t, w.Direct(), "truncate ids restart identity; alter sequence s restart")
			if got := play(w.Port); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}
