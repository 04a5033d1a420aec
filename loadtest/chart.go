package loadtest

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"pgweir/amount"
)

// The drawing of a chart, in its own units, which a browser scales.
const (
	chartWidth, chartHeight = 600, 260
	plotLeft, plotRight     = 64, 588
	plotTop, plotBottom     = 12, 222
)

// maxPoints is how many points a line has at most; more cannot be told apart.
const maxPoints = 600

// chart is one plot, with all places worked out.
type chart struct {
	ID, Title, Description string
	Unit                   string
	Lines                  []line
	X, Y                   []tick
	Starts                 []mark // where measuring began
	Log                    bool
}

// line is what was measured of one thing in one phase. Where it is unknown the
// line is broken, so it may have several parts.
type line struct {
	Class string // "direct" or "pooled", and "p50" or "p99" if there are both
	Label string
	Parts []string // points, "x,y x,y"
	Areas []string // between a part and the axis; none for logarithmic scales
}

type tick struct {
	At    string
	Label string
}

type mark struct{ Class, At string }

// measure of a sample: a value, and whether there is one.
type measureOf func(Sample) (float64, bool)

// subject is what a chart is about.
type subject struct {
	id, title, unit string
	log             bool
	least           float64 // step of the axis
	lines           []subjectLine
	label           func(float64) string
}

type subjectLine struct {
	class, label string
	of           measureOf
}

const mega = 1e6

var subjects = []subject{
	{id: "clients", title: "Clients", unit: "connected", least: 1, label: wholeLabel, lines: []subjectLine{
		{of: func(s Sample) (float64, bool) { return float64(s.Clients), true }}}},
	{id: "backends", title: "Backends", unit: "client backends of the database", least: 1, label: wholeLabel, lines: []subjectLine{
		{of: func(s Sample) (float64, bool) { return float64(s.Backends), s.Backends >= 0 }}}},
	{id: "memory", title: "Memory", unit: "MB that the backends hold for themselves", least: 0.1, label: numberLabel, lines: []subjectLine{
		{of: func(s Sample) (float64, bool) { return float64(s.Memory) / mega, s.Memory >= 0 }}}},
	{id: "latency", title: "Latency", unit: "ms for a transaction, logarithmic", log: true, label: numberLabel, lines: []subjectLine{
		{class: "p50", label: "p50", of: func(s Sample) (float64, bool) { return milliseconds(s.P50), s.P50 > 0 }},
		{class: "p99", label: "p99", of: func(s Sample) (float64, bool) { return milliseconds(s.P99), s.P99 > 0 }}}},
}

func wholeLabel(v float64) string { return count(int64(math.Round(v))) }

func numberLabel(v float64) string {
	if v >= 1000 {
		return wholeLabel(v)
	}
	return strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64)
}

// charts draws all subjects; both phases share the axes.
func (r *Result) charts() []chart {
	var all []chart
	for _, s := range subjects {
		all = append(all, s.draw(r.phases()))
	}
	return all
}

func (r *Result) phases() (phases []*Phase) {
	for _, p := range []*Phase{r.Direct, r.Pooled} {
		if p != nil {
			phases = append(phases, p)
		}
	}
	return phases
}

func (s *subject) draw(phases []*Phase) chart {
	x, y := s.scales(phases)
	c := chart{ID: s.id, Title: s.title, Unit: s.unit, Log: s.log}
	for _, v := range x.ticks {
		c.X = append(c.X, tick{place(x.at(v)), numberLabel(v) + " s"})
	}
	for _, v := range y.ticks {
		c.Y = append(c.Y, tick{place(y.at(v)), s.label(v)})
	}
	var described []string
	for _, p := range phases {
		samples := thin(p.Samples, maxPoints)
		if p.Measuring > 0 {
			c.Starts = append(c.Starts, mark{p.Name, place(x.at(p.Measuring.Seconds()))})
		}
		for _, l := range s.lines {
			drawn := l.draw(p.Name, samples, &x, &y)
			c.Lines = append(c.Lines, drawn)
			described = append(described, l.describe(drawn.Label, samples, s.label))
		}
	}
	c.Description = strings.Join(described, " ")
	return c
}

