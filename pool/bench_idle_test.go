package pool

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// idleBench is a pool with some idle backends.
func idleBench(b *testing.B, n int) (*host, *Pool, []*Backend) {
	h, s := newHost(b), serve(b)
	p := h.pool(s, func(s *Settings) { s.Size = n + 1 })
	all := make([]*Backend, n)
	for i := range all {
		all[i] = h.lease(p)
	}
	for _, one := range all {
		h.giveBack(one)
	}
	return h, p, all
}

// leases has goroutines lease and return, each as a worker of its own.
func leases(b *testing.B, h *host, p *Pool, goroutines int, prepare func(worker int, k *taker)) {
	nothing := func() {}
	var all sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for i := range goroutines {
		k := h.taker(p)
		prepare(i, k)
		now := h.now()
		all.Go(func() {
			for range b.N / goroutines {
				got, _ := p.Lease(&k.Waiter, nil, now)
				p.Return(got, now, nothing)
			}
		})
	}
	all.Wait()
}

// BenchmarkLeaseOfSeveral is a lease of one of 20 idle backends and its return, by
// loops that run at the same time.
func BenchmarkLeaseOfSeveral(b *testing.B) {
	for _, goroutines := range []int{1, 2} {
		b.Run(fmt.Sprint("loops=", goroutines), func(b *testing.B) {
			h, p, _ := idleBench(b, 20)
			leases(b, h, p, goroutines, func(i int, k *taker) { k.Worker = int32(i) })
		})
	}
}

// BenchmarkLeaseOfOneWithSettings is the same for clients with settings, of which one backend
// in four has them.
func BenchmarkLeaseOfOneWithSettings(b *testing.B) {
	for _, goroutines := range []int{1, 2} {
		b.Run(fmt.Sprint("loops=", goroutines), func(b *testing.B) {
			h, p, all := idleBench(b, 20)
			for i := 0; i < len(all); i += 4 {
				all[i].Settings = 1
			}
			leases(b, h, p, goroutines, func(i int, k *taker) {
				k.Worker, k.Settings = int32(i), 1
			})
		})
	}
}

// BenchmarkLeaseBesideALine is a lease and its return while 5000 wait for backends of
// another variant.
func BenchmarkLeaseBesideALine(b *testing.B) {
	h, p, _ := idleBench(b, 1)
	h.lease(p, searchA)
	p.mu.Lock()
	p.madeRoom = h.now() + time.Hour // none has to make room
	p.mu.Unlock()
	for range 5000 {
		k := h.taker(p, searchA)
		if got, e := p.Lease(&k.Waiter, nil, h.now()); got != nil || e != nil {
			b.Fatal(got, e)
		}
		defer p.Leave(&k.Waiter)
	}
	leases(b, h, p, 1, func(int, *taker) {})
	b.StopTimer()
}
