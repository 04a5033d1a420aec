package hba

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// scopes are the words for a Scope in a URL: RFC 4516's, and OpenLDAP's others.
var scopes = map[string]Scope{
	"": ScopeBase, "base": ScopeBase, "one": ScopeOne, "onelevel": ScopeOne, "sub": ScopeSub, "subtree": ScopeSub,
	"children": ScopeChildren, "subordinate": ScopeChildren,
}

// url takes over what an ldapurl has (RFC 4516): ldap[s]://host[:port]/basedn, then
// behind question marks attributes, of which the first counts, the scope, the filter,
// and extensions, which mean nothing. What it does not have, but for the port, the
// scheme and the scope, stays as it was.
func (o *ldapOptions) url(text string) error {
	bad := func(why error) error { return fmt.Errorf("could not parse LDAP URL %q: %w", text, why) }
	rest := text
	if inner, ok := strings.CutPrefix(rest, "<"); ok {
		if rest, ok = strings.CutSuffix(inner, ">"); !ok {
			return bad(errors.New("the < at its start is not closed"))
		}
	}
	if len(rest) >= 4 && strings.EqualFold(rest[:4], "URL:") {
		rest = rest[4:]
	}
	scheme, rest, ok := strings.Cut(rest, "://")
	switch scheme = strings.ToLower(scheme); {
	case !ok, scheme != "ldap" && scheme != "ldaps" && scheme != "ldapi":
		return bad(errors.New("it begins neither with ldap:// nor with ldaps://"))
	case scheme == "ldapi":
		return fmt.Errorf("unsupported LDAP URL scheme: %s", scheme)
	}
	o.d.TLS = scheme == "ldaps"
	o.d.Port = defaultPort(o.d.TLS)
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	if err := o.urlHost(rest[:end]); err != nil {
		return bad(err)
	}
	rest = rest[end:]
	if rest == "" || rest[0] == '?' { // there is no name, and nothing behind it is read
		o.d.Scope = ScopeBase
		return nil
	}
	if err := o.urlParts(strings.Split(rest[1:], "?")); err != nil {
		return bad(err)
	}
	return nil
}

// urlHost takes over the host and the port.
func (o *ldapOptions) urlHost(text string) error {
	host, port := text, ""
	if inner, ok := strings.CutPrefix(text, "["); ok {
		var closed bool
		if host, port, closed = strings.Cut(inner, "]"); !closed {
			return errors.New("the [ of its address is not closed")
		}
	} else if i := strings.IndexByte(text, ':'); i >= 0 {
		host, port = text[:i], text[i:]
	}
	if port != "" && port != ":0" {
		if port[0] != ':' || o.port(port[1:]) != nil {
			return errors.New("its port is no number from 1 to 65535")
		}
	}
	host, err := unescaped(host)
	if err != nil {
		return errors.New("its host has a % without two hexadecimal digits")
	}
	if host != "" {
		o.servers = host
	}
	return nil
}

// urlParts takes over what stands between the question marks.
func (o *ldapOptions) urlParts(parts []string) error {
	if len(parts) > 5 || len(parts) == 5 && parts[4] == "" {
		return errors.New("there is a question mark too many")
	}
	parts = append(parts, "", "", "", "")[:4]
	for i, part := range parts {
		var err error
		if parts[i], err = unescaped(part); err != nil {
			return errors.New("it has a % without two hexadecimal digits")
		}
	}
	o.d.BaseDN, o.given["ldapbasedn"] = parts[0], true
	if attribute, _, _ := strings.Cut(parts[1], ","); attribute != "" {
		o.d.Attribute, o.given["ldapsearchattribute"] = attribute, true
	}
	scope, ok := scopes[strings.ToLower(parts[2])]
	if !ok {
		return fmt.Errorf("its scope is %q; it can be base, one, sub or children", parts[2])
	}
	o.d.Scope = scope
	if parts[3] != "" {
		o.d.Filter, o.given["ldapsearchfilter"] = parts[3], true
	}
	return nil
}

// unescaped is text with the bytes for its %xx (RFC 3986, 2.1).
func unescaped(text string) (string, error) {
	parts := strings.Split(text, "%")
	for i, part := range parts[1:] {
		if len(part) < 2 {
			return "", hex.ErrLength
		}
		b, err := hex.DecodeString(part[:2])
		if err != nil {
			return "", err
		}
		parts[i+1] = string(b) + part[2:]
	}
	return strings.Join(parts, ""), nil
}
