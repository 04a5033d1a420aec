package main

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"pgweir/amount"
	"pgweir/status"
)

// shape is what a drawing has to fit into.
type shape struct {
	width, height int  // in characters and lines; 0: without end
	colours       bool // and bold
	lines         bool // the tree may be drawn with other than ASCII
}

const (
	plainStyle    = "\x1b[0m"
	boldStyle     = "\x1b[1m"
	criticalStyle = "\x1b[31m"
	warningStyle  = "\x1b[33m"
	infoStyle     = "\x1b[36m"
)

func (s shape) paint(style, text string) string {
	if !s.colours || text == "" {
		return text
	}
	return style + text + plainStyle
}

// drawCensus is a census as text: a line about the server, the tree of its
// processes, what is wrong, and a summary.
func drawCensus(c *status.Census, s shape) string {
	head := []string{s.paint(boldStyle, shorten(headline(c), s.width)), ""}
	tree := drawTree(c, s)
	var foot []string
	for _, f := range c.Findings {
		foot = append(foot, "")
		foot = append(foot, drawFinding(c, f, s)...)
	}
	foot = append(foot, "", shorten(summary(c), s.width))
	if room := s.height - len(head) - len(foot); s.height > 0 && len(tree) > room {
		room = max(room, 3) // its head, a process, and how many are left out
		left := len(tree) - (room - 1)
		tree = append(tree[:room-1], shorten(fmt.Sprintf("… and %s; without --watch all are shown", number(left, "more process", "more processes")), s.width))
	}
	all := append(append(head, tree...), foot...)
	return strings.Join(all, "\n") + "\n"
}

func headline(c *status.Census) string {
	name := "PostgreSQL"
	if c.Server.Version != "" {
		name += " " + c.Server.Version
	}
	where := map[status.Whereabouts]string{
		status.Here:      "on this machine",
		status.Elsewhere: "not on this machine: only what it tells itself",
		status.Unlocated: "not found on this machine yet",
	}[c.Server.Where]
	if c.Server.Standby {
		where += ", a standby"
	}
	return fmt.Sprintf("%s at %s, %s, %s", name, printable(c.Server.Host), where, c.At.Local().Format("2006-01-02 15:04:05"))
}

// summary counts, and adds up what is known.
func summary(c *status.Census) string {
	backends, ours, measured := 0, 0, 0
	var memory int64
	for _, p := range c.Processes {
		if p.Kind == "client backend" {
			backends++
		}
		if p.Ours {
			ours++
		}
		if p.Memory >= 0 {
			memory += p.Memory
			measured++
		}
	}
	text := fmt.Sprintf("%s, %s", number(len(c.Processes), "process", "processes"), number(backends, "client backend", "client backends"))
	if ours > 0 {
		text += fmt.Sprintf(" (%d of them pgweir's)", ours)
	}
	switch {
	case measured == 0:
		text += ", memory unknown"
	case measured < len(c.Processes):
		text += fmt.Sprintf(", %s of memory in the %d that were measured", amount.Bytes(memory), measured)
	default:
		text += fmt.Sprintf(", %s of memory beside what they share", amount.Bytes(memory))
	}
	if len(c.Findings) == 0 {
		return text + "; nothing is wrong"
	}
	return text + "; " + number(len(c.Findings), "finding", "findings")
}

func number(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// drawFinding is a finding in a few lines.
func drawFinding(c *status.Census, f status.Finding, s shape) []string {
	style := map[status.Severity]string{status.Critical: criticalStyle, status.Warning: warningStyle}[f.Severity]
	if style == "" {
		style = infoStyle
	}
	head := fmt.Sprintf("%s: %s", f.Severity, f.ID)
	if !f.Since.IsZero() {
		head += ", for " + age(c.At.Sub(f.Since))
	}
	lines := []string{s.paint(style, shorten(printable(head), s.width))}
	for _, text := range []string{f.Text, f.Advice} {
		for _, line := range wrap(printable(text), s.width-2) {
			lines = append(lines, shorten("  "+line, s.width))
		}
	}
	return lines
}

// wrap breaks a text at blanks into lines of at most width characters; a width
// that is none leaves it whole.
func wrap(text string, width int) []string {
	if text == "" {
		return nil
	}
	if width < 1 {
		return []string{text}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}

// printable shows what is no character as its code. Names are chosen by
// anybody, and must not write to the terminal.
func printable(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// shorten cuts a text to so many characters; 0 leaves it whole.
func shorten(text string, width int) string {
	if width <= 0 || utf8.RuneCountInString(text) <= width {
		return text
	}
	if width == 1 {
		return "…"
	}
	return string([]rune(text)[:width-1]) + "…"
}

// age is a time in its largest unit.
func age(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", max(0, d.Milliseconds()))
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}
