package config

import (
	"maps"
	"reflect"
	"slices"
)

// Kinds of a Change.
const (
	Changed = "changed" // it had another value
	Set     = "set"     // it had none
	Unset   = "unset"   // it has none any more
	Added   = "added"   // a database or a user
	Removed = "removed"
)

// Change is one setting, database or user in which two configurations differ.
type Change struct {
	Setting string // "default_pool_size", "databases.shop.pool_size" or "users.ann"
	Kind    string // Changed, Set, Unset, Added or Removed
	// Before and After are values as one would write them, without quotes; "" of
	// secrets, of commands, and where there is no value.
	Before, After string
	// Hidden: the values are not to be shown.
	Hidden bool
}

// Changes are what differs between two configurations: first the general settings, in
// the order of the documentation, then databases and users, by their names. What became
// of a secret is told, not the secret.
func Changes(before, after *Config) []Change {
	out := tableChanges(nil, nil, settings, before, after)
	out = append(out, entryChanges("databases", databaseSettings, before.Databases, after.Databases)...)
	return append(out, entryChanges("users", userSettings, before.Users, after.Users)...)
}

func entryChanges[T any](table string, known []setting[T], before, after map[string]*T) (out []Change) {
	all := maps.Clone(before)
	if all == nil {
		all = map[string]*T{}
	}
	maps.Copy(all, after)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		path := []string{table, name}
		was, is := before[name], after[name]
		switch {
		case was == nil:
			out = append(out, Change{Setting: dotted(path), Kind: Added})
		case is == nil:
			out = append(out, Change{Setting: dotted(path), Kind: Removed})
		default:
			out = tableChanges(out, path, known, was, is)
		}
	}
	return out
}

// tableChanges appends the changes of one table's settings.
func tableChanges[T any](out []Change, path []string, known []setting[T], before, after *T) []Change {
	for i := range known {
		s := &known[i]
		if c, ok := s.change(s.at(before), s.at(after)); ok {
			c.Setting = dotted(append(path[:len(path):len(path)], s.name))
			out = append(out, c)
		}
	}
	return out
}

// change compares two fields of a setting; false if they are the same.
func (s *spec) change(before, after any) (Change, bool) {
	was, wasSet := s.text(before)
	is, isSet := s.text(after)
	if wasSet == isSet && reflect.DeepEqual(before, after) {
		return Change{}, false
	}
	c := Change{Kind: Changed, Before: was, After: is, Hidden: s.kind.secret()}
	switch {
	case !wasSet:
		c.Kind = Set
	case !isSet:
		c.Kind = Unset
	}
	return c, true
}

// text is the value that a field pointer leads to; false if there is none, so that
// another setting, or none, holds.
func (s *spec) text(field any) (text string, ok bool) {
	v := reflect.ValueOf(field).Elem()
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return "", false
		}
		v = v.Elem()
	}
	if s.kind.secret() {
		return "", !v.IsZero()
	}
	text = s.format(v.Interface())
	return text, text != ""
}
