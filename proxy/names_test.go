package proxy

import (
	"strings"
	"testing"

	"pgweir/wire"
)

func TestLongNamesAreCutAsPostgreSQLDoes(t *testing.T) {
	long, half := strings.Repeat("x", 63), strings.Repeat("x", 62)
	for _, c := range []struct{ sent, want string }{
		{long, long}, {long + "y", long}, {half + "ü", half + "\xc3"},
	} {
		with := func(names ...string) ask {
			var params []wire.Param
			for i := 0; i < len(names); i += 2 {
				params = append(params, wire.Param{Name: names[i], Value: names[i+1]})
			}
			a, e := readStartup(&wire.Startup{Version: wire.Protocol30, Params: params}, &rules{})
			if e != nil {
				t.Fatal(e)
			}
			return a
		}
		if a := with("user", c.sent, "database", c.sent); a.user != c.want || a.database != c.want || a.sentUser != c.sent || a.sentDatabase != c.sent {
			t.Errorf("%q: %+v", c.sent, a)
		}
		if a := with("user", c.sent); a.database != c.want {
			t.Errorf("%q as the user alone: %+v", c.sent, a)
		}
	}
}

func TestALongNameIsUnknownToTheServersThatCutNone(t *testing.T) {
	long, short := strings.Repeat("x", 64), strings.Repeat("x", 63)
	for version, knows := range map[string]bool{
		"14.23": false, "16.4": false, "17.0": true, "17.1": true, "17.2 (Debian 17.2-1.pgdg120+1)": true, "17.3": false, "17.10": false, "17.20": false, "18.0": false, "": false,
	} {
		server := []wire.Param{{Name: "TimeZone", Value: "UTC"}, {Name: "server_version", Value: version}}
		for _, c := range []struct {
			ask  ask
			code string
		}{
			{ask{user: short, sentUser: long, database: "db", sentDatabase: "db"}, "28000"},
			{ask{user: short, sentUser: long, database: short}, "28000"},
			{ask{user: "u", sentUser: "u", database: short, sentDatabase: long}, "3D000"},
			{ask{user: short, sentUser: short, database: short}, ""},
			{ask{user: "u", sentUser: "u", database: "db", sentDatabase: "db"}, ""},
		} {
			want, got := "", ""
			if knows {
				want = c.code
			}
			if e := c.ask.unknownName(server); e != nil {
				got = e.Code
				if !strings.Contains(e.Message, long) {
					t.Errorf("%s: %s", version, e.Message)
				}
			}
			if got != want {
				t.Errorf("%s, %+v: %q, want %q", version, c.ask, got, want)
			}
		}
	}
	if e := (&ask{user: short, sentUser: long}).unknownName(nil); e != nil {
		t.Error(e)
	}
}
