package config

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	File string // as given to Load or Parse
	Line int    // from 1; 0 if it is not about a line
	Text string
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

// Problems is everything that is wrong with a configuration, in order of lines.
// It is never empty when it is returned as an error.
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
		if a.File != b.File {
			return strings.Compare(a.File, b.File)
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return strings.Compare(a.Text, b.Text)
	})
}
