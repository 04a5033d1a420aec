package config

import (
	"fmt"
	"strings"
)

// TextOf is a text as it is written in a config.toml, in its quotes; a "${" in it
// stands for no variable.
func TextOf(text string) string { return basicString(strings.ReplaceAll(text, "${", "$${")) }

// KeyOf is a key, or the name of a table, as it is written in a config.toml.
func KeyOf(key string) string {
	bare := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-'
	}
	if key != "" && strings.IndexFunc(key, func(r rune) bool { return !bare(r) }) < 0 {
		return key
	}
	return basicString(key)
}

// basicString is a basic string of TOML.
func basicString(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
