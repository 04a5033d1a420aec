package config

import (
	"fmt"
	"os"
	"strings"
)

// References to the environment in the text values of the file:
//
//	${NAME}   the value of the variable NAME, which must be set; it may be empty
//	$${       the two characters ${
//
// A dollar sign in any other place is itself, as passwords and auth_query have it.
// What a variable holds is not looked at again.

// fromEnvironment puts variables in for the references in a value, also in those of
// a list. found are the references, for messages: what they stand for may be a
// secret. The error names the variable that is not set.
func fromEnvironment(raw any) (value any, found []string, err error) {
	switch v := raw.(type) {
	case string:
		return expand(v)
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			var more []string
			if out[i], more, err = fromEnvironment(item); err != nil {
				return nil, nil, err
			}
			found = append(found, more...)
		}
		return out, found, nil
	}
	return raw, nil, nil
}

func expand(text string) (_ any, found []string, err error) {
	var b strings.Builder
	for {
		at := strings.IndexByte(text, '$')
		if at < 0 {
			break
		}
		b.WriteString(text[:at])
		text = text[at:]
		if rest, ok := strings.CutPrefix(text, "$${"); ok {
			b.WriteString("${")
			text = rest
			continue
		}
		rest, ok := strings.CutPrefix(text, "${")
		if !ok {
			b.WriteByte('$')
			text = text[1:]
			continue
		}
		name, rest, closed := strings.Cut(rest, "}")
		if !closed || !isVariable(name) {
			return nil, nil, fmt.Errorf("what follows ${ is no name of an environment variable and a }; write $${ for the two characters themselves")
		}
		value, set := os.LookupEnv(name)
		if !set {
			return nil, nil, fmt.Errorf("the environment variable %s is not set", name)
		}
		b.WriteString(value)
		found = append(found, "${"+name+"}")
		text = rest
	}
	b.WriteString(text)
	return b.String(), found, nil
}

// isVariable tells whether a shell could set a variable of this name.
func isVariable(name string) bool {
	for i, c := range []byte(name) {
		if !(c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return name != ""
}
