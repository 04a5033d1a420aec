package proxy

import (
	"context"
	"sync"
	"testing"
)

// TestTheLastOfTwoCommandsHolds: SUSPEND and RESUME at a time leave the loops as the
// restraint says.
func TestTheLastOfTwoCommandsHolds(t *testing.T) {
	p := serving(t)
	for round := range 300 {
		var both sync.WaitGroup
		both.Go(func() { _ = p.Suspend(context.Background()) })
		both.Go(func() {
			for p.Resume("") != nil { // not suspended yet
			}
		})
		both.Wait()
		for i, w := range p.workers {
			w.do(func() {
				if w.loop.Suspended() {
					t.Errorf("round %d: loop %d is suspended, and the mode is %v", round, i, p.restraint.Load().mode)
				}
			})
		}
	}
}

func TestNobodySuspendsWhatEnds(t *testing.T) {
	p := serving(t)
	p.draining.Store(true)
	if err := p.Suspend(t.Context()); err == nil {
		t.Error("it is suspended")
	}
}
