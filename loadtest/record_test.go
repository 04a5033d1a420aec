package loadtest

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// near tells whether two durations differ by no more than a histogram may lose.
func near(a, b time.Duration) bool {
	return (a - b).Abs() <= max(a, b)/500+2*time.Microsecond
}

// TestTimesOfManyClientsAddUp: clients record at once while somebody drains,
// and at the end the merged figures are those of all the times.
func TestTimesOfManyClientsAddUp(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	const clients, each = 64, 2000
	r := newRecorder()
	all := make([][]time.Duration, clients)
	var running sync.WaitGroup
	for i := range clients {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		for range each {
			all[i] = append(all[i], time.Duration(1+random.Int64N(int64(time.Second))))
		}
		running.Go(func() {
			for _, d := range all[i] {
				r.record(i, d)
			}
		})
	}
	done := make(chan struct{})
	go func() { running.Wait(); close(done) }()
	total := newHistogram()
	for drained := false; !drained; {
		select {
		case <-done:
			drained = true
		default:
		}
		part := newHistogram()
		r.drain(part)
		total.Merge(part)
	}
	times := slices.Concat(all...)
	slices.Sort(times)
	q := quantilesOf(total)
	if q.Count != clients*each {
		t.Errorf("%d times instead of %d", q.Count, clients*each)
	}
	for name, c := range map[string][2]time.Duration{
		"p50": {q.P50, times[len(times)*50/100]},
		"p90": {q.P90, times[len(times)*90/100]},
		"p99": {q.P99, times[len(times)*99/100]},
		"max": {q.Max, times[len(times)-1]},
	} {
		if !near(c[0], c[1]) {
			t.Errorf("%s is %v, want %v", name, c[0], c[1])
		}
	}
}

func TestTimesOutsideOfTheRangeCountAsItsEnds(t *testing.T) {
	r := newRecorder()
	for _, d := range []time.Duration{-time.Second, 0, 5 * time.Hour} {
		r.record(0, d)
	}
	h := newHistogram()
	r.drain(h)
	q := quantilesOf(h)
	if q.Count != 3 || q.P50 != time.Microsecond || !near(q.Max, time.Hour) {
		t.Errorf("%+v", q)
	}
	r.drain(h)
	if h.TotalCount() != 3 {
		t.Error("what was drained is still there")
	}
}

func TestAClientDoesNotWaitForAShardThatIsTaken(t *testing.T) {
	r := newRecorder()
	r.shards[3].mu.Lock()
	r.record(3, time.Millisecond) // would hang
	r.shards[3].mu.Unlock()
	h := newHistogram()
	r.drain(h)
	if h.TotalCount() != 1 {
		t.Errorf("%d times", h.TotalCount())
	}
}

func BenchmarkRecord(b *testing.B) {
	r := newRecorder()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		who := rand.IntN(1 << 20)
		for pb.Next() {
			r.record(who, 300*time.Microsecond)
		}
	})
}
