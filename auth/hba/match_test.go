package hba

import (
	"errors"
	"net/netip"
	"testing"
)

func TestTheFirstLineThatFitsApplies(t *testing.T) {
	rs := mustLoad(t, `local all all peer
hostssl secure all all scram-sha-256
host secure all all reject
hostnossl open bob 10.0.0.0/8 trust
host open,"all",shop +staff,"+staff" 10.0.0.0 255.0.0.255 md5
host sameuser all 2001:db8::/32 password
host samerole all 2001:db8::/32 password
host replication repl 10.0.0.0/8 scram-sha-256
host /^app_\d+$ /^u all trust
hostgssenc all all all trust
hostnogssenc nogss all all trust
host mapped all ::ffff:0:0/96 trust
host mapped all 0.0.0.0/0 md5
`)
	facts := Facts{Member: groups("ann staff", "ann crew")}
	with := func(c Client, change func(*Client)) Client { change(&c); return c }
	tls := func(c *Client) { c.TLS = true }
	physical := func(c *Client) { c.Replication = true }
	for _, c := range []struct {
		client Client
		line   int
	}{
		{Client{Local: true, Database: "secure", User: "bob"}, 1},
		{with(tcp("10.0.0.1", "secure", "bob"), tls), 2},
		{tcp("10.0.0.1", "secure", "bob"), 3},
		{tcp("10.0.0.1", "open", "bob"), 4},
		{with(tcp("10.0.0.1", "open", "bob"), tls), 0},
		{tcp("11.0.0.1", "open", "bob"), 0},
		{tcp("10.7.7.0", "open", "ann"), 5},
		{tcp("10.7.7.1", "open", "ann"), 0},
		{tcp("10.7.7.0", "open", "+staff"), 5},
		{tcp("10.7.7.0", "all", "ann"), 5},
		{tcp("10.7.7.0", "open", "staff"), 5},
		{tcp("10.7.7.0", "other", "ann"), 0},
		{tcp("2001:db8::1", "bob", "bob"), 6},
		{tcp("2001:db8::1%eth0", "bob", "bob"), 6},
		{tcp("2001:db8::1", "crew", "ann"), 7},
		{tcp("2001:db8::1", "crew", "bob"), 0},
		{with(tcp("10.0.0.1", "", "repl"), physical), 8},
		{tcp("10.0.0.1", "replication", "repl"), 0},
		{with(tcp("10.0.0.1", "open", "bob"), physical), 0},
		{tcp("10.0.0.1", "app_12", "u1"), 9},
		{tcp("10.0.0.1", "app_12\n", "u1"), 0},
		{tcp("10.0.0.1", "app_12", "U1"), 0},
		{tcp("10.0.0.1", "nogss", "u1"), 11},
		{tcp("10.0.0.1", "mapped", "x"), 13},
		{tcp("::ffff:10.0.0.1", "mapped", "x"), 13},
		{Client{Database: "open", User: "bob"}, 0},
	} {
		if got := matched(rs, c.client, facts); got != c.line {
			t.Errorf("%+v: line %d, want %d", c.client, got, c.line)
		}
	}
}

