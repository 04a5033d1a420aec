package hba

import "strings"

// ConnType is the first field of a line.
type ConnType uint8

const (
	Local        ConnType = iota // over a Unix socket; the others over TCP
	Host                         // with TLS or without
	HostSSL                      // with TLS
	HostNoSSL                    // without TLS
	HostGSSEnc                   // with GSSAPI encryption, which pgweir does not have: fits no client
	HostNoGSSEnc                 // without GSSAPI encryption: as Host
)

var connTypes = []string{"local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc"}

func (t ConnType) String() string { return connTypes[t] }

// Method is how a client shows who it is.
type Method uint8

const (
	Trust    Method = iota // it need not
	Reject                 // it is refused
	SCRAM                  // scram-sha-256
	MD5                    // md5, or scram-sha-256 if that is what is stored
	Password               // password: in clear text
	Cert                   // cert: by its certificate alone
	Peer                   // peer: by its operating system user
	LDAP                   // ldap: by a password that an LDAP server takes for the user's
)

var methods = []string{"trust", "reject", "scram-sha-256", "md5", "password", "cert", "peer", "ldap"}

func (m Method) String() string { return methods[m] }

// ClientCert is what a line asks of the client's certificate, beside its
// method.
type ClientCert uint8

const (
	CertNotAsked   ClientCert = iota
	CertVerifyCA              // one that our authority has signed
	CertVerifyFull            // also: its name is the user's, or mapped to it
)

// CertName is which name of a certificate counts.
type CertName uint8

const (
	NameCN CertName = iota // the common name
	NameDN                 // the distinguished name, as RFC 2253 writes it
)

// Rule is a line of pg_hba.conf.
type Rule struct {
	File string
	Line int    // where it begins
	Text string // as it stands there, with single spaces, no password, and cut at 200 bytes

	Type       ConnType
	Method     Method
	Map        string     // of pg_ident.conf, for Cert and Peer; "" if the names must be equal
	ClientCert ClientCert // CertVerifyFull for Cert
	ClientName CertName
	LDAP       *Directory // of LDAP; nil for the other methods

	databases names
	users     names
	address   address // not of Local
}

// String gives the line in plain form: what @files hold stands in their place.
// It is read as the same line, but for a password, which it does not have.
func (r *Rule) String() string {
	parts := []string{r.Type.String(), r.databases.field.String(), r.users.field.String()}
	if r.Type != Local {
		parts = append(parts, r.address.String())
	}
	parts = append(parts, r.Method.String())
	if r.Map != "" {
		parts = append(parts, token{text: "map=" + r.Map}.String())
	}
	if r.ClientCert == CertVerifyCA {
		parts = append(parts, "clientcert=verify-ca")
	}
	if r.ClientCert == CertVerifyFull {
		parts = append(parts, "clientcert=verify-full")
	}
	if r.ClientName == NameDN {
		parts = append(parts, "clientname=DN")
	}
	if r.LDAP != nil {
		parts = append(parts, r.LDAP.options...)
	}
	return strings.Join(parts, " ")
}

// Rules is a pg_hba.conf with all that it includes. It is never changed.
type Rules struct {
	list []*Rule
}

// List gives the lines in their order. It must not be changed.
func (rs *Rules) List() []*Rule { return rs.list }

// String gives the whole file in plain form, as Rule.String does each line.
func (rs *Rules) String() string {
	var b strings.Builder
	for _, r := range rs.list {
		b.WriteString(r.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// summary is a line's text for people.
func summary(text string) string {
	const most = 200
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
