package main

import (
	"slices"
	"time"
)

// crowd is what a thousand clients met who all asked at once and again and
// again.
type crowd struct {
	waits       []time.Duration // of all queries that began while it was measured
	least, most int             // queries of any one client
	elapsed     time.Duration
}

// newCrowd sums up the queries by client.
func newCrowd(waits []time.Duration, queries []int, elapsed time.Duration) *crowd {
	slices.Sort(waits)
	return &crowd{waits: waits, least: slices.Min(queries), most: slices.Max(queries), elapsed: elapsed}
}

// quantile is the wait that the share q of all queries did not exceed.
func (c *crowd) quantile(q float64) time.Duration {
	if len(c.waits) == 0 {
		return 0
	}
	rank := int(q * float64(len(c.waits)))
	return c.waits[min(rank, len(c.waits)-1)]
}
