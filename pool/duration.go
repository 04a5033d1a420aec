package pool

import (
	"math"
	"strconv"
	"strings"
)

// milliseconds reads the value of a setting whose unit is the millisecond, as
// PostgreSQL does: a number, and a unit or none.
func milliseconds(s string) (ms int32, ok bool) {
	s = strings.TrimSpace(s)
	end := len(s)
	for end > 0 && 'a' <= s[end-1] && s[end-1] <= 'z' {
		end--
	}
	unit, known := map[string]float64{"": 1, "us": 0.001, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}[s[end:]]
	number := strings.TrimSpace(s[:end])
	if !known || number == "" {
		return 0, false
	}
	n, err := strconv.ParseInt(number, 0, 64) // octal and hexadecimal too
	f := float64(n)
	if err != nil {
		if f, err = strconv.ParseFloat(number, 64); err != nil {
			return 0, false
		}
	}
	f = math.RoundToEven(f * unit)
	if !(f >= 0 && f <= math.MaxInt32) {
		return 0, false
	}
	return int32(f), true
}

// unitless turns what SHOW says of such a setting into what pg_settings does.
// Anything else it leaves as it is.
func unitless(shown string) string {
	if shown == "" || shown[0] < '0' || shown[0] > '9' {
		return shown
	}
	if ms, ok := milliseconds(shown); ok {
		return strconv.Itoa(int(ms))
	}
	return shown
}
