package loadtest

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A time is recorded in microseconds, to three digits, up to an hour; a longer
// one counts as an hour.
const (
	longestTime = int64(time.Hour / time.Microsecond)
	timeDigits  = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, longestTime, timeDigits)
}

func recordTime(h *hdrhistogram.Histogram, d time.Duration) {
	// Within these bounds it cannot fail.
	_ = h.RecordValue(min(max(d.Microseconds(), 1), longestTime))
}

// Quantiles are what a number of times were. The zero value: there was none.
type Quantiles struct {
	Count              int64
	P50, P90, P99, Max time.Duration
}

func quantilesOf(h *hdrhistogram.Histogram) Quantiles {
	at := func(p float64) time.Duration {
		return time.Duration(h.ValueAtPercentile(p)) * time.Microsecond
	}
	if h.TotalCount() == 0 {
		return Quantiles{}
	}
	return Quantiles{Count: h.TotalCount(), P50: at(50), P90: at(90), P99: at(99), Max: at(100)}
}

// recorder takes the times of many clients at once. It has several shards, each
// with a lock, and a client takes one whose lock is free: so clients never wait
// for each other, or for whoever reads, and a histogram, which is large, is not
// needed for each of them.
type recorder struct {
	shards [recorderShards]shard
	next   atomic.Uint32 // where a client that has no free one looks next
}

// recorderShards is more than there are threads that record at one moment on
// most machines. With fewer, a client tries again.
const recorderShards = 8

type shard struct {
	mu    sync.Mutex
	times *hdrhistogram.Histogram
	_     [64]byte // the next lock is on another cache line
}

func newRecorder() *recorder {
	r := new(recorder)
	for i := range r.shards {
		r.shards[i].times = newHistogram()
	}
	return r
}

// record takes a time; who is any number that tells clients apart.
func (r *recorder) record(who int, d time.Duration) {
	for at := uint32(who); ; at = r.next.Add(1) {
		s := &r.shards[at%recorderShards]
		if s.mu.TryLock() {
			recordTime(s.times, d)
			s.mu.Unlock()
			return
		}
	}
}

// drain moves all that was recorded to another histogram.
func (r *recorder) drain(to *hdrhistogram.Histogram) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		if s.times.TotalCount() > 0 {
			to.Merge(s.times)
			s.times.Reset()
		}
		s.mu.Unlock()
	}
}
