package wire

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Vars are the settings that differ from client to client as a matter of
// course and whose changes the server reports (GUC_REPORT), so that they can
// be followed without asking: a client's are set anew on each backend that it
// is lent. Values are as the server reports them. Vars are never changed once
// they are shared; whoever changes one makes a copy.
type Vars [NumVars]string

// Places of the settings in Vars.
const (
	VarApplicationName = iota
	VarClientEncoding
	VarDateStyle
	VarIntervalStyle
	VarTimeZone
	VarStandardConformingStrings
	NumVars
)

// VarNames are their names as the server spells them.
var VarNames = [NumVars]string{
	"application_name", "client_encoding", "DateStyle",
	"IntervalStyle", "TimeZone", "standard_conforming_strings",
}

// VarIndex is the place of a setting in Vars, or -1. As in PostgreSQL, case
// does not matter.
func VarIndex(name []byte) int {
	for i := range VarNames {
		if equalFold(name, VarNames[i]) {
			return i
		}
	}
	return -1
}

// equalFold compares ASCII names without regard to case, and without allocating.
func equalFold(a []byte, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		if 'A' <= y && y <= 'Z' {
			y += 'a' - 'A'
		}
		if x != y {
			return false
		}
	}
	return true
}

// With is a copy of v with one value changed.
func (v *Vars) With(i int, value string) *Vars {
	w := *v
	w[i] = value
	return &w
}

// AppendSet appends the statements that turn from into v on a backend; none
// if they are equal.
func (v *Vars) AppendSet(dst []byte, from *Vars) []byte {
	for i := range v {
		if v[i] == from[i] || v[i] == "" && i != VarApplicationName {
			continue
		}
		dst = append(dst, "SET "...)
		dst = append(dst, VarNames[i]...)
		dst = append(dst, " = "...)
		if i == VarApplicationName && len(v[i]) > maxName && strings.Contains(v[i], `\x`) {
			dst = appendName(dst, v[i])
		} else {
			dst = AppendLiteral(dst, v[i])
		}
		dst = append(dst, ';')
	}
	return dst
}

// maxName is how many bytes of an application_name SET looks at (NAMEDATALEN - 1).
const maxName = 63

// appendName appends an application_name that is longer than that. Since version
// 16 PostgreSQL writes what is not ASCII as \xhh, after it has cut the name. So
// these are turned back into bytes, which come to the same again; but for a
// character that was cut, which cannot be written.
func appendName(dst []byte, s string) []byte {
	raw := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if n, err := strconv.ParseUint(s[min(i+2, len(s)):min(i+4, len(s))], 16, 8); err == nil && n >= 0x80 && strings.HasPrefix(s[i:], `\x`) {
			raw = append(raw, byte(n))
			i += 3
			continue
		}
		raw = append(raw, s[i])
	}
	for cut := range min(utf8.UTFMax, len(raw)) {
		if utf8.Valid(raw[:len(raw)-cut]) {
			raw = raw[:len(raw)-cut]
			break
		}
	}
	dst = append(dst, "E'"...)
	for _, b := range raw {
		switch {
		case b >= 0x80:
			dst = append(dst, '\\', 'x')
			dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
		case b == '\'', b == '\\':
			dst = append(dst, b, b)
		default:
			dst = append(dst, b)
		}
	}
	return append(dst, '\'')
}

const hexDigits = "0123456789abcdef"

// AppendLiteral appends a string constant that means the same whatever
// standard_conforming_strings is.
func AppendLiteral(dst []byte, s string) []byte {
	escaped := false
	for i := range len(s) {
		if s[i] == '\\' {
			escaped = true
		}
	}
	if escaped {
		dst = append(dst, 'E')
	}
	dst = append(dst, '\'')
	for i := range len(s) {
		if s[i] == '\'' || s[i] == '\\' {
			dst = append(dst, s[i])
		}
		dst = append(dst, s[i])
	}
	return append(dst, '\'')
}
