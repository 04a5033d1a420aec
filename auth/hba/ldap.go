package hba

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Directory is the LDAP servers of a line, and how a user is found there. There are
// two ways: the name to bind with is made of the user's with a prefix and a suffix,
// or the user's entry is looked for.
type Directory struct {
	Servers  []string // host names or addresses, at least one; the first that answers is asked
	Port     int
	TLS      bool // ldaps: TLS from the start
	StartTLS bool

	Search         bool   // the user is looked for; false: Prefix and Suffix make the name
	Prefix, Suffix string // of the name to bind with

	BaseDN       string // where the search begins
	Scope        Scope
	BindDN       string // as whom it is searched; "" for anonymously
	BindPassword Hidden
	Attribute    string // that has the user's name; "" if Filter is there
	Filter       string // with $username for the user's name

	// options are what has been written, for Rule.String, without the password.
	options []string
}

// Scope is how far a search goes: LDAP's numbers (RFC 4511, 4.5.1.2), and OpenLDAP's
// for the entries below the base alone.
type Scope int

const (
	ScopeBase Scope = iota
	ScopeOne
	ScopeSub
	ScopeChildren
)

// Hidden is text that is not to be shown.
type Hidden string

// String and Format hide the text from every verb of package fmt.
func (Hidden) String() string             { return hidden }
func (Hidden) Format(f fmt.State, _ rune) { f.Write([]byte(hidden)) }

const hidden = "********"

// ParseDirectory reads options of a line with the method ldap that stand by themselves,
// with blanks or commas in between (PgBouncer's auth_ldap_options). The error shows no
// password.
func ParseDirectory(text string) (*Directory, error) {
	var o ldapOptions
	var problems []error
	for text != "" {
		t, rest, _, is, err := next(text)
		if err != nil {
			return nil, err
		}
		text = rest
		if !is {
			continue
		}
		var r Rule
		switch name, _, _ := strings.Cut(t.text, "="); name {
		case "map", "clientcert", "clientname":
			err = fmt.Errorf("authentication option %q has no place here", name)
		default:
			err = o.option(&r, t.text)
		}
		if err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return nil, problems[0]
	}
	return o.finish()
}

var errBlanks = errors.New("authentication option not in name=value format: a value with blanks or commas stands in double quotes")

// ldapOptions are the options of a line as they are read. Of one that comes twice the
// last counts, and ldapurl is several.
type ldapOptions struct {
	d       Directory
	servers string
	given   map[string]bool
	secret  bool // ldapbindpasswd has come, in whatever form
}

// option sets one NAME=VALUE of a line. Behind ldapbindpasswd a word that is no option
// may be a part of the password.
func (o *ldapOptions) option(r *Rule, text string) error {
	name, _, _ := strings.Cut(text, "=")
	if _, known := options[name]; !known && o.secret {
		return errBlanks
	}
	o.secret = o.secret || name == "ldapbindpasswd"
	if err := r.setOption("ldap", text); err != nil {
		return err
	}
	return o.set(text)
}

// set sets one NAME=VALUE, whose name is known.
func (o *ldapOptions) set(text string) error {
	name, value, _ := strings.Cut(text, "=")
	if o.given == nil {
		o.given = map[string]bool{}
		o.d.Scope = ScopeSub
	}
	if !strings.HasPrefix(name, "ldap") {
		return nil // an option of other methods too
	}
	if name == "ldapbindpasswd" {
		text = name + "=" + hidden
	}
	o.d.options = append(o.d.options, token{text: text}.String())
	o.given[name] = true
	d := &o.d
	switch name {
	case "ldapurl":
		return o.url(value)
	case "ldapserver":
		o.servers = value
	case "ldapport":
		return o.port(value)
	case "ldapscheme":
		if value != "ldap" && value != "ldaps" {
			return fmt.Errorf("invalid ldapscheme value: %q", value)
		}
		d.TLS = value == "ldaps"
	case "ldaptls":
		if value != "0" && value != "1" {
			return fmt.Errorf("invalid ldaptls value: %q; it is 0 or 1", value)
		}
		d.StartTLS = value == "1"
	case "ldapprefix":
		d.Prefix = value
	case "ldapsuffix":
		d.Suffix = value
	case "ldapbasedn":
		d.BaseDN = value
	case "ldapbinddn":
		d.BindDN = value
	case "ldapbindpasswd":
		d.BindPassword = Hidden(value)
	case "ldapsearchattribute":
		d.Attribute = value
	case "ldapsearchfilter":
		d.Filter = value
	}
	return nil
}

func (o *ldapOptions) port(text string) error {
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return fmt.Errorf("invalid LDAP port number: %q", text)
	}
	o.d.Port = port
	return nil
}

// finish tells what does not go together, and what is missing, in PostgreSQL's words.
func (o *ldapOptions) finish() (*Directory, error) {
	d, g := &o.d, o.given
	made := g["ldapprefix"] || g["ldapsuffix"]
	looked := slices.ContainsFunc([]string{"ldapbasedn", "ldapbinddn", "ldapbindpasswd", "ldapsearchattribute", "ldapsearchfilter"},
		func(name string) bool { return g[name] })
	switch {
	case made && looked:
		return nil, errors.New("cannot use ldapbasedn, ldapbinddn, ldapbindpasswd, ldapsearchattribute, ldapsearchfilter, or ldapurl together with ldapprefix")
	case !made && !g["ldapbasedn"]:
		return nil, errors.New(`authentication method "ldap" requires argument "ldapbasedn", "ldapprefix", or "ldapsuffix" to be set`)
	case g["ldapsearchattribute"] && g["ldapsearchfilter"]:
		return nil, errors.New("cannot use ldapsearchattribute together with ldapsearchfilter")
	}
	d.Servers = strings.Fields(o.servers)
	switch {
	case len(d.Servers) == 0:
		return nil, errors.New("ldapserver is missing: pgweir looks for no LDAP servers in DNS")
	case d.TLS && d.StartTLS:
		return nil, errors.New(`cannot use ldaptls together with ldapscheme "ldaps", which is TLS from the start`)
	}
	d.Search = !made
	if d.Search && d.Attribute == "" && d.Filter == "" {
		d.Attribute = "uid"
	}
	if d.Port == 0 {
		d.Port = defaultPort(d.TLS)
	}
	return d, nil
}

// defaultPort is that of ldap and ldaps (RFC 4516, 2; IANA).
func defaultPort(tls bool) int {
	if tls {
		return 636
	}
	return 389
}

// masked is the line without its comment and its password.
func (ln *line) masked() string {
	words := make([]string, len(ln.fields))
	for i, f := range ln.fields {
		shown := slices.Clone(f)
		for j, t := range shown {
			if strings.HasPrefix(t.text, "ldapbindpasswd=") {
				shown[j].text = "ldapbindpasswd=" + hidden
			}
		}
		words[i] = shown.String()
	}
	return strings.Join(words, " ")
}
