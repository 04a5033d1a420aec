package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"pgweir/config"
)

const severalHosts = `
server_tls_sslmode = "verify-full"
auth_user = "asker"
[databases.app]
host = "one.example, 10.0.0.2,/run/pg,@pg"
port = 5433
`

// TestAuthQueryTriesEachHostByItsOwnName, in the order of the configuration.
func TestAuthQueryTriesEachHostByItsOwnName(t *testing.T) {
	c, err := config.Parse("config.toml", []byte(severalHosts))
	if err != nil {
		t.Fatal(err)
	}
	q, ok := c.AuthQueryFor("app")
	if !ok {
		t.Fatal("no auth_query")
	}
	login := authLogin(c, q)
	parsed, err := pgconn.ParseConfig(login.connString())
	if err != nil {
		t.Fatal(err)
	}
	if err := authReach(login.tls).Apply(parsed); err != nil {
		t.Fatal(err)
	}
	got := []string{parsed.Host}
	if parsed.TLSConfig.ServerName != parsed.Host {
		t.Errorf("%s is verified as %s", parsed.Host, parsed.TLSConfig.ServerName)
	}
	for _, f := range parsed.Fallbacks {
		got = append(got, f.Host)
		if over := f.TLSConfig != nil; over != (f.Host == "10.0.0.2") || over && f.TLSConfig.ServerName != f.Host {
			t.Errorf("%s: %+v", f.Host, f.TLSConfig)
		}
	}
	if want := []string{"one.example", "10.0.0.2", "/run/pg", "@pg"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if s := authSource(c, q); s.Server != "one.example:5433,10.0.0.2:5433,/run/pg/.s.PGSQL.5433,@pg/.s.PGSQL.5433" {
		t.Errorf("asked at %s", s.Server)
	}
}

func TestEachHostIsReckonedWithAndAskedByItself(t *testing.T) {
	c, err := config.Parse("config.toml", []byte(strings.ReplaceAll(severalHosts, "@pg", "10.0.0.2")+"user = 'app'\npool_size = 7\n[users.app]\npassword = 'x'"))
	if err != nil {
		t.Fatal(err)
	}
	demand := c.Demand(nil)
	var got []string
	for i := range demand {
		d := &demand[i]
		logins := serverLogins(c, d, map[string]string{"app": "x"})
		if d.Total != 7 || len(logins) != 1 || logins[0].host != d.Host {
			t.Errorf("%s: %d backends, logins %v", d.Host, d.Total, logins)
		}
		got = append(got, d.Host)
	}
	if want := []string{"/run/pg", "10.0.0.2", "one.example"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestGenerateTakesHostsAsTheDSNHasThem(t *testing.T) {
	s := &foundServer{hosts: []string{"one.example", "10.0.0.2"}, port: 5433, databases: []foundDatabase{{"app", "boss"}}}
	text := s.configText(time.Now())
	c, err := config.Parse("config.toml", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if db := c.Databases["app"]; db.Host != "one.example,10.0.0.2" || db.LoadBalanceHosts != "disable" || db.Port != 5433 {
		t.Errorf("%+v", db)
	}
}
