package config

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"time"
)

// kind is the type of a setting, as the operator sees it.
type kind uint8

const (
	kindInt      kind = iota // a whole number within min and max
	kindDuration             // "30s", or a number of seconds, within min and max (nanoseconds)
	kindFraction             // a number that need not be whole, within min and max
	kindBool                 // true, false, 1 or 0
	kindText                 // a string
	kindPath                 // a string: a file or folder; a relative one starts at the file's folder
	kindList                 // an array of strings, or one string with commas
	kindChoice               // one of a few words
	kindChoices              // a list, as kindList, of some of a few words: one at least
	kindMode                 // a string of octal digits
	kindWorkers              // "auto" (0) or a whole number within min and max
	kindSecret               // a string that is not to be shown
	kindCommand              // a program and its arguments: an array of strings, or one string with blanks
)

// String is the word for the kind in the documentation.
func (k kind) String() string {
	switch k {
	case kindInt:
		return "number"
	case kindDuration:
		return "duration"
	case kindFraction:
		return "fraction"
	case kindBool:
		return "boolean"
	case kindText:
		return "text"
	case kindPath:
		return "path"
	case kindList, kindChoices:
		return "list"
	case kindChoice:
		return "word"
	case kindMode:
		return "file mode"
	case kindSecret:
		return "text"
	case kindCommand:
		return "command"
	case kindWorkers:
		return "number"
	}
	panic("bug: unknown kind of setting")
}

// parse turns what TOML gave (string, int64, float64, bool, []any, ...) into
// the value of a setting: int, time.Duration, float64, bool, string, []string
// or fs.FileMode. Its error is the second half of a sentence that begins with
// the setting's name and a colon.
func (s *spec) parse(raw any) (any, error) {
	switch s.kind {
	case kindInt:
		return s.parseInt(raw, "a whole number")
	case kindWorkers:
		if raw == "auto" {
			return 0, nil
		}
		return s.parseInt(raw, `"auto" or a whole number`)
	case kindDuration:
		return s.parseDuration(raw)
	case kindFraction:
		return s.parseFraction(raw)
	case kindBool:
		return parseBool(raw)
	case kindText, kindPath:
		return parseText(raw)
	case kindList:
		return parseList(raw)
	case kindChoices:
		return s.parseChoices(raw)
	case kindChoice:
		return s.parseChoice(raw)
	case kindMode:
		return parseMode(raw)
	case kindSecret:
		text, err := parseText(raw)
		if err != nil {
			return nil, err
		}
		return Secret(text.(string)), nil
	case kindCommand:
		return parseCommand(raw)
	}
	panic("bug: unknown kind of setting")
}

// secret tells whether values of the kind are not to be shown, even in errors.
func (k kind) secret() bool { return k == kindSecret || k == kindCommand }

// wanted is the error for a value that is not to be shown.
func (s *spec) wanted() string {
	if s.kind == kindCommand {
		return `must be a program and its arguments, as a list of strings without zero bytes: ["prog", "arg"]; one string of words and blanks will do, without quotes and backslashes`
	}
	return "must be a string in quotes, without a zero byte"
}

// describe is the kind with its range, for messages.
func (s *spec) describe() string {
	switch {
	case len(s.choices) > 0:
		return s.kind.String() + " (" + strings.Join(s.choices, ", ") + ")"
	case s.span() != "":
		return s.kind.String() + " (" + s.span() + ")"
	}
	return s.kind.String()
}

// number makes of a text from the environment what TOML would have given for it.
func (s *spec) number(raw any) any {
	text, ok := raw.(string)
	if !ok {
		return raw
	}
	switch s.kind {
	case kindInt, kindWorkers:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	case kindBool:
		if b, err := strconv.ParseBool(text); err == nil {
			return b
		}
	}
	return raw
}

// parseCommand makes a program and its arguments, never none.
func parseCommand(raw any) (any, error) {
	var command []string
	switch v := raw.(type) {
	case string:
		if strings.ContainsAny(v, "\"'\\") {
			return nil, errors.New("has quotes or backslashes")
		}
		command = strings.Fields(v)
	case []any:
		for _, item := range v {
			word, ok := item.(string)
			if !ok {
				return nil, errors.New("must be a list of strings")
			}
			command = append(command, word)
		}
	default:
		return nil, errors.New("must be a list of strings")
	}
	if len(command) == 0 || command[0] == "" || strings.ContainsRune(strings.Join(command, ""), 0) {
		return nil, errors.New("names no program")
	}
	return command, nil
}

