package pool

import (
	"testing"
	"time"
)

func TestBackendsThatWereOpenedTogetherDoNotEndTogether(t *testing.T) {
	h, s := newHost(t), serve(t)
	p := h.pool(s, func(s *Settings) { s.Size = 40 })
	var all []*Backend
	for range 40 {
		all = append(all, h.lease(p))
	}
	const lifetime = 1000 * time.Second
	ended := func(age time.Duration) (n int) {
		for _, b := range all {
			if b.outlived(lifetime, b.opened+age) {
				n++
			}
		}
		return n
	}
	if n := ended(900 * time.Second); n != 0 {
		t.Errorf("%d have ended more than a tenth too early", n)
	}
	if n := ended(lifetime + 1); n != len(all) {
		t.Errorf("%d of %d have ended when all should have", n, len(all))
	}
	// That of 40 all are on one side of the middle happens once in 2^39 times.
	if n := ended(950 * time.Second); n == 0 || n == len(all) {
		t.Errorf("%d of %d have ended in the middle", n, len(all))
	}
	for _, b := range all {
		h.giveBack(b)
	}
}
