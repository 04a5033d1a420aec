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
	{"a function's default", "create function f(p bigint default currval('s')) returns bigint language sql as 'select p'", "select f()"},
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
