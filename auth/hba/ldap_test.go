package hba

import (
	"fmt"
	"strings"
	"testing"
)

// directory gives our reading of a line's options as the view's would be, with what
// PostgreSQL leaves out where it is the default.
func directory(d *Directory) []string {
	scheme := "ldap"
	if d.TLS {
		scheme = "ldaps"
	}
	return []string{
		"server=" + strings.Join(d.Servers, " "), fmt.Sprint("port=", d.Port), "scheme=" + scheme, fmt.Sprint("tls=", d.StartTLS),
		"prefix=" + d.Prefix, "suffix=" + d.Suffix, "basedn=" + d.BaseDN, "binddn=" + d.BindDN, "bindpasswd=" + string(d.BindPassword),
		"searchattribute=" + d.Attribute, "searchfilter=" + d.Filter, fmt.Sprint("scope=", int(d.Scope)),
	}
}

// directoryOf makes the same of what PostgreSQL shows.
func directoryOf(options []string) []string {
	m := map[string]string{}
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		m[strings.TrimPrefix(name, "ldap")] = value
	}
	orElse := func(name, value string) string {
		if m[name] == "" {
			return value
		}
		return m[name]
	}
	scheme := orElse("scheme", "ldap")
	port := map[string]string{"ldap": "389", "ldaps": "636"}[scheme]
	attribute := m["searchattribute"]
	if _, looked := m["basedn"]; looked && m["searchfilter"] == "" {
		attribute = orElse("searchattribute", "uid")
	}
	return []string{
		"server=" + strings.Join(strings.Fields(m["server"]), " "), "port=" + orElse("port", port), "scheme=" + scheme, "tls=" + orElse("tls", "false"),
		"prefix=" + m["prefix"], "suffix=" + m["suffix"], "basedn=" + m["basedn"], "binddn=" + m["binddn"], "bindpasswd=" + m["bindpasswd"],
		"searchattribute=" + attribute, "searchfilter=" + m["searchfilter"], "scope=" + orElse("scope", "0"),
	}
}

func TestLDAPOptionsAreReadAsPostgreSQLReadsThem(t *testing.T) {
	const folder = "testdata/ldap"
	theirs := postgres(t, folder+"/pg15.json", "pg_hba.conf")
	mine, words := readingOf(t, folder), 0
	compare(t, "15", mine, theirs, remarks(t, folder, "pg_hba.conf"))
	// Where both refuse a line, the words are PostgreSQL's, up to our own reasons behind.
	for at, texts := range theirs {
		for _, text := range texts {
			if text, ok := strings.CutPrefix(text, "error: "); ok && len(mine[at]) == 1 {
				text, _, _ = strings.Cut(text, `": `) // libldap's reason, which says the wrong thing
				text = strings.TrimSuffix(text, "ident, peer, gssapi, sspi, and cert")
				text, _, _ = strings.Cut(text, ": ldapserver") // which is in quotes here
				if !strings.HasPrefix(mine[at][0], "error: "+text) {
					t.Errorf("line %d: %q, and PostgreSQL says %q", at.line, mine[at][0], text)
				}
				words++
			}
		}
	}
	if words < 25 {
		t.Errorf("%d errors only were compared", words)
	}
}

func TestAPasswordOfALineIsNotShown(t *testing.T) {
	const secret = "geh eim"
	for _, text := range []string{
		`local all all ldap ldapserver=a ldapbasedn=dc=x ldapbinddn=cn=r ldapbindpasswd="geh eim" # ldapbindpasswd=geh eim`,
		`local all all ldap ldapserver=a ldapbasedn=dc=x ldapbinddn=cn=r "ldapbindpasswd=geh eim"`,
		`local all all ldap ldapserver=a ldapbasedn=dc=x ldapbinddn=cn=r ldap"bindpasswd"="geh eim"`,
		"local all all ldap ldapserver=a ldapbasedn=dc=x ldapbinddn=cn=r ldapbind\\\npasswd=\"geh eim\"",
	} {
		rs := mustLoad(t, text)
		r := rs.List()[0]
		e := rs.Explain(Client{Local: true, Database: "d", User: "u"}, Facts{})
		shown := fmt.Sprintf("%s %v %+v %#v %s %s", r, *r, *r.LDAP, *r.LDAP, e, r.Text)
		if strings.Contains(shown, "geh") {
			t.Errorf("%s is shown as\n%s", text, shown)
		}
		if string(r.LDAP.BindPassword) != secret {
			t.Errorf("the password is %q", string(r.LDAP.BindPassword))
		}
	}
	for _, text := range []string{
		`ldapserver=a ldapbasedn=dc=x ldapbindpasswd=first geheim`,
		`ldapserver=a ldapbasedn=dc=x ldapbindpasswd=first,geheim`,
		`ldapserver=a ldapprefix=x ldapbindpasswd=geheim`,
		`ldapserver=a ldapbasedn=dc=x ldapbindpasswd = geheim`,
		`ldapserver=a ldapbasedn=dc=x ldapbindpasswd geheim==`,
		`ldapserver=a ldapbasedn=dc=x ldapbindpasswd=first geheim==`,
		`ldapserver=a ldapbasedn=dc=x ldapbindpaswd=first geheim`,
		`ldapserver=a radiussecrets=first,geheim`,
	} {
		_, err := Load("pg_hba.conf", tree{"pg_hba.conf": "local all all ldap " + text}.files())
		if problemsOf(t, err); strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", text, err)
		}
		if _, err := ParseDirectory(text); err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestOptionsByThemselvesAreReadAsThoseOfALine(t *testing.T) {
	for _, text := range []string{
		`ldapserver=a ldapprefix="uid=" ldapsuffix=", dc=example"`,
		`ldapurl="ldaps://a/dc=x?uid?sub" ldapbinddn="cn=r" ldapbindpasswd="geheim"`,
		"ldapserver=\"a b\", ldapbasedn=dc=x,\tldaptls=1",
		`"ldapserver"="a" "ldapbasedn"="dc=x"`,
	} {
		d, err := ParseDirectory(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		line := mustLoad(t, "local all all ldap "+strings.ReplaceAll(text, ", ldap", " ldap")).List()[0]
		if got, want := fmt.Sprint(directory(d)), fmt.Sprint(directory(line.LDAP)); got != want {
			t.Errorf("%s\n by itself %s\n in a line %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"":                                `requires argument "ldapbasedn", "ldapprefix", or "ldapsuffix"`,
		"ldapserver":                      "not in name=value format",
		"ldapserve=a":                     `did you mean "ldapserver"?`,
		"radiusservers=a":                 "only valid for authentication methods radius",
		"ldapserver=a ldapprefix=x map=m": `"map" has no place here`,
		"ldapserver=a ldapprefix=x clientcert=no": `"clientcert" has no place here`,
		`ldapserver="a`: "a double quote is not closed",
	} {
		if _, err := ParseDirectory(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzParseDirectory(f *testing.F) {
	for _, text := range []string{
		`ldapurl="ldaps://[::1]:7/dc=x?a,b?one?(cn=$username)?x" ldapbinddn=x ldapbindpasswd=y`, `ldapserver="a b" ldapprefix= ldaptls=1`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDirectory(text)
		if err != nil {
			return
		}
		if len(d.Servers) == 0 || d.Port < 1 || d.Port > 65535 || d.Search && (d.Attribute == "") == (d.Filter == "") || d.TLS && d.StartTLS {
			t.Errorf("%q: %+v", text, d)
		}
	})
}
