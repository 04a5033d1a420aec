package config

import (
	"testing"
	"time"
)

func TestAUsersTimeoutsComeBeforeTheDatabasesAndThoseBeforeTheGeneralOnes(t *testing.T) {
	c := mustParse(t, `
query_timeout = 10
transaction_timeout = 20
idle_transaction_timeout = 30
query_wait_timeout = 40
server_idle_timeout = 50
server_lifetime = 60
[databases.plain]
[databases.own]
query_timeout = 0
transaction_timeout = 21
client_idle_timeout = 31
query_wait_timeout = 41
server_idle_timeout = 51
server_lifetime = 61
[users.alice]
query_timeout = 12
idle_transaction_timeout = 0
client_idle_timeout = 32
query_wait_timeout = 42
server_idle_timeout = 0
server_lifetime = 62
[users.pooled]
query_timeout = 13
transaction_timeout = 23
`)
	const s = time.Second
	for _, tc := range []struct {
		database, user, client string
		want                   ClientTimeouts
		wait, idle, lifetime   time.Duration
	}{
		{"plain", "bob", "bob", ClientTimeouts{10 * s, 20 * s, 30 * s, 0}, 40 * s, 50 * s, 60 * s},
		{"own", "bob", "bob", ClientTimeouts{0, 21 * s, 30 * s, 31 * s}, 41 * s, 51 * s, 61 * s},
		{"own", "alice", "alice", ClientTimeouts{12 * s, 21 * s, 0, 32 * s}, 42 * s, 0, 62 * s},
		{"own", "pooled", "alice", ClientTimeouts{12 * s, 23 * s, 0, 32 * s}, 41 * s, 51 * s, 61 * s},
		{"own", "pooled", "bob", ClientTimeouts{13 * s, 23 * s, 30 * s, 31 * s}, 41 * s, 51 * s, 61 * s},
	} {
		db, _ := c.Database(tc.database)
		if got := c.ClientTimeoutsFor(db, tc.user, tc.client); got != tc.want {
			t.Errorf("%s in %s as %s: %+v, want %+v", tc.client, tc.database, tc.user, got, tc.want)
		}
		wait, idle, lifetime := c.QueryWaitTimeoutFor(db, tc.user), c.ServerIdleTimeoutFor(db, tc.user), c.ServerLifetimeFor(db, tc.user)
		if wait != tc.wait || idle != tc.idle || lifetime != tc.lifetime {
			t.Errorf("%s in %s: %v, %v, %v", tc.user, tc.database, wait, idle, lifetime)
		}
	}
	if got, want := c.ShortestClientTimeouts(), (ClientTimeouts{10 * s, 20 * s, 30 * s, 31 * s}); got != want {
		t.Errorf("the shortest are %+v, want %+v", got, want)
	}
	if got := mustParse(t, "").ShortestClientTimeouts(); got != (ClientTimeouts{}) {
		t.Errorf("the defaults are %+v", got)
	}
}
