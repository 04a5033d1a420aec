// Package fault has what is wrong with files that people write, by file and line.
//
// It must not know which files there are, or what stands in them.
package fault

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a file.
type Problem struct {
	File string // as named by the caller, or as an include makes it of that
	Line int    // from 1, where the line begins; 0 if the whole file is meant
	Text string // one line
	// Unknown is the path of the key that the problem is about, if it is no setting
	// of the table that it stands in: {"databases", "app", "hots"}.
	Unknown []string
}

// Error gives one line: "config.toml:12: …".
func (p Problem) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// Problems is everything that is wrong. It is never empty when it is returned as an error.
type Problems []Problem

// Error gives a line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Sort puts them in order of files and lines.
func (ps Problems) Sort() {
	slices.SortFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Text, b.Text))
	})
}
