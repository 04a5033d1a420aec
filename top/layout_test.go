package top

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func wide(least, need int) view {
	t := &table{columns: []column{
		{title: "A", keep: 3}, {title: "B", least: least, keep: 1}, {title: "C", least: 2, most: 8, keep: 2},
	}}
	v := *newView(t)
	v.rows = []row{{cells: []cell{{text: "12345"}, {text: strings.Repeat("x", need)}, {text: "a long text"}}}}
	return v
}

func TestColumnsFit(t *testing.T) {
	v := wide(4, 10)
	for _, c := range []struct {
		total int
		want  []int
	}{
		{0, []int{5, 10, 11}}, {100, []int{5, 10, 8}}, {25, []int{5, 10, 8}},
		{24, []int{5, 10, 7}},
		{13, []int{5, 4, 2}},                     // the least of all
		{12, []int{5, 0, 6}},                     // B is the first to go
		{7, []int{5, 0, 0}}, {3, []int{3, 0, 0}}, // the last is cut
	} {
		if got := v.layout(c.total); !slices.Equal(got, c.want) {
			t.Errorf("in %d: %v, want %v", c.total, got, c.want)
		}
	}
	// What is sorted by stays.
	v.sort = 1
	if got := v.layout(6); !slices.Equal(got, []int{0, 6, 0}) {
		t.Errorf("sorted by B: %v", got)
	}
	// A column without anything is not shown.
	v.rows[0].cells[2].text = ""
	if got := v.layout(0); got[2] != 0 {
		t.Errorf("an empty column takes %d", got[2])
	}
}

func TestColumnsNeverTakeMoreThanThereIs(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 5000 {
		v := wide(1+random.IntN(12), random.IntN(40))
		v.sort = random.IntN(3)
		total := 1 + random.IntN(60)
		widths := v.layout(total)
		if sum(widths) > total || shown(widths) == 0 || widths[v.sort] == 0 {
			t.Fatalf("in %d: %v, sorted by %d", total, widths, v.sort)
		}
	}
}
