package proxy

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"pgweir/auth"
	"pgweir/auth/hba"
	"pgweir/config"
)

// Access is how clients are to show who they are: auth_type, and the lines of
// auth_hba_file. It is never changed.
type Access struct {
	always *demand    // of every client; nil if the lines say it
	lines  *hba.Rules // nil without auth_type = "hba"
	maps   *hba.Maps  // nil without auth_ident_file
}

// demand is what one client has to show.
type demand struct {
	method hba.Method
	users  string // the map of auth_ident_file by which a certificate or an operating system user stands for one of PostgreSQL's; "" if they must be equal
	cert   hba.ClientCert
	name   hba.CertName
	from   string // where it is written, for the log
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
}

// NewAccess reads what a configuration names. The error is an hba.Problems for what
// is wrong in the files.
func NewAccess(c *config.Config) (*Access, error) {
	if c.AuthType != "hba" {
		d, ok := authTypes[c.AuthType]
		if !ok {
			return nil, fmt.Errorf("unknown auth_type %q", c.AuthType)
		}
		d.from = "auth_type"
		return &Access{always: &d}, nil
	}
	files := hba.Files{Read: readAccessFile, List: listFolder}
	lines, err := hba.Load(c.AuthHBAFile, files)
	var problems hba.Problems
	if err != nil && !errors.As(err, &problems) {
		return nil, err
	}
	a := &Access{lines: lines}
	if c.AuthIdentFile != "" {
		maps, err := hba.LoadMaps(c.AuthIdentFile, files)
		var more hba.Problems
		if err != nil && !errors.As(err, &more) {
			return nil, err
		}
		a.maps, problems = maps, append(problems, more...)
	}
	if problems = append(problems, a.lacking(c)...); len(problems) > 0 {
		return nil, problems
	}
	return a, nil
}

// lacking finds lines that nobody could ever meet for want of something else.
func (a *Access) lacking(c *config.Config) (problems hba.Problems) {
	if a.lines == nil {
		return nil
	}
	for _, r := range a.lines.List() {
		text := ""
		switch {
		case r.Type == hba.HostSSL && c.ClientTLSCertificate == nil:
			text = "hostssl needs client_tls_cert_file and client_tls_key_file"
		case r.ClientCert != hba.CertNotAsked && c.ClientTLSRoots == nil:
			text = "a client's certificate can be asked for only with client_tls_ca_file"
		case r.Map != "" && (a.maps == nil || !a.maps.Has(r.Map)):
			text = fmt.Sprintf("there is no map %q: auth_ident_file has none of this name", r.Map)
		default:
			continue
		}
		problems = append(problems, hba.Problem{File: r.File, Line: r.Line, Text: text})
	}
	return problems
}

// asksSCRAM tells whether any client is asked for SCRAM whose secret may be plain.
func (a *Access) asksSCRAM() bool {
	if a.lines == nil {
		return a.always.method == hba.SCRAM
	}
	return a.asks(hba.SCRAM)
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
		clear = clear || r.Method == hba.Password
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

// asks tells whether a line has a method.
func (a *Access) asks(m hba.Method) bool {
	return a.lines != nil && slices.ContainsFunc(a.lines.List(), func(r *hba.Rule) bool { return r.Method == m })
}

// demand is that of a line; of nil, if none applies.
func (a *Access) demand(r *hba.Rule) demand {
	if r == nil {
		return refusal("no line of auth_hba_file applies")
	}
	return demand{method: r.Method, users: r.Map, cert: r.ClientCert, name: r.ClientName, from: fmt.Sprintf("%s:%d", r.File, r.Line)}
}

// allows tells whether somebody who has this name outside of PostgreSQL may log in
// as a user.
func (a *Access) allows(d *demand, outside, user string) bool {
	if d.users == "" {
		return outside == user
	}
	return a.maps.Map(d.users, outside, user, nil)
}

// Explain says in words how a client is to show who it is, and by which line.
func (a *Access) Explain(c hba.Client) string {
	if a.lines == nil {
		return fmt.Sprintf("auth_type applies to every client: %v\n", a.always.method)
	}
	return a.lines.Explain(c, blockingFacts).String()
}

// passwordMethods are those of package auth.
var passwordMethods = map[hba.Method]auth.Method{
	hba.Password: auth.Plain, hba.MD5: auth.MD5, hba.SCRAM: auth.SCRAM,
}

// readAccessFile reads one file of lines.
func readAccessFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	return io.ReadAll(io.LimitReader(f, hba.MaxBytes+1))
}

// listFolder is for include_dir.
func listFolder(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if st, err := os.Stat(filepath.Join(dir, e.Name())); err == nil && !st.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}
