package status

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Reload is what a reload has changed.
type Reload struct {
	// Changes are in force.
	Changes []Change
	// Pending are of settings that keep their value until a restart.
	Pending []Change
}

// Change is one setting, database or user that is not what it was.
type Change struct {
	Setting string // "default_pool_size", "databases.shop.pool_size" or "users.ann"
	Kind    string // "changed", "set", "unset", "added" or "removed"
	// Before and After are the values, as one would write them, without quotes; "" where
	// there is none.
	Before, After string
	// Hidden: the values are secret.
	Hidden bool
}

// String is the change in words, on one line: "default_pool_size changed from 20 to 10".
func (c Change) String() string {
	text := printable(c.Setting) + " " + c.Kind
	switch {
	case c.Hidden || c.Before == "" && c.After == "":
		return text
	case c.Kind == "changed":
		return text + " from " + valueText(c.Before) + " to " + valueText(c.After)
	case c.Kind == "set":
		return text + " to " + valueText(c.After)
	case c.Kind == "unset":
		return text + ", was " + valueText(c.Before)
	}
	return text
}

// maxLines bounds what a reload says.
const maxLines = 100

// Lines are the reload in words: a line for each change, of which the last may stand for
// many, or the only one says that there is none.
func (r *Reload) Lines() []string {
	lines := make([]string, 0, len(r.Changes)+len(r.Pending))
	for _, c := range r.Changes {
		lines = append(lines, c.String())
	}
	if len(lines) > maxLines {
		lines = append(lines[:maxLines:maxLines], fmt.Sprintf("and %d further changes", len(r.Changes)-maxLines))
	}
	if len(lines) == 0 {
		lines = append(lines, "nothing has changed")
	}
	for _, c := range r.Pending {
		lines = append(lines, c.String()+" at a restart only")
	}
	return lines
}

const maxValue = 200 // bytes of one in a line

// valueText is a value as it stands in a line.
func valueText(v string) string {
	if len(v) > maxValue {
		cut := maxValue
		for !utf8.RuneStart(v[cut]) {
			cut--
		}
		v = v[:cut] + "..."
	}
	return printable(v)
}

// printable is a text as it is, unless that would break the line.
func printable(v string) string {
	if v == "" || strings.ContainsFunc(v, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(v)
	}
	return v
}
