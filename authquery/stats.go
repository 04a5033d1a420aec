package authquery

import (
	"cmp"
	"slices"
	"time"

	"pgweir/auth"
)

// event is what is counted.
type event uint8

const (
	question event = iota // the source was asked
	hit                   // a login had its answer without
	stale                 // a login had an old answer, as no other could be had
	failure               // a question had no answer
	numEvents
)

type counts [numEvents]int64

// count counts an event of a source. Under mu.
func (a *Asker) count(s Source, e event) {
	a.counts[e]++
	if l := a.lines[s]; l != nil {
		l.counts[e]++
	}
}

// Counts are since the start.
type Counts struct{ Questions, Hits, Stale, Failures int64 }

func (c *counts) export() Counts {
	return Counts{Questions: c[question], Hits: c[hit], Stale: c[stale], Failures: c[failure]}
}

// Cached is how many users are kept, by the kind of their secret, and how old the
// oldest answer is; -1 if there is none.
type Cached struct {
	SCRAM, MD5, Plain, Unknown int
	Oldest                     time.Duration
}

func (c *Cached) add(e *entry, now time.Time) {
	switch {
	case !e.answered, e.kind != ofUser:
		return
	case e.answer.User == nil:
		c.Unknown++
	case e.answer.User.Secret().Kind() == auth.SCRAMSecret:
		c.SCRAM++
	case e.answer.User.Secret().Kind() == auth.MD5Secret:
		c.MD5++
	default:
		c.Plain++
	}
	c.Oldest = max(c.Oldest, now.Sub(e.at))
}

// SourceStats are the figures of one source.
type SourceStats struct {
	Source    Source
	Counts    Counts
	Cached    Cached
	Connected bool
	Failing   error // of the last question, if it has failed
}

// Stats are the figures of an Asker. A source that has not been used for long may be
// missing in Sources, not in the sums.
type Stats struct {
	Counts  Counts
	Cached  Cached
	Pending int           // questions under way
	Sources []SourceStats // in order of servers, databases and users
}

// Stats gives the figures.
func (a *Asker) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	out := Stats{Counts: a.counts.export(), Cached: Cached{Oldest: -1}, Pending: len(a.flights)}
	cached := map[Source]*Cached{}
	a.cache.each(func(e *entry) {
		c := cached[e.source]
		if c == nil {
			c = &Cached{Oldest: -1}
			cached[e.source] = c
		}
		c.add(e, now)
		out.Cached.add(e, now)
	})
	for s, l := range a.lines {
		row := SourceStats{Source: s, Counts: l.counts.export(), Cached: Cached{Oldest: -1}, Connected: l.connected, Failing: l.failing}
		if c := cached[s]; c != nil {
			row.Cached = *c
		}
		out.Sources = append(out.Sources, row)
	}
	slices.SortFunc(out.Sources, func(x, y SourceStats) int {
		return cmp.Or(cmp.Compare(x.Source.Server, y.Source.Server), cmp.Compare(x.Source.Database, y.Source.Database),
			cmp.Compare(x.Source.User, y.Source.User))
	})
	return out
}
