package main

import (
	"fmt"
	"slices"
	"strings"
)

// result is what one work gave.
type result struct {
	work    work
	poolers []string             // the first is the yardstick
	rounds  map[string][]measure // by pooler; nil is a round that was not measured
	failed  map[string]error     // by pooler
}

func newResult(w work, poolers []*pooler, rounds int) *result {
	r := &result{work: w, rounds: map[string][]measure{}, failed: map[string]error{}}
	for _, p := range poolers {
		r.poolers = append(r.poolers, p.name)
		r.rounds[p.name] = make([]measure, rounds)
	}
	return r
}

func (r *result) set(p *pooler, round int, m measure) { r.rounds[p.name][round] = m }

func (r *result) fail(p *pooler, err error) { r.failed[p.name] = err }

// values are a figure in the rounds that were measured.
func (r *result) values(pooler string, figure int) (values []float64) {
	for _, m := range r.rounds[pooler] {
		if m != nil {
			values = append(values, m[figure])
		}
	}
	return values
}

// ratios are a figure's in each round to the yardstick's in the same round: what
// disturbs the machine for longer disturbs both.
func (r *result) ratios(pooler string, figure int) (ratios []float64) {
	for i, m := range r.rounds[pooler] {
		if first := r.rounds[r.poolers[0]][i]; m != nil && first != nil && first[figure] > 0 {
			ratios = append(ratios, m[figure]/first[figure])
		}
	}
	return ratios
}

// median is that of some values, which it leaves as they are; false if there is
// none.
func median(values []float64) (float64, bool) {
	n := len(values)
	if n == 0 {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2, true
}

// columns are the heads of the table of a result.
func (r *result) columns() []string {
	columns := []string{r.work.name}
	for _, f := range r.work.figures {
		columns = append(columns, f.head)
		if f.ratio && len(r.poolers) > 1 {
			columns = append(columns, "ratio")
		}
	}
	return columns
}

// rows are its cells: for each pooler its name, the medians of the figures, and the
// medians of the ratios to the yardstick.
func (r *result) rows() (rows [][]string) {
	show := func(values []float64, as func(float64) string) string {
		if m, ok := median(values); ok {
			return as(m)
		}
		return "-"
	}
	for _, p := range r.poolers {
		row := []string{p}
		for i, f := range r.work.figures {
			row = append(row, show(r.values(p, i), number))
			if f.ratio && len(r.poolers) > 1 {
				row = append(row, show(r.ratios(p, i), func(v float64) string { return fmt.Sprintf("%.2f", v) }))
			}
		}
		if r.failed[p] != nil {
			row[1] = "failed"
			for i := range row[2:] {
				row[2+i] = "-"
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// caption says what the table is of.
func (r *result) caption() string {
	return fmt.Sprintf("%s: %s; figures are for each %s", r.work.name, r.work.title, r.work.each)
}

// failures are lines about what failed.
func (r *result) failures() (lines []string) {
	for _, p := range r.poolers {
		if err := r.failed[p]; err != nil {
			lines = append(lines, p+" failed: "+err.Error())
		}
	}
	return lines
}

// number shows three digits at least, and all before the point.
func number(v float64) string {
	switch {
	case v >= 1000:
		return thousands(fmt.Sprintf("%.0f", v))
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// thousands puts commas into the digits of a whole number.
func thousands(digits string) string {
	var s strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			s.WriteByte(',')
		}
		s.WriteRune(c)
	}
	return s.String()
}
