package dns

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestAResolvConfIsReadAsTheCLibraryDoes(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"nameserver 10.0.0.1\n", "[10.0.0.1:53] [] 1"},
		{"# a comment\n; another\n\n\tnameserver\t2001:db8::1 # behind\nnameserver fe80::1%eth0", "[[2001:db8::1]:53 [fe80::1%eth0]:53] [] 1"},
		{"nameserver [127.0.0.1]:5353\nnameserver [::1]:5354", "[127.0.0.1:5353 [::1]:5354] [] 1"},
		{"domain a.example\nsearch b.example. c.example\noptions rotate ndots:2\nnameserver 10.0.0.1", "[10.0.0.1:53] [b.example c.example] 2"},
		{"options ndots:99 ndots:x\nnameserver 10.0.0.1\nsortlist 1.2.3.4", "[10.0.0.1:53] [] 15"},
		{strings.Repeat("nameserver 10.0.0.1\n", 5), "[10.0.0.1:53 10.0.0.1:53 10.0.0.1:53] [] 1"},
		{"search " + strings.Repeat("x.example ", 50) + "\nnameserver 10.0.0.1", "[10.0.0.1:53] [" + strings.TrimSpace(strings.Repeat("x.example ", 32)) + "] 1"},
		{"", "it names no nameserver"},
		{"search example\nnameserver", "line 2: a nameserver has no address"},
		{"nameserver db.example", `line 1: "db.example" is no address of a nameserver`},
		{"nameserver 10.0.0.1:53", `line 1: "10.0.0.1:53" is no address of a nameserver`},
		{"nameserver [10.0.0.1]:0", `line 1: "[10.0.0.1]:0" is no address of a nameserver`},
	} {
		got := ""
		if r, err := ParseResolvConf(c.text); err != nil {
			got = err.Error()
		} else {
			got = r.text()
		}
		if got != c.want {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
}

func TestANameIsLookedUpInTheDomainsOfSearch(t *testing.T) {
	r := ResolvConf{Search: []string{"a.example", "b.example"}, NDots: 1}
	for name, want := range map[string][]string{
		"db":   {"db.a.example.", "db.b.example.", "db."},
		"db.c": {"db.c.", "db.c.a.example.", "db.c.b.example."},
		"db.":  {"db."},
	} {
		if got := r.names(name); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func FuzzParseResolvConf(f *testing.F) {
	f.Add("nameserver [127.0.0.1]:53\nsearch a b\noptions ndots:3\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseResolvConf(text)
		if err == nil && (len(r.Servers) == 0 || len(r.Servers) > maxServers || len(r.Search) > maxSearch || r.NDots < 0 || r.NDots > maxNDots) {
			t.Errorf("%+v", r)
		}
	})
}

func (c *ResolvConf) text() string { return fmt.Sprint(c.Servers, " ", c.Search, " ", c.NDots) }
