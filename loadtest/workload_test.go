package loadtest

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestAnUnknownWorkloadIsRefusedWithTheNearestName(t *testing.T) {
	for name, want := range map[string]string{
		"slect1":     `did you mean "select1"`,
		"selectonly": `did you mean "select-only"`,
		"TPCB-like":  `did you mean "tpcb-like"`,
		"tpcb":       "there are select1, select-only, tpcb-like, idle",
		"idel":       `did you mean "idle"`,
		"x":          "there are select1",
	} {
		_, err := makeWorkload(&Options{Workload: name})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
	for _, name := range append(Workloads(), "") {
		if _, err := makeWorkload(&Options{Workload: name}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestNumbersAreThoseThatAreThere(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	own, err := makeWorkload(&Options{Script: "select :random"})
	if err != nil {
		t.Fatal(err)
	}
	bench, err := makeWorkload(&Options{Workload: "tpcb-like"})
	if err != nil {
		t.Fatal(err)
	}
	bench.scale = 2
	var lowest, highest values
	for i := range 200_000 {
		var v values
		own.draw(random, &v)
		bench.draw(random, &v)
		for j := range v {
			if i == 0 {
				lowest[j], highest[j] = v[j], v[j]
			}
			lowest[j], highest[j] = min(lowest[j], v[j]), max(highest[j], v[j])
		}
	}
	for v, want := range map[variable][2]int64{
		varRandom: {0, 99_999}, varAid: {1, 200_000}, varBid: {1, 2}, varTid: {1, 20}, varDelta: {-5000, 5000},
	} {
		// So many draws come near both ends, and never beyond.
		slack := (want[1] - want[0]) / 1000
		if lowest[v] < want[0] || lowest[v] > want[0]+slack || highest[v] > want[1] || highest[v] < want[1]-slack {
			t.Errorf("variable %d: from %d to %d, want %v", v, lowest[v], highest[v], want)
		}
	}
}

func TestTimesToThink(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	w := &workload{}
	if w.think(random) != 0 {
		t.Error("without a pause it thinks")
	}
	w.pause = 100 * time.Millisecond
	var sum time.Duration
	for range 10_000 {
		d := w.think(random)
		if d < 50*time.Millisecond || d > 150*time.Millisecond {
			t.Fatalf("%v", d)
		}
		sum += d
	}
	if mean := sum / 10_000; mean < 97*time.Millisecond || mean > 103*time.Millisecond {
		t.Errorf("%v on average", mean)
	}
	idle, err := makeWorkload(&Options{Workload: "idle"})
	if err != nil || idle.pause != time.Second {
		t.Errorf("idle: %v %v", idle.pause, err)
	}
	if idle, err = makeWorkload(&Options{Workload: "idle", Think: time.Minute}); err != nil || idle.pause != time.Minute {
		t.Errorf("idle with a time of one's own: %v %v", idle.pause, err)
	}
}

func TestOptionsOutOfRangeAreRefused(t *testing.T) {
	good := Options{Direct: "x", Clients: 1, Duration: time.Second}
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Options){
		"nothing to measure":         func(o *Options) { o.Direct = "" },
		"clients: 0 is out of range": func(o *Options) { o.Clients = 0 },
		"clients: -5":                func(o *Options) { o.Clients = -5 },
		"clients: 50001":             func(o *Options) { o.Clients = 50_001 },
		"duration: 0s":               func(o *Options) { o.Duration = 0 },
		"duration: -1s":              func(o *Options) { o.Duration = -time.Second },
		"duration: 25h":              func(o *Options) { o.Duration = 25 * time.Hour },
		"ramp: -1ns":                 func(o *Options) { o.Ramp = -1 },
		"ramp: 2h":                   func(o *Options) { o.Ramp = 2 * time.Hour },
		"think: -1ns":                func(o *Options) { o.Think = -1 },
		"think: 2h":                  func(o *Options) { o.Think = 2 * time.Hour },
		"a script and a workload":    func(o *Options) { o.Script, o.Workload = "select 1", "idle" },
	} {
		o := good
		change(&o)
		if err := o.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}
