package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"pgweir/auth/hba"
)

// Verifier asks the servers of one line. It does not change, and any number of
// goroutines may use it.
type Verifier struct {
	at    hba.Directory
	roots *x509.CertPool
	isDN  bool // prefix and suffix make a distinguished name
}

// New makes a Verifier. Certificates of servers must be of roots; nil means the
// system's. The error says what is wrong with a filter or a name of the options.
func New(at *hba.Directory, roots *x509.CertPool) (*Verifier, error) {
	v := &Verifier{at: *at, roots: roots}
	if !at.Search {
		_, err := ldap.ParseDN(at.Prefix + "x" + at.Suffix)
		v.isDN = err == nil && strings.Contains(at.Prefix+at.Suffix, "=")
		return v, nil
	}
	if _, err := ldap.ParseDN(at.BaseDN); err != nil {
		return nil, fmt.Errorf("ldapbasedn %q is no distinguished name", at.BaseDN)
	}
	if strings.ContainsFunc(at.Attribute, func(r rune) bool { return !strings.ContainsRune(attributeBytes, r) }) {
		return nil, fmt.Errorf("%q is no attribute", at.Attribute)
	}
	if _, err := ldap.CompileFilter(v.filter("x")); err != nil {
		return nil, fmt.Errorf("%q is no LDAP filter: %s", v.filter("$username"), shortened(err))
	}
	return v, nil
}

// attributeBytes are those that an attribute is written with (RFC 4512, 2.5).
const attributeBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-;"

// Refusal is why a password is not the user's.
type Refusal struct{ why string }

func (r *Refusal) Error() string { return r.why }

func refusef(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

// errEmpty is an empty password or name. A server takes either for an anonymous login,
// and says that it is fine (RFC 4513, 5.1.1 and 5.1.2).
var errEmpty = refusef("nobody logs in with an empty name or password")

// Verify asks whether a password is the user's. nil says that it is, a Refusal why not,
// and any other error why that cannot be known: for the log, in one line, without the
// password. It takes no longer than the context, nor than timeout.
func (v *Verifier) Verify(ctx context.Context, user, password string) error {
	if user == "" || password == "" {
		return errEmpty
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if v.at.Search && strings.ContainsAny(user, unsearchable) {
		return refusef("a user name with *, (, ), \\ or / is not looked for")
	}
	l, err := v.connect(ctx)
	if err != nil {
		return err
	}
	defer l.close()
	name := v.name(user)
	if v.at.Search {
		if name, err = l.find(v, user); err != nil {
			return err
		}
	}
	if name == "" {
		return errEmpty
	}
	if err := l.conn.Bind(name, password); isWord(err) {
		return refusef("%s does not let %q in: %s", l.server, name, shortened(err))
	} else if err != nil {
		return fmt.Errorf("%s: %s", l.server, shortened(err))
	}
	return nil
}

// Reach says whether a server answers, and lets itself be searched by whom the options
// name. It looks for nobody.
func (v *Verifier) Reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	l, err := v.connect(ctx)
	if err != nil {
		return err
	}
	defer l.close()
	if v.at.Search {
		return l.bindToSearch(v)
	}
	return nil
}

// unsearchable are the characters that PostgreSQL takes in no name that it looks for.
const unsearchable = `*()\/`

// name is what a user's name is made to. In a distinguished name it is escaped, so that
// it stays one value; in others, such as name@domain, it stands as it is.
func (v *Verifier) name(user string) string {
	if v.isDN {
		user = ldap.EscapeDN(user)
	}
	return v.at.Prefix + user + v.at.Suffix
}

// filter is the filter that finds a user. The name is escaped, so that it stays one
// value.
func (v *Verifier) filter(user string) string {
	escaped := ldap.EscapeFilter(user)
	if v.at.Filter == "" {
		return "(" + v.at.Attribute + "=" + escaped + ")"
	}
	f := strings.ReplaceAll(v.at.Filter, "$username", escaped)
	if !strings.HasPrefix(f, "(") { // libldap asks for no parentheses around a simple one
		f = "(" + f + ")"
	}
	return f
}

// find gives the distinguished name of the one entry that is the user's.
func (l *link) find(v *Verifier, user string) (string, error) {
	if err := l.bindToSearch(v); err != nil {
		return "", err
	}
	filter := v.filter(user)
	// Two entries are as bad as any more, and so is one of which the server says that
	// it is not all. 1.1 is no attribute (RFC 4511, 4.5.1.8).
	request := ldap.NewSearchRequest(v.at.BaseDN, int(v.at.Scope), ldap.NeverDerefAliases, 2, int(timeout.Seconds()), false, filter, []string{"1.1"}, nil)
	result, err := l.conn.Search(request)
	many := ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded)
	switch {
	case err != nil && !many:
		return "", fmt.Errorf("%s cannot be searched with %q below %q: %s", l.server, filter, v.at.BaseDN, shortened(err))
	case many || len(result.Entries) > 1:
		return "", refusef("%s has more than one entry for %q below %q", l.server, filter, v.at.BaseDN)
	case len(result.Entries) == 0:
		return "", refusef("%s has no entry for %q below %q", l.server, filter, v.at.BaseDN)
	}
	return result.Entries[0].DN, nil
}

// bindToSearch logs in as who searches.
func (l *link) bindToSearch(v *Verifier) error {
	var err error
	if v.at.BindPassword == "" {
		err = l.conn.UnauthenticatedBind(v.at.BindDN) // with no name: anonymously
	} else {
		err = l.conn.Bind(v.at.BindDN, string(v.at.BindPassword))
	}
	if err != nil {
		return fmt.Errorf("%s does not let ldapbinddn %q in, to search: %s", l.server, v.at.BindDN, shortened(err))
	}
	return nil
}

func (v *Verifier) tls(server string) *tls.Config {
	return &tls.Config{ServerName: server, RootCAs: v.roots, MinVersion: tls.VersionTLS12}
}

// isWord tells that the server itself has said no.
func isWord(err error) bool {
	var e *ldap.Error
	return errors.As(err, &e) && e.ResultCode < ldap.ErrorNetwork
}

// shortened is an error of the library's in one line of printable text: the server's
// own words may stand in it.
func shortened(err error) string {
	text := err.Error()
	var e *ldap.Error
	if isWord(err) && errors.As(err, &e) {
		text = ldap.LDAPResultCodeMap[e.ResultCode]
		if said := e.Err.Error(); said != "" {
			text += ": " + said
		}
	}
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	const most = 300
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
