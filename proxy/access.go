package proxy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pgweir/auth"
	"pgweir/auth/hba"
	"pgweir/auth/ldap"
	"pgweir/config"
)

// Access is how clients are to show who they are: auth_type, and the lines of
// auth_hba_file. It is never changed.
type Access struct {
	always *demand    // of every client; nil if the lines say it
	lines  *hba.Rules // nil without auth_type = "hba"
	maps   *hba.Maps  // nil without auth_ident_file
	// directories are the LDAP servers of lines.
	directories map[*hba.Rule]*ldap.Verifier
	files       []string // and folders, that the lines were read from
	source      string   // a digest of them; "" without lines
}

// demand is what one client has to show.
type demand struct {
	method hba.Method
	users  string // the map of auth_ident_file by which a certificate or an operating system user stands for one of PostgreSQL's; "" if they must be equal
	cert   hba.ClientCert
	name   hba.CertName
	from   string // where it is written, for the log
	ldap   *ldap.Verifier
}

// refusal is the demand that nobody meets.
func refusal(from string) demand { return demand{method: hba.Reject, from: from} }

// authTypes are the values of auth_type besides "hba".
var authTypes = map[string]demand{
	"trust":         {method: hba.Trust},
	"any":           {method: hba.Trust},
	"password":      {method: hba.Password},
	"plain":         {method: hba.Password},
	"md5":           {method: hba.MD5},
	"scram-sha-256": {method: hba.SCRAM},
	"cert":          {method: hba.Cert, cert: hba.CertVerifyFull},
	"peer":          {method: hba.Peer},
	"ldap":          {method: hba.LDAP},
}

