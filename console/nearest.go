package console

// nearest is the name that a mistyped one most likely means, "" if none is
// close: at most one change for every three letters, two at most.
func nearest(typed string, names []string) string {
	best, least := "", min(2, len(typed)/3)+1
	for _, name := range names {
		if d := len(typed) - len(name); d > 2 || d < -2 {
			continue
		}
		if d := distance(typed, name); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance is how many letters must be put in, left out, replaced, or swapped
// with their neighbour to make b of a.
func distance(a, b string) int {
	before := make([]int, len(b)+1)
	above := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}
