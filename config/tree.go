package config

import (
	"maps"
	"reflect"
	"slices"
)

// Tree is a configuration that comes from another format than TOML.
type Tree struct {
	// Path is the file that it comes from, for messages; relative paths start at its
	// folder.
	Path string
	// Values are what decoding TOML gives: settings by their names, "databases" and
	// "users" with a map[string]any for each table in them; string, int64, float64,
	// bool and []any. In texts, ${ begins a reference to the environment, as in TOML.
	Values map[string]any
	places lineIndex
}

// Set puts a value at a path, such as {"databases", "app", "port"}. place is where it
// stands; the zero Place is for what stands nowhere.
func (t *Tree) Set(value any, place Place, path ...string) {
	if t.Values == nil {
		t.Values = map[string]any{}
		t.places = lineIndex{}
	}
	table := t.Values
	for i, name := range path[:len(path)-1] {
		t.note(place, path[:i+1])
		next, ok := table[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			table[name] = next
		}
		table = next
	}
	t.note(place, path)
	table[path[len(path)-1]] = value
}

// Table makes the table at a path, which may stay empty.
func (t *Tree) Table(place Place, path ...string) {
	t.Set(map[string]any{}, place, path...)
}

func (t *Tree) note(place Place, path []string) {
	if at := t.places[joined(path)]; at.Line == 0 {
		t.places[joined(path)] = place
	}
}

// FromTree reads a configuration as Parse does. The error is always Problems.
func FromTree(t *Tree) (*Config, error) {
	return whole(DraftFromTree(t))
}

// DraftFromTree is to FromTree what LoadDraft is to Load.
func DraftFromTree(t *Tree) (*Config, error) {
	return read(t.Path, t.Values, t.places)
}

// Known tells whether there is a setting of this name at the top level ("") or in the
// tables "databases" or "users".
func Known(table, name string) bool {
	switch table {
	case "databases":
		return known(name, databaseSettings)
	case "users":
		return known(name, userSettings)
	}
	return known(name, settings)
}

// DefaultOf is the default of a general setting as one would write it; false if there
// is none of this name.
func DefaultOf(name string) (string, bool) {
	for i := range settings {
		s := &settings[i]
		if s.name != name {
			continue
		}
		def, err := s.parse(s.def)
		if err != nil {
			panic("bug: the default of " + name + ": " + err.Error())
		}
		return s.format(def), true
	}
	return "", false
}

// Place is where the key at a path stands.
func (t *Tree) Place(path ...string) Place { return t.places.at(path) }

// Differences are the first setting, database or user in which two configurations are
// not the same, in words; "" if there is none. Where they come from does not count. Tests
// hold other formats against TOML by it.
func Differences(a, b *Config) string {
	for i := range settings {
		s := &settings[i]
		if !reflect.DeepEqual(s.at(a), s.at(b)) {
			return s.name + " is not the same"
		}
	}
	if text := differences("databases", a.Databases, b.Databases); text != "" {
		return text
	}
	return differences("users", a.Users, b.Users)
}

func differences[T any](table string, a, b map[string]*T) string {
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if !reflect.DeepEqual(a[name], b[name]) {
			return dotted([]string{table, name}) + " is not the same"
		}
	}
	if len(a) != len(b) {
		return table + " are not the same"
	}
	return ""
}
