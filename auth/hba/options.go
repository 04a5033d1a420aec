package hba

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// options are PostgreSQL's options that belong to methods. words is how
// PostgreSQL lists those. clientcert and clientname belong to a type of
// connection, see setOption.
var options = map[string]struct {
	words   string
	methods []string
}{
	"map":                    {"ident, peer, gssapi, sspi, cert, and oauth", []string{"ident", "peer", "gss", "sspi", "cert", "oauth"}},
	"pamservice":             {"pam", []string{"pam"}},
	"pam_use_hostname":       {"pam", []string{"pam"}},
	"ldapurl":                {"ldap", []string{"ldap"}},
	"ldaptls":                {"ldap", []string{"ldap"}},
	"ldapscheme":             {"ldap", []string{"ldap"}},
	"ldapserver":             {"ldap", []string{"ldap"}},
	"ldapport":               {"ldap", []string{"ldap"}},
	"ldapbinddn":             {"ldap", []string{"ldap"}},
	"ldapbindpasswd":         {"ldap", []string{"ldap"}},
	"ldapsearchattribute":    {"ldap", []string{"ldap"}},
	"ldapsearchfilter":       {"ldap", []string{"ldap"}},
	"ldapbasedn":             {"ldap", []string{"ldap"}},
	"ldapprefix":             {"ldap", []string{"ldap"}},
	"ldapsuffix":             {"ldap", []string{"ldap"}},
	"krb_realm":              {"gssapi and sspi", []string{"gss", "sspi"}},
	"include_realm":          {"gssapi and sspi", []string{"gss", "sspi"}},
	"compat_realm":           {"sspi", []string{"sspi"}},
	"upn_username":           {"sspi", []string{"sspi"}},
	"radiusservers":          {"radius", []string{"radius"}},
	"radiusports":            {"radius", []string{"radius"}},
	"radiussecrets":          {"radius", []string{"radius"}},
	"radiusidentifiers":      {"radius", []string{"radius"}},
	"issuer":                 {"oauth", []string{"oauth"}},
	"scope":                  {"oauth", []string{"oauth"}},
	"validator":              {"oauth", []string{"oauth"}},
	"delegate_ident_mapping": {"oauth", []string{"oauth"}},
	"clientcert":             {},
	"clientname":             {},
}

var clientCerts = map[string]ClientCert{"verify-ca": CertVerifyCA, "verify-full": CertVerifyFull}

var certNames = map[string]CertName{"CN": NameCN, "DN": NameDN}

// setOption sets one NAME=VALUE of a line. Of one that comes twice the last
// counts. The error shows no value, nor a word that may be a part of one.
func (r *Rule) setOption(method, text string) error {
	name, value, ok := strings.Cut(text, "=")
	o, known := options[name]
	if !ok && !known {
		return errors.New("authentication option not in name=value format")
	}
	if !ok {
		return fmt.Errorf("authentication option not in name=value format: %q", text)
	}
	if !known {
		return fmt.Errorf("unrecognized authentication option name: %q%s", name, suggestion(name, slices.Sorted(maps.Keys(options))))
	}
	if o.methods != nil && !slices.Contains(o.methods, method) {
		return fmt.Errorf("authentication option %q is only valid for authentication methods %s", name, o.words)
	}
	switch name {
	case "map":
		r.Map = value
	case "clientcert":
		if r.Type != HostSSL {
			return errors.New(`clientcert can only be configured for "hostssl" rows`)
		}
		if r.ClientCert, ok = clientCerts[value]; !ok {
			return fmt.Errorf("invalid value for clientcert: %q%s", value, suggestion(value, slices.Sorted(maps.Keys(clientCerts))))
		}
		if method == "cert" && r.ClientCert != CertVerifyFull {
			return errors.New(`clientcert only accepts "verify-full" when using "cert" authentication`)
		}
	case "clientname":
		if r.Type != HostSSL {
			return errors.New(`clientname can only be configured for "hostssl" rows`)
		}
		if r.ClientName, ok = certNames[value]; !ok {
			return fmt.Errorf("invalid value for clientname: %q; it is CN or DN", value)
		}
	}
	return nil
}
