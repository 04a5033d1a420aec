package loadtest

import (
	"fmt"
	"strconv"
	"time"
)

// none is what stands where nothing is known.
const none = "unknown"

// count writes a number with commas between the thousands; a negative one is
// unknown.
func count(n int64) string {
	if n < 0 {
		return none
	}
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// bytesText writes an amount of memory in megabytes (10^6 bytes); a negative
// one is unknown.
func bytesText(n int64) string {
	mb := float64(n) / 1e6
	switch {
	case n < 0:
		return none
	case mb < 9.95:
		return fmt.Sprintf("%.1f MB", mb)
	default:
		return count(int64(mb+0.5)) + " MB"
	}
}

// millis writes a duration in milliseconds, three digits where it has them.
func millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms < 9.995:
		return fmt.Sprintf("%.2f", ms)
	case ms < 99.95:
		return fmt.Sprintf("%.1f", ms)
	default:
		return count(int64(ms + 0.5))
	}
}

// seconds writes a duration in seconds, to a tenth.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// plural is "1 client", "2 clients".
func plural(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return count(n) + " " + word + "s"
}
