package pool

import (
	"math"
	"time"
)

// Shares are weighted max-min ("water-filling"): the level rises for all pools at
// once, each has its weight times the level, and stops where it has what it wants
// or where one of its caps is full. So a pool that wants less than its share has
// what it wants, and the others share the rest by weight. What a pool is sure of
// (claim.least) is filled first, in the same way.

// claim is what one pool has of the caps that it is under, and what it wants.
type claim struct {
	pool   *Pool
	weight float64
	has    int // backends, without those on their way out
	idle   int // of these
	// Of the one that has been idle longest: since when, and for how long.
	idleAt  time.Duration
	idleFor time.Duration
	asks    int // backends that it would use now
	wants   int // the same, or what it has used of late
	least   int // that it is sure of, if it wants as many
	order   int // of those that were refused; the first is the smallest
	groups  []*group

	fair   float64 // its share, as a fraction
	due    int     // its share in whole backends
	credit float64 // see account
	gives  int     // backends to give up
	frozen bool
}

// group is the pools under one cap.
type group struct {
	most    int // the cap
	members []*claim
	free    int // backends that nobody has, or will have been given up
	level   float64
	stale   bool // level has to be worked out again
}

// share fills in what is fair for each claim.
func share(claims []*claim, groups []*group) {
	for _, c := range claims {
		c.fair = 0
	}
	raise(claims, groups, func(c *claim) float64 { return float64(c.least) })
	raise(claims, groups, func(c *claim) float64 { return float64(c.wants) })
}

// raise has each claim's fair share rise to its upper bound, as far as caps allow.
func raise(claims []*claim, groups []*group, upper func(*claim) float64) {
	for _, c := range claims {
		c.frozen = false
	}
	for _, g := range groups {
		g.stale = true
	}
	for {
		lowest := math.Inf(1)
		var full *group
		for _, g := range groups {
			if g.stale {
				g.level, g.stale = g.levelFor(upper), false
			}
			if g.level < lowest {
				lowest, full = g.level, g
			}
		}
		if full == nil {
			break
		}
		for _, c := range full.members {
			if c.frozen {
				continue
			}
			c.fair, c.frozen = c.at(lowest, upper), true
			for _, g := range c.groups {
				g.stale = true
			}
		}
	}
	for _, c := range claims {
		if !c.frozen {
			c.fair = max(c.fair, upper(c))
		}
	}
}

// at is a claim's share at a level: never less than it has been given before.
func (c *claim) at(level float64, upper func(*claim) float64) float64 {
	return max(c.fair, min(c.weight*level, upper(c)))
}

// slack is far below what matters in a share.
const slack = 1e-6

// levelFor is the level at which the cap is full; infinite if it never is, or if
// nobody is left whose share could rise.
func (g *group) levelFor(upper func(*claim) float64) float64 {
	high, rising := 0.0, false
	for _, c := range g.members {
		if !c.frozen {
			rising = true
			high = max(high, upper(c)/c.weight)
		}
	}
	most := float64(g.most) + slack/2
	if !rising || g.sum(high, upper) <= most {
		return math.Inf(1)
	}
	low := 0.0
	for range 60 {
		if mid := (low + high) / 2; g.sum(mid, upper) <= most {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

// sum is what the members have at a level.
func (g *group) sum(level float64, upper func(*claim) float64) (sum float64) {
	for _, c := range g.members {
		if c.frozen {
			sum += c.fair
		} else {
			sum += c.at(level, upper)
		}
	}
	return sum
}
