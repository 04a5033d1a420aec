package hba

import (
	"errors"
	"net/netip"
	"testing"
)

func TestAnExplanationGoesLineByLine(t *testing.T) {
	rs := mustLoad(t, `local   all all  peer # sockets
hostssl all all all cert
hostnossl none all all trust
hostgssenc all all all trust
host replication all all trust
host a,b,c,d,e,f,g all all trust
host all ann all trust
host all all 192.168.0.0/16 trust
host all all samehost trust
host all all samenet trust
host all all .example.org trust
host all +crew all trust
host samerole all all trust
host /^sh bob,+staff web.example.com scram-sha-256
host all all all reject
`)
	facts := Facts{
		Member:   groups("bob ?"),
		Names:    func(netip.Addr) ([]string, error) { return []string{"web.example.com."}, nil },
		Networks: func() ([]netip.Prefix, error) { return []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}, nil },
	}
	want := `pg_hba.conf:1: local all all peer # sockets
    does not apply: the line is for Unix sockets, and the client comes over TCP
pg_hba.conf:2: hostssl all all all cert
    does not apply: the line is for connections with TLS, and this one has none
pg_hba.conf:3: hostnossl none all all trust
    does not apply: database "shop" is not in none
pg_hba.conf:4: hostgssenc all all all trust
    does not apply: the line is for GSSAPI encryption, which pgweir does not have
pg_hba.conf:5: host replication all all trust
    does not apply: database "shop" is not in replication
pg_hba.conf:6: host a,b,c,d,e,f,g all all trust
    does not apply: database "shop" is not in a,b,c,d,e and 2 more
pg_hba.conf:7: host all ann all trust
    does not apply: user "bob" is not in ann
pg_hba.conf:8: host all all 192.168.0.0/16 trust
    does not apply: 10.0.0.1 is not in 192.168.0.0/16
pg_hba.conf:9: host all all samehost trust
    does not apply: 10.0.0.1 is no address of this machine
pg_hba.conf:10: host all all samenet trust
    does not apply: 10.0.0.1 is in no network of this machine
pg_hba.conf:11: host all all .example.org trust
    does not apply: 10.0.0.1 is called web.example.com., not .example.org
pg_hba.conf:12: host all +crew all trust
    does not apply: whether user "bob" is a member of role "crew" is not known, and only a reject applies in doubt
pg_hba.conf:13: host samerole all all trust
    does not apply: whether user "bob" is a member of role "shop" is not known, and only a reject applies in doubt
pg_hba.conf:14: host /^sh bob,+staff web.example.com scram-sha-256
    applies: database "shop" is in /^sh, user "bob" in "bob", address 10.0.0.1 in web.example.com; method scram-sha-256
`
	e := rs.Explain(tcp("::ffff:10.0.0.1", "shop", "bob"), facts)
	if e.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", e, want)
	}
	if e.Rule == nil || e.Rule.Line != 14 || len(e.Steps) != 14 {
		t.Errorf("%d steps to %+v", len(e.Steps), e.Rule)
	}
}

func TestAnExplanationSaysWhatIsNotKnown(t *testing.T) {
	broken := Facts{
		Names:    func(netip.Addr) ([]string, error) { return nil, errors.New("timeout") },
		Networks: func() ([]netip.Prefix, error) { return nil, errors.New("denied") },
	}
	nameless := Facts{Names: func(netip.Addr) ([]string, error) { return nil, nil }}
	plain, local := tcp("10.0.0.1", "db", "bob"), Client{Local: true, Database: "db", User: "bob"}
	tls, physical := plain, plain
	tls.TLS = true
	physical.Replication, physical.Database = true, ""
	for _, c := range []struct {
		text   string
		client Client
		facts  Facts
		want   string
	}{
		{"host all all a.example trust", plain, broken, "the names of 10.0.0.1 could not be looked up: timeout"},
		{"host all all a.example trust", plain, nameless, "10.0.0.1 has no name that leads back to it"},
		{"host all all a.example trust", plain, Facts{}, "the names of 10.0.0.1 are not known, and only a reject applies in doubt"},
		{"host all all samenet trust", plain, broken, "the networks of this machine could not be read: denied"},
		{"host all all samehost reject", plain, Facts{}, "the networks of this machine are not known, and a reject applies in doubt"},
		{"host all +x all reject", plain, Facts{}, `whether user "bob" is a member of role "x" is not known, and a reject applies in doubt`},
		{"host all all all trust", local, Facts{}, "the line is for TCP, and the client comes over a Unix socket"},
		{"hostnossl all all all trust", tls, Facts{}, "the line is for connections without TLS, and this one has it"},
		{"host all all all trust", physical, Facts{}, "for physical replication the line would have to say replication"},
		{"host replication all all trust", physical, Facts{}, `physical replication is in replication, user "bob" in all, address 10.0.0.1 in all; method trust`},
		{"local all all peer", local, Facts{}, `database "db" is in all, user "bob" in all; method peer`},
		{"hostssl all all all trust clientcert=verify-ca", tls, Facts{}, `database "db" is in all, user "bob" in all, address 10.0.0.1 in all; a client certificate is asked for; method trust`},
	} {
		e := mustLoad(t, c.text).Explain(c.client, c.facts)
		if len(e.Steps) != 1 || e.Steps[0].Why != c.want || e.Steps[0].Applies != (e.Rule != nil) {
			t.Errorf("%s: %+v, want %q", c.text, e.Steps, c.want)
		}
	}
	none := mustLoad(t, "local all all trust").Explain(plain, Facts{})
	want := "pg_hba.conf:1: local all all trust\n    does not apply: the line is for Unix sockets, and the client comes over TCP\nNo line applies: the client is refused.\n"
	if none.Rule != nil || none.String() != want {
		t.Errorf("%s", none)
	}
}
