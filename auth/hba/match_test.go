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

func TestWhatTheAnswerHangsOnIsAskedForAndNothingElse(t *testing.T) {
	const names, member = NeedNames, NeedMember
	for _, c := range []struct {
		text   string
		member string // what is known of bob, by groups; "?" if nobody has been asked yet
		needs  Need
	}{
		{"host all all 10.0.0.0/8 trust", "?", NeedNothing},
		{"host all bob 10.0.0.0/8 trust\nhost all all a.example trust", "", NeedNothing},
		{"host db ann a.example trust\nhost all all all trust", "", NeedNothing},
		{"hostssl db bob a.example trust\nlocal all all trust", "", NeedNothing},
		{"host db bob a.example trust\nhost db bob b.example trust\nhost db bob all trust", "", names},
		{"host db +staff a.example trust\nhost db bob all trust", "?", member},
		{"host db +staff a.example trust\nhost db bob all trust", "bob staff", names},
		{"host db +staff a.example trust\nhost db bob all trust", "bob crew", NeedNothing},
		{"host db +staff a.example reject\nhost db bob all trust", "?", member},
		{"host db +staff all reject\nhost db bob a.example trust", "bob crew", names},
		{"host db bob a.example trust\nhost db +staff all trust", "?", names},
		{"host db +staff all trust", "?", member},
		{"host samerole all all trust", "?", member},
		{"host samegroup all all reject", "?", member},
		{"host db +bob all trust", "?", NeedNothing},
		{"host db +staff,bob all trust", "?", NeedNothing},
		{"host db +staff,all all trust", "?", NeedNothing},
		{"host other +staff all trust\nhost all all all trust", "?", NeedNothing},
		{"host db +staff 11.0.0.0/8 trust\nhost all all all trust", "?", NeedNothing},
		{"host db +staff 11.0.0.0/8 reject\nhost all all all trust", "?", NeedNothing},
		{"hostssl db +staff all trust\nlocal db +staff trust\nhost all all all trust", "?", NeedNothing},
		{"host all all all trust\nhost db +staff all trust", "?", NeedNothing},
		{"host db +staff 11.0.0.0/8 trust\nhost db bob a.example trust\nhost db +staff all trust", "?", names},
	} {
		rs := mustLoad(t, c.text)
		asked := 0
		var facts Facts
		if c.member != "?" {
			facts.Member = groups(c.member)
		}
		if got := rs.Needs(tcp("10.0.0.1", "db", "bob"), facts); got != c.needs {
			t.Errorf("%s with %q: %d is needed, want %d", c.text, c.member, got, c.needs)
		}
		facts.Names = func(netip.Addr) ([]string, error) { asked++; return nil, nil }
		if got := rs.Needs(tcp("10.0.0.1", "db", "bob"), facts); got == names {
			t.Errorf("%s: names are needed that are there", c.text)
		}
		asked = 0
		rs.Match(tcp("10.0.0.1", "db", "bob"), facts)
		if asked > 1 || asked != 0 && c.needs == NeedNothing {
			t.Errorf("%s: asked for names %d times", c.text, asked)
		}
	}
}

func TestARuleTellsWhatItNeeds(t *testing.T) {
	rs := mustLoad(t, "host all all a.example trust\nlocal all \"+x\" peer map=m\nhostssl all all all cert")
	list := rs.List()
	for i, r := range list {
		if r.AsksMembers() {
			t.Errorf("line %d hangs on members", i+1)
		}
	}
	if list[1].Map != "m" || list[2].ClientCert != CertVerifyFull || list[2].Method != Cert {
		t.Errorf("%+v, %+v", list[1], list[2])
	}
	for _, text := range []string{"local samerole all trust", "local all +x trust", "local samegroup all trust"} {
		if !mustLoad(t, text).List()[0].AsksMembers() {
			t.Errorf("%s does not hang on members", text)
		}
	}
}
