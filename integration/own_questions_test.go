package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

// TestAQuestionThatIsAskedAgainTakesNothingForTheClients: what a client has set is
// asked for under other timeouts when its own have canceled the question. All
// others are as it has left them.
func TestAQuestionThatIsAskedAgainTakesNothingForTheClients(t *testing.T) {
	t.Parallel()
	const view = `select pg_catalog.concat_ws('|', pg_catalog.current_setting('statement_timeout'), pg_catalog.current_setting('lock_timeout'),
		pg_catalog.current_setting('search_path'), pg_catalog.current_setting('own.text', true), pg_catalog.current_setting('work_mem'))`
	inBothSettings(t, func(t *testing.T, opts weirOptions) {
		opts.Database = "pool_size = 1"
		w := startWeir(t, opts)
		other := connect(t, w.DSN(simpleProtocol))
		for round := range 10 {
			c := rawLogin(t, w.Addr(), w.Role(), w.DB, "client_encoding", "LATIN1")
			for _, s := range []struct{ sql, want string }{
				{fmt.Sprintf("set search_path = 'b\xe4r'; set own.text = '\xe4%d'; set lock_timeout = '90s'; set statement_timeout = '1ms'", round), ""},
				{"set statement_timeout = '2min'", ""},
				{view, fmt.Sprintf("2min|90s|\"b\xe4r\"|\xe4%d|4MB", round)},
				{"set lock_timeout = 0", ""},
				{"do $$ begin perform pg_catalog.set_config('statement_timeout', '1', false); end $$", ""},
				{"set statement_timeout = 0; set work_mem = '5MB'", ""},
				{view, fmt.Sprintf("0|0|\"b\xe4r\"|\xe4%d|5MB", round)},
			} {
				got := "57014"
				for n := 0; got == "57014" && n < 1000; n++ { // 1 ms may be too short for it
					c.Say(t, query(s.sql))
					got = c.until(t, 'Z')
				}
				if got != s.want {
					t.Errorf("round %d, %q: %q, want %q", round, s.sql, got, s.want)
				}
				if got := ask(t, other, view); got != `0|0|"$user", public|4MB` && got != `0|0|"$user", public||4MB` {
					t.Errorf("round %d, behind %q: another finds %q", round, s.sql, got)
				}
			}
			_ = c.net.Close()
		}
	})
}

// TestOwnQuestionsDoNotFailForARoleThatMayReadLess, though what there is to ask for
// was read by a superuser. Each failure would be in the server's log.
func TestOwnQuestionsDoNotFailForARoleThatMayReadLess(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	execSQL(t, pg.DSN("postgres"), "create role bare login")
	w := startWeir(t, weirOptions{Cluster: pg, Top: "leak_check = 0.0", Tables: "[users.postgres]\n[users.bare]\n"})
	superuser, bare := connect(t, w.DSN(simpleProtocol)), connect(t, w.DSN(simpleProtocol, "user=bare"))
	for n := range 5 {
		must(t, superuser, fmt.Sprintf("select %d as a%d", n, n))
		must(t, bare, "set search_path = nowhere; set work_mem = '5MB'; set statement_timeout = '118s'")
		must(t, bare, fmt.Sprintf("select %d as b%d", n, n))
		if got := ask(t, bare, "select concat_ws('|', current_setting('search_path'), current_setting('work_mem'), current_setting('statement_timeout'))"); got != "nowhere|5MB|118s" {
			t.Errorf("its own settings are %q", got)
		}
		must(t, bare, "discard all")
	}
	for line := range strings.Lines(pg.Log()) {
		if strings.Contains(line, "ERROR:") {
			t.Errorf("the server's log has %q", line)
		}
	}
}

// TestADigestDoesNotDependOnHowAClientReadsTables: other settings have PostgreSQL
// read the same rows in another order.
func TestADigestDoesNotDependOnHowAClientReadsTables(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{Settings: map[string]string{"track_activity_query_size": "65536"}})
	execSQL(t, pg.DSN("postgres"), "create role "+ordinaryRole+" login")
	w := startWeir(t, weirOptions{Cluster: pg, Top: "leak_check = 0.0", Role: ordinaryRole, Database: "pool_size = 1"})
	for n := range 50 {
		execSQL(t, w.Direct(), fmt.Sprintf("create table t%d (a int default %[1]d check (a > 0)); create function f%[1]d() returns int language sql as 'select %[1]d'", 49-n))
	}
	plain, steered := connect(t, w.DSN(simpleProtocol)), connect(t, w.DSN(simpleProtocol))
	must(t, steered, "set enable_seqscan = off; set enable_hashjoin = off; set enable_nestloop = off; set work_mem = '64kB'")
	direct := connect(t, pg.DSN("postgres"))
	for _, client := range []*pgx.Conn{plain, steered, plain, steered} {
		eventually(t, "a digest is asked for", func() bool {
			must(t, client, "select 1")
			return ask(t, direct, "select bool_or(query like '%SELECT ''d''%')::text from pg_stat_activity where usename = '"+ordinaryRole+"'") == "true"
		})
	}
	if n := w.ofPool(t, "pgweir_pool_catalog_changes_total", "", ""); n != 1 {
		t.Errorf("the database's objects were found to be others %v times", n)
	}
}
