package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"pgweir/status"
)

// chartHeight is the height of a chart in its own units; its width is a unit
// for each step.
const chartHeight = 400

// chart is clients beside backends over time, as paths of an SVG. What lies
// between the two is what was saved.
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
type point struct{ x, y int }

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
	out.Top, out.Half = count(top), count(top/2)
	clients, backends := make([]point, 0, len(samples)), make([]point, 0, len(samples))
	for i := range samples {
		s := &samples[i]
		x := steps - int((last.At.Sub(s.At)+step/2)/step)
		if x < 0 {
			continue
		}
		clients = append(clients, point{x, chartHeight - chartHeight*s.Clients/top})
		backends = append(backends, point{x, chartHeight - chartHeight*s.Backends/top})
	}
	out.Clients, out.Backends = line("M", clients), line("M", backends)
	// Down at the right end, and back along the backends.
	back := make([]point, 0, len(backends))
	for i := len(backends) - 1; i >= 0; i-- {
		back = append(back, backends[i])
	}
	out.Between = out.Clients + line("L", back) + "Z"
	out.Title = fmt.Sprintf("Over the last %s: %s to %s clients, now %s; %s to %s backends, now %s; at most %s saved.",
		span, count(fewest), count(most), count(last.Clients),
		count(fewestBackends), count(mostBackends), count(last.Backends), count(mostSaved))
	return out
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
		b.WriteString(strconv.Itoa(p.x))
		b.WriteByte(' ')
		b.WriteString(strconv.Itoa(p.y))
	}
	return b.String()
}

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
		out = append(out, tick{lasting(samples[len(samples)-1].At.Sub(s.At)), count(s.Clients), count(s.Waiting), count(s.Backends), count(s.Saved)})
	}
	return out
}
