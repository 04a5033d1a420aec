package proxy

import (
	"slices"
	"time"

	"pgweir/pool"
	"pgweir/status"
	"pgweir/wire"
)

// A wait for a backend begins when the client asks, and ends with a backend or
// without one. Either way it counts as a wait, and not as the time of a query.

// waited counts a wait that is over, and says how long it was.
func (c *client) waited(w *worker, how waitEnd) (took time.Duration) {
	if c.asked <= 0 {
		return 0 // at the login nobody has asked for anything
	}
	now := w.now()
	took = now - c.asked
	c.asked = now // from now on it is the query's time
	st := c.pool.stats[w.index]
	st.totals.WaitTime += took
	st.waits[waitBucket(took)]++
	if took >= w.proxy.rules.Load().slow.wait {
		c.logWait(w, how, took)
	}
	return took
}

func waitBucket(d time.Duration) int {
	if d < 100*time.Microsecond {
		return 0
	}
	i, _ := slices.BinarySearch(status.WaitBounds, d.Seconds())
	return i
}

// waitEnd is how a wait has ended.
type waitEnd uint8

const (
	waitServed   waitEnd = iota // with a backend
	waitTimedOut                // by query_wait_timeout
	waitCanceled                // by a cancel request
	waitLeft                    // the client has gone, or was ended
	waitRefused                 // there will be no backend
)

func (e waitEnd) String() string {
	return [...]string{"served", "timeout", "canceled", "left", "refused"}[e]
}

func whyRefused(e *wire.Error) waitEnd {
	switch {
	case e == errCanceled:
		return waitCanceled
	case pool.TimedOut(e):
		return waitTimedOut
	}
	return waitRefused
}

// waitFailed counts a wait that has ended without a backend, and says how long it was.
func (c *client) waitFailed(w *worker, how waitEnd) time.Duration {
	t := &c.pool.stats[w.index].totals
	switch how {
	case waitTimedOut:
		t.WaitsTimedOut++
	case waitCanceled:
		t.WaitsCanceled++
	case waitLeft:
		t.WaitsLeft++
	case waitRefused:
		t.WaitsRefused++
	}
	return c.waited(w, how)
}
