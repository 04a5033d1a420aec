package config

import (
	"slices"
	"testing"
)

func TestSeveralHostsAreServersInTheirOrder(t *testing.T) {
	c := mustParse(t, `
[databases.app]
host = "b, a,/run/pg,b"
port = 5433
[databases.one]
host = "a"
port = 5433
pool_size = 3
`)
	db, one := c.Databases["app"], c.Databases["one"]
	if got := db.At(); got != "b:5433,a:5433,/run/pg/.s.PGSQL.5433,b:5433" {
		t.Errorf("at %s", got)
	}
	if got, want := db.EachServer(), []Server{{"b", 5433}, {"a", 5433}, {"/run/pg", 5433}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if db.LoadBalanceHostsShown() != "round-robin" || one.LoadBalanceHostsShown() != "" {
		t.Errorf("%q, %q", db.LoadBalanceHostsShown(), one.LoadBalanceHostsShown())
	}
	var got []string
	for _, d := range c.Demand([]string{"user"}) {
		got = append(got, d.String())
	}
	if want := []string{"/run/pg/.s.PGSQL.5433 20", "a:5433 23", "b:5433 20"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
