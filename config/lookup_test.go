package config

import (
	"reflect"
	"testing"
	"time"
)

func TestDatabaseFallsBackToTheStar(t *testing.T) {
	c := mustParse(t, `
[databases.app]
dbname = "production"
[databases."*"]
host = "db"
`)
	if db, ok := c.Database("app"); !ok || db != c.Databases["app"] {
		t.Errorf("app: %+v, %v", db, ok)
	}
	db, ok := c.Database("other")
	if want := (&Database{Name: "other", Host: "db", Port: 5432, LoadBalanceHosts: "round-robin", DBName: "other"}); !ok || !reflect.DeepEqual(db, want) {
		t.Errorf("other: %+v, %v", db, ok)
	}
	if fallback := c.Databases["*"]; fallback.Name != "*" || fallback.DBName != "" {
		t.Errorf("the entry * was changed: %+v", fallback)
	}
	for _, name := range []string{"pgweir", "pgbouncer", ""} {
		if db, ok := c.Database(name); ok {
			t.Errorf("%q: %+v", name, db)
		}
	}
	if db, ok := mustParse(t, "[databases.app]").Database("other"); ok {
		t.Errorf("without *, other: %+v", db)
	}
	db, _ = mustParse(t, "[databases.'*']\ndbname = 'one'").Database("other")
	if db.Name != "other" || db.DBName != "one" {
		t.Errorf("with the dbname of *: %+v", db)
	}
}

func TestAddressIsForDial(t *testing.T) {
	for _, tc := range []struct {
		db               Database
		network, address string
	}{
		{Database{Host: "db", Port: 5432}, "tcp", "db:5432"},
		{Database{Host: "::1", Port: 5433}, "tcp", "[::1]:5433"},
		{Database{Host: "/run/pg", Port: 5433}, "unix", "/run/pg/.s.PGSQL.5433"},
		{Database{Host: "/run//pg/", Port: 5433}, "unix", "/run/pg/.s.PGSQL.5433"},
		{Database{Host: "@pg", Port: 5433}, "unix", "@pg/.s.PGSQL.5433"},
		{Database{Host: "@pg//x/", Port: 5433}, "unix", "@pg//x//.s.PGSQL.5433"},
		{Database{Port: 5432}, "unix", defaultSocketDir() + "/.s.PGSQL.5432"},
	} {
		if network, address := tc.db.Servers()[0].Address(); network != tc.network || address != tc.address {
			t.Errorf("%+v: %s %s", tc.db, network, address)
		}
	}
}

func TestTheNarrowestSettingHoldsForAPool(t *testing.T) {
	c := mustParse(t, `
pool_mode = "session"
default_pool_size = 20
min_pool_size = 15
reserve_pool_size = 3
max_db_connections = 50
max_user_connections = 60
server_lifetime = "1h"
[databases.plain]
[databases.own]
user = "owner"
pool_mode = "transaction"
pool_size = 10
min_pool_size = 4
reserve_pool_size = 0
max_db_connections = 0
server_lifetime = 5
[users.alice]
pool_mode = "statement"
pool_size = 2
max_user_connections = 0
`)
	type pool struct {
		size, min, reserve, maxDB, maxUser int
		mode                               string
		lifetime                           time.Duration
	}
	for _, tc := range []struct {
		database, user string
		want           pool
	}{
		{"plain", "bob", pool{20, 15, 3, 50, 60, "session", time.Hour}},
		{"plain", "alice", pool{2, 2, 3, 50, 0, "statement", time.Hour}},
		{"own", "bob", pool{10, 4, 0, 0, 60, "transaction", 5 * time.Second}},
		{"own", "alice", pool{2, 2, 0, 0, 0, "statement", 5 * time.Second}},
	} {
		db, _ := c.Database(tc.database)
		got := pool{
			c.PoolSizeFor(db, tc.user), c.MinPoolSizeFor(db, tc.user), c.ReservePoolSizeFor(db, tc.user),
			c.MaxDBConnectionsFor(db), c.MaxUserConnectionsFor(tc.user), c.PoolModeFor(db, tc.user), c.ServerLifetimeFor(db, tc.user),
		}
		if got != tc.want {
			t.Errorf("%s of %s: got %+v, want %+v", tc.user, tc.database, got, tc.want)
		}
	}
	if own, plain := c.Databases["own"], c.Databases["plain"]; own.PoolUser("bob") != "owner" || plain.PoolUser("bob") != "bob" {
		t.Errorf("pool users %s, %s", own.PoolUser("bob"), plain.PoolUser("bob"))
	}
}

func TestAReserveThatIsNeverUsedIsNone(t *testing.T) {
	c := mustParse(t, "reserve_pool_size = 5\nreserve_pool_timeout = 0\n[databases.app]\nreserve_pool_size = 7")
	if n := c.ReservePoolSizeFor(c.Databases["app"], ""); n != 0 {
		t.Errorf("reserve %d", n)
	}
}
