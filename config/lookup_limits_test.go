package config

import "testing"

func TestLimitsOfAPoolAreTheUsersElseTheDatabasesElseTheGeneralOnes(t *testing.T) {
	c := mustParse(t, `
pool_weight = 2
max_waiting = 10
reserve_pool_size = 1
max_db_client_connections = 50
max_user_client_connections = 60
[databases.plain]
[databases.own]
pool_weight = 3
max_waiting = 0
reserve_pool_size = 4
max_db_client_connections = 0
[users.alice]
pool_weight = 5
max_waiting = 7
reserve_pool_size = 0
max_user_client_connections = 9
`)
	type limits struct{ weight, waiting, reserve, ofDatabase, ofUser int }
	for _, tc := range []struct {
		database, user string
		want           limits
	}{
		{"plain", "bob", limits{2, 10, 1, 50, 60}},
		{"plain", "alice", limits{5, 7, 0, 50, 9}},
		{"own", "bob", limits{3, 0, 4, 0, 60}},
		{"own", "alice", limits{5, 7, 0, 0, 9}},
	} {
		db, _ := c.Database(tc.database)
		got := limits{
			c.PoolWeightFor(db, tc.user), c.MaxWaitingFor(db, tc.user), c.ReservePoolSizeFor(db, tc.user),
			c.MaxDBClientConnectionsFor(db), c.MaxUserClientConnectionsFor(tc.user),
		}
		if got != tc.want {
			t.Errorf("%s of %s: got %+v, want %+v", tc.user, tc.database, got, tc.want)
		}
	}
}