func (s *spec) parseInt(raw any, want string) (any, error) {
	n, ok := raw.(int64)
	if !ok {
		return nil, wrongType(want, raw)
	}
	if n < s.min || n > s.max {
		return nil, fmt.Errorf("%d is out of range (%s)", n, s.span())
	}
	return int(n), nil
}

func (s *spec) parseDuration(raw any) (any, error) {
	var seconds float64
	switch v := raw.(type) {
	case int64:
		seconds = float64(v)
	case float64:
		seconds = v
	case string:
		d, err := time.ParseDuration(v)
		if n, numErr := strconv.ParseFloat(v, 64); numErr == nil {
			seconds = n // a bare number in quotes, as in pgbouncer.ini
			break
		}
		if err != nil {
			return nil, fmt.Errorf(`%s is not a duration; write "30s", "5m", "1h" or a number of seconds`, quote(v))
		}
		if int64(d) < s.min || int64(d) > s.max {
			return nil, fmt.Errorf("%s is out of range (%s)", v, s.span())
		}
		return d, nil
	default:
		return nil, wrongType(`a duration such as "30s" or a number of seconds`, raw)
	}
	ns := seconds * float64(time.Second)
	// The comparison is false for NaN too.
	if !(ns >= float64(s.min) && ns <= float64(s.max)) {
		return nil, fmt.Errorf("%s is out of range (%s)", strconv.FormatFloat(seconds, 'g', -1, 64), s.span())
	}
	return time.Duration(math.Round(ns)), nil
}

func (s *spec) parseFraction(raw any) (any, error) {
	var f float64
	switch v := raw.(type) {
	case int64:
		f = float64(v)
	case float64:
		f = v
	case string: // in quotes, as durations may be too
		var err error
		if f, err = strconv.ParseFloat(v, 64); err != nil {
			return nil, fmt.Errorf("%s is not a number; write one such as 0.05", quote(v))
		}
	default:
		return nil, wrongType("a number such as 0.05", raw)
	}
	// The comparison is false for NaN too.
	if !(f >= float64(s.min) && f <= float64(s.max)) {
		return nil, fmt.Errorf("%s is out of range (%s)", strconv.FormatFloat(f, 'g', -1, 64), s.span())
	}
	return f, nil
}

func parseBool(raw any) (any, error) {
	switch raw {
	case true, int64(1):
		return true, nil
	case false, int64(0):
		return false, nil
	}
	if n, ok := raw.(int64); ok {
		return nil, fmt.Errorf("%d is neither true nor false", n)
	}
	return nil, wrongType("true or false", raw)
}

func parseText(raw any) (any, error) {
	v, ok := raw.(string)
	if !ok {
		return nil, wrongType("a string", raw)
	}
	// No name, path or query can carry one: it would end early on its way.
	if strings.ContainsRune(v, 0) {
		return nil, fmt.Errorf("%s holds a zero byte", quote(v))
	}
	return v, nil
}

func parseList(raw any) (any, error) {
	var parts []string
	switch v := raw.(type) {
	case string:
		parts = strings.Split(v, ",")
	case []any:
		for _, item := range v {
			text, ok := item.(string)
			if !ok {
				return nil, fmt.Errorf("must be a list of strings; %s in it is none", describe(item))
			}
			parts = append(parts, text)
		}
	default:
		return nil, wrongType("a list of strings", raw)
	}
	var list []string
	for _, part := range parts {
		part = strings.TrimSpace(part)
		if strings.ContainsRune(part, 0) {
			return nil, fmt.Errorf("%s holds a zero byte", quote(part))
		}
		if part != "" {
			list = append(list, part)
		}
	}
	return list, nil
}

