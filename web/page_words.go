package web

import (
	"fmt"
	"strconv"
	"time"
)

// count writes a number for people: 12345 as "12,345".
func count[N int | int64](n N) string {
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

// plural is a number with its noun, which takes an s unless there is one.
func plural[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

// byteSize writes a size in bytes for people, in powers of 1024.
func byteSize(n int64) string {
	size := float64(n)
	for _, unit := range []string{"bytes", "KiB", "MiB", "GiB"} {
		if size < 1024 {
			if unit == "bytes" {
				return fmt.Sprintf("%d bytes", n)
			}
			return fmt.Sprintf("%.1f %s", size, unit)
		}
		size /= 1024
	}
	return fmt.Sprintf("%.1f TiB", size)
}

// lasting writes how long something has lasted, in at most two units.
func lasting(d time.Duration) string {
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

// brief writes a time in which somebody waits: "350 µs", "2.5 ms", "12 s".
func brief(d time.Duration) string {
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
		return lasting(d)
	}
}

// percent writes a share as an attribute of a drawing.
func percent(part, of int) string {
	if of <= 0 {
		return "0%"
	}
	return strconv.FormatFloat(100*float64(part)/float64(of), 'f', 2, 64) + "%"
}

// orUnknown is text, or the word for it if there is none.
func orUnknown(text string) string {
	if text == "" {
		return "unknown"
	}
	return text
}
