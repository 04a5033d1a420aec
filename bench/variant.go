package main

import (
	"fmt"
	"regexp"
	"strings"
)

// variant is a pgweir with settings of its own.
type variant struct {
	name     string
	of       string // the pgweir that it is of; "" is each of them
	settings []setting
}

// setting is a line at the top of config.toml; the value is TOML.
type setting struct{ name, value string }

var (
	poolerName  = regexp.MustCompile(`^[A-Za-z0-9._+-]+$`)
	settingName = regexp.MustCompile(`^[a-z0-9_]+$`)
	// tomlValue is what needs no quotes: numbers, booleans, texts in quotes, lists.
	tomlValue = regexp.MustCompile(`^([+-]?[0-9][0-9_]*(\.[0-9]+)?|true|false|".*"|'.*'|\[.*\])$`)
)

// parseNamed reads NAME=PATH; without a name it is "pgweir".
func parseNamed(s string) (named, error) {
	name, path, found := strings.Cut(s, "=")
	if !found {
		name, path = "pgweir", s
	}
	if !poolerName.MatchString(name) {
		return named{}, fmt.Errorf("the name %q is to be of letters, digits and . _ + -", name)
	}
	if path == "" {
		return named{}, fmt.Errorf("%q names no program", s)
	}
	return named{name, path}, nil
}

// parseVariant reads NAME[@PGWEIR]:SETTING=VALUE[,SETTING=VALUE...].
func parseVariant(s string) (variant, error) {
	head, list, found := strings.Cut(s, ":")
	if !found || list == "" {
		return variant{}, fmt.Errorf("%q is not of the form NAME:SETTING=VALUE,SETTING=VALUE", s)
	}
	var v variant
	v.name, v.of, _ = strings.Cut(head, "@")
	if !poolerName.MatchString(v.name) {
		return v, fmt.Errorf("the name %q is to be of letters, digits and . _ + -", v.name)
	}
	for _, part := range splitSettings(list) {
		name, value, found := strings.Cut(part, "=")
		if !found || !settingName.MatchString(name) {
			return v, fmt.Errorf("%q is to be SETTING=VALUE", part)
		}
		if !tomlValue.MatchString(value) {
			value = quote(value)
		}
		v.settings = append(v.settings, setting{name, value})
	}
	return v, nil
}

// splitSettings cuts at commas that are in no quotes and in no list.
func splitSettings(s string) (parts []string) {
	start, depth := 0, 0
	var inside rune
	for i, c := range s {
		switch {
		case inside != 0:
			if c == inside {
				inside = 0
			}
		case c == '"' || c == '\'':
			inside = c
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == ',' && depth == 0:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// override is the settings with others in their place, or behind them.
func override(settings, with []setting) []setting {
	all := append([]setting(nil), settings...)
next:
	for _, w := range with {
		for i := range all {
			if all[i].name == w.name {
				all[i].value = w.value
				continue next
			}
		}
		all = append(all, w)
	}
	return all
}

// quote is a text as TOML has it.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
