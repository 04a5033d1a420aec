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