// scales are the axes that both phases fit on.
func (s *subject) scales(phases []*Phase) (x, y scale) {
	longest, highest, lowest := 0.0, 0.0, math.Inf(1)
	for _, p := range phases {
		for _, sample := range p.Samples {
			longest = max(longest, sample.At.Seconds())
			for _, l := range s.lines {
				if v, ok := l.of(sample); ok {
					highest, lowest = max(highest, v), min(lowest, v)
				}
			}
		}
	}
	x = linear(longest, 6, 0.1, plotLeft, plotRight)
	x.high = max(longest, 0.1) // the last step need not be whole
	for len(x.ticks) > 1 && x.ticks[len(x.ticks)-1] > x.high {
		x.ticks = x.ticks[:len(x.ticks)-1]
	}
	if s.log {
		return x, logarithmic(lowest, highest, plotBottom, plotTop)
	}
	return x, linear(highest, 4, s.least, plotBottom, plotTop)
}

func (l *subjectLine) draw(phase string, samples []Sample, x, y *scale) line {
	drawn := line{Class: strings.TrimSpace(phase + " " + l.class), Label: strings.TrimSpace(phase + " " + l.label)}
	var part []string
	var first, last string // the part's places on the axis of time
	end := func() {
		if len(part) == 1 { // a single point would not be seen
			part = append(part, part[0])
		}
		if len(part) > 0 {
			points := strings.Join(part, " ")
			drawn.Parts = append(drawn.Parts, points)
			if !y.log {
				drawn.Areas = append(drawn.Areas, fmt.Sprintf("%s,%d %s %s,%d", first, plotBottom, points, last, plotBottom))
			}
		}
		part = nil
	}
	for _, s := range samples {
		v, ok := l.of(s)
		if !ok {
			end()
			continue
		}
		last = place(x.at(s.At.Seconds()))
		if len(part) == 0 {
			first = last
		}
		part = append(part, last+","+place(y.at(v)))
	}
	end()
	return drawn
}

// describe says in words what a line shows.
func (l *subjectLine) describe(name string, samples []Sample, label func(float64) string) string {
	lowest, highest, last := math.Inf(1), math.Inf(-1), 0.0
	for _, s := range samples {
		if v, ok := l.of(s); ok {
			lowest, highest, last = min(lowest, v), max(highest, v), v
		}
	}
	if highest < lowest {
		return fmt.Sprintf("%s: %s.", name, amount.Unknown)
	}
	return fmt.Sprintf("%s: between %s and %s, %s at the end.", name, label(lowest), label(highest), label(last))
}

func place(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }

// thin puts neighbours together until there are at most n samples: the highest
// of each figure, and the sum of the transactions.
func thin(samples []Sample, n int) []Sample {
	if len(samples) <= n {
		return samples
	}
	each := (len(samples) + n - 1) / n
	var out []Sample
	for i, s := range samples {
		if i%each == 0 {
			out = append(out, s)
			continue
		}
		o := &out[len(out)-1]
		o.At, o.Clients, o.Backends, o.Memory = s.At, max(o.Clients, s.Clients), max(o.Backends, s.Backends), max(o.Memory, s.Memory)
		o.P50, o.P99 = max(o.P50, s.P50), max(o.P99, s.P99)
		o.Transactions += s.Transactions
	}
	return out
}

// sampleRow is a sample as the table behind the plots has it.
type sampleRow struct{ At, Clients, Backends, Memory, Transactions, P50, P99 string }

func sampleRows(p *Phase) (rows []sampleRow) {
	times := func(d time.Duration) string {
		if d == 0 {
			return "–"
		}
		return amount.Millis(d)
	}
	for _, s := range thin(p.Samples, maxPoints) {
		rows = append(rows, sampleRow{
			fmt.Sprintf("%.1f", s.At.Seconds()), count(int64(s.Clients)), count(int64(s.Backends)), amount.Bytes(s.Memory),
			count(s.Transactions), times(s.P50), times(s.P99),
		})
	}
	return rows
}
