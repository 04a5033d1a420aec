package hba

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"testing"
)

// tree is files by their names; include_dir finds those of a folder.
type tree map[string]string

func (f tree) files() Files {
	return Files{
		Read: func(path string) ([]byte, error) {
			text, ok := f[path]
			if !ok {
				return nil, fmt.Errorf("open %s: %w", path, fs.ErrNotExist)
			}
			return []byte(text), nil
		},
		List: func(dir string) (names []string, err error) {
			for path := range f {
				if name, ok := strings.CutPrefix(path, dir+"/"); ok && !strings.Contains(name, "/") {
					names = append(names, name)
				}
			}
			if names == nil {
				return nil, fs.ErrNotExist
			}
			return names, nil
		},
	}
}

func mustLoad(t testing.TB, text string) *Rules {
	t.Helper()
	rs, err := Load("pg_hba.conf", tree{"pg_hba.conf": text}.files())
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func mustMaps(t testing.TB, text string) *Maps {
	t.Helper()
	ms, err := LoadMaps("pg_ident.conf", tree{"pg_ident.conf": text}.files())
	if err != nil {
		t.Fatal(err)
	}
	return ms
}

func problemsOf(t testing.TB, err error) Problems {
	t.Helper()
	var problems Problems
	if err == nil || !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("the error is a %T: %v", err, err)
	}
	return problems
}

// matched is the line that applies; 0 for none.
func matched(rs *Rules, c Client, facts Facts) int {
	if r := rs.Match(c, facts); r != nil {
		return r.Line
	}
	return 0
}

func tcp(addr, database, user string) Client {
	return Client{Addr: netip.MustParseAddr(addr), Database: database, User: user}
}

// groups makes a Member of what is known: "bob staff" for a member, and
// "bob ?" for a role of which nothing is known.
func groups(of ...string) func(role, group string) (member, known bool) {
	return func(role, group string) (member, known bool) {
		for _, g := range of {
			if g == role+" ?" {
				return false, false
			}
			if g == role+" "+group {
				return true, true
			}
		}
		return false, true
	}
}
