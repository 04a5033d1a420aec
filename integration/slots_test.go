package integration

import (
	"fmt"
	"testing"
)

// TestATemporarySlotIsItsClientsOwn, whoever calls the function that makes it.
func TestATemporarySlotIsItsClientsOwn(t *testing.T) {
	t.Parallel()
	createRole(t, "slots")
	w := startWeir(t, weirOptions{Top: "leak_check = 0.0", Database: "pool_size = 2", Tables: "[users.slots]"})
	name := func(what string) string { return fmt.Sprintf("%s_%s", w.DB, what) }
	execSQL(t, w.Direct(), fmt.Sprintf(`alter role slots replication; select pg_create_physical_replication_slot('%s', true);
create view copies as select slot_name::text from pg_copy_physical_replication_slot('%s', '%s', true);
create view makes as select slot_name::text from pg_create_physical_replication_slot('%s', true, true);
create function composed() returns text language plpgsql as $$ declare r text; begin execute 'select slot_name from pg_create_phys' || 'ical_replication_slot(''%s'', true, true)' into r; return r; end $$;
create function given(x text) returns text language plpgsql as $$ declare r text; begin execute 'select slot_name from ' || x into r; return r; end $$;
create table %s (i int, s text default (pg_create_physical_replication_slot('%s', true, true)).slot_name);
grant all on copies, makes, %s to slots`, name("kept"), name("kept"), name("copied"), name("made"), name("composed"), name("t"), name("default"), name("t")))
	defer execSQL(t, w.Direct(), fmt.Sprintf("select pg_drop_replication_slot('%s')", name("kept")))
	for _, text := range []string{"select * from copies", "select * from makes", "select composed()", "select given('pg_create_phys' || 'ical_replication_slot(''" + name("given") + "'', true, true)')", "insert into " + name("t") + " values (1)"} {
		holder := rawLogin(t, w.Addr(), "slots", w.DB)
		simply(t, holder, "begin")
		a, b := rawLogin(t, w.Addr(), "slots", w.DB), rawLogin(t, w.Addr(), "slots", w.DB)
		simply(t, b, "select 1")
		simply(t, a, text)
		simply(t, holder, "commit")
		const look = "select count(*) from pg_replication_slots where active_pid = pg_backend_pid()"
		if got := simply(t, b, look); got != "0" {
			t.Errorf("%s: the next client has %s slots", text, got)
		}
		if got := simply(t, a, look); got != "1" {
			t.Errorf("%s: the client has %s slots", text, got)
		}
		for _, c := range []*rawConn{a, b, holder} {
			c.Say(t, bye)
		}
	}
}
