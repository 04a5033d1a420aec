// Package amount writes amounts as people read them, so that the page, the terminal and
// the log have one style: thousands with commas, sizes in powers of 1024 as PostgreSQL's
// pg_size_pretty, times in one or two units. It must not know what the amounts are of.
package amount

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Unknown stands where nothing is known.
const Unknown = "unknown"

// Count is a number: 12345 is "12,345".
func Count[N int | int64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	start := 0
	if digits[0] == '-' {
		start = 1
	}
	for i := len(digits) - 3; i > start; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Plural is a number with its noun, which takes an s unless there is one: "1 client",
// "2 clients".
func Plural[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Count(n) + " " + noun + "s"
}

// Bytes is a size, to three digits or to the whole: "512 bytes", "65.1 MB", "1,606 MB";
// "unknown" if it is negative.
func Bytes(n int64) string {
	if n < 0 {
		return Unknown
	}
	if n < 1024 {
		return Plural(n, "byte")
	}
	// Most are megabytes, and stay so where a large one stands beside a small one.
	size, units := float64(n)/1024, []string{"kB", "MB", "GB", "TB"}
	for most := 1023.5; size >= most && len(units) > 1; most = 9999.5 {
		size, units = size/1024, units[1:]
	}
	return digits(size) + " " + units[0]
}

// digits is a number to three digits, or to the whole if that has more.
func digits(n float64) string {
	switch {
	case n < 9.995:
		return fmt.Sprintf("%.2f", n)
	case n < 99.95:
		return fmt.Sprintf("%.1f", n)
	default:
		return Count(int64(n + 0.5))
	}
}

// Millis is a time in milliseconds, without the unit, to three digits.
func Millis(d time.Duration) string { return digits(float64(d) / float64(time.Millisecond)) }

// Lasting is how long something has lasted, from seconds on, in at most two units:
// "12 s", "1 h 30 min".
func Lasting(d time.Duration) string {
	switch d = max(0, d); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return twoUnits(d, time.Minute, "min", time.Second, "s")
	case d < 24*time.Hour:
		return twoUnits(d, time.Hour, "h", time.Minute, "min")
	default:
		return twoUnits(d, 24*time.Hour, "d", time.Hour, "h")
	}
}

func twoUnits(d, great time.Duration, greatName string, small time.Duration, smallName string) string {
	text := fmt.Sprintf("%d %s", d/great, greatName)
	if rest := d % great / small; rest > 0 {
		text += fmt.Sprintf(" %d %s", rest, smallName)
	}
	return text
}

// Brief is a time that may be very short: "350 µs", "2.5 ms", "12 s", and as Lasting from
// ten seconds on.
func Brief(d time.Duration) string {
	switch {
	case d <= 0:
		return "0"
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	default:
		return Lasting(d)
	}
}

// Right pads text on the left to a width in characters.
func Right(text string, width int) string {
	n := len([]rune(text))
	return strings.Repeat(" ", max(0, width-n)) + text
}
