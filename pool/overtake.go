package pool

import "time"

// The variants of a pool share its size. A backend that comes back goes to the
// first in the line who waits for its variant, even past others; or it is closed,
// so that one can be opened for who is first in the line. To close and open
// costs more than most transactions, and under load every variant has somebody
// waiting at any time. So the line is overtaken as long as its first has
// backends of their own variant to wait for, and those come back.

const (
	// overtake is how long the first in the line may be overtaken in any case.
	overtake = 100 * time.Millisecond
	// stuck is for how long no backend of a variant comes back if those who have
	// them are not expected to be done soon.
	stuck = time.Second
)

// mayOvertake tells whether somebody further behind may get a backend of variant
// v that has come back, which is of no use to the first in the line.
func (p *Pool) mayOvertake(first *Waiter, v *Variant, now time.Duration) bool {
	theirs := first.Variant
	switch {
	case now-first.since <= overtake:
		return true
	case first.fresh != nil || theirs.backends == 0:
		return false
	case now-max(first.since, theirs.moved) > stuck:
		return false
	}
	// A variant's share is as large as its part of those who have a backend or
	// wait for one. One that has less gets more from one that has too many.
	size, all := max(p.settings.Size, p.usable()), p.usable()+int(p.line.n.Load())
	under := (theirs.backends+1)*all <= size*theirs.demand()
	over := v.backends*all > size*v.demand()
	return !under || !over
}

// demand is how many could be of use to it.
func (v *Variant) demand() int { return v.backends - v.idle + v.waiting }
