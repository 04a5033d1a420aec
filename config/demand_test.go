package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestDemandAddsUpThePoolsOfEachServer(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		users      []string
		want       string
	}{
		{"nothing", "", []string{"alice"}, ``},
		{"a user of its own is one pool", "[databases.app]\nhost='a'\nuser='app'\npool_size=30", []string{"alice", "bob"}, `
a:5432 30
  app: app 30`},
		{"else each known user has one", "[databases.app]\nhost='a'\n[users.carol]\npool_size=5", []string{"bob", "alice", "carol"}, `
a:5432 45
  app: 2 users × 20 + carol 5 = 45`},
		{"equal pools are counted together", "[databases.app]\nhost='a'", []string{"alice", "bob"}, `
a:5432 40
  app: 2 users × 20 = 40`},
		{"no known user", "[databases.app]\nhost='a'", nil, `
a:5432 20 and more
  app: 20 for each user`},
		{"a database's cap", "[databases.app]\nhost='a'\nmax_db_connections=25", []string{"alice", "bob"}, `
a:5432 25
  app: 2 users × 20 = 40, at most 25 by max_db_connections`},
		{"a reserve", "reserve_pool_size=5\n[databases.app]\nhost='a'\nuser='app'", nil, `
a:5432 25
  app: app (20 + 5 in reserve)`},
		{"a user's cap on one pool", "max_user_connections=8\n[databases.app]\nhost='a'", []string{"alice"}, `
a:5432 8
  app: alice 8 (max_user_connections)`},
		{"a user's cap over databases", "max_user_connections=25\n[databases.a]\nhost='a'\n[databases.b]\nhost='a'", []string{"alice"}, `
a:5432 25
  a: alice 20
  b: alice 20
  all users with their max_user_connections: 25`},
		{"servers apart", "[databases.a]\nhost='a'\nuser='x'\n[databases.b]\nhost='a'\nport=5433\nuser='x'\n[databases.c]\nhost='a'\nuser='y'\n[databases.d]\nhost='0'\nuser='x'", nil, `
0:5432 20
  d: x 20
a:5432 40
  a: x 20
  c: y 20
a:5433 20
  b: x 20`},
		{"a cap on all", "max_server_conn=30\n[databases.a]\nhost='a'\nuser='x'\n[databases.b]\nhost='a'", nil, `
a:5432 30
  a: x 20
  b: 20 for each user
  all pools with max_server_conn: 30`},
		{"the star", "[databases.'*']\nhost='a'\nuser='x'", nil, `
a:5432 20 and more
  *: x 20`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got strings.Builder
			for _, d := range mustParse(t, tc.text).Demand(tc.users) {
				got.WriteString("\n" + d.String() + "\n  " + strings.Join(d.Terms(), "\n  "))
			}
			if got.String() != tc.want {
				t.Errorf("got%s\nwant%s", got.String(), tc.want)
			}
		})
	}
}

func TestTheUsualSocketFolderIsOneServerHoweverItIsWritten(t *testing.T) {
	c := mustParse(t, "[databases.a]\nuser='x'\n[databases.b]\nuser='x'\nhost='"+defaultSocketDir()+"'")
	demands := c.Demand(nil)
	if len(demands) != 1 || demands[0].Total != 40 {
		t.Errorf("%+v", demands)
	}
}

func TestDemandIsSharedOutToUsersAndDatabases(t *testing.T) {
	c := mustParse(t, `
max_db_connections = 30
[databases.a]
dbname = "one"
[databases.b]
dbname = "one"
user = "alice"
[databases.'*']
pool_size = 2
[users.alice]
max_user_connections = 35
[users.bob]
`)
	d := c.Demand(nil)[0]
	if want := map[string]int{"alice": 35, "bob": 22}; !reflect.DeepEqual(d.OfUsers(), want) {
		t.Errorf("of users %v, want %v", d.OfUsers(), want)
	}
	if want := map[string]int{"one": 50}; !reflect.DeepEqual(d.OfDatabases(), want) {
		t.Errorf("of databases %v, want %v", d.OfDatabases(), want)
	}
	if d.Total != 54 {
		t.Errorf("total %d, want 54", d.Total)
	}
}

func TestReplicationConnectionsAreReckonedBesides(t *testing.T) {
	for text, want := range map[string]int{
		"[databases.a]\nhost='h'": 10,
		"max_replication_connections=0\n[databases.a]\nhost='h'\nmax_replication_connections=3":                                                         3,
		"[databases.a]\nhost='h'\nmax_replication_connections=3\n[databases.b]\nhost='h'\nmax_replication_connections=4":                                7,
		"max_replication_connections=5\n[databases.a]\nhost='h'\nmax_replication_connections=3\n[databases.b]\nhost='h'\nmax_replication_connections=4": 5,
		"[databases.a]\nhost='h'\nmax_replication_connections=3\n[databases.b]\nhost='h'":                                                               10,
		"[databases.'*']\nhost='h'\nmax_replication_connections=3":                                                                                      10,
		"max_replication_connections=0\n[databases.a]\nhost='h'":                                                                                        0,
	} {
		c, err := Parse("config.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Demand(nil)[0].Replication; got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}
