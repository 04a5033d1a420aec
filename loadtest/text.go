package loadtest

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"pgweir/amount"
)

// row is one line of the comparison. A cell is "" for a phase that was not run.
type row struct {
	Name, Direct, Pooled, Difference string
}

// figure is what a row of the comparison is made of.
type figure struct {
	name  string
	value func(*Phase) float64 // below 0 if it is unknown
	text  func(*Phase) string
	// difference writes what the pooled phase has less, or more.
	difference func(direct, pooled float64) string
}

// noNumber stands for one that cannot be compared.
const noNumber = -1.0

func times(of func(*Phase) Quantiles, pick func(Quantiles) time.Duration) (func(*Phase) float64, func(*Phase) string) {
	return func(p *Phase) float64 {
			return orNone(float64(pick(of(p))), of(p).Count > 0)
		}, func(p *Phase) string {
			if of(p).Count == 0 {
				return "–"
			}
			return amount.Millis(pick(of(p))) + " ms"
		}
}

// orNone is a number, if there is one.
func orNone(n float64, there bool) float64 {
	if !there {
		return noNumber
	}
	return n
}

// figures are the lines of the comparison, in order.
func figures() []figure {
	whole := func(of func(*Phase) int64) (func(*Phase) float64, func(*Phase) string) {
		return func(p *Phase) float64 { return float64(of(p)) }, func(p *Phase) string { return count(of(p)) }
	}
	var all []figure
	add := func(name string, value func(*Phase) float64, text func(*Phase) string, difference func(a, b float64) string) {
		all = append(all, figure{name, value, text, difference})
	}
	value, text := whole(func(p *Phase) int64 { return int64(p.Clients) })
	add("clients", value, text, fewer)
	value, text = whole(func(p *Phase) int64 { return int64(p.BackendsMax) })
	add("backends, at most", value, text, fewer)
	value, text = whole(func(p *Phase) int64 { return int64(p.ProcessesMax) })
	add("processes of PostgreSQL, at most", value, text, fewer)
	add("memory of the backends, at most", func(p *Phase) float64 { return float64(p.MemoryMax) },
		func(p *Phase) string { return amount.Bytes(p.MemoryMax) }, lessMemory)
	add("time until all clients were in", func(p *Phase) float64 { return orNone(float64(p.Measuring), p.allIn()) },
		func(p *Phase) string {
			if !p.allIn() {
				return "–"
			}
			return fmt.Sprintf("%.1f s", p.Measuring.Seconds())
		}, factor)
	quantiles := []struct {
		name string
		pick func(Quantiles) time.Duration
	}{
		{"p50", func(q Quantiles) time.Duration { return q.P50 }},
		{"p90", func(q Quantiles) time.Duration { return q.P90 }},
		{"p99", func(q Quantiles) time.Duration { return q.P99 }},
		{"max", func(q Quantiles) time.Duration { return q.Max }},
	}
	for _, kind := range []struct {
		name string
		of   func(*Phase) Quantiles
	}{
		{"time to connect", func(p *Phase) Quantiles { return p.Connect }},
		{"time of a transaction", func(p *Phase) Quantiles { return p.Latency }},
	} {
		for _, q := range quantiles {
			value, text = times(kind.of, q.pick)
			add(kind.name+", "+q.name, value, text, factor)
		}
	}
	value, text = whole(func(p *Phase) int64 { return p.Transactions })
	add("transactions", value, text, factor)
	add("transactions a second", (*Phase).Rate, func(p *Phase) string { return count(int64(p.Rate() + 0.5)) }, factor)
	value, text = whole((*Phase).ErrorTotal)
	add("errors", value, text, fewer)
	return all
}

// fewer writes a difference of two numbers of something.
func fewer(direct, pooled float64) string {
	switch d := int64(direct - pooled); {
	case d > 0:
		return count(d) + " fewer"
	case d < 0:
		return count(-d) + " more"
	}
	return "the same"
}

func lessMemory(direct, pooled float64) string {
	switch d := int64(direct - pooled); {
	case d > 0:
		return amount.Bytes(d) + " less"
	case d < 0:
		return amount.Bytes(-d) + " more"
	}
	return "the same"
}

// factor writes how many times as much the pooled phase has.
func factor(direct, pooled float64) string {
	if direct == 0 || pooled == 0 {
		return "–"
	}
	f := pooled / direct
	switch {
	case f > 0.995 && f < 1.005:
		return "the same"
	case f >= 10:
		return "× " + count(int64(f+0.5))
	case f <= 0.1:
		return "÷ " + count(int64(1/f+0.5))
	}
	return fmt.Sprintf("× %.2f", f)
}

