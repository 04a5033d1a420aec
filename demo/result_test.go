package demo

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgweir/amount"
)

func sampleFigures() (direct, pooled figures) {
	direct = figures{
		clients: 1200, most: sample{byServer: 1200, byTable: 1199, backendMemory: memory{1_684_400_000, true}},
		connect50: 11500 * time.Microsecond, connect99: 1021 * time.Millisecond,
		latency50: 240 * time.Microsecond, latency99: 9996 * time.Microsecond,
		transactionsPerSecond: 9412.7,
	}
	pooled = figures{
		clients: 1200, most: sample{byServer: 9, byTable: 10, backendMemory: memory{14_100_000, true}, weirMemory: memory{9_870_000, true}},
		connect50: 460 * time.Microsecond, connect99: 7080 * time.Microsecond,
		latency50: 280 * time.Microsecond, latency99: 2160 * time.Microsecond,
		transactionsPerSecond: 18000,
	}
	return direct, pooled
}

func TestTableSetsBothSideBySide(t *testing.T) {
	direct, pooled := sampleFigures()
	want := `
                                                    straight        through pgweir
  clients                                              1,200                 1,200
  backends at most, pg_stat_activity                   1,200                     9
  backends at most, process table                      1,199                    10
  memory of the backends                            1,606 MB               13.4 MB
  memory of pgweir itself                                  –               9.41 MB
  time to connect, p50 / p99                 11.5 / 1,021 ms        0.46 / 7.08 ms
  time of a transaction, p50 / p99            0.24 / 10.0 ms        0.28 / 2.16 ms
  transactions a second                                9,412                18,000
  errors                                                   0                     0`
	if got := strings.Join(table(direct, pooled), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSentenceSumsUp(t *testing.T) {
	direct, pooled := sampleFigures()
	want := "1,200 clients: 1,200 backends, 1,606 MB direct; 10 backends, 13.4 MB through pgweir, which takes 9.41 MB itself."
	if got := sentence(direct, pooled); got != want {
		t.Error(got)
	}
	direct.most.backendMemory, pooled.most.backendMemory, pooled.most.weirMemory = memory{}, memory{}, memory{}
	if got := sentence(direct, pooled); got != "1,200 clients: 1,200 backends direct; 10 backends through pgweir." {
		t.Error(got)
	}
}

func TestJudgeFindsWhatIsWrong(t *testing.T) {
	direct, pooled := sampleFigures()
	if err := judge(direct, pooled, 10); err != nil {
		t.Error(err)
	}
	if err := judge(direct, pooled, 9); err == nil || err.Error() != "10 backends exceeded the pool of 9" {
		t.Error(err)
	}
	pooled.errors, pooled.lastError = 2, "boom"
	if err := judge(direct, pooled, 10); err == nil || err.Error() != "pooled clients met 2 errors, the last: boom" {
		t.Error(err)
	}
	pooled.errors, pooled.most = 0, sample{}
	if err := judge(direct, pooled, 10); err == nil || err.Error() != "no backend was ever seen behind pgweir" {
		t.Error(err)
	}
}

func TestUnknownMemoryIsNotZero(t *testing.T) {
	if got := (memory{}).String(); got != "unknown" {
		t.Error(got)
	}
	if got := (memory{}).most(memory{5, true}); got != (memory{5, true}) {
		t.Error(got)
	}
	if got := (memory{5, true}).most(memory{}); got != (memory{5, true}) {
		t.Error(got)
	}
}

func TestCountSeparatesThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := amount.Count(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

func TestQuantilesAreWithinThreePercent(t *testing.T) {
	var h histogram
	if got := h.quantile(0.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
	random := rand.New(rand.NewPCG(1, 2))
	const n, most = 20_000, 3 * time.Second
	for range n {
		h.record(time.Duration(random.Int64N(int64(most))))
	}
	for _, q := range []float64{0.01, 0.5, 0.99} {
		want := q * float64(most)
		if got := float64(h.quantile(q)); math.Abs(got-want) > 0.05*want {
			t.Errorf("quantile %v: %v, want about %v", q, time.Duration(got), time.Duration(want))
		}
	}
}

func TestBucketsCoverEveryDurationInOrder(t *testing.T) {
	for _, v := range []uint64{0, 1, 31, 32, 33, 63, 64, 65, 127, 128, 1 << 20, 1<<20 + 1<<15, math.MaxInt64} {
		b := bucketOf(v)
		if low := bottom(b); low > v || float64(v-low) > float64(v)/subBuckets {
			t.Errorf("%d lies in bucket %d, which begins at %d", v, b, low)
		}
		if v > 0 && bucketOf(v-1) > b {
			t.Errorf("the bucket of %d is above that of %d", v-1, v)
		}
	}
	for b := range bucketOf(math.MaxInt64) {
		if bucketOf(bottom(b)) != b {
			t.Fatalf("bucket %d begins at %d, which lies in bucket %d", b, bottom(b), bucketOf(bottom(b)))
		}
	}
	var h histogram
	h.record(-time.Second)
	h.record(math.MaxInt64)
	if h.buckets[0].Load() != 1 {
		t.Error("a clock that went back is not counted as 0")
	}
}
