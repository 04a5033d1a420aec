package throttle

import (
	"container/heap"
	"container/list"
)

// place is what is under way from one address. There is one for as long as
// anything is.
type place struct {
	addr Addr
	// served are the logins that are read, and waiting those that are not yet, each
	// in order of arrival; *Visitor.
	served, waiting list.List
	reserved        int    // logins in seats of the reserve
	turn            uint64 // when one of its waiting was last served
	at              [2]int // in each of the rankings, from 1 on; 0 if it is not there
}

// underWay is how many logins could make room for another's.
func (p *place) underWay() int { return p.served.Len() + p.waiting.Len() }

func (p *place) empty() bool { return p.underWay() == 0 && p.reserved == 0 }

// ranking has some places in an order, as a heap.
type ranking struct {
	places []*place
	slot   int // of place.at
	before func(a, b *place) bool
}

const (
	rankNext   = iota // whose waiting is served next
	rankGreedy        // who has most under way
)

func newNext() ranking {
	return ranking{slot: rankNext, before: func(a, b *place) bool {
		if n, m := a.served.Len(), b.served.Len(); n != m {
			return n < m
		}
		return a.turn < b.turn
	}}
}

func newGreedy() ranking {
	return ranking{slot: rankGreedy, before: func(a, b *place) bool { return a.underWay() > b.underWay() }}
}

// first is the first in the order, or nil.
func (r *ranking) first() *place {
	if len(r.places) == 0 {
		return nil
	}
	return r.places[0]
}

// update brings the order up to date for a place that belongs to it, or does not.
func (r *ranking) update(p *place, belongs bool) {
	switch at := p.at[r.slot]; {
	case belongs && at == 0:
		heap.Push(r, p)
	case belongs:
		heap.Fix(r, at-1)
	case at != 0:
		heap.Remove(r, at-1)
	}
}

// Len, Less, Swap, Push and Pop are heap.Interface.

func (r *ranking) Len() int           { return len(r.places) }
func (r *ranking) Less(i, j int) bool { return r.before(r.places[i], r.places[j]) }

func (r *ranking) Swap(i, j int) {
	r.places[i], r.places[j] = r.places[j], r.places[i]
	r.places[i].at[r.slot], r.places[j].at[r.slot] = i+1, j+1
}

func (r *ranking) Push(x any) {
	p := x.(*place)
	r.places = append(r.places, p)
	p.at[r.slot] = len(r.places)
}

func (r *ranking) Pop() any {
	last := len(r.places) - 1
	p := r.places[last]
	r.places[last] = nil
	r.places = r.places[:last]
	p.at[r.slot] = 0
	return p
}
