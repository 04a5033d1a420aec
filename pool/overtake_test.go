package pool

import (
	"testing"
	"time"

	"pgweir/wire"
)

// crowd is a full pool of backends of two variants, and a line of takers for
// each. Time goes by as the test says.
type crowd struct {
	h     *host
	lent  []*Backend
	lines [2][]*taker // by variant, in order of arrival
	now   time.Duration
}

var crowdParams = [2]wire.Param{searchA, searchB}

func newCrowd(t *testing.T, backends, waiting [2]int) *crowd {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = backends[0] + backends[1] })
	c := &crowd{h: h}
	for i, params := range crowdParams {
		for range backends[i] {
			c.lent = append(c.lent, h.lease(p, params))
		}
	}
	for i := range max(waiting[0], waiting[1]) {
		for k, params := range crowdParams {
			if i < waiting[k] {
				w := h.taker(p, params)
				w.ask(p, nil)
				c.lines[k] = append(c.lines[k], w)
			}
		}
	}
	c.now = h.now()
	return c
}

// turn has a backend come back after some time, and waits until the first of a
// line has one.
func (c *crowd) turn(after time.Duration, i int) {
	c.h.t.Helper()
	c.now += after
	c.h.giveBackAt(c.lent[i], c.now)
	first := func(k int) chan *Backend {
		if len(c.lines[k]) == 0 {
			return nil
		}
		return c.lines[k][0].got
	}
	select {
	case c.lent[i] = <-first(0):
		c.lines[0] = c.lines[0][1:]
	case c.lent[i] = <-first(1):
		c.lines[1] = c.lines[1][1:]
	case <-time.After(patience):
		c.h.t.Fatal("nobody who is first was lent a backend")
	}
}

// has is how many of the lent backends are of a variant.
func (c *crowd) has(k int) (n int) {
	for _, b := range c.lent {
		if b.variant.params[0] == crowdParams[k] {
			n++
		}
	}
	return n
}

func (c *crowd) exchanged(want int32) {
	c.h.t.Helper()
	if got := c.h.evicts.Load(); got != want {
		c.h.t.Errorf("%d backends were closed for the sake of others, want %d", got, want)
	}
}

func TestUnderLoadBackendsOfUnlikeParametersAreNotExchanged(t *testing.T) {
	c := newCrowd(t, [2]int{2, 2}, [2]int{20, 20})
	for i := range 36 {
		c.turn(60*time.Millisecond, i%len(c.lent))
	}
	c.exchanged(0)
	if len(c.lines[0]) != 2 || len(c.lines[1]) != 2 {
		t.Errorf("%d and %d still wait", len(c.lines[0]), len(c.lines[1]))
	}
}

func TestUnderLoadEachVariantComesToItsShareOfThePool(t *testing.T) {
	c := newCrowd(t, [2]int{5, 1}, [2]int{30, 30})
	for i := range 40 {
		c.turn(60*time.Millisecond, i%len(c.lent))
	}
	if c.has(0) != 3 || c.has(1) != 3 {
		t.Errorf("%d and %d backends for as many who wait, want 3 and 3", c.has(0), c.has(1))
	}
	c.exchanged(2)
}

func TestAFewAreNotGivenMoreThanTheirShare(t *testing.T) {
	c := newCrowd(t, [2]int{3, 1}, [2]int{30, 2})
	for range 10 {
		for i := range 3 {
			c.turn(30*time.Millisecond, i)
		}
	}
	c.exchanged(0)
}

func TestAVariantWhoseBackendsDoNotComeBackGetsAnother(t *testing.T) {
	c := newCrowd(t, [2]int{3, 1}, [2]int{30, 2})
	turns := 0
	for c.has(1) == 1 && turns < 29 {
		c.turn(overtake, turns%3)
		turns++
	}
	if c.has(1) != 2 {
		t.Fatal("those with the parameters of the one that does not come back wait for ever")
	}
	if waited := time.Duration(turns) * overtake; waited < stuck || waited > 2*stuck {
		t.Errorf("after %v", waited)
	}
	c.exchanged(1)
}
