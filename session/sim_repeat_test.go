package session

import (
	"testing"
	"testing/synctest"
)

// TestASeedOfTheSimulationTellsTheSameStoryAgain: a failure is of use only if it
// can be repeated.
func TestASeedOfTheSimulationTellsTheSameStoryAgain(t *testing.T) {
	story := func(seed uint64) (all []string) {
		synctest.Test(t, func(t *testing.T) { all = simulate(t, seed, true) })
		return all
	}
	for seed := range uint64(100) {
		first, again := story(seed+1), story(seed+1)
		for i := range max(len(first), len(again)) {
			if i >= len(first) || i >= len(again) || first[i] != again[i] {
				t.Fatalf("seed %d: two stories from line %d on, of %d and %d lines", seed+1, i, len(first), len(again))
			}
		}
	}
}
