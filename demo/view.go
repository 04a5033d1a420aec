package demo

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"pgweir/amount"
)

// picture is what the live view shows of one moment.
type picture struct {
	load     *load
	window   *window
	sample   sample
	label    string // "direct", "pooled"
	progress string
}

// view writes to the user. On a terminal a few lines are redrawn in place;
// elsewhere there is a line now and then. If nobody reads any more, it goes on
// in silence: the demo still has to clear away.
type view struct {
	out      io.Writer
	terminal *os.File  // nil if out is none
	bar      string    // what bars are drawn with
	drawn    int       // live lines on the terminal that the next picture replaces
	next     time.Time // when the next plain line is due
	interval time.Duration
}

func newView(out io.Writer) *view {
	v := &view{out: out, bar: "=", interval: time.Second}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		v.terminal = f
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := os.Getenv(name); value != "" {
			if strings.Contains(strings.ToUpper(strings.ReplaceAll(value, "-", "")), "UTF8") {
				v.bar = "━"
			}
			break
		}
	}
	return v
}

// print writes lines that stay.
func (v *view) print(lines ...string) {
	for _, line := range lines {
		_, _ = fmt.Fprintln(v.out, line)
	}
}

func (v *view) heading(number int, title string) string {
	text := fmt.Sprintf("%d  %s", number, title)
	if v.terminal != nil {
		return "\x1b[1m" + text + "\x1b[0m"
	}
	return text
}

// stayInterval is the pace of pictures once the comparison is over: a log file
// needs fewer of them.
func (v *view) stayInterval() time.Duration {
	if v.terminal != nil {
		return time.Second
	}
	return 10 * time.Second
}

// begin starts a series of pictures, end leaves the last one standing.
func (v *view) begin() { v.drawn, v.next = 0, time.Time{} }
func (v *view) end()   { v.drawn = 0 }

// live shows a picture.
func (v *view) live(p picture) {
	if v.terminal == nil {
		if now := time.Now(); now.After(v.next) {
			v.next = now.Add(v.interval - sampleInterval/2)
			v.print(plain(p))
		}
		return
	}
	width, _, err := term.GetSize(int(v.terminal.Fd()))
	if err != nil || width < 20 {
		width = 80
	}
	var b strings.Builder
	if v.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.drawn)
	}
	lines := drawing(p, v.bar, width)
	for _, line := range lines {
		b.WriteString("\r\x1b[2K" + cut(line, width-1) + "\n")
	}
	v.drawn = len(lines)
	_, _ = io.WriteString(v.out, b.String())
}

// plain is a picture on one line.
func plain(p picture) string {
	return fmt.Sprintf("   %-7s %-12s clients %s  backends %s (process table %s)  memory %s  %s tx/s  errors %s",
		p.label, p.progress, amount.Count(int(p.load.connected.Load())), amount.Count(p.sample.byServer), amount.Count(p.sample.byTable),
		p.sample.backendMemory, amount.Count(int(p.window.rate())), amount.Count(int(p.load.errors.Load())))
}

// drawing is a picture on four lines, with bars on one scale.
func drawing(p picture, bar string, width int) []string {
	clients := int(p.load.connected.Load())
	room := max(8, min(60, width-24))
	scale := max(clients, p.sample.backends(), 1)
	length := func(n int) string {
		if n == 0 {
			return ""
		}
		return strings.Repeat(bar, max(1, n*room/scale))
	}
	return []string{
		fmt.Sprintf("   clients   %6s  %s", amount.Count(clients), length(clients)),
		fmt.Sprintf("   backends  %6s  %s", amount.Count(p.sample.byServer), length(p.sample.byServer)),
		fmt.Sprintf("   processes %6s  %s", amount.Count(p.sample.byTable), length(p.sample.byTable)),
		fmt.Sprintf("   memory %s, %s transactions/s, p50 / p99 %s, %s errors, %s",
			p.sample.backendMemory, amount.Count(int(p.window.rate())),
			pair(p.window.latency.quantile(0.5), p.window.latency.quantile(0.99)),
			amount.Count(int(p.load.errors.Load())), p.progress),
	}
}

// cut shortens a line to so many characters: one that wraps would spoil the
// count of lines to go back.
func cut(line string, width int) string {
	runes := []rune(line)
	return string(runes[:min(len(runes), max(0, width))])
}
