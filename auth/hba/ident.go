package hba

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Maps is a pg_ident.conf with all that it includes. It is never changed.
type Maps struct {
	list []mapping
}

// mapping is a line of pg_ident.conf.
type mapping struct {
	file   string
	line   int // where it begins
	name   token
	system token
	re     *regexp.Regexp // of system; nil if that is a plain name
	long   *regexp.Regexp // re, preferring longest matches; only if back is set
	user   names          // of one token
	back   bool           // user has a \1, and re has what it stands for
}

// LoadMaps reads a pg_ident.conf. The error is a Problems with everything that
// is wrong. A file may have no line at all.
func LoadMaps(file string, files Files) (*Maps, error) {
	l := &loader{files: files}
	ms := &Maps{}
	err := l.load(file, func(ln *line) {
		p := parser{loader: l, line: ln}
		if m, ok := p.mapping(); ok {
			ms.list = append(ms.list, m)
		}
	})
	if err != nil {
		return nil, err
	}
	return ms, nil
}

// mapping reads the line: map name, system user, database user. More fields are
// ignored, as PostgreSQL does.
func (p *parser) mapping() (m mapping, ok bool) {
	m.file, m.line = p.line.file, p.line.number
	var user token
	for _, t := range []*token{&m.name, &m.system, &user} {
		f := p.take("map name, system user and database user")
		if f == nil {
			return m, false
		}
		if len(f) > 1 {
			p.wrong("multiple values in ident field")
			return m, false
		}
		*t = f[0]
	}
	if strings.HasPrefix(m.system.text, "/") {
		re, err := p.compile(m.system.text[1:])
		if err != nil {
			p.wrong("%v", err)
		}
		m.re = re
	}
	var fine bool
	m.user, fine = p.newNames(p.line, field{user}, userKeyword)
	if p.failed || !fine {
		return m, false
	}
	if m.re != nil && len(m.user.special) == 0 && strings.Contains(user.text, `\1`) {
		if m.re.NumSubexp() == 0 {
			p.wrong("regular expression %q has no subexpressions as requested by backreference in %q", m.system.text[1:], user.text)
			return m, false
		}
		m.back = true
		m.long = regexp.MustCompile(m.re.String())
		m.long.Longest()
	}
	return m, true
}

// Has tells whether there is a map of this name.
func (ms *Maps) Has(name string) bool {
	return slices.ContainsFunc(ms.list, func(m mapping) bool { return m.name.text == name })
}

// AsksMembers tells whether a line of the map of this name hangs on membership in a
// role.
func (ms *Maps) AsksMembers(name string) bool {
	return slices.ContainsFunc(ms.list, func(m mapping) bool { return m.name.text == name && group(m.user.field[0]) })
}

// MemberLines makes a problem with this text of each line that hangs on membership in
// a role.
func (ms *Maps) MemberLines(text string) (out Problems) {
	for _, m := range ms.list {
		if group(m.user.field[0]) {
			out = append(out, Problem{File: m.file, Line: m.line, Text: text})
		}
	}
	return out
}

// Map tells whether, by the map of this name, who is systemUser outside of the
// database may be pgUser in it. Without a name the two must be equal. member is
// as in Facts; what is not known allows nothing.
//
// A \1 in the database user is what the first parentheses of the regular
// expression have matched. PostgreSQL prefers longest matches there and RE2
// first ones; where these two differ, or the parentheses have matched nothing,
// the answer is no, whatever the lines after it say.
func (ms *Maps) Map(name, systemUser, pgUser string, member func(role, group string) (member, known bool)) bool {
	if name == "" {
		return systemUser == pgUser
	}
	k := newAsked(Client{}, Facts{Member: member})
	for i := range ms.list {
		m := &ms.list[i]
		if m.name.text != name {
			continue
		}
		if allowed, end := m.allows(systemUser, pgUser, &k); allowed || end {
			return allowed
		}
	}
	return false
}

// allows tells whether the line allows it; end says that no further line may.
func (m *mapping) allows(systemUser, pgUser string, k *asked) (allowed, end bool) {
	if m.re == nil && m.system.text != systemUser || m.re != nil && !m.re.MatchString(systemUser) {
		return false, false
	}
	if !m.back {
		a, _ := m.user.user(pgUser, k)
		return a == yes, false
	}
	first, long := m.re.FindStringSubmatchIndex(systemUser), m.long.FindStringSubmatchIndex(systemUser)
	if first[2] < 0 || first[2] != long[2] || first[3] != long[3] {
		return false, true
	}
	return strings.Replace(m.user.field[0].text, `\1`, systemUser[first[2]:first[3]], 1) == pgUser, false
}

// String gives the whole file in plain form, with one line for each mapping. It
// is read as the same maps.
func (ms *Maps) String() string {
	var b strings.Builder
	for _, m := range ms.list {
		fmt.Fprintf(&b, "%s %s %s\n", quote(m.name.text), m.system, m.user.field)
	}
	return b.String()
}
