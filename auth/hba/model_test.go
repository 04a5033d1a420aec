package hba

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// choice is a word of a file, and for whom it is: written down by hand, so that
// nothing of the matching is used to test it.
type choice struct {
	word string
	is   func(Client) bool
}

var isStaff = func(c Client) bool { return c.User == "ann" || c.User == "staff" }

var (
	types = []choice{
		{"local", func(c Client) bool { return c.Local }},
		{"host", func(c Client) bool { return !c.Local }},
		{"hostssl", func(c Client) bool { return !c.Local && c.TLS }},
		{"hostnossl", func(c Client) bool { return !c.Local && !c.TLS }},
		{"hostgssenc", func(c Client) bool { return false }},
		{"hostnogssenc", func(c Client) bool { return !c.Local }},
	}
	databaseWords = []choice{
		{"all", func(c Client) bool { return !c.Replication }},
		{`"all"`, func(c Client) bool { return !c.Replication && c.Database == "all" }},
		{"sameuser", func(c Client) bool { return !c.Replication && c.Database == c.User }},
		{"samerole", func(c Client) bool {
			return !c.Replication && (c.Database == c.User || c.Database == "staff" && isStaff(c))
		}},
		{"replication", func(c Client) bool { return c.Replication }},
		{`"replication"`, func(c Client) bool { return !c.Replication && c.Database == "replication" }},
		{"bob", func(c Client) bool { return !c.Replication && c.Database == "bob" }},
		{`/^st`, func(c Client) bool { return !c.Replication && c.Database == "staff" }},
		{`"/l{2}$"`, func(c Client) bool { return !c.Replication && c.Database == "all" }},
	}
	userWords = []choice{
		{"all", func(c Client) bool { return true }},
		{`"all"`, func(c Client) bool { return c.User == "all" }},
		{"+staff", isStaff},
		{`"+staff"`, func(c Client) bool { return c.User == "+staff" }},
		{"bob", func(c Client) bool { return c.User == "bob" }},
		{"/^[ab]..$", func(c Client) bool { return c.User == "ann" || c.User == "bob" || c.User == "all" }},
		{"replication", func(c Client) bool { return c.User == "replication" }},
	}
	addressWords = []choice{
		{"all", func(c Client) bool { return true }},
		{"samehost", func(c Client) bool { return c.Addr.String() == "127.0.0.1" }},
		{"samenet", func(c Client) bool { return c.Addr.String()[:4] == "127." }},
		{"10.9.9.9/8", func(c Client) bool { return c.Addr.String() == "10.0.0.1" }},
		{"0.0.0.0 0.0.0.0", func(c Client) bool { return c.Addr.Is4() }},
		{"0.0.0.1 0.0.0.255", func(c Client) bool { return strings.HasSuffix(c.Addr.String(), ".1") }},
		{"::/0", func(c Client) bool { return c.Addr.Is6() }},
		{"fe80::/10", func(c Client) bool { return c.Addr.String() == "fe80::7" }},
		{".lan", func(c Client) bool { return c.Addr.String() == "10.0.0.1" || c.Addr.String() == "fe80::7" }},
		{"a.lan", func(c Client) bool { return c.Addr.String() == "10.0.0.1" }},
	}
	words     = []string{"all", "bob", "ann", "staff", "replication", "+staff"}
	addresses = []string{"127.0.0.1", "127.0.0.2", "10.0.0.1", "fe80::7", "2001:db8::1"}
)

var modelFacts = Facts{
	Member: groups("ann staff"),
	Networks: func() ([]netip.Prefix, error) {
		return []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}, nil
	},
	Names: func(a netip.Addr) ([]string, error) {
		return map[string][]string{"10.0.0.1": {"other.example", "A.lan."}, "fe80::7": {"b.LAN"}}[a.String()], nil
	},
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// some draws a field of one to three words.
func some(r *rand.Rand, from []choice) choice {
	parts := make([]choice, 1+r.IntN(3))
	texts := make([]string, len(parts))
	for i := range parts {
		parts[i] = pick(r, from)
		texts[i] = parts[i].word
	}
	return choice{strings.Join(texts, pick(r, []string{",", ", ", ",\t, "})), func(c Client) bool {
		return slices.ContainsFunc(parts, func(p choice) bool { return p.is(c) })
	}}
}

func anyClient(r *rand.Rand) Client {
	c := Client{User: pick(r, words), Local: r.IntN(4) == 0, Replication: r.IntN(6) == 0}
	if !c.Replication {
		c.Database = pick(r, words)
	}
	if !c.Local {
		c.Addr, c.TLS = netip.MustParseAddr(pick(r, addresses)), r.IntN(2) == 0
	}
	return c
}

func TestMatchingAgreesWithANaiveModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	applied := 0
	for range 2000 {
		var text strings.Builder
		var lines [][]choice
		for range 1 + r.IntN(8) {
			kind, database, user := pick(r, types), some(r, databaseWords), some(r, userWords)
			line := []choice{kind, database, user}
			fmt.Fprintf(&text, "%s %s %s", kind.word, database.word, user.word)
			if kind.word != "local" {
				line = append(line, pick(r, addressWords))
				fmt.Fprintf(&text, " %s", line[3].word)
			}
			lines = append(lines, line)
			fmt.Fprintf(&text, " %s%s\n", pick(r, []string{"trust", "reject", "md5"}), pick(r, []string{"", " # x", "\r"}))
		}
		rs := mustLoad(t, text.String())
		again := mustLoad(t, rs.String())
		for range 30 {
			c := anyClient(r)
			want := 1 + slices.IndexFunc(lines, func(line []choice) bool {
				return !slices.ContainsFunc(line, func(w choice) bool { return !w.is(c) })
			})
			if got := matched(rs, c, modelFacts); got != want {
				t.Fatalf("%s%+v: line %d, want %d", text.String(), c, got, want)
			}
			if got := matched(again, c, modelFacts); got != want {
				t.Fatalf("printed and read again:\n%s%+v: line %d, want %d", rs, c, got, want)
			}
			if e := rs.Explain(c, modelFacts); e.Rule != rs.Match(c, modelFacts) {
				t.Fatalf("%s%+v: another explanation:\n%s", text.String(), c, e)
			}
			applied += min(want, 1)
		}
	}
	if applied < 8000 {
		t.Errorf("a line applied to %d clients only, so this tests little", applied)
	}
}
