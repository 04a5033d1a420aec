package hba

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

// What the regular expressions may cost, by the states of their programs.
const (
	maxPattern  = 10000   // of one
	maxPatterns = 1000000 // of a file with its includes
	maxRepeat   = 255     // PostgreSQL's own bound of {m,n}
)

// sameEscapes are the letters that mean the same after a backslash in
// PostgreSQL's regular expressions and in RE2's. \b is a backspace there and a
// word boundary here, and \12 may be a back reference.
const sameEscapes = "dDsSwWAafnrtv"

// compile makes the regular expression of a token, without the slash. As in
// PostgreSQL it is not anchored, case counts, and a dot is any character,
// newlines too. It fails for what RE2 does not have (back references,
// look-around) and for what means something else there.
func (l *loader) compile(pattern string) (*regexp.Regexp, error) {
	if err := foreign(pattern); err != nil {
		return nil, fmt.Errorf("invalid regular expression %q: %w", pattern, err)
	}
	parsed, err := syntax.Parse("(?s)"+pattern, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("invalid regular expression %q: %w", pattern, reason(err))
	}
	size := cost(parsed)
	if l.patterns += size; size > maxPattern || l.patterns > maxPatterns {
		return nil, fmt.Errorf("invalid regular expression %q: too large", pattern)
	}
	re, err := regexp.Compile("(?s)" + pattern)
	if err != nil {
		return nil, fmt.Errorf("invalid regular expression %q: %w", pattern, reason(err))
	}
	return re, nil
}

// reason is an error of regexp/syntax without the pattern, which we have put a
// prefix to.
func reason(err error) error {
	var e *syntax.Error
	if errors.As(err, &e) {
		return errors.New(e.Code.String())
	}
	return err
}

// foreign tells what pgweir cannot take over from PostgreSQL's regular
// expressions, PostgreSQL's manual 9.7.3.
func foreign(p string) error {
	for i := 0; i < len(p); i++ {
		switch {
		case p[i] == '\\':
			if i++; i < len(p) && alnum(p[i]) && !strings.Contains(sameEscapes, p[i:i+1]) {
				return fmt.Errorf("pgweir does not have PostgreSQL's \\%c", p[i])
			}
		case p[i] == '[':
			end, err := bracket(p, i)
			if err != nil {
				return err
			}
			i = end
		case strings.HasPrefix(p[i:], "(?"):
			if !strings.HasPrefix(p[i:], "(?:") && (i > 0 || !strings.HasPrefix(p, "(?i)")) {
				return errors.New("of what begins with (? pgweir has (?:…) only, and (?i) at the start")
			}
		case p[i] == '{' && i+1 < len(p) && digit(p[i+1]):
			if err := repeat(p[i:]); err != nil {
				return err
			}
		}
	}
	return nil
}

var repeats = regexp.MustCompile(`^\{(\d+)(?:,(\d*))?\}`)

// repeat checks the {m,n} at the start of p.
func repeat(p string) error {
	m := repeats.FindStringSubmatch(p)
	if m == nil {
		return errors.New("invalid repetition count")
	}
	for _, count := range m[1:] {
		if n, err := strconv.Atoi(count); count != "" && (err != nil || n > maxRepeat) {
			return fmt.Errorf("a repetition count is above %d", maxRepeat)
		}
	}
	return nil
}

// bracket gives the end of the bracket expression that begins at i. One that
// does not end is left to the compiler.
func bracket(p string, i int) (end int, err error) {
	i++
	if i < len(p) && p[i] == '^' {
		i++
	}
	for first := i; i < len(p); i++ {
		switch {
		case p[i] == ']' && i > first:
			return i, nil
		case p[i] == '\\':
			if i++; i < len(p) && alnum(p[i]) && !strings.Contains(sameEscapes, p[i:i+1]) {
				return 0, fmt.Errorf("pgweir does not have PostgreSQL's \\%c", p[i])
			}
		case p[i] == '[' && i+1 < len(p) && (p[i+1] == '.' || p[i+1] == '='):
			return 0, fmt.Errorf("pgweir does not have PostgreSQL's [%c%c]", p[i+1], p[i+1])
		case p[i] == '[' && i+1 < len(p) && p[i+1] == ':':
			class := strings.Index(p[i:], ":]")
			if class < 0 {
				return 0, errors.New("invalid character class")
			}
			i += class + 1
		}
	}
	return len(p), nil
}

// cost is about how many states the program of a regular expression has.
func cost(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		n += cost(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max) + 1
	}
	return min(n, 1<<30)
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func alnum(c byte) bool { return digit(c) || letter(c) }
