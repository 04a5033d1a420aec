package config

import "testing"

func TestTheNarrowestSettingOfSessionStateHoldsForAPool(t *testing.T) {
	c := mustParse(t, `
session_state = "pin"
listen = "pin"
max_prepared_statements = 50
max_pinned = 5
leak_check = 0.25
[databases.plain]
[databases.own]
session_state = "track"
listen = "share"
max_prepared_statements = 0
max_pinned = 0
leak_check = 0
[users.alice]
session_state = "off"
listen = "reject"
max_pinned = 2
[users.carol]
max_pinned = 0
[users.dora]
pool_mode = "transaction"
`)
	type pool struct {
		state, listen        string
		maxPrepared, maxPins int
		leakCheck            float64
	}
	for _, tc := range []struct {
		database, user string
		want           pool
	}{
		{"plain", "bob", pool{"pin", "pin", 50, 5, 0.25}},
		{"plain", "alice", pool{"off", "reject", 50, 2, 0.25}},
		{"plain", "carol", pool{"pin", "pin", 50, 0, 0.25}},
		{"own", "bob", pool{"track", "share", 0, 0, 0}},
		{"own", "alice", pool{"off", "reject", 0, 2, 0}},
		{"own", "dora", pool{"track", "share", 0, 0, 0}},
	} {
		db, _ := c.Database(tc.database)
		got := pool{
			c.SessionStateFor(db, tc.user), c.ListenFor(db, tc.user),
			c.MaxPreparedStatementsFor(db), c.MaxPinnedFor(db, tc.user), c.LeakCheckFor(db),
		}
		if got != tc.want {
			t.Errorf("%s of %s: got %+v, want %+v", tc.user, tc.database, got, tc.want)
		}
	}
}
