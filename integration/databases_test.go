package integration

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"pgweir/cluster"
)

// databaseModes are the lines of the configuration that make a difference to
// how texts and backends are looked at.
var databaseModes = []struct{ name, top string }{
	{"transaction", "min_pool_size = 2"},
	{"session_state off", "session_state = \"off\"\nleak_check = 0.0"},
	{"session", "pool_mode = \"session\""},
}

// databaseWeir is a pgweir that lets clients into any database of a server of
// the test's own: others make databases from template1 on the shared one.
func databaseWeir(t *testing.T, pg *cluster.Cluster, top string) (w *weir, admin *pgx.Conn) {
	w = startWeir(t, weirOptions{Cluster: pg, Top: top, Tables: "[databases.\"*\"]\nhost = \"127.0.0.1\"\nport = PGPORT\n"})
	return w, connect(t, w.DSN(simpleProtocol))
}

// passThrough has two clients use a database and go: pgweir keeps their
// backends.
func passThrough(t *testing.T, w *weir, db string) {
	t.Helper()
	one, two := connect(t, dsn(w.Port, db)), connect(t, dsn(w.Port, db))
	must(t, one, "begin")
	must(t, two, "select 1")
	must(t, one, "rollback")
	for _, c := range []*pgx.Conn{one, two} {
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(backendsIn(t, w.PG, db)); n == 0 {
		t.Fatal("no backend is left in the database, so this shows nothing")
	}
}

// TestADatabaseThatNoClientUsesCanBeDropped: and renamed, moved and copied, as
// directly, though its pools have backends in it.
func TestADatabaseThatNoClientUsesCanBeDropped(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	// The server itself makes the folder, so that it is its own.
	space := filepath.Join(pg.Dir, "space")
	direct := connect(t, pg.DSN("postgres"))
	must(t, direct, "copy (select) to program 'mkdir "+space+"'")
	must(t, direct, "create tablespace other location '"+space+"'")
	for _, mode := range databaseModes {
		t.Run(mode.name, func(t *testing.T) {
			w, admin := databaseWeir(t, pg, mode.top)
			// Each time in a database that no statement has needed before.
			must(t, admin, "create database a")
			passThrough(t, w, "a")
			must(t, admin, `alter database a rename to "B"`)
			passThrough(t, w, "B")
			must(t, admin, `begin; alter database "B" rename to c; commit`)
			passThrough(t, w, "c")
			must(t, admin, "create database d with template = 'c'")
			passThrough(t, w, "d")
			must(t, admin, "alter database d set tablespace other")
			must(t, admin, "create database e")
			passThrough(t, w, "e")
			must(t, admin, "drop database if exists e")
			if _, err := pgx.Connect(t.Context(), dsn(w.Port, "e")); sqlState(err) != "3D000" {
				t.Errorf("a login to a database that was dropped: %v", err)
			}

			// The same in the extended protocol, unnamed and named.
			extended := connect(t, w.DSN())
			must(t, admin, "create database f")
			passThrough(t, w, "f")
			if _, err := extended.PgConn().ExecParams(t.Context(), "drop database f", nil, nil, nil, nil).Close(); err != nil {
				t.Error(err)
			}
			must(t, admin, "create database g")
			passThrough(t, w, "g")
			if _, err := extended.Prepare(t.Context(), "named", "drop database g"); err != nil {
				t.Fatal(err)
			}
			if _, err := extended.Exec(t.Context(), "named"); err != nil {
				t.Error(err)
			}

			passThrough(t, w, "template1")
			must(t, admin, "create database from_template1")
			must(t, admin, "drop database from_template1")
			must(t, admin, "drop database c")
			must(t, admin, "drop database d")
		})
	}
}

// TestADatabaseWhoseLastClientsGoMeanwhileCanBeDropped: PostgreSQL waits for
// them.
func TestADatabaseWhoseLastClientsGoMeanwhileCanBeDropped(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	direct := connect(t, pg.DSN("postgres"))
	for _, mode := range databaseModes {
		t.Run(mode.name, func(t *testing.T) {
			w, admin := databaseWeir(t, pg, mode.top)
			must(t, admin, "create database d")
			client, listener := connect(t, dsn(w.Port, "d")), connect(t, dsn(w.Port, "d"))
			must(t, client, "select 1")
			must(t, listener, "listen c")
			dropped := begin(t, admin, "drop database d")
			eventually(t, "PostgreSQL waits for them", func() bool {
				return ask(t, direct, "select count(*) from pg_stat_activity where query = 'drop database d' and state = 'active'") == "1"
			})
			_ = client.Close(t.Context())
			_ = listener.Close(t.Context())
			if err := finished(t, dropped, patience); err != nil {
				t.Error(err)
			}
			// One that listens and is gone before: its channels are heard for
			// a while yet.
			must(t, admin, "create database d")
			listener = connect(t, dsn(w.Port, "d"))
			must(t, listener, "listen c")
			_ = listener.Close(t.Context())
			must(t, admin, "drop database d")
		})
	}
}

// TestADatabaseWithAnIdleClientIsBeingAccessed: as directly, and the client
// does not notice.
func TestADatabaseWithAnIdleClientIsBeingAccessed(t *testing.T) {
	t.Parallel()
	pg := startCluster(t, cluster.Options{})
	for _, mode := range databaseModes {
		t.Run(mode.name, func(t *testing.T) {
			w, admin := databaseWeir(t, pg, mode.top)
			must(t, admin, "create database d")
			client := connect(t, dsn(w.Port, "d"))
			before := backendOf(t, client)
			if err := runSQL(t.Context(), admin, "drop database d"); sqlState(err) != "55006" {
				t.Errorf("DROP DATABASE ended with %v", err)
			}
			must(t, client, "select 1")
			if now := backendsIn(t, pg, "d"); !slices.Contains(now, before) {
				t.Errorf("the client was on backend %d, and there are %v now", before, now)
			}
			if err := client.Close(t.Context()); err != nil {
				t.Error(err)
			}
			must(t, admin, "drop database d")
		})
	}
}
