package hba

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
)

// looped gives the same text for each file, so that it can include itself, a
// few times.
func looped(data []byte) Files {
	reads := 0
	return Files{
		Read: func(path string) ([]byte, error) {
			if reads++; reads > 20 || strings.HasSuffix(path, "gone") {
				return nil, os.ErrNotExist
			}
			return data, nil
		},
		List: func(string) ([]string, error) { return []string{"a.conf"}, nil },
	}
}

func seeds(f *testing.F, file string) {
	data, err := os.ReadFile("testdata/corpus/" + file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	for line := range strings.SplitSeq(string(data), "\n") {
		f.Add([]byte(line))
	}
	f.Add([]byte("\ufefflocal all /a peer\r\nhost a\\\nb \"c\"\"d\",+\"e f\" .x \"trust\""))
}

// checkProblems checks that each problem has a line that is there and is told
// in one line.
func checkProblems(t *testing.T, data []byte, err error) {
	lines := strings.Count(string(data), "\n") + 1
	problems := problemsOf(t, err)
	if len(problems) > maxProblems+1 {
		t.Errorf("%d problems", len(problems))
	}
	for _, p := range problems {
		whole := p.Line == 0 && len(problems) == 1
		if p.File == "" || !whole && (p.Line < 1 || p.Line > lines) || strings.Contains(p.Text, "\n") {
			t.Errorf("of %d lines: %q", lines, p)
		}
	}
}

func FuzzLoad(f *testing.F) {
	seeds(f, "pg_hba.conf")
	names := func(netip.Addr) ([]string, error) { return []string{"db.example.com"}, nil }
	f.Fuzz(func(t *testing.T, data []byte) {
		rs, err := Load("x", looped(data))
		if err != nil {
			checkProblems(t, data, err)
			return
		}
		again, err := Load("x", looped([]byte(rs.String())))
		if err != nil {
			t.Fatalf("what is printed is not read: %v\n%s", err, rs)
		}
		if again.String() != rs.String() || len(again.List()) != len(rs.List()) {
			t.Fatalf("%q is read as %q", rs, again)
		}
		for _, facts := range []Facts{{}, {Member: groups("ann staff"), Names: names, Networks: modelFacts.Networks}} {
			for _, c := range fuzzClients(rs) {
				i := slices.Index(rs.List(), rs.Match(c, facts))
				if j := slices.Index(again.List(), again.Match(c, facts)); i != j {
					t.Errorf("%+v: line %d, and %d when printed and read again:\n%s", c, i, j, rs)
				}
				if e := rs.Explain(c, facts); i >= 0 && (e.Rule != rs.List()[i] || len(e.Steps) != i+1) {
					t.Errorf("%+v: line %d, explained as\n%s", c, i, e)
				}
			}
		}
	})
}

// fuzzClients are clients with names of the file and with others.
func fuzzClients(rs *Rules) (out []Client) {
	for _, r := range rs.List()[:min(3, len(rs.List()))] {
		database, user := r.databases.field[0].text, r.users.field[0].text
		out = append(out, Client{Local: true, Database: database, User: user}, Client{Local: true, Replication: true, User: user})
		for _, addr := range []netip.Addr{r.address.addr, netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("::1")} {
			out = append(out, Client{Addr: addr, Database: database, User: user}, Client{Addr: addr, TLS: true, Database: "staff", User: "ann"})
		}
	}
	return out
}

func FuzzLoadMaps(f *testing.F) {
	seeds(f, "pg_ident.conf")
	f.Fuzz(func(t *testing.T, data []byte) {
		ms, err := LoadMaps("x", looped(data))
		if err != nil {
			checkProblems(t, data, err)
			return
		}
		again, err := LoadMaps("x", looped([]byte(ms.String())))
		if err != nil {
			t.Fatalf("what is printed is not read: %v\n%s", err, ms)
		}
		if again.String() != ms.String() {
			t.Fatalf("%q is read as %q", ms, again)
		}
		for _, m := range ms.list[:min(5, len(ms.list))] {
			for _, system := range []string{m.system.text, "bob", "bob@example.com"} {
				for _, user := range []string{m.user.field[0].text, "bob", system} {
					got := ms.Map(m.name.text, system, user, groups("bob staff"))
					if got != again.Map(m.name.text, system, user, groups("bob staff")) {
						t.Errorf("%q as %q: not the same when printed and read again:\n%s", system, user, ms)
					}
				}
			}
		}
	})
}
