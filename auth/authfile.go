package auth

import (
	"fmt"
	"strings"
)

// Entry is a user and what is stored of the password, in any form that
// ParseSecret reads. Next is another one that is good too; "" is none.
type Entry struct{ Name, Secret, Next string }

// Format gives the name only, so that no secret gets into a log.
func (e Entry) Format(f fmt.State, _ rune) { f.Write([]byte(e.Name)) }

// ParseAuthFile reads PgBouncer's auth_file. A line is
//
//	"user" "secret" and anything more, which is ignored
//
// where "" inside the quotes stands for one quote. Empty lines are skipped, and
// so are those that begin with ';' or '#', and a byte order mark at the start of
// the file. Of a user who comes twice the last line counts, as in PgBouncer; the
// entries hold both. Errors name the file and the line, and never what is between
// quotes.
func ParseAuthFile(name string, data []byte) ([]Entry, error) {
	var entries []Entry
	number := 0
	for line := range strings.SplitSeq(strings.TrimPrefix(string(data), "\ufeff"), "\n") {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == ';' || line[0] == '#' {
			continue
		}
		e, err := parseAuthLine(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func parseAuthLine(line string) (e Entry, err error) {
	e.Name, line, err = quoted(line, "user name")
	if err != nil {
		return Entry{}, err
	}
	if e.Name == "" {
		return Entry{}, fmt.Errorf("the user name is empty")
	}
	e.Secret, _, err = quoted(strings.TrimLeft(line, " \t"), "password")
	if err != nil {
		return Entry{}, err
	}
	if _, err := ParseSecret(e.Secret); err != nil {
		return Entry{}, fmt.Errorf("user %q: %w", e.Name, err)
	}
	return e, nil
}

// quoted reads the "..." at the start of s.
func quoted(s, what string) (value, rest string, err error) {
	if s == "" || s[0] != '"' {
		return "", "", fmt.Errorf("expected the %s in double quotes", what)
	}
	var b strings.Builder
	for s = s[1:]; ; s = s[1:] {
		end := strings.IndexByte(s, '"')
		if end < 0 {
			return "", "", fmt.Errorf("the %s has no closing quote on this line", what)
		}
		b.WriteString(s[:end])
		s = s[end+1:]
		if s == "" || s[0] != '"' {
			break
		}
		b.WriteByte('"')
	}
	value = b.String()
	if strings.IndexByte(value, 0) >= 0 {
		return "", "", fmt.Errorf("the %s holds a NUL", what)
	}
	return value, s, nil
}
