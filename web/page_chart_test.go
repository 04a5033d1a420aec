package web

import (
	"testing"
	"time"

	"pgweir/status"
)

func TestAChartIsTrueToItsSamples(t *testing.T) {
	at := time.Unix(1e9, 0)
	var samples []status.Sample
	for i, n := range []int{0, 2, 2, 2, 2, 4, 1} {
		samples = append(samples, status.Sample{At: at.Add(time.Duration(i) * time.Second), Clients: n, Backends: 1, Saved: max(0, n-1)})
	}
	got := chartOf(samples, 10, time.Second, "10 seconds")
	// The top is 4; of the four 2s in a row only the ends are drawn.
	if want := "M4 400L5 200L8 200L9 0L10 300"; got.Clients != want {
		t.Errorf("clients are %s, want %s", got.Clients, want)
	}
	if want := "M4 300L10 300"; got.Backends != want {
		t.Errorf("backends are %s, want %s", got.Backends, want)
	}
	if want := "M4 400L4.5 300L5 200L8 200L9 0L10 300L10 300L4.5 300L4 400Z"; got.Between != want {
		t.Errorf("between is %s, want %s", got.Between, want)
	}
	if want := "Over the last 10 seconds: 0 to 4 clients, now 1; 1 to 1 backends, now 1; at most 3 saved."; got.Title != want || got.Top != "4" || got.Half != "2" {
		t.Errorf("%s, %s, %s", got.Title, got.Top, got.Half)
	}
	// What is older than the chart is not drawn at its left end.
	samples[0].At = at.Add(-time.Hour)
	if got := chartOf(samples, 10, time.Second, "10 seconds"); got.Clients != "M5 200L8 200L9 0L10 300" {
		t.Errorf("with an old sample clients are %s", got.Clients)
	}
	for _, few := range [][]status.Sample{nil, samples[:1]} {
		if got := chartOf(few, 10, time.Second, "hour"); !got.Empty || got.Clients != "" {
			t.Errorf("%d samples make %+v", len(few), got)
		}
	}
}

// TestAChartHasNoSavingsWhereThereAreNone: backends may be more than clients, as those
// of min_pool_size are.
func TestAChartHasNoSavingsWhereThereAreNone(t *testing.T) {
	at := time.Unix(1e9, 0)
	for _, c := range []struct {
		name              string
		clients, backends []int
		want              string
	}{
		{"never", []int{0, 1, 0}, []int{2, 2, 2}, "M8 400L9 300L10 400L10 400L9 300L8 400Z"},
		{"until the lines cross", []int{4, 0}, []int{0, 4}, "M9 0L9.5 200L10 400L10 400L9.5 200L9 400Z"},
		{"since", []int{0, 4, 4}, []int{1, 1, 1}, "M8 400L8.3 300L9 0L10 0L10 300L8.3 300L8 400Z"},
	} {
		var samples []status.Sample
		for i := range c.clients {
			samples = append(samples, status.Sample{At: at.Add(time.Duration(i) * time.Second), Clients: c.clients[i], Backends: c.backends[i]})
		}
		if got := chartOf(samples, 10, time.Second, "10 seconds").Between; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestTheHourEndsNow(t *testing.T) {
	h := status.History{Minutes: []status.Sample{{Clients: 1}, {Clients: 2}}, Seconds: []status.Sample{{Clients: 8}, {Clients: 9}}}
	got := minutesOf(&h)
	if len(got) != 3 || got[2].Clients != 9 || len(h.Minutes) != 2 {
		t.Errorf("%+v", got)
	}
	if ticks := ticksOf(got); ticks[0].Clients != "9" || ticks[2].Clients != "1" {
		t.Errorf("%+v", ticks)
	}
}

func TestAScaleIsRoundAndHighEnough(t *testing.T) {
	for most, want := range map[int]int{0: 4, 4: 4, 5: 6, 9: 10, 11: 20, 21: 40, 99: 100, 101: 200, 201: 400, 1500: 2000, 5000: 6000} {
		if got := scaleFor(most); got != want {
			t.Errorf("%d: %d, want %d", most, got, want)
		}
	}
	for most := range 20000 {
		if top := scaleFor(most); top < most || top%2 != 0 || most > 4 && top > 3*most {
			t.Fatalf("%d: %d", most, top)
		}
	}
}
