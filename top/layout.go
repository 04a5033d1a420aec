package top

import "slices"

const gap = 1 // between columns

// needs is how wide each column must be to show all of its cells, or as much of
// them as it is given at most. One that is empty in every row needs nothing,
// and is left out.
func (v *view) needs(bounded bool) []int {
	needs := make([]int, len(v.columns))
	for i := range v.columns {
		widest := 0
		for r := range v.rows {
			widest = max(widest, width(v.rows[r].cells[i].text))
		}
		if widest == 0 && len(v.rows) > 0 && i != v.sort {
			continue
		}
		needs[i] = max(widest, len(v.columns[i].title)+oneIf(i == v.sort))
		if most := v.columns[i].most; bounded && most > 0 {
			needs[i] = min(needs[i], most)
		}
	}
	return needs
}

// layout gives each column its width, 0 for those that are not shown, so that
// all take no more than total with a gap between them. A total of 0 is
// without bounds. What is sorted by is shown as long as anything is.
func (v *view) layout(total int) []int {
	needs := v.needs(total > 0)
	if total <= 0 {
		return needs
	}
	widths := make([]int, len(needs))
	for i, need := range needs {
		widths[i] = need
		if least := v.columns[i].least; least > 0 {
			widths[i] = min(need, least)
		}
	}
	for sum(widths) > total {
		if shown(widths) == 1 {
			last := slices.IndexFunc(widths, func(w int) bool { return w > 0 })
			widths[last] = total
			return widths
		}
		widths[v.leastKept(widths)] = 0
	}
	v.spread(widths, needs, total-sum(widths))
	return widths
}

// leastKept is the shown column that is to go first.
func (v *view) leastKept(widths []int) int {
	least := -1
	for i, w := range widths {
		if w > 0 && i != v.sort && (least < 0 || v.columns[i].keep < v.columns[least].keep) {
			least = i
		}
	}
	return least
}

// spread gives the room that is left to the columns that need more, one each in
// turn.
func (v *view) spread(widths, needs []int, room int) {
	for given := true; given && room > 0; {
		given = false
		for i := range widths {
			if widths[i] > 0 && widths[i] < needs[i] && room > 0 {
				widths[i]++
				room--
				given = true
			}
		}
	}
}

func shown(widths []int) (n int) {
	for _, w := range widths {
		n += oneIf(w > 0)
	}
	return n
}

// sum is how much a line of these columns takes.
func sum(widths []int) (n int) {
	for _, w := range widths {
		n += w
	}
	return n + gap*max(0, shown(widths)-1)
}