func (s *spec) parseChoices(raw any) (any, error) {
	value, err := parseList(raw)
	if err != nil {
		return nil, err
	}
	list := value.([]string)
	for _, word := range list {
		if _, err := s.parseChoice(word); err != nil {
			return nil, err
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("names none of %s", strings.Join(s.choices, ", "))
	}
	return list, nil
}

func (s *spec) parseChoice(raw any) (any, error) {
	v, ok := raw.(string)
	if !ok {
		return nil, wrongType("a string", raw)
	}
	for _, choice := range s.choices {
		if v == choice {
			return v, nil
		}
	}
	return nil, fmt.Errorf("%s is not known; it is one of %s", quote(v), strings.Join(s.choices, ", "))
}

func parseMode(raw any) (any, error) {
	v, ok := raw.(string)
	if !ok {
		return nil, wrongType(`a string of octal digits such as "0770"`, raw)
	}
	n, err := strconv.ParseUint(v, 8, 32)
	if err != nil {
		return nil, fmt.Errorf(`%s is not a file mode; write octal digits such as "0770"`, quote(v))
	}
	if n > 0o777 {
		return nil, fmt.Errorf(`%s is out of range ("0000" to "0777")`, quote(v))
	}
	return fs.FileMode(n), nil
}

func wrongType(want string, raw any) error {
	return fmt.Errorf("must be %s, not %s", want, describe(raw))
}

// describe shows what TOML gave, short enough for one line.
func describe(raw any) string {
	switch v := raw.(type) {
	case string:
		return quote(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case []any:
		return "an array"
	case map[string]any:
		return "a table"
	}
	return "a date or time" // all that TOML has besides
}

// quote puts v in quotes, with what a terminal must not see escaped, and cut
// short if it is long.
func quote(v string) string {
	const most = 60
	if len(v) <= most {
		return strconv.Quote(v)
	}
	return strconv.Quote(strings.ToValidUTF8(v[:most], "")) + "…"
}

// printable is a path as it is, unless that would break the line.
func printable(path string) string {
	for _, r := range path {
		if !strconv.IsPrint(r) {
			return quote(path)
		}
	}
	return path
}

// span is the range of a number, fraction or duration, as messages and
// documentation show it: "1 to 65535".
func (s *spec) span() string {
	switch s.kind {
	case kindInt, kindFraction:
		return fmt.Sprintf("%d to %d", s.min, s.max)
	case kindWorkers:
		return fmt.Sprintf(`%d to %d, or "auto"`, s.min, s.max)
	case kindDuration:
		return fmt.Sprintf("%s to %s", formatDuration(time.Duration(s.min)), formatDuration(time.Duration(s.max)))
	}
	return ""
}

// format prints a value as one would write it, without quotes.
func (s *spec) format(value any) string {
	switch v := value.(type) {
	case int:
		if s.kind == kindWorkers && v == 0 {
			return "auto"
		}
		return strconv.Itoa(v)
	case time.Duration:
		return formatDuration(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case string:
		return v
	case Secret:
		return v.String()
	case []string:
		return strings.Join(v, ", ")
	case fs.FileMode:
		return fmt.Sprintf("%04o", v)
	}
	panic("bug: unknown type of a setting's value")
}

// formatDuration counts in seconds, as PgBouncer's settings do; what is below
// a millisecond it leaves to Go.
func formatDuration(d time.Duration) string {
	if d%time.Millisecond != 0 {
		return d.String()
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}

// store puts a parsed value where a setting's field pointer points.
func store(field, value any) {
	switch p := field.(type) {
	case *int:
		*p = value.(int)
	case **int:
		n := value.(int)
		*p = &n
	case *time.Duration:
		*p = value.(time.Duration)
	case **time.Duration:
		d := value.(time.Duration)
		*p = &d
	case *float64:
		*p = value.(float64)
	case **float64:
		f := value.(float64)
		*p = &f
	case *bool:
		*p = value.(bool)
	case *string:
		*p = value.(string)
	case *Secret:
		*p = value.(Secret)
	case *[]string:
		*p = value.([]string)
	case *fs.FileMode:
		*p = value.(fs.FileMode)
	default:
		panic("bug: unknown type of a setting's field")
	}
}

// load is the value of a top-level setting, from its field pointer.
func load(field any) any {
	switch p := field.(type) {
	case *int:
		return *p
	case *time.Duration:
		return *p
	case *float64:
		return *p
	case *bool:
		return *p
	case *string:
		return *p
	case *Secret:
		return *p
	case *[]string:
		return *p
	case *fs.FileMode:
		return *p
	}
	panic("bug: unknown type of a setting's field")
}
