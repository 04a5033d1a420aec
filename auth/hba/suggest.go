package hba

import (
	"fmt"
	"strings"

	"pgweir/spelling"
)

// suggestion ends a message about a word that is none of those known; it is
// empty if none is near.
func suggestion(word string, known []string) string {
	best, least := "", 1+max(1, len(word)/3)
	for _, k := range known {
		if len(word) > len(k)+least || len(k) > len(word)+least {
			continue
		}
		if d := spelling.Distance(strings.ToLower(word), k); d < least && d < len(k) {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}
