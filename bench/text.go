package main

import (
	"strings"
	"unicode/utf8"
)

// text is the table of a result for the terminal, and what failed.
func (r *result) text() string {
	table := append([][]string{r.columns()}, r.rows()...)
	table[0][0] = ""
	var widths []int
	for _, row := range table {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var s strings.Builder
	s.WriteString(r.caption() + "\n")
	for _, row := range table {
		line := "  "
		for i, cell := range row {
			blanks := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				line += cell + blanks
			} else {
				line += "  " + blanks + cell
			}
		}
		s.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	for _, failure := range r.failures() {
		s.WriteString("  " + failure + "\n")
	}
	return s.String()
}

// text is the whole report for the terminal.
func (r *report) text() string {
	s := r.heading()
	for _, result := range r.results {
		s += "\n" + result.text()
	}
	if r.packages != "" {
		s += "\n" + r.packages
	}
	return s
}

// markdown is the report for docs/benchmarks.md: a table for each work.
func (r *report) markdown() string {
	var s strings.Builder
	for _, fact := range r.facts {
		s.WriteString("- " + fact + "\n")
	}
	for _, result := range r.results {
		columns := result.columns()
		s.WriteString("\n" + result.caption() + "\n\n")
		s.WriteString("| " + strings.Join(columns, " | ") + " |\n|---|" + strings.Repeat("---:|", len(columns)-1) + "\n")
		for _, row := range result.rows() {
			s.WriteString("| " + strings.Join(row, " | ") + " |\n")
		}
	}
	if r.packages != "" {
		s.WriteString("\n```\n" + strings.TrimSpace(r.packages) + "\n```\n")
	}
	return s.String()
}
