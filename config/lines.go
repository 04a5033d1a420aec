package config

import (
	"maps"
	"sort"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Place is where something stands. The zero value is no place.
type Place struct {
	File string // "": the configuration file itself
	Line int    // from 1; 0 if it stands nowhere
}

// lineIndex says where each key stands. The decoded tree has no
// positions, so the keys are walked a second time.
type lineIndex map[string]Place

// at is the place of the key with this path.
func (l lineIndex) at(path []string) Place { return l[joined(path)] }

// of is the line of the key with this path, from 1; 0 if there is none.
func (l lineIndex) of(path []string) int { return l.at(path).Line }

// joined is a path as the index has it.
func joined(path []string) string { return strings.Join(path, "\x00") }

// alias has all that stands below a path be found below another one, too.
func (l lineIndex) alias(path, other []string) {
	from, to := strings.Join(path, "\x00"), strings.Join(other, "\x00")
	for key, line := range maps.Clone(l) {
		if rest, ok := strings.CutPrefix(key, from); ok && (rest == "" || rest[0] == 0) {
			l[to+rest] = line
		}
	}
}

// keyLines indexes data, which must be valid TOML.
func keyLines(data []byte) lineIndex {
	w := lineWalker{index: lineIndex{}}
	for i, c := range data {
		if c == '\n' {
			w.newlines = append(w.newlines, i)
		}
	}
	w.parser.Reset(data)
	var table []string
	for w.parser.NextExpression() {
		switch e := w.parser.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = w.keys(nil, e)
		case unstable.KeyValue:
			w.keyValue(table, e)
		}
	}
	return w.index
}

type lineWalker struct {
	parser   unstable.Parser
	newlines []int // offsets
	index    lineIndex
}

// keys notes the dotted key of e below path, and returns the two joined. Where
// a name comes up again (as the start of a further table) the first line stays.
func (w *lineWalker) keys(path []string, e *unstable.Node) []string {
	path = path[:len(path):len(path)]
	for it := e.Key(); it.Next(); {
		key := it.Node()
		path = append(path, string(key.Data))
		if index := joined(path); w.index[index].Line == 0 {
			w.index[index] = Place{Line: 1 + sort.SearchInts(w.newlines, int(key.Raw.Offset))}
		}
	}
	return path
}

func (w *lineWalker) keyValue(path []string, e *unstable.Node) {
	path = w.keys(path, e)
	value := e.Value()
	if value.Kind != unstable.InlineTable {
		return
	}
	for it := value.Children(); it.Next(); {
		w.keyValue(path, it.Node())
	}
}

// dotted prints a path as it would be written in TOML.
func dotted(path []string) string {
	parts := make([]string, len(path))
	for i, part := range path {
		parts[i] = part
		if !isBareKey(part) {
			parts[i] = strconv.Quote(part)
		}
	}
	return strings.Join(parts, ".")
}

func isBareKey(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return s != ""
}
