package hba

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

type place struct {
	file string
	line int
}

// reading is what becomes of each line: what it says, or what is wrong.
type reading map[place][]string

func postgres(t *testing.T, path, file string) reading {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := reading{}
	for line := range bytes.Lines(data) {
		var s seen
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		if s.File == "" {
			s.File = file
		}
		s.Options = slices.DeleteFunc(s.Options, func(o string) bool { return o == "map=" }) // as if it were not there
		if s.Method == "ldap" {
			s.Options = directoryOf(s.Options)
		}
		if len(s.Options) == 0 {
			s.Options = nil
		}
		text := s.text()
		if s.Type+s.MapName+s.SystemUser == "" && s.Error == nil { // for some errors the view has no words
			text = "error: "
		}
		if s.Error != nil {
			text = "error: " + *s.Error
		} else if a, err := netip.ParseAddr(s.Address); err == nil { // 2001:DB8:: and the like
			s.Address = a.String()
			m, _ := netip.ParseAddr(s.Netmask)
			s.Netmask = m.String()
			text = s.text()
		}
		at := place{s.File, s.Line}
		out[at] = append(out[at], text)
	}
	return out
}

func (r reading) problems(t *testing.T, err error) {
	t.Helper()
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatalf("the error is a %T: %v", err, err)
	}
	for _, p := range problems {
		at := place{p.File, p.Line}
		r[at] = append(r[at], "error: "+p.Text)
	}
}

func ours(t *testing.T) reading { return readingOf(t, "testdata/corpus") }

// readingOf reads the pg_hba.conf in a folder.
func readingOf(t *testing.T, folder string) reading {
	t.Helper()
	out := reading{}
	l := &loader{files: disk(folder)}
	err := l.load("pg_hba.conf", func(ln *line) {
		p := parser{loader: l, line: ln}
		if r := p.rule(); r != nil {
			at := place{r.File, r.Line}
			out[at] = append(out[at], show(r).text())
		}
	})
	out.problems(t, err)
	return out
}

func oursIdent(t *testing.T) reading {
	t.Helper()
	out := reading{}
	l := &loader{files: disk("testdata/corpus")}
	err := l.load("pg_ident.conf", func(ln *line) {
		p := parser{loader: l, line: ln}
		if m, ok := p.mapping(); ok {
			at := place{ln.file, ln.number}
			out[at] = append(out[at], seen{MapName: m.name.text, SystemUser: m.system.text, User: m.user.field[0].text}.text())
		}
	})
	out.problems(t, err)
	return out
}

// remarks gives, for each line of a file, the word before the colon of a
// comment on the line before: how the readings may differ.
func remarks(t *testing.T, folder, file string) map[place]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, file))
	if err != nil {
		t.Fatal(err)
	}
	out := map[place]string{}
	for i, line := range strings.Split(string(data), "\n") {
		if comment, ok := strings.CutPrefix(line, "# "); ok {
			word, _, _ := strings.Cut(comment, ":")
			out[place{file, i + 2}] = word
		}
	}
	return out
}

func failed(texts []string) bool {
	return slices.ContainsFunc(texts, func(s string) bool { return strings.HasPrefix(s, "error: ") })
}

func compare(t *testing.T, version string, ours, theirs reading, remarks map[place]string) {
	t.Helper()
	for at := range theirs {
		if _, ok := ours[at]; !ok {
			ours[at] = nil
		}
	}
	same := 0
	for at, mine := range ours {
		theirs, fine := theirs[at], false
		switch remarks[at] {
		case "stricter":
			fine = failed(mine) && (version == "15" || !failed(theirs))
		case "refused":
			fine = failed(mine)
		case "inner":
			continue
		case "laxer":
			fine = !failed(mine)
		case "since 16":
			if version == "15" {
				continue
			}
			fallthrough
		default:
			if at.file == "loop" || version == "15" && at.file != "pg_hba.conf" && at.file != "pg_ident.conf" {
				continue // an include, or within an @file
			}
			fine = failed(mine) == failed(theirs) && (failed(mine) || slices.Equal(mine, theirs))
			same++
		}
		if !fine {
			t.Errorf("%s:%d (%s)\n  ours         %q\n  PostgreSQL's %q", at.file, at.line, remarks[at], mine, theirs)
		}
	}
	t.Logf("%d lines are read as PostgreSQL %s reads them", same, version)
}

func TestTheCorpusIsReadAsPostgreSQLReadsIt(t *testing.T) {
	for _, version := range []string{"15", "18"} {
		theirs := postgres(t, "testdata/corpus/pg"+version+".json", "pg_hba.conf")
		compare(t, version, ours(t), theirs, remarks(t, "testdata/corpus", "pg_hba.conf"))
		theirs = postgres(t, "testdata/corpus/pg"+version+"_ident.json", "pg_ident.conf")
		compare(t, version, oursIdent(t), theirs, remarks(t, "testdata/corpus", "pg_ident.conf"))
	}
}
