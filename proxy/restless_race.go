//go:build race

package proxy

// restless: clients move from loop to loop all the time, so that the race
// detector sees what that may break.
const restless = true
