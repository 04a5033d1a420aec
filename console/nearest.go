package console

import "pgweir/spelling"

// nearest is the name that a mistyped one most likely means, "" if none is
// close: at most one change for every three letters, two at most.
func nearest(typed string, names []string) string {
	best, least := "", min(2, len(typed)/3)+1
	for _, name := range names {
		if d := len(typed) - len(name); d > 2 || d < -2 {
			continue
		}
		if d := spelling.Distance(typed, name); d < least {
			best, least = name, d
		}
	}
	return best
}
