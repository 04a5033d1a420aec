package ldaptest

import (
	"encoding/hex"
	"errors"
	"strings"
)

// filter tells whether an entry fits.
type filter func(Entry) bool

var errFilter = errors.New("no filter that is known here")

// parseFilter reads one filter of RFC 4515: and, or, not, equality, presence and a
// star in the midst.
func parseFilter(s string) (f filter, rest string, err error) {
	if len(s) < 3 || s[0] != '(' {
		return nil, "", errFilter
	}
	switch s[1] {
	case '&', '|', '!':
		return parseList(s[1], s[2:])
	}
	body, rest, ok := strings.Cut(s[1:], ")")
	attribute, value, equal := strings.Cut(body, "=")
	if !ok || !equal {
		return nil, "", errFilter
	}
	parts := strings.Split(value, "*")
	for i, p := range parts {
		if parts[i], err = unescape(p); err != nil {
			return nil, "", err
		}
	}
	return func(e Entry) bool {
		for name, values := range e.Attributes {
			for _, v := range values {
				if strings.EqualFold(name, attribute) && like(strings.ToLower(v), parts) {
					return true
				}
			}
		}
		return false
	}, rest, nil
}

func parseList(kind byte, s string) (f filter, rest string, err error) {
	var all []filter
	for strings.HasPrefix(s, "(") {
		one, rest, err := parseFilter(s)
		if err != nil {
			return nil, "", err
		}
		all, s = append(all, one), rest
	}
	if !strings.HasPrefix(s, ")") || len(all) == 0 {
		return nil, "", errFilter
	}
	return func(e Entry) bool {
		for _, one := range all {
			switch is := one(e); {
			case kind == '!':
				return !is
			case kind == '|' && is:
				return true
			case kind == '&' && !is:
				return false
			}
		}
		return kind == '&'
	}, s[1:], nil
}

// like tells whether a value has the parts with anything in between.
func like(v string, parts []string) bool {
	first, last := strings.ToLower(parts[0]), strings.ToLower(parts[len(parts)-1])
	if len(parts) == 1 {
		return v == first
	}
	return len(v) >= len(first)+len(last) && strings.HasPrefix(v, first) && strings.HasSuffix(v, last)
}

// unescape reads a value's \xx.
func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", errFilter
		}
		c, err := hex.DecodeString(s[i+1 : i+3])
		if err != nil {
			return "", errFilter
		}
		b.Write(c)
		i += 2
	}
	return b.String(), nil
}
