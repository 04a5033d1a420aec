package hba

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with a file.
type Problem struct {
	File string // as named by the caller, or as an include makes it of that
	Line int    // from 1, where the line begins; 0 if the whole file is meant
	Text string // one line
}

// Error gives one line: "pg_hba.conf:12: …".
func (p Problem) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// Problems is everything that is wrong, in the order in which the files are
// read. It is never empty when it is returned as an error.
type Problems []Problem

// Error gives a line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// problem notes what is wrong, once. Beyond maxProblems nothing is noted.
func (l *loader) problem(file string, line int, text string) {
	p := Problem{file, line, strings.ReplaceAll(text, "\n", " ")}
	if l.seen[p] || len(l.problems) > maxProblems {
		return
	}
	if len(l.problems) == maxProblems {
		p.Text = "there are more problems, which are not listed"
	}
	l.seen[p] = true
	l.problems = append(l.problems, p)
}