// NewAccess reads what a configuration names. The error is an hba.Problems for what
// is wrong in the files, and a config.Problem for auth_ldap_options.
func NewAccess(c *config.Config) (*Access, error) {
	if c.AuthType != "hba" {
		d, ok := authTypes[c.AuthType]
		if !ok {
			return nil, fmt.Errorf("unknown auth_type %q", c.AuthType)
		}
		d.from = "auth_type"
		if c.AuthType == "ldap" {
			var err error
			if d.ldap, err = newDirectory(c); err != nil {
				return nil, err
			}
		}
		return &Access{always: &d}, nil
	}
	from := newAccessFiles()
	files := from.files()
	lines, err := hba.Load(c.AuthHBAFile, files)
	var problems hba.Problems
	if err != nil && !errors.As(err, &problems) {
		return nil, err
	}
	name(problems, c, "auth_hba_file")
	a := &Access{lines: lines}
	if c.AuthIdentFile != "" {
		maps, err := hba.LoadMaps(c.AuthIdentFile, files)
		var more hba.Problems
		if err != nil && !errors.As(err, &more) {
			return nil, err
		}
		name(more, c, "auth_ident_file")
		a.maps, problems = maps, append(problems, more...)
	}
	if lines != nil {
		problems = append(problems, a.findDirectories(c)...)
		problems = append(problems, a.lacking(c)...)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	a.files, a.source = from.names, string(from.sum.Sum(nil))
	return a, nil
}

// name has problems with a file itself, and with none of its lines, say which setting
// names it.
func name(problems hba.Problems, c *config.Config, setting string) {
	for i := range problems {
		if p := &problems[i]; p.Line == 0 {
			f := c.Fault(p, setting)
			p.File, p.Line, p.Text = f.File, f.Line, f.Text
		}
	}
}

// newDirectory are the LDAP servers of auth_type = "ldap".
func newDirectory(c *config.Config) (*ldap.Verifier, error) {
	d, err := hba.ParseDirectory(string(c.AuthLDAPOptions))
	if err == nil {
		var v *ldap.Verifier
		if v, err = ldap.New(d, c.LDAPTLSRoots); err == nil {
			return v, nil
		}
	}
	return nil, c.Fault(err, "auth_ldap_options")
}

// findDirectories prepares the LDAP servers of lines.
func (a *Access) findDirectories(c *config.Config) (problems hba.Problems) {
	a.directories = map[*hba.Rule]*ldap.Verifier{}
	for _, r := range a.lines.List() {
		if r.LDAP == nil {
			continue
		}
		v, err := ldap.New(r.LDAP, c.LDAPTLSRoots)
		if err != nil {
			problems = append(problems, hba.Problem{File: r.File, Line: r.Line, Text: err.Error()})
		}
		a.directories[r] = v
	}
	return problems
}

// lacking finds lines that nobody could ever meet for want of something else.
func (a *Access) lacking(c *config.Config) (problems hba.Problems) {
	unread := a.maps == nil && c.AuthIdentFile != "" // which is a problem already
	const roles = "groups (+role, samerole) can be known only with auth_user"
	asks := c.AsksServers()
	for _, r := range a.lines.List() {
		text := ""
		switch {
		case r.Type == hba.HostSSL && c.ClientTLSCertificate == nil:
			text = "hostssl needs client_tls_cert_file and client_tls_key_file"
		case r.ClientCert != hba.CertNotAsked && c.ClientTLSRoots == nil:
			text = "a client's certificate can be asked for only with client_tls_ca_file"
		case r.AsksMembers() && !asks:
			text = roles
		case r.Map != "" && !unread && (a.maps == nil || !a.maps.Has(r.Map)):
			text = fmt.Sprintf("there is no map %q: auth_ident_file has none of this name", r.Map)
		default:
			continue
		}
		problems = append(problems, hba.Problem{File: r.File, Line: r.Line, Text: text})
	}
	if a.maps != nil && !asks {
		problems = append(problems, a.maps.MemberLines(roles)...)
	}
	return problems
}

// secretFiles are the files of lines in which a password of an LDAP server stands
// (ldapbindpasswd).
func (a *Access) secretFiles() (out []string) {
	if a.lines == nil {
		return nil
	}
	for _, r := range a.lines.List() {
		if r.LDAP != nil && r.LDAP.BindPassword != "" && !slices.Contains(out, r.File) {
			out = append(out, r.File)
		}
	}
	return out
}

// asksSCRAM tells whether any client is asked for SCRAM whose secret may be plain.
func (a *Access) asksSCRAM() bool {
	if a.lines == nil {
		return a.always.method == hba.SCRAM
	}
	return slices.ContainsFunc(a.lines.List(), func(r *hba.Rule) bool { return r.Method == hba.SCRAM })
}

// refusing is by which method a client is asked whom no line lets in: the one of the
// lines for connections of its kind, so that it is no other for those who get in. If
// they have several, that is MD5, or SCRAM if none asks for less: nobody is asked for
// a password in clear text whom no line would ask so.
func (a *Access) refusing(c hba.Client) auth.Method {
	var clear, md5, scram bool
	for _, r := range a.lines.List() {
		if (r.Type == hba.Local) != c.Local || r.Type == hba.HostGSSEnc || r.Type == hba.HostSSL && !c.TLS || r.Type == hba.HostNoSSL && c.TLS {
			continue
		}
		clear = clear || r.Method == hba.Password || r.Method == hba.LDAP
		md5 = md5 || r.Method == hba.MD5
		scram = scram || r.Method == hba.SCRAM
	}
	switch {
	case clear && !md5 && !scram:
		return auth.Plain
	case clear || md5:
		return auth.MD5
	}
	return auth.SCRAM
}

// NeedsSecrets tells whether nobody is let in whose secret is not known: neither
// without a proof nor by one that something else checks.
func (a *Access) NeedsSecrets() bool {
	known := func(m hba.Method) bool {
		return m == hba.Password || m == hba.MD5 || m == hba.SCRAM || m == hba.Reject
	}
	if a.lines == nil {
		return known(a.always.method)
	}
	return !slices.ContainsFunc(a.lines.List(), func(r *hba.Rule) bool { return !known(r.Method) })
}

// demand is that of a line; of nil, if none applies.
func (a *Access) demand(r *hba.Rule) demand {
	if r == nil {
		return refusal("no line of auth_hba_file applies")
	}
	return demand{method: r.Method, users: r.Map, cert: r.ClientCert, name: r.ClientName, from: place(r), ldap: a.directories[r]}
}

// place is where a line stands.
func place(r *hba.Rule) string { return fmt.Sprintf("%s:%d", r.File, r.Line) }

// allows tells whether somebody who has this name outside of PostgreSQL may log in
// as a user, who is a member of the roles.
func (a *Access) allows(d *demand, outside, user string, roles memberOf) bool {
	if d.users == "" {
		return outside == user
	}
	return a.maps.Map(d.users, outside, user, roles.member)
}

// asksRoles tells whether it hangs on a user's roles whom a demand lets in.
func (a *Access) asksRoles(d *demand) bool { return d.users != "" && a.maps.AsksMembers(d.users) }

// Explain says in words how a client is to show who it is, and by which line. member is
// as in hba.Facts.
func (a *Access) Explain(c hba.Client, member func(role, group string) (is, known bool)) string {
	if a.lines == nil {
		return fmt.Sprintf("auth_type applies to every client: %v\n", a.always.method)
	}
	all := blockingFacts
	all.Member = member
	return a.lines.Explain(c, all).String()
}

// TryDirectories asks whether LDAP servers answer, and tells of each line, and of
// auth_type, whose do not.
func (a *Access) TryDirectories(ctx context.Context, tell func(from string, err error)) {
	try := func(from string, v *ldap.Verifier) {
		if v == nil {
			return
		}
		if err := v.Reach(ctx); err != nil {
			tell(from, err)
		}
	}
	if a.lines == nil {
		try(a.always.from, a.always.ldap)
		return
	}
	for _, r := range a.lines.List() {
		try(place(r), a.directories[r])
	}
}

// passwordMethods are those of package auth.
var passwordMethods = map[hba.Method]auth.Method{
	hba.Password: auth.Plain, hba.MD5: auth.MD5, hba.SCRAM: auth.SCRAM,
}
