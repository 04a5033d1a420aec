package config

import (
	"fmt"
	"strings"

	"pgweir/spelling"
)

// unknown is what to say of a key that is no setting of the table at path
// (empty for the top level), whose settings are known.
func unknown(path []string, name string, raw any, known []string) string {
	_, isTable := raw.(map[string]any)
	if len(path) == 0 && isTable {
		return unknownTable(name)
	}
	text := fmt.Sprintf("unknown setting %s", quote(name))
	if len(path) > 0 {
		text = dotted(path) + ": " + text
	}
	if where := elsewhere(path, name); where != "" {
		return text + "; " + where
	}
	if near := nearest(name, known); near != "" {
		return text + fmt.Sprintf("; did you mean %q?", near)
	}
	return text
}

func unknownTable(name string) string {
	text := fmt.Sprintf("unknown table [%s]", dotted([]string{name}))
	if name == "pgbouncer" || name == "pgweir" {
		return text + "; these settings stand at the top of the file, under no [table]"
	}
	if near := nearest(name, []string{"databases", "users"}); near != "" {
		return text + fmt.Sprintf("; did you mean [%s.NAME]?", near)
	}
	return text + "; there are [databases.NAME] and [users.NAME]"
}

// elsewhere says where a name that is unknown in the table at path is known.
// TOML puts every key after a [table] into that table, so a general setting
// below one is an easy slip.
func elsewhere(path []string, name string) string {
	switch {
	case len(path) > 0 && known(name, settings):
		return "it belongs at the top of the file, before the first [table]"
	case (len(path) == 0 || path[0] == "users") && known(name, databaseSettings):
		return "it belongs in a [databases.NAME]"
	case len(path) > 0 && path[0] == "databases" && known(name, userSettings):
		return "it belongs in a [users.NAME]"
	}
	return ""
}

// Nearest is the one of candidates that a name is most likely a slip of; "" if none is
// near.
func Nearest(name string, candidates []string) string { return nearest(name, candidates) }

// nearest is the one of candidates that name is most likely a slip of; "" if
// none is near. Among equally near ones the first wins.
func nearest(name string, candidates []string) string {
	best, bestDistance := "", 1+max(2, len(name)/4)
	name = strings.ToLower(name)
	for _, candidate := range candidates {
		if extends(name, candidate) || len(name) > 5 && strings.HasPrefix(candidate, name) {
			return candidate // it was written out, or cut short
		}
		// What differs this much in length alone cannot win; nor is a long
		// name compared at length.
		if diff := len(name) - len(candidate); diff >= bestDistance || -diff >= bestDistance {
			continue
		}
		if d := spelling.Distance(name, candidate); d < bestDistance && d < len(candidate) {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// extends reports whether name is candidate with its last word written out. A
// further word makes it another name: "listen_prot" is none of "listen".
func extends(name, candidate string) bool {
	rest, ok := strings.CutPrefix(name, candidate)
	return ok && len(candidate) > 5 && !strings.HasPrefix(rest, "_")
}
