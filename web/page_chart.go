package web

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"pgweir/amount"
	"pgweir/status"
)

// chartHeight is the height of a chart in its own units; its width is a unit
// for each step.
const chartHeight = 400

// chart is clients beside backends over time, as paths of an SVG. Between is what was
// saved: where there are more clients than backends.
type chart struct {
	Title    string `json:"title"` // what it is, for those who cannot see it
	Clients  string `json:"clients"`
	Backends string `json:"backends"`
	Between  string `json:"between"`
	Top      string `json:"top"` // the scale's figures
	Half     string `json:"half"`
	Width    int    `json:"-"` // in steps
	Empty    bool   `json:"empty"`
	Rows     []tick `json:"-"`
}

// tick is one moment of a chart, as a row of a table.
type tick struct {
	Ago                               string
	Clients, Waiting, Backends, Saved string
}

// point is a place in a chart: steps from the left, units from the top.
type point struct{ x, y float64 }

// chartOf draws the samples of the last so many steps, the newest at the right.
// span says in words how long that is.
func chartOf(samples []status.Sample, steps int, step time.Duration, span string) chart {
	out := chart{Width: steps, Top: "4", Half: "2", Empty: len(samples) < 2,
		Title: "Clients and backends over the last " + span + ": nothing is known yet."}
	if out.Empty {
		return out
	}
	last := &samples[len(samples)-1]
	most, mostSaved, fewest := 0, 0, last.Clients
	mostBackends, fewestBackends := 0, last.Backends
	for i := range samples {
		s := &samples[i]
		most, mostSaved, fewest = max(most, s.Clients), max(mostSaved, s.Saved), min(fewest, s.Clients)
		mostBackends, fewestBackends = max(mostBackends, s.Backends), min(fewestBackends, s.Backends)
	}
	top := scaleFor(max(most, mostBackends))
	out.Top, out.Half = amount.Count(top), amount.Count(top/2)
	clients, backends := make([]point, 0, len(samples)), make([]point, 0, len(samples))
	for i := range samples {
		s := &samples[i]
		x := steps - int((last.At.Sub(s.At)+step/2)/step)
		if x < 0 {
			continue
		}
		clients = append(clients, point{float64(x), height(s.Clients, top)})
		backends = append(backends, point{float64(x), height(s.Backends, top)})
	}
	out.Clients, out.Backends = line("M", clients), line("M", backends)
	out.Between = between(clients, backends)
	out.Title = fmt.Sprintf("Over the last %s: %s to %s clients, now %s; %s to %s backends, now %s; at most %s saved.",
		span, amount.Count(fewest), amount.Count(most), amount.Count(last.Clients),
		amount.Count(fewestBackends), amount.Count(mostBackends), amount.Count(last.Backends), amount.Count(mostSaved))
	return out
}

// between writes the area from the clients down to the backends as a path. It has no
// width where there are fewer clients than backends, and between two steps it ends where
// their lines cross.
func between(clients, backends []point) string {
	var above, below []point
	for i := range clients {
		c, b := clients[i], backends[i]
		if i > 0 {
			if p, ok := crossing(clients[i-1], backends[i-1], c, b); ok {
				above, below = append(above, p), append(below, p)
			}
		}
		above, below = append(above, c), append(below, point{b.x, max(b.y, c.y)})
	}
	slices.Reverse(below) // down at the right end, and back
	return line("M", above) + line("L", below) + "Z"
}

// crossing is where two lines cross between a step and the next: one goes from c0 to c1,
// the other from b0 to b1. It is false if they do not, or meet in a step.
func crossing(c0, b0, c1, b1 point) (point, bool) {
	before, after := b0.y-c0.y, b1.y-c1.y
	if before*after >= 0 {
		return point{}, false
	}
	share := before / (before - after)
	return point{c0.x + share*(c1.x-c0.x), c0.y + share*(c1.y-c0.y)}, true
}

// line writes points as a path. Of those in a row at the same height only the
// ends are needed.
func line(begin string, points []point) string {
	var b strings.Builder
	for i, p := range points {
		if i > 0 && i < len(points)-1 && points[i-1].y == p.y && points[i+1].y == p.y {
			continue
		}
		if i == 0 {
			b.WriteString(begin)
		} else {
			b.WriteByte('L')
		}
		b.WriteString(coordinate(p.x))
		b.WriteByte(' ')
		b.WriteString(coordinate(p.y))
	}
	return b.String()
}

// height is where n is in a chart whose top is another number.
func height(n, top int) float64 { return float64(chartHeight - chartHeight*n/top) }

// coordinate writes one with a decimal at most.
func coordinate(f float64) string { return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64) }

// scaleFor is the top of a scale for values up to most: a round number whose
// half is a whole one.
func scaleFor(most int) int {
	for unit := 1; ; unit *= 10 {
		for _, n := range []int{4, 6, 8, 10, 20} {
			if n*unit >= most {
				return n * unit
			}
		}
	}
}

// minutesOf is the last hour by minutes. The minute that is not over yet is in
// it with its last second, so that the chart ends where the clock is.
func minutesOf(h *status.History) []status.Sample {
	if len(h.Seconds) == 0 {
		return h.Minutes
	}
	return append(h.Minutes[:len(h.Minutes):len(h.Minutes)], h.Seconds[len(h.Seconds)-1])
}

// ticksOf are samples as rows of a table, the newest first.
func ticksOf(samples []status.Sample) []tick {
	out := make([]tick, 0, len(samples))
	for i := len(samples) - 1; i >= 0; i-- {
		s := &samples[i]
		out = append(out, tick{amount.Lasting(samples[len(samples)-1].At.Sub(s.At)), amount.Count(s.Clients), amount.Count(s.Waiting), amount.Count(s.Backends), amount.Count(s.Saved)})
	}
	return out
}
