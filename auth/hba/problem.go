package hba

import (
	"strings"

	"pgweir/fault"
)

type (
	// Problem is one thing that is wrong with a file.
	Problem = fault.Problem
	// Problems is everything that is wrong, in the order in which the files are read.
	Problems = fault.Problems
)

// problem notes what is wrong, once. Beyond maxProblems nothing is noted.
func (l *loader) problem(file string, line int, text string) {
	p := Problem{File: file, Line: line, Text: strings.ReplaceAll(text, "\n", " ")}
	if l.seen[p.Error()] || len(l.problems) > maxProblems {
		return
	}
	if len(l.problems) == maxProblems {
		p.Text = "there are more problems, which are not listed"
	}
	l.seen[p.Error()] = true
	l.problems = append(l.problems, p)
}
