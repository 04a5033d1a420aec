package proxy

import (
	"testing"
	"time"
)

func TestAPeerIsSilentSinceItsLastAcknowledgement(t *testing.T) {
	const s = time.Second
	var x silence
	for i, c := range []struct {
		now  time.Duration
		some bool
		last time.Duration // ago
		want time.Duration
	}{
		{3600 * s, false, 3600 * s, 0}, // at rest for an hour
		{3601 * s, true, 3601 * s, 0},  // and something is on its way
		{3602 * s, true, 3602 * s, 1 * s},
		{3603 * s, true, 1 * s / 2, 0}, // it has answered
		{3605 * s, true, 5 * s / 2, 2 * s},
		{3606 * s, false, 0, 0},
		{3607 * s, true, 1 * s / 2, 0},
		{3727 * s, true, 120 * s, 120 * s},
	} {
		if got := x.lasts(c.now, c.some, c.last); got != c.want {
			t.Errorf("step %d: %v, want %v", i, got, c.want)
		}
	}
}