func TestWhatIsNotKnownLetsNobodyIn(t *testing.T) {
	networks := func() ([]netip.Prefix, error) { return []netip.Prefix{netip.MustParsePrefix("10.1.2.3/24")}, nil }
	broken := func() ([]netip.Prefix, error) { return nil, errors.New("no") }
	names := func(netip.Addr) ([]string, error) { return []string{"Web1.example.com."}, nil }
	lost := func(netip.Addr) ([]string, error) { return nil, errors.New("no") }
	for _, c := range []struct {
		text   string
		facts  Facts
		access int // with trust: 1 if it applies
		reject int // with reject
	}{
		{"all +staff all", Facts{}, 0, 1},
		{"all +staff all", Facts{Member: groups("bob ?")}, 0, 1},
		{"all +staff all", Facts{Member: groups()}, 0, 0},
		{"all +staff all", Facts{Member: groups("bob staff")}, 1, 1},
		{"all +bob all", Facts{}, 1, 1},
		{"all +staff,bob all", Facts{}, 1, 1},
		{"all bob,+staff 11.0.0.0/8", Facts{}, 0, 0},
		{"all +staff 11.0.0.0/8", Facts{}, 0, 0},
		{"samerole all all", Facts{}, 0, 1},
		{"samegroup all all", Facts{Member: groups("bob db")}, 1, 1},
		{"all all samehost", Facts{}, 0, 1},
		{"all all samehost", Facts{Networks: broken}, 0, 0},
		{"all all samehost", Facts{Networks: networks}, 0, 0},
		{"all all samenet", Facts{Networks: networks}, 1, 1},
		{"all all web1.example.com", Facts{}, 0, 1},
		{"all all web1.example.com", Facts{Names: lost}, 0, 0},
		{"all all web1.example.com", Facts{Names: names}, 1, 1},
		{"all all .EXAMPLE.com", Facts{Names: names}, 1, 1},
		{"all all .com", Facts{Names: names}, 1, 1},
		{"all all example.com", Facts{Names: names}, 0, 0},
		{"all all .web1.example.com", Facts{Names: names}, 0, 0},
		{"none +staff web1.example.com", Facts{}, 0, 0},
	} {
		client := tcp("10.1.2.9", "db", "bob")
		if got := matched(mustLoad(t, "host "+c.text+" trust"), client, c.facts); got != c.access {
			t.Errorf("%s trust: %d", c.text, got)
		}
		if got := matched(mustLoad(t, "host "+c.text+" reject"), client, c.facts); got != c.reject {
			t.Errorf("%s reject: %d", c.text, got)
		}
	}
	own := mustLoad(t, "host all all samehost trust")
	if matched(own, tcp("::ffff:10.1.2.3", "db", "bob"), Facts{Networks: networks}) != 1 {
		t.Error("the machine's own address is not seen")
	}
}

func TestNamesAreAskedForOnceAndOnlyIfNeeded(t *testing.T) {
	for _, c := range []struct {
		text   string
		member string
		needs  bool
	}{
		{"host db bob 10.0.0.0/8 trust\nhost all all a.example trust", "", false},
		{"host db ann a.example trust\nhost all all all trust", "", false},
		{"hostssl db bob a.example trust\nlocal all all trust", "", false},
		{"host db bob a.example trust\nhost db bob b.example trust\nhost db bob all trust", "", true},
		{"host db +staff a.example trust\nhost db bob all trust", "bob ?", false},
		{"host db +staff a.example reject\nhost db bob all trust", "bob ?", true},
		{"host db +staff all reject\nhost db bob a.example trust", "bob ?", false},
	} {
		rs := mustLoad(t, c.text)
		asked := 0
		facts := Facts{Member: groups(c.member), Names: func(netip.Addr) ([]string, error) { asked++; return nil, nil }}
		if got := rs.NeedsNames(tcp("10.0.0.1", "db", "bob"), facts); got != c.needs || asked != 0 {
			t.Errorf("%s: needs names: %v; asked %d times for it", c.text, got, asked)
		}
		rs.Match(tcp("10.0.0.1", "db", "bob"), facts)
		if asked != 0 != c.needs || asked > 1 {
			t.Errorf("%s: asked %d times", c.text, asked)
		}
	}
}

func TestARuleTellsWhatItNeeds(t *testing.T) {
	rs := mustLoad(t, "host all all a.example trust\nlocal all \"+x\" peer map=m\nhostssl all all all cert")
	list := rs.List()
	if !list[0].NeedsNames() || list[1].NeedsNames() || rs.AsksMembers() {
		t.Error("names or members are needed elsewhere than they are")
	}
	if list[1].Map != "m" || list[2].ClientCert != CertVerifyFull || list[2].Method != Cert {
		t.Errorf("%+v, %+v", list[1], list[2])
	}
	for _, text := range []string{"local samerole all trust", "local all +x trust", "local samegroup all trust"} {
		if !mustLoad(t, text).AsksMembers() {
			t.Errorf("%s does not hang on members", text)
		}
	}
}
