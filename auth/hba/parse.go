package hba

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// refused are the methods of PostgreSQL's that pgweir does not have, and why.
var refused = map[string]string{
	"ident":  "pgweir does not ask ident servers; on a local line ident is peer",
	"gss":    "pgweir has no GSSAPI, which needs a C library",
	"sspi":   "SSPI is a part of Windows",
	"pam":    "pgweir has no PAM, which needs a C library",
	"bsd":    "BSD authentication is a part of OpenBSD",
	"radius": "pgweir has no RADIUS client",
	"oauth":  "pgweir has no validator for OAuth tokens",
}

// Load reads a pg_hba.conf. The error is a Problems with everything that is
// wrong; a file without any line is wrong too, since it lets nobody in.
func Load(file string, files Files) (*Rules, error) {
	l := &loader{files: files}
	rs := &Rules{}
	err := l.load(file, func(ln *line) {
		p := parser{loader: l, line: ln}
		if r := p.rule(); r != nil {
			rs.list = append(rs.list, r)
		}
	})
	if err != nil {
		return nil, err
	}
	if len(rs.list) == 0 {
		l.problem(file, 0, "the file contains no entries")
		return nil, l.problems
	}
	return rs, nil
}

// AsksMembers tells whether the line hangs on membership in a role.
func (r *Rule) AsksMembers() bool {
	return slices.ContainsFunc(r.databases.special, func(it item) bool { return it.re == nil && sameRole(it.token) }) ||
		slices.ContainsFunc(r.users.special, func(it item) bool { return it.re == nil && group(it.token) })
}

// parser reads one line, field by field.
type parser struct {
	*loader
	line   *line
	next   int // of the line's fields
	failed bool
}

func (p *parser) wrong(format string, args ...any) {
	p.failed = true
	p.problem(p.line.file, p.line.number, fmt.Sprintf(format, args...))
}

// take gives the next field. At the end of the line it is a problem that the
// field is missing, and nil.
func (p *parser) take(what string) field {
	if p.next == len(p.line.fields) {
		p.wrong("end-of-line before %s", what)
		return nil
	}
	p.next++
	return p.line.fields[p.next-1]
}

// one gives the next field if it is a single token.
func (p *parser) one(missing, what string) (t token, ok bool) {
	f := p.take(missing)
	if len(f) > 1 {
		p.wrong("multiple values specified for %s", what)
	}
	if len(f) != 1 {
		return token{}, false
	}
	return f[0], true
}

// rule reads the line. It is nil if something is wrong; what can still be read
// then is read, so that its problems are told as well.
func (p *parser) rule() *Rule {
	r := &Rule{File: p.line.file, Line: p.line.number, Text: summary(p.line.text)}
	t, ok := p.one("connection type", "connection type")
	if !ok {
		return nil
	}
	kind := slices.Index(connTypes, t.text)
	if slices.Contains(includes, t.text) {
		p.wrong("%s takes one name and nothing else", t.text)
		return nil
	}
	if kind < 0 {
		p.wrong("invalid connection type %q%s", t.text, suggestion(t.text, slices.Concat(connTypes, includes)))
		return nil
	}
	r.Type = ConnType(kind)
	databases := p.take("database specification")
	if databases == nil {
		return nil
	}
	users := p.take("role specification")
	if users == nil {
		return nil
	}
	var fine bool
	r.databases, fine = p.newNames(p.line, databases, databaseKeyword)
	p.failed = p.failed || !fine
	r.users, fine = p.newNames(p.line, users, userKeyword)
	p.failed = p.failed || !fine
	if r.Type != Local && !p.address(r) {
		return nil
	}
	p.method(r)
	if p.failed {
		return nil
	}
	return r
}

var includes = []string{"include", "include_if_exists", "include_dir"}

// address reads the address and its mask. It is false if the fields after it
// cannot be told apart any more.
func (p *parser) address(r *Rule) bool {
	t, ok := p.one("IP address specification", "host address")
	if !ok {
		return false
	}
	a, more, err := readAddress(t)
	if err != nil {
		p.wrong("%v", err)
		return false
	}
	if more {
		t, ok := p.one("netmask specification", "netmask")
		if !ok {
			return false
		}
		if err := a.readMask(t); err != nil {
			p.wrong("%v", err)
			return false
		}
	}
	r.address = a
	return true
}

// method reads the method and the options after it.
func (p *parser) method(r *Rule) {
	t, ok := p.one("authentication method", "authentication type")
	if !ok {
		return
	}
	name := t.text
	if name == "ident" && r.Type == Local {
		name = "peer"
	}
	known := slices.Index(methods, name)
	switch why := refused[name]; {
	case why != "":
		p.wrong("authentication method %q is not supported: %s", name, why)
	case known < 0:
		all := slices.Concat(methods, slices.Sorted(maps.Keys(refused)))
		p.wrong("invalid authentication method %q%s", name, suggestion(name, all))
		return
	default:
		r.Method = Method(known)
	}
	if name == "peer" && r.Type != Local {
		p.wrong("peer authentication is only supported on local sockets")
	}
	if name == "cert" {
		if r.Type != HostSSL {
			p.wrong("cert authentication is only supported on hostssl connections")
		}
		r.ClientCert = CertVerifyFull
	}
	p.options(r, name)
}

// options reads what stands behind the method.
func (p *parser) options(r *Rule, method string) {
	var ldap ldapOptions
	for ; p.next < len(p.line.fields); p.next++ {
		for _, t := range p.line.fields[p.next] {
			var err error
			if method == "ldap" {
				err = ldap.option(r, t.text)
			} else {
				err = r.setOption(method, t.text)
			}
			if err != nil {
				p.wrong("%v", err)
			}
		}
	}
	if method != "ldap" || p.failed {
		return
	}
	var err error
	if r.LDAP, err = ldap.finish(); err != nil {
		p.wrong("%v", err)
	}
	if ldap.given["ldapbindpasswd"] || strings.Contains(p.line.text, "ldapbindpasswd") {
		r.Text = summary(p.line.masked())
	}
}
