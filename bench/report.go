package main

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"

	"pgweir/cluster"
)

// result is what one work gave.
type result struct {
	work    string
	figures []string
	poolers []string             // the first is the yardstick
	rounds  map[string][]measure // by pooler
	failed  map[string]error     // by pooler
}

// measure is one round: a value for each figure.
type measure []float64

func newResult(w work, poolers []*pooler) *result {
	r := &result{work: w.name, figures: w.figures, rounds: map[string][]measure{}, failed: map[string]error{}}
	for _, p := range poolers {
		r.poolers = append(r.poolers, p.name)
	}
	return r
}

func (r *result) add(pooler string, values []float64) {
	r.rounds[pooler] = append(r.rounds[pooler], values)
}

// value is the median of a figure; there is none if the work failed.
func (r *result) value(pooler string, figure int) (float64, bool) {
	if r.failed[pooler] != nil || len(r.rounds[pooler]) == 0 {
		return 0, false
	}
	var values []float64
	for _, m := range r.rounds[pooler] {
		values = append(values, m[figure])
	}
	return median(values), true
}

func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// rows are the cells of the table: the work (in its first row only), the
// figure, each pooler's value, and the last pooler's ratio to the yardstick.
func (r *result) rows() [][]string {
	var rows [][]string
	for i, figure := range r.figures {
		row := []string{"", figure}
		if i == 0 {
			row[0] = r.work
		}
		for _, p := range r.poolers {
			if v, ok := r.value(p, i); ok {
				row = append(row, number(v))
			} else {
				row = append(row, "failed")
			}
		}
		if len(r.poolers) > 1 {
			first, ok := r.value(r.poolers[0], i)
			last, ok2 := r.value(r.poolers[len(r.poolers)-1], i)
			if ok && ok2 && first > 0 {
				row = append(row, fmt.Sprintf("%.2f", last/first))
			} else {
				row = append(row, "-")
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// number shows three digits, or all before the point.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// report is all that was measured, and on what.
type report struct {
	rounds, seconds int
	poolers         []string
	facts           []string
	results         []*result
	packages        string // output of the Go benchmarks
}

// describe notes the machine and the versions.
func (r *report) describe(programs cluster.Programs, poolers []*pooler) {
	r.facts = append(r.facts, "Machine: "+machine(runtime.NumCPU()))
	versions := []string{"PostgreSQL " + programs.Version}
	for _, p := range poolers {
		r.poolers = append(r.poolers, p.name)
		versions = append(versions, p.version)
	}
	r.facts = append(r.facts,
		"Versions: "+strings.Join(append(versions, runtime.Version()), ", "),
		fmt.Sprintf("Setup: Unix sockets, trust, transaction mode, pool size %d; medians of %d rounds of %d s", poolSize, r.rounds, r.seconds))
	if len(poolers) == 1 {
		r.facts = append(r.facts, "No pgbouncer in PATH or /usr/sbin: pgweir is measured alone.")
	}
}

func (r *report) heading() string { return strings.Join(r.facts, "\n") + "\n\n" }

func (r *report) columns() []string {
	columns := append([]string{"work", "figure"}, r.poolers...)
	if len(r.poolers) > 1 {
		columns = append(columns, "ratio")
	}
	return columns
}

func (r *report) tableHead() string { return aligned(r.columns()) }

// tableRows are the lines of a result, and why it failed if it did.
func (r *report) tableRows(result *result) string {
	var s strings.Builder
	for _, row := range result.rows() {
		s.WriteString(aligned(row))
	}
	for _, p := range result.poolers {
		if err := result.failed[p]; err != nil {
			fmt.Fprintf(&s, "            %s failed: %v\n", p, err)
		}
	}
	return s.String()
}

// aligned is a line of the table; the columns have fixed widths, since lines
// are printed before all are known.
func aligned(cells []string) string {
	var s strings.Builder
	for i, cell := range cells {
		blanks := func(width int) string { return strings.Repeat(" ", max(0, width-utf8.RuneCountInString(cell))) }
		switch i {
		case 0:
			s.WriteString(cell + blanks(12))
		case 1:
			s.WriteString(cell + blanks(26))
		default:
			s.WriteString(blanks(11) + cell)
		}
	}
	return strings.TrimRight(s.String(), " ") + "\n"
}

// markdown is the report for docs/benchmarks.md.
func (r *report) markdown() string {
	var s strings.Builder
	for _, fact := range r.facts {
		s.WriteString("- " + fact + "\n")
	}
	if len(r.results) > 0 {
		columns := r.columns()
		s.WriteString("\n| " + strings.Join(columns, " | ") + " |\n|---|---|" + strings.Repeat("---:|", len(columns)-2) + "\n")
		for _, result := range r.results {
			for _, row := range result.rows() {
				s.WriteString("| " + strings.Join(row, " | ") + " |\n")
			}
		}
	}
	if r.packages != "" {
		s.WriteString("\n```\n" + strings.TrimSpace(r.packages) + "\n```\n")
	}
	return s.String()
}

// failure is an error if any work failed through any pooler.
func (r *report) failure() error {
	var names []string
	for _, result := range r.results {
		if len(result.failed) > 0 {
			names = append(names, result.work)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return errors.New("failed: " + strings.Join(names, ", "))
}
