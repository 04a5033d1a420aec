package config

import (
	"bytes"
	"errors"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// syntaxProblem is an error of the TOML parser's about data, without what stands there:
// it may be a part of a secret.
func syntaxProblem(path string, data []byte, err error) Problem {
	problem := Problem{File: path, Text: withoutValue(strings.TrimPrefix(err.Error(), "toml: "))}
	var decodeErr *toml.DecodeError
	if errors.As(err, &decodeErr) {
		problem.Line, _ = decodeErr.Position()
		problem.Text += notTOML(lineOf(data, problem.Line))
	}
	return problem
}

// shownCharacter is how the TOML parser shows a character of the file that can be
// printed.
var shownCharacter = regexp.MustCompile(`(?s):? U\+[0-9A-F]{4,6} '.*'`)

// withoutValue takes what stands in the file out of an error of the TOML parser's.
func withoutValue(text string) string {
	text, _, _ = strings.Cut(text, ": strconv.")
	return strings.TrimSuffix(shownCharacter.ReplaceAllString(text, ""), " but got")
}

// lineOf is a line of data, the first of which is 1; empty if there is none.
func lineOf(data []byte, line int) []byte {
	for ; line > 1; line-- {
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	text, _, _ := bytes.Cut(data, []byte("\n"))
	return text
}

var (
	bareText  = regexp.MustCompile(`^\s*[A-Za-z0-9_.-]+\s*=\s*([A-Za-z*/@:$]|[0-9]+\.[0-9]+\.|[0-9]*[A-Za-z])`)
	bareTable = regexp.MustCompile(`^\s*\[\s*(databases|users)\s*\.[^"'\]]*[^"'\]\w.\s-][^"'\]]*\]`)
)

// notTOML is what to say of a line that would do in a pgbouncer.ini, and is no TOML.
func notTOML(line []byte) string {
	switch {
	case bytes.HasPrefix(bytes.TrimSpace(line), []byte(";")):
		return "; a comment begins with #"
	case bareText.Match(line):
		return `; a text stands in quotes, as in pool_mode = "session"`
	case bareTable.Match(line):
		return `; a name with other characters than letters, digits, "_" and "-" stands in quotes, as in [databases."*"]`
	}
	return ""
}