// rows are the comparison.
func (r *Result) rows() []row {
	var rows []row
	for _, f := range figures() {
		line := row{Name: f.name}
		if r.Direct != nil {
			line.Direct = f.text(r.Direct)
		}
		if r.Pooled != nil {
			line.Pooled = f.text(r.Pooled)
		}
		if r.Direct != nil && r.Pooled != nil {
			a, b := f.value(r.Direct), f.value(r.Pooled)
			line.Difference = "–"
			if a >= 0 && b >= 0 {
				line.Difference = f.difference(a, b)
			}
		}
		rows = append(rows, line)
	}
	return rows
}

// sentence is the result in one.
func (r *Result) sentence() string {
	on := func(p *Phase) string {
		text := "unknown backends"
		if p.BackendsMax >= 0 {
			text = amount.Plural(int64(p.BackendsMax), "backend")
		}
		if p.MemoryMax >= 0 {
			text += ", " + amount.Bytes(p.MemoryMax)
		}
		return text
	}
	switch {
	case r.Direct == nil && r.Pooled == nil:
		return "Nothing was measured."
	case r.Pooled == nil:
		return fmt.Sprintf("%s direct: %s.", amount.Plural(int64(r.Direct.Clients), "client"), on(r.Direct))
	case r.Direct == nil:
		return fmt.Sprintf("%s through the pool: %s.", amount.Plural(int64(r.Pooled.Clients), "client"), on(r.Pooled))
	case r.Direct.Clients != r.Pooled.Clients:
		return fmt.Sprintf("%s direct: %s; %s through the pool: %s.",
			amount.Plural(int64(r.Direct.Clients), "client"), on(r.Direct), count(int64(r.Pooled.Clients)), on(r.Pooled))
	}
	return fmt.Sprintf("%s: direct %s; through the pool %s.",
		amount.Plural(int64(r.Direct.Clients), "client"), on(r.Direct), on(r.Pooled))
}

// notes are what one must know of a phase to read its figures.
func (r *Result) notes(p *Phase) []string {
	var notes []string
	add := func(format string, args ...any) {
		notes = append(notes, p.Name+": "+fmt.Sprintf(format, args...))
	}
	if p.Refused != nil {
		add("only %s of %s clients were let in: the server allows no more (%s: %s)",
			count(int64(p.Clients)), count(int64(r.Clients)), p.Refused.Code, p.Refused.Text)
	}
	if p.Late > 0 {
		add("%s had not got in when measuring began; a pooler in session mode lets them wait until others leave", amount.Plural(int64(p.Late), "client"))
	}
	// A pool's may well be there before.
	if p.BackendsBefore > 0 && p.Name == direct {
		add("backends of this database that were there before the first client, and are counted: %s", count(int64(p.BackendsBefore)))
	}
	if p.MemorySampled {
		add("memory was measured on a sample of the backends; the others are taken to hold as much on average")
	}
	for _, e := range p.Errors {
		add("%s (%s): %s", amount.Plural(e.Count, "error"), e.Code, e.Text)
	}
	if p.BrokenOff > 0 {
		add("%s had not ended in time and were cancelled", amount.Plural(int64(p.BrokenOff), "transaction"))
	}
	if p.Elapsed > 0 && p.Transactions == 0 {
		add("not one transaction has ended in time without an error")
	}
	return notes
}

// allNotes are those of both phases.
func (r *Result) allNotes() (notes []string) {
	for _, p := range []*Phase{r.Direct, r.Pooled} {
		if p != nil {
			notes = append(notes, r.notes(p)...)
		}
	}
	if r.Interrupted {
		notes = append(notes, "the test was interrupted; these are the figures so far")
	}
	return notes
}

// WriteText writes the comparison for a person to read.
func (r *Result) WriteText(w io.Writer) error {
	var b strings.Builder
	cells := [][4]string{{"", "direct", "pooled", "difference"}}
	for _, line := range r.rows() {
		cells = append(cells, [4]string{line.Name, line.Direct, line.Pooled, line.Difference})
	}
	used := [4]bool{true, r.Direct != nil, r.Pooled != nil, r.Direct != nil && r.Pooled != nil}
	var widths [4]int
	for _, line := range cells {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	b.WriteString("\n")
	for _, line := range cells {
		text := "  " + line[0] + blanks(widths[0]-utf8.RuneCountInString(line[0]))
		for i := 1; i < len(line); i++ {
			if used[i] {
				text += "   " + blanks(widths[i]-utf8.RuneCountInString(line[i])) + line[i]
			}
		}
		b.WriteString(text + "\n")
	}
	b.WriteString("\n  " + r.sentence() + "\n")
	for _, note := range r.allNotes() {
		b.WriteString("  " + note + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func blanks(n int) string { return strings.Repeat(" ", max(0, n)) }

// count is a number; a negative one is unknown.
func count(n int64) string {
	if n < 0 {
		return amount.Unknown
	}
	return amount.Count(n)
}
