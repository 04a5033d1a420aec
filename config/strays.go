package config

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// Strays are general settings that probably ended up in a table by mistake: TOML puts
// every key below a [table] into it, and some settings are known there too.
func (c *Config) Strays() []Problem { return c.strays }

// findStrays looks for keys of [databases.NAME] and [users.NAME] that are general
// settings as well, that the file does not set at its top, and that an empty line
// separates from what is above them in the table.
func findStrays(file string, tree map[string]any, lines lineIndex, data []byte) (strays []Problem) {
	text := bytes.Split(data, []byte("\n"))
	for _, kind := range []string{"databases", "users"} {
		tables, _ := tree[kind].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(tables)) {
			table, _ := tables[name].(map[string]any)
			for _, key := range slices.Sorted(maps.Keys(table)) {
				path := []string{kind, name, key}
				_, general := tree[key]
				if line := lines.of(path); line != 0 && !general && known(key, settings) && apart(text, line) {
					strays = append(strays, Problem{File: file, Line: line, Text: fmt.Sprintf(
						"%s stands in [%s] and holds for that alone; if it is meant for all, it belongs at the top of the file, before the first [table]",
						key, dotted(path[:2]))})
				}
			}
		}
	}
	Problems(strays).Sort()
	return strays
}

// apart tells whether an empty line comes before a line and the comments above it,
// or anywhere between it and the header of its table.
func apart(text [][]byte, line int) bool {
	for i := line - 2; i >= 0; i-- {
		switch above := bytes.TrimSpace(text[i]); {
		case len(above) == 0:
			return true
		case above[0] == '[':
			return false
		}
	}
	return false
}
