package top

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// maxText bounds a text that is shown, in bytes; queries come with 200.
const maxText = 4096

// clean makes text from outside fit for a terminal: in one line, and without
// anything that the terminal would obey or that has no shape. Control
// characters, marks that turn the direction of writing and bytes that are no
// UTF-8 are shown escaped, as "\x1b" or "\u202e".
func clean(s string) string {
	whole := len(s)
	s = prefix(s, maxText)
	long := len(s) < whole
	if !long && isPlain(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case strconv.IsPrint(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += n
	}
	if long {
		b.WriteString(" ...")
	}
	return b.String()
}

// prefix is the beginning of s, at most n bytes, without half a character.
func prefix(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for start := max(0, n-utf8.UTFMax); n > start && !utf8.RuneStart(s[n]); {
		n--
	}
	return s[:n]
}

// isPlain reports whether s is of printable ASCII alone.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// width is how many columns of the terminal a clean text takes.
func width(s string) int {
	if isPlain(s) {
		return len(s)
	}
	return ansi.StringWidth(s)
}

// cut is s in at most w columns; '+' stands for what is left out, as in top.
func cut(s string, w int) string {
	switch {
	case w <= 0:
		return ""
	case width(s) <= w:
		return s
	default:
		return ansi.Truncate(s, w, "+")
	}
}

// fit is s in exactly w columns.
func fit(s string, w int, right bool) string {
	s = cut(s, w)
	blanks := strings.Repeat(" ", max(0, w-width(s)))
	if right {
		return blanks + s
	}
	return s + blanks
}

// wrap is s in lines of at most w columns, which must be 1 or more. Lines end
// at blanks where they can.
func wrap(s string, w int) []string {
	var lines []string
	for {
		// Measuring all of a long text for each of its lines would take long.
		part := prefix(s, 16*w+64)
		if width(part) <= w {
			if part = s; width(part) <= w {
				return append(lines, s)
			}
		}
		head := ansi.Truncate(part, w, "")
		if head == "" { // a character of two columns in one
			_, n := utf8.DecodeRuneInString(s)
			lines, s = append(lines, "+"), s[n:]
			continue
		}
		if blank := strings.LastIndexByte(head, ' '); s[len(head)] != ' ' && blank > 0 {
			head = head[:blank]
		}
		lines, s = append(lines, head), strings.TrimPrefix(s[len(head):], " ")
	}
}

// bytesText is a number of bytes in at most 6 columns, as "1.3M".
func bytesText(n int64) string {
	units := "BKMGTPE"
	value, unit := float64(n), 0
	for ; value >= 999.5 && unit < len(units)-1; unit++ {
		value /= 1024
	}
	if unit > 0 && value < 99.95 {
		return fmt.Sprintf("%.1f%c", value, units[unit])
	}
	return fmt.Sprintf("%.0f%c", value, units[unit])
}

// ageText is how long something lasts in at most 6 columns, as "12s", "3m05s",
// "2h07m", "5d03h" or "4321d".
func ageText(d time.Duration) string {
	d = max(0, d)
	seconds, minutes, hours := int64(d/time.Second), int64(d/time.Minute), int64(d/time.Hour)
	switch {
	case seconds < 60:
		return fmt.Sprintf("%ds", seconds)
	case minutes < 60:
		return fmt.Sprintf("%dm%02ds", minutes, seconds%60)
	case hours < 24:
		return fmt.Sprintf("%dh%02dm", hours, minutes%60)
	case hours < 100*24:
		return fmt.Sprintf("%dd%02dh", hours/24, hours%24)
	default:
		return fmt.Sprintf("%dd", hours/24)
	}
}

// cpuText is an amount of CPU time, as top has it: minutes, seconds and
// hundredths, or hours and minutes.
func cpuText(d time.Duration) string {
	if d >= 100*time.Minute {
		return fmt.Sprintf("%dh%02dm", int64(d/time.Hour), int64(d/time.Minute)%60)
	}
	return fmt.Sprintf("%d:%05.2f", int64(d/time.Minute), (d % time.Minute).Truncate(10*time.Millisecond).Seconds())
}

// count is a number with its noun, "1 client" or "2 clients".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
