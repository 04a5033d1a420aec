package status

import (
	"fmt"
	"testing"
	"time"
)

func TestPgBouncersConsoleIsADatabaseAndAUser(t *testing.T) {
	s := &Snapshot{
		Databases: []Database{{Name: "app"}, {Name: "shop"}},
		Users:     []User{{Name: "ann", Clients: 2}, {Name: "zoe"}},
		Lists:     Lists{Databases: 2, Users: 2},
		Pools: []Pool{
			{Database: "app", User: "ann", ClientsActive: 2},
			{Database: "pgbouncer", User: "pgbouncer", ClientsActive: 2},
		},
		Clients: []Client{
			{Conn: Conn{Database: "app", User: "ann"}}, {Conn: Conn{Database: "app", User: "ann"}},
			{Conn: Conn{Database: "pgbouncer", User: "ann"}}, {Conn: Conn{Database: "pgweir", User: "joe"}},
		},
		PgBouncerConfig: []Setting{{Key: "listen_port", Value: "6432"}, {Key: "max_db_client_connections", Value: "7"}, {Key: "server_lifetime", Value: "60"}},
		Config:          []Setting{{Key: "max_user_client_connections", Value: "6"}, {Key: "server_lifetime", Value: "1m"}},
	}
	d := s.TheirDatabases()
	if len(d) != 3 || d[1].Name != "pgbouncer" || d[1].Port != 6432 || d[1].MaxClients != 7 || d[1].Clients != 2 || d[1].ServerLifetime != time.Minute {
		t.Errorf("%+v", d)
	}
	var users []string
	for _, u := range s.TheirUsers() {
		users = append(users, fmt.Sprint(u.Name, u.Clients, u.MaxClients))
	}
	if got := fmt.Sprint(users); got != "[ann3 0 pgbouncer0 6 zoe0 0]" {
		t.Error(got)
	}
	if l := s.TheirLists(); l.Databases != 3 || l.Users != 3 || s.Lists.Users != 2 || len(s.Users) != 2 || s.Users[0].Clients != 2 {
		t.Errorf("%+v, and the snapshot has %+v", l, s)
	}
	s.Users = append(s.Users, User{Name: "pgbouncer"})
	if l, u := s.TheirLists(), s.TheirUsers(); l.Users != 2 || len(u) != 3 {
		t.Errorf("with a user of that name: %+v, %+v", l, u)
	}
}

func TestPgBouncersConsoleHasOnePool(t *testing.T) {
	s := &Snapshot{
		Pools: []Pool{
			{Database: "app", User: "ann", ClientsActive: 5},
			{Database: "pgbouncer", User: "pgbouncer", Mode: "statement", ClientsActive: 2, Totals: Totals{Received: 3}},
			{Database: "pgweir", User: "pgweir", Mode: "statement", ClientsActive: 1, Totals: Totals{Received: 4}},
			{Database: "shop", User: "ann"},
		},
		Clients: []Client{{Conn: Conn{Database: "pgweir", User: "joe"}}, {Conn: Conn{Database: "app", User: "ann"}}},
		Lists:   Lists{Pools: 4},
	}
	told := func(s *Snapshot) (out string) {
		for _, p := range s.Pools {
			out += fmt.Sprintf("%s|%s|%d|%d|%s ", p.Database, p.User, p.ClientsActive, p.Totals.Received, p.Mode)
		}
		return out + fmt.Sprint(s.Lists.Pools, " ", s.Clients[0].Database, " ", s.Clients[1].Database)
	}
	before := told(s)
	if got, want := told(s.AsTheirs()), "app|ann|5|0| pgbouncer|pgbouncer|3|7|statement shop|ann|0|0| 3 pgbouncer app"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s.Pools = append(s.Pools[:1], s.Pools[2]) // nobody has come by PgBouncer's name
	if got, want := told(s.AsTheirs()), "app|ann|5|0| pgbouncer|pgbouncer|1|4|statement 4 pgbouncer app"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if before != "app|ann|5|0| pgbouncer|pgbouncer|2|3|statement pgweir|pgweir|1|4|statement shop|ann|0|0| 4 pgweir app" || s.Clients[0].Database != "pgweir" {
		t.Errorf("the snapshot is another now: %s", told(s))
	}
}
