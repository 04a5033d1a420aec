package pgbouncer

import (
	"errors"
	"strings"
)

// pair is "key=value" of a connection string.
type pair struct{ key, value string }

var errConnString = errors.New(`is not "name=value name=value ..."; a value with blanks is put in single quotes, with two for one, and none is empty`)

// connString reads the value of a database, a user or a peer. Blanks are spaces only.
// As in PgBouncer, one character after a closing quote is skipped, whatever it is. The
// error does not show the value, which may hold a password.
func connString(text string) (pairs []pair, err error) {
	for text = strings.TrimLeft(text, " "); text != ""; text = strings.TrimLeft(text, " ") {
		var p pair
		end := strings.IndexAny(text, "= ")
		if end <= 0 {
			return nil, errConnString
		}
		p.key = text[:end]
		text = strings.TrimLeft(text[end:], " ")
		if text == "" || text[0] != '=' {
			return nil, errConnString
		}
		p.value, text, err = connValue(strings.TrimLeft(text[1:], " "))
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

func connValue(text string) (value, rest string, err error) {
	if !strings.HasPrefix(text, "'") {
		value, rest, _ = strings.Cut(text, " ")
	} else if value, rest, err = unquoted(text[1:]); err != nil {
		return "", "", err
	}
	if value == "" {
		return "", "", errConnString
	}
	return value, rest, nil
}

// unquoted reads to the closing quote.
func unquoted(text string) (value, rest string, err error) {
	var b strings.Builder
	for {
		end := strings.IndexByte(text, '\'')
		if end < 0 {
			return "", "", errConnString
		}
		b.WriteString(text[:end])
		text = text[end+1:]
		if !strings.HasPrefix(text, "'") {
			break
		}
		b.WriteByte('\'')
		text = text[1:]
	}
	if text != "" {
		text = text[1:]
	}
	return b.String(), text, nil
}
