package pgbouncer

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"pgweir/config"
)

// Setting is a general setting of PgBouncer's as pgweir has it, by name and by value, for
// SET on PgBouncer's console. Names and values that are pgweir's own stay as they are.
func Setting(name, value string) (ownName, ownValue string, err error) {
	s := find(general, name)
	if s == nil {
		return name, value, nil // it is pgweir's, or nobody's
	}
	parsed, err := s.parse(value)
	switch {
	case s.fate >= process:
		return "", "", errors.New("\"" + name + "\" cannot be set: " + counterpart("", name))
	case err != nil && s.kind == kindFlag && !isBool(value):
		return "", "", fmt.Errorf("%s: must be 1 or 0, not %s", name, config.Quote(value))
	case err != nil:
		return s.target(), value, nil // as pgweir writes it, or wrong in either way
	case s.name == "auth_type" && parsed == "pam":
		return "", "", errors.New("\"" + name + "\" cannot be set: " + s.note)
	}
	folder, err := os.Getwd()
	if err != nil {
		return "", "", fmt.Errorf("the current folder: %w", err)
	}
	t := &translator{folder: folder, set: map[string]string{}}
	if s.name == "min_pool_size" { // which no other setting caps here
		return s.target(), strconv.FormatInt(parsed.(int64), 10), nil
	}
	converted, _, err := t.convert(s, value, parsed)
	if err != nil {
		return "", "", fmt.Errorf("\"%s\": %w", name, err)
	}
	return s.target(), written(converted), nil
}

// isBool tells whether a text is a boolean as pgweir writes it.
func isBool(text string) bool {
	_, err := strconv.ParseBool(text)
	return err == nil
}

// written is a value of convert's as one would write it, without quotes.
func written(value any) string {
	list, ok := value.([]any)
	if !ok {
		return fmt.Sprint(value)
	}
	var words []string
	for _, v := range list {
		words = append(words, fmt.Sprint(v))
	}
	return strings.Join(words, ", ")
}
