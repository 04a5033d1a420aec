package config

import (
	"errors"
	"fmt"
	"maps"
	"strings"
)

// treeOf is what a configuration was read from, never changed. It has secrets in it, so it
// is kept behind a pointer, which no format follows.
type treeOf struct{ values map[string]any }

// Errors of With, besides Problems.
var (
	// ErrAtRestart: it takes effect at a restart only.
	ErrAtRestart = errors.New("takes effect at a restart only")
	// ErrSecret: it may hold a secret, or name a command or a file.
	ErrSecret = errors.New("is set in the file only")
)

// With is c with one general setting changed, as if its file said so; value is as one
// would write it in the file, without quotes, and is not looked through for references to
// the environment. The other files that c names are read again. name is the setting's own
// name, should key be another one for it.
func (c *Config) With(key, value string) (changed *Config, name string, err error) {
	var s *setting[Config]
	for i := range settings {
		if settings[i].name == key || settings[i].also == key && key != "" {
			s = &settings[i]
		}
	}
	switch {
	case s == nil:
		if where := elsewhere(nil, key); where != "" {
			return nil, "", fmt.Errorf("unknown setting %s; %s of the file", quote(key), where)
		}
		if near := nearest(key, names(settings)); near != "" {
			return nil, "", fmt.Errorf("unknown setting %s; did you mean %q?", quote(key), near)
		}
		return nil, "", fmt.Errorf("unknown setting %s; SHOW CONFIG lists them", quote(key))
	case s.restart:
		return nil, "", fmt.Errorf("\"%s\" %w", s.name, ErrAtRestart)
	case s.kind.secret():
		return nil, "", fmt.Errorf("\"%s\" %w: it may hold a secret", s.name, ErrSecret)
	case s.kind == kindPath: // an error would quote the file's words
		return nil, "", fmt.Errorf("\"%s\" %w: the file that it names may hold a secret", s.name, ErrSecret)
	}
	tree := maps.Clone(c.tree.values)
	delete(tree, s.also)
	tree[s.name] = s.number(strings.ReplaceAll(value, "${", "$${"))
	next, err := read(c.Path, tree, maps.Clone(c.lines))
	var problems Problems
	if errors.As(err, &problems) && len(problems) > 0 {
		return nil, "", errors.New(problems[0].Text)
	}
	if err != nil {
		return nil, "", err
	}
	next.strays = c.strays
	return next, s.name, nil
}
