package session

import (
	"strings"
	"testing"
	"testing/synctest"
)

// TestASeedOfTheSimulationTellsTheSameStoryAgain: a failure is of use only if it
// can be repeated.
func TestASeedOfTheSimulationTellsTheSameStoryAgain(t *testing.T) {
	story := func(seed uint64) (all []string) {
		synctest.Test(t, func(t *testing.T) { all = simulate(t, seed, true).trace })
		return all
	}
	for seed := range uint64(300) {
		first, again := story(seed+1), story(seed+1)
		for i := range max(len(first), len(again)) {
			if i >= len(first) || i >= len(again) || first[i] != again[i] {
				t.Fatalf("seed %d: two stories of %d and %d lines, from line %d on:\n%s\n%s", seed+1, len(first), len(again), i,
					strings.Join(first[max(0, i-3):min(i+2, len(first))], "\n"), strings.Join(again[max(0, i-3):min(i+2, len(again))], "\n"))
			}
		}
	}
}
