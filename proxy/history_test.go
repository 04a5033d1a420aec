package proxy

import (
	"testing"
	"time"

	"pgweir/status"
)

func TestAHistoryHasSecondsAndTheHighestOfEachMinute(t *testing.T) {
	var h history
	at := time.Unix(0, 0)
	for i := range 2 * 60 * 60 {
		s := status.Sample{At: at.Add(time.Duration(i) * time.Second), Clients: i % 60, Active: 59 - i%60, BackendMemory: -1, MemorySaved: -1, ClientLogins: int64(i)}
		if i%60 == 30 {
			s.Saved, s.Waiting, s.Backends, s.BackendMemory, s.MemorySaved = 5, 6, 7, 8, 9
		}
		h.add(s)
	}
	got := h.copy()
	if len(got.Seconds) != status.MaxSeconds || len(got.Minutes) != status.MaxMinutes {
		t.Fatalf("%d seconds and %d minutes", len(got.Seconds), len(got.Minutes))
	}
	if n := cap(h.seconds); n > 2*status.MaxSeconds {
		t.Errorf("it grows: %d", n)
	}
	last := got.Seconds[len(got.Seconds)-1]
	if last.ClientLogins != 2*60*60-1 || got.Seconds[0].ClientLogins != last.ClientLogins-status.MaxSeconds+1 {
		t.Errorf("seconds from %d to %d", got.Seconds[0].ClientLogins, last.ClientLogins)
	}
	for i, m := range got.Minutes {
		begun := 60*60 - 60 + i*60 // the last minute is not over
		want := status.Sample{At: at.Add(time.Duration(begun) * time.Second), Clients: 59, Active: 59, Saved: 5, Waiting: 6, Backends: 7,
			BackendMemory: 8, MemorySaved: 9, ClientLogins: int64(begun + 59)}
		if !m.At.Equal(want.At) || m != want {
			t.Fatalf("minute %d: %+v\nwant %+v", i, m, want)
		}
	}
}

func TestDurationsAreCountedWhereTheirBoundsSay(t *testing.T) {
	if len(status.DurationBounds)+1 != numDurations {
		t.Fatalf("%d bounds for %d counts", len(status.DurationBounds), numDurations)
	}
	for i, s := range status.DurationBounds {
		bound := time.Duration(s * float64(time.Second))
		if durationBucket(bound) != i || durationBucket(bound+1) != i+1 {
			t.Errorf("%v is counted in %d, a moment more in %d", bound, durationBucket(bound), durationBucket(bound+1))
		}
	}
	if durationBucket(0) != 0 || durationBucket(-1) != 0 || durationBucket(1<<62) != numDurations-1 {
		t.Error("the ends")
	}
}
