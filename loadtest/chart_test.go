package loadtest

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestALinearScaleEndsAtARoundNumber(t *testing.T) {
	for _, c := range []struct {
		highest float64
		steps   int
		least   float64
		high    float64
		ticks   []float64
	}{
		{200, 4, 1, 200, []float64{0, 50, 100, 150, 200}},
		{201, 4, 1, 300, []float64{0, 100, 200, 300}},
		{3, 4, 1, 3, []float64{0, 1, 2, 3}},
		{0, 4, 1, 1, []float64{0, 1}},
		{1, 4, 1, 1, []float64{0, 1}},
		{7.3, 6, 0.1, 8, []float64{0, 2, 4, 6, 8}},
		{4999, 4, 1, 6000, []float64{0, 2000, 4000, 6000}},
	} {
		s := linear(c.highest, c.steps, c.least, 100, 10)
		if s.high != c.high || !slices.Equal(s.ticks, c.ticks) {
			t.Errorf("to %v: %v %v", c.highest, s.high, s.ticks)
		}
		if s.at(0) != 100 || math.Abs(s.at(c.high)-10) > 1e-9 {
			t.Errorf("to %v: ends at %v and %v", c.highest, s.at(0), s.at(c.high))
		}
	}
}

func TestALogarithmicScaleEndsAtPowersOfTen(t *testing.T) {
	for _, c := range []struct {
		lowest, highest, low, high float64
		labels                     int
	}{
		{0.3, 80, 0.1, 100, 4},
		{1, 10, 1, 10, 4},
		{5, 5, 1, 10, 4},
		{10, 10, 10, 100, 4},
		{2, 20, 1, 100, 7},
		{math.Inf(1), 0, 1, 10, 4}, // nothing was measured
	} {
		s := logarithmic(c.lowest, c.highest, 100, 10)
		if math.Abs(s.low-c.low) > 1e-9 || math.Abs(s.high-c.high) > 1e-9 || len(s.ticks) != c.labels {
			t.Errorf("from %v to %v: %v to %v, %v", c.lowest, c.highest, s.low, s.high, s.ticks)
		}
	}
}

func TestAPlaceOnAScaleLeadsBackToItsValue(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for range 10_000 {
		highest := math.Pow(10, -2+8*random.Float64())
		lowest := highest * random.Float64()
		for _, s := range []scale{linear(highest, 4, 0.001, 222, 12), logarithmic(lowest, highest, 222, 12)} {
			for _, v := range []float64{lowest, highest} {
				at := s.at(v)
				if at < 12-1e-9 || at > 222+1e-9 || math.Abs(s.value(at)-v) > 1e-6*highest {
					t.Fatalf("%+v: %v is at %v, which is %v", s, v, at, s.value(at))
				}
			}
			if len(s.ticks) < 2 || len(s.ticks) > 24 {
				t.Fatalf("%+v", s)
			}
		}
	}
}

func TestManySamplesAreThinnedToTheirHighest(t *testing.T) {
	var samples []Sample
	for i := range 1000 {
		samples = append(samples, Sample{
			At: time.Duration(i+1) * sampleInterval, Clients: i, Backends: unknown, Memory: int64(i % 7),
			Transactions: 2, P50: time.Duration(i), P99: time.Duration(2 * i),
		})
	}
	samples[999].Backends = 5
	if got := thin(samples, 1000); len(got) != 1000 {
		t.Errorf("%d samples where all had room", len(got))
	}
	got := thin(samples, 300)
	if len(got) != 250 {
		t.Fatalf("%d samples", len(got))
	}
	want := Sample{At: 1000 * sampleInterval, Clients: 999, Backends: 5, Memory: 6, Transactions: 8, P50: 999, P99: 1998}
	want.Memory = max(int64(996%7), int64(997%7), int64(998%7), int64(999%7))
	if got[249] != want {
		t.Errorf("%+v, want %+v", got[249], want)
	}
	if got[0].Backends != unknown {
		t.Errorf("what is unknown has become %d", got[0].Backends)
	}
	if samples[0].Clients != 0 || samples[0].Transactions != 2 {
		t.Error("the samples themselves were changed")
	}
}
