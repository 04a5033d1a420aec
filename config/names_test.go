package config

import (
	"strings"
	"testing"
)

func TestLongNamesAreFoundAsPostgreSQLCutsThem(t *testing.T) {
	short := strings.Repeat("x", 63)
	c := mustParse(t, "admin_users = '"+short+"yz'\n[databases."+short+"y]\nuser = '"+short+"z'\nmin_pool_size = 1\n[users."+short+"z]\npassword = 'p'\npool_size = 3\n")
	db, ok := c.Database(short)
	if !ok || db.Name != short || db.DBName != short || db.User != short {
		t.Errorf("%+v, %v", db, ok)
	}
	if u := c.Users[short]; u == nil || u.Name != short || u.Password != "p" || c.PoolSizeFor(db, db.PoolUser("x")) != 3 {
		t.Errorf("%+v", c.Users)
	}
	if c.AdminUsers[0] != short || len(c.Databases) != 1 || len(c.Users) != 1 {
		t.Errorf("%v, %v, %v", c.AdminUsers, c.Databases, c.Users)
	}
	if got := CutName(strings.Repeat("x", 62) + "ü"); got != strings.Repeat("x", 62)+"\xc3" {
		t.Errorf("%q", got)
	}
}
