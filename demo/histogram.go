package demo

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts durations in buckets of 1/32 of a power of two, so that a
// quantile is off by 3 % at most, however long it counts. Its zero value is
// empty; many goroutines may record at the same time.
type histogram struct {
	buckets [64 * subBuckets]atomic.Int64
}

const (
	subBuckets = 1 << subBits
	subBits    = 5
)

func (h *histogram) record(d time.Duration) {
	h.buckets[bucketOf(uint64(max(d, 0)))].Add(1)
}

// bucketOf numbers the buckets: values below subBuckets have one each; above,
// every power of two has subBuckets of them.
func bucketOf(v uint64) int {
	shift := max(0, bits.Len64(v)-subBits-1)
	return shift*subBuckets + int(v>>shift)
}

// bottom is the least value of a bucket.
func bottom(bucket int) uint64 {
	shift := max(0, bucket/subBuckets-1)
	return uint64(bucket-shift*subBuckets) << shift
}

// quantile returns the duration at or below which the share q of all lies, 0
// if there is none.
func (h *histogram) quantile(q float64) time.Duration {
	var total int64
	for i := range h.buckets {
		total += h.buckets[i].Load()
	}
	rank := max(1, int64(math.Ceil(q*float64(total))))
	for i := range h.buckets {
		if rank -= h.buckets[i].Load(); rank <= 0 {
			return time.Duration(bottom(i))
		}
	}
	return 0
}
