//go:build !race

package proxy

// restless is for programs with the race detector; see restless_race.go.
const restless = false
