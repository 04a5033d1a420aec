package pool

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Shares are fractions and backends are whole, so some pools get one more than
// their share and others one less, in turns. What a pool has had less than its
// share is its credit, in backends times seconds; the one with the most credit has
// the next turn. A turn lasts until another's credit is greater by as much as the
// backends that are closed and opened for it are worth.
const (
	// shortTurn is for pools that have nothing while it is not theirs, because there are
	// more of them than the caps allow backends.
	shortTurn = 0.2
	// longTurn is for those that have others.
	longTurn = 2.0
	// rested is for how long a backend has to be idle to be given up for a pool that has
	// none, though its own may want it again soon. Else, with many pools that want one
	// now and then, one would be opened for every other query.
	rested = 50 * time.Millisecond
	// maxCredit bounds what is remembered of times in which turns could not be
	// taken, as with long transactions.
	maxCredit = 2 * longTurn
)

// round makes whole backends of the fair shares.
func round(claims []*claim, groups []*group) {
	for _, g := range groups {
		g.free = g.most
	}
	var more []*claim
	for _, c := range claims {
		c.due = int(math.Floor(c.fair + slack))
		for _, g := range c.groups {
			g.free -= c.due
		}
		if c.fair-float64(c.due) > slack {
			more = append(more, c)
		}
	}
	slices.SortStableFunc(more, func(a, b *claim) int {
		return cmp.Or(cmp.Compare(b.claimOnTurn(), a.claimOnTurn()), cmp.Compare(a.order, b.order))
	})
	for _, c := range more {
		if slices.ContainsFunc(c.groups, func(g *group) bool { return g.free <= 0 }) {
			continue
		}
		c.due++
		for _, g := range c.groups {
			g.free--
		}
	}
}

// claimOnTurn is its credit; who has the turn keeps it for a while.
func (c *claim) claimOnTurn() float64 {
	switch {
	case c.has <= c.due:
		return c.credit
	case c.due == 0:
		return c.credit + shortTurn
	}
	return c.credit + longTurn
}

// earn counts the credit of the time since the last division.
func (c *claim) earn(since time.Duration) {
	c.credit += (c.fair - float64(c.has)) * since.Seconds()
	c.credit = max(-maxCredit, min(c.credit, maxCredit))
	if c.wants == 0 {
		c.credit = 0
	}
}

// plan finds who has to give up how many backends, so that all can have their due.
func plan(claims []*claim, groups []*group) {
	for _, g := range groups {
		g.free = g.most
		for _, c := range g.members {
			g.free -= c.has
		}
	}
	for _, g := range groups {
		g.keepToCap()
	}
	short := slices.DeleteFunc(slices.Clone(claims), func(c *claim) bool {
		return c.lacks() == 0 && (c.has > 0 || c.asks == 0)
	})
	slices.SortStableFunc(short, func(a, b *claim) int {
		return cmp.Or(cmp.Compare(min(a.has, 1), min(b.has, 1)), cmp.Compare(a.order, b.order))
	})
	for _, c := range short {
		if c.due == 0 && c.makesRoom((*claim).idler) {
			c.due = 1 // nobody needs that one now, so why wait for the turn
			continue
		}
		for range c.lacks() {
			c.makesRoom((*claim).richer)
		}
	}
}

// lacks is how many backends of its due it would use and has not.
func (c *claim) lacks() int { return max(min(c.due, c.asks)-c.has, 0) }

// makesRoom takes one backend's worth in each cap that c is under. Where there is
// none, one that better prefers gives one up. It is false if nobody can.
func (c *claim) makesRoom(better func(a, b *claim) bool) bool {
	var donors []*claim
	for _, g := range c.groups {
		if g.free > 0 || slices.ContainsFunc(donors, func(d *claim) bool { return slices.Contains(d.groups, g) }) {
			continue
		}
		donor := g.donor(c, better)
		if donor == nil {
			return false
		}
		donors = append(donors, donor)
	}
	for _, d := range donors {
		d.give()
	}
	for _, g := range c.groups {
		g.free--
	}
	return true
}

// keepToCap has backends given up that are beyond a cap, as it was lowered.
func (g *group) keepToCap() {
	for g.free < 0 {
		d := g.donor(nil, (*claim).richer)
		if d == nil {
			return
		}
		d.give()
	}
}

// donor is the member, besides c, that better prefers; nil if none can give.
func (g *group) donor(c *claim, better func(a, b *claim) bool) (donor *claim) {
	for _, d := range g.members {
		if d != c && better(d, nil) && (donor == nil || better(d, donor)) {
			donor = d
		}
	}
	return donor
}

// give gives one backend up, under each cap that it is under.
func (c *claim) give() {
	c.gives++
	c.due = min(c.due, c.has-c.gives)
	for _, g := range c.groups {
		g.free++
	}
}

// spareIdle is how many backends nobody uses that have not been given up.
func (c *claim) spareIdle() int { return c.idle - c.gives }

// idler prefers the pool with the backend that has been idle longest; one without
// is no use, as b = nil asks.
func (a *claim) idler(b *claim) bool {
	return a.spareIdle() > 0 && a.idleFor >= rested && (b == nil || a.idleAt < b.idleAt)
}

// richer prefers a pool with an idle backend among those that have more than their
// due, and then the one with the most beyond that.
func (a *claim) richer(b *claim) bool {
	over := a.has - a.gives - a.due
	switch {
	case over <= 0:
		return false
	case b == nil:
		return true
	case a.spareIdle() > 0 != (b.spareIdle() > 0):
		return a.spareIdle() > 0
	case a.spareIdle() > 0:
		return a.idleAt < b.idleAt
	}
	return over > b.has-b.gives-b.due
}
