package proxy

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestAGateBoundsHowManyRun(t *testing.T) {
	const bound = 3
	g := newGate(bound)
	var running, most atomic.Int32
	var all sync.WaitGroup
	entered, leave := make(chan struct{}), make(chan struct{})
	for range 20 {
		all.Go(func() {
			g.do(func() {
				n := running.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				entered <- struct{}{}
				<-leave
				running.Add(-1)
			})
		})
	}
	for range 20 {
		<-entered
		if len(g) == bound {
			leave <- struct{}{}
		}
	}
	close(leave)
	all.Wait()
	if n := most.Load(); n > bound {
		t.Errorf("%d at a time", n)
	}
}
