package loadtest

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"pgweir/amount"
)

// plainInterval is the pace of lines where they cannot be redrawn.
const plainInterval = 2 * time.Second

// progress tells how it goes: on a terminal by one line that is redrawn,
// elsewhere by a line now and then. If nobody reads any more, it goes on in
// silence.
type progress struct {
	out      io.Writer
	terminal *os.File // nil if out is none
	drawn    bool     // there is a line to be redrawn
	next     time.Time
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		p.terminal = f
	}
	return p
}

// line writes lines that stay.
func (p *progress) line(lines ...string) {
	for _, line := range lines {
		p.clear()
		_, _ = fmt.Fprintln(p.out, line)
	}
	p.next = time.Time{}
}

func (p *progress) clear() {
	if p.drawn {
		_, _ = io.WriteString(p.out, "\r\x1b[2K")
		p.drawn = false
	}
}

// end leaves the line that is redrawn standing: what follows goes below it.
func (p *progress) end() {
	if p.drawn {
		_, _ = io.WriteString(p.out, "\n")
		p.drawn = false
	}
}

// show tells of a sample.
func (p *progress) show(r *run, s Sample) {
	now := time.Now()
	if p.terminal == nil {
		if now.Before(p.next) {
			return
		}
		p.next = now.Add(plainInterval - sampleInterval/2)
		_, _ = fmt.Fprintln(p.out, r.now(s))
		return
	}
	width, _, err := term.GetSize(int(p.terminal.Fd()))
	if err != nil || width < 20 {
		width = 80
	}
	line := []rune(r.now(s))
	// One that wraps could not be redrawn.
	_, _ = io.WriteString(p.out, "\r\x1b[2K"+string(line[:min(len(line), width-1)]))
	p.drawn = true
}

// now is how things stand, in a line.
func (r *run) now(s Sample) string {
	parts := []string{r.phase.Name}
	if r.measured.IsZero() {
		parts = append(parts, fmt.Sprintf("connecting: %s of %s", count(int64(s.Clients)), amount.Plural(int64(r.crowd.clients), "client")))
	} else {
		parts = append(parts, fmt.Sprintf("%.0f s", time.Since(r.measured).Seconds()), amount.Plural(int64(s.Clients), "client"))
	}
	parts = append(parts, "backends "+count(int64(s.Backends)), "memory "+amount.Bytes(s.Memory))
	if s.Transactions > 0 {
		parts = append(parts, fmt.Sprintf("p50 / p99 %s / %s ms", amount.Millis(s.P50), amount.Millis(s.P99)))
	}
	parts = append(parts, count(r.rate())+" transactions/s")
	if n := r.crowd.errors.total(); n > 0 {
		parts = append(parts, amount.Plural(n, "error"))
	}
	return "  " + strings.Join(parts, "  ")
}

// rate is how many transactions there were in the last second.
func (r *run) rate() int64 {
	const span = int(time.Second / sampleInterval)
	samples := r.phase.Samples
	last := samples[max(0, len(samples)-span-1):]
	if len(last) < 2 {
		return 0
	}
	var n int64
	for _, s := range last[1:] {
		n += s.Transactions
	}
	return int64(float64(n) / (last[len(last)-1].At - last[0].At).Seconds())
}
