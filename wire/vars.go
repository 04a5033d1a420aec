package wire

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
		dst = AppendLiteral(dst, v[i])
		dst = append(dst, ';')
	}
	return dst
}

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
