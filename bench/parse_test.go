package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

const pgbenchReport = `pgbench (15.18 (Debian 15.18-0+deb12u1))
transaction type: <builtin: select only>
scaling factor: 1
query mode: simple
number of clients: 32
number of threads: 1
maximum number of tries: 1
duration: 3 s
number of transactions actually processed: 53764
number of failed transactions: 0 (0.000%)
latency average = 1.780 ms
initial connection time = 11.301 ms
tps = 17975.532134 (without initial connection time)
`

func TestPgbenchReportGivesTransactionsAndRate(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want pgbenchResult
	}{
		"by time":            {pgbenchReport, pgbenchResult{53764, 17975.532134}},
		"a login each":       {"number of transactions actually processed: 812\naverage connection time = 3.1 ms\ntps = 270.66 (including reconnection times)\n", pgbenchResult{812, 270.66}},
		"version 14":         {strings.Replace(pgbenchReport, "number of failed transactions: 0 (0.000%)\n", "", 1), pgbenchResult{53764, 17975.532134}},
		"with a known limit": {strings.Replace(pgbenchReport, "processed: 53764", "processed: 53764/60000", 1), pgbenchResult{53764, 17975.532134}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parsePgbench(c.text)
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestPgbenchReportOfARunThatFailedIsAnError(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":        "",
		"no rate":        "number of transactions actually processed: 5\n",
		"no transaction": strings.Replace(pgbenchReport, "processed: 53764", "processed: 0", 1),
		"failures":       strings.Replace(pgbenchReport, "failed transactions: 0", "failed transactions: 7", 1),
		"overflow":       strings.Replace(pgbenchReport, "processed: 53764", "processed: 99999999999999999999", 1),
	} {
		if got, err := parsePgbench(text); err == nil {
			t.Errorf("%s: got %+v and no error", name, got)
		}
	}
}

func TestStatGivesTheCPUOfAProcess(t *testing.T) {
	const rest = " S 1 4242 4242 0 -1 4194560 1021 0 3 0 125 417 7 9 20 0 6 0 81234 1265123328 2048"
	for _, name := range []string{"(pgweir)", "(a) b (c)", "()"} {
		got, err := parseStat([]byte("4242 " + name + rest))
		if want := 5420 * time.Millisecond; err != nil || got != want {
			t.Errorf("%s: got %v, %v; want %v", name, got, err, want)
		}
	}
	for _, bad := range []string{"", "4242 (x) S 1 2 3", "4242 (x) S 1 4242 4242 0 -1 4194560 1021 0 3 0 x 417"} {
		if got, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q: got %v and no error", bad, got)
		}
	}
}

func TestRollupGivesTheResidentSize(t *testing.T) {
	const rollup = "55d0-7ffd ---p 00000000 00:00 0          [rollup]\nRss:               15236 kB\nPss:                9000 kB\nPss_Anon:           8000 kB\n"
	if got, err := parseRollup(rollup); err != nil || got != 15236*1024 {
		t.Errorf("got %d, %v", got, err)
	}
	for _, bad := range []string{"", "Pss: 5 kB\n", "Rss: x kB\n"} {
		if got, err := parseRollup(bad); err == nil {
			t.Errorf("%q: got %d and no error", bad, got)
		}
	}
}

func TestCPUModelIsTheFirstOfCpuinfo(t *testing.T) {
	if got := cpuModel("processor\t: 0\nmodel\t\t: 1\nmodel name\t: A: B\nmodel name\t: C\n", "?"); got != "A: B" {
		t.Errorf("got %q", got)
	}
	if got := cpuModel("processor\t: 0\nCPU part\t: 0xd0c\n", "?"); got != "?" {
		t.Errorf("got %q", got)
	}
}

func TestAnswerIsFollowedHoweverItIsCut(t *testing.T) {
	const login = "R\x00\x00\x00\x08\x00\x00\x00\x00" + "S\x00\x00\x00\x09a\x00b\x00\x00" + "K\x00\x00\x00\x0c12345678"
	const end = "Z\x00\x00\x00\x05I"
	for size := 1; size <= len(login+end); size++ {
		var a answer
		for rest := login + end; rest != ""; {
			piece := rest[:min(size, len(rest))]
			rest = rest[len(piece):]
			ready, err := a.feed([]byte(piece))
			if err != nil || ready != (rest == "") {
				t.Fatalf("in pieces of %d, %d bytes before the end: ready %v, %v", size, len(rest), ready, err)
			}
		}
	}
}

func TestAnswerReportsWhatTheServerRefuses(t *testing.T) {
	for name, c := range map[string]struct{ bytes, want string }{
		"an error":      {"E\x00\x00\x00\x2aSFATAL\x00VFATAL\x00C53300\x00Mtoo many of you\x00\x00", "FATAL: too many of you (53300)"},
		"a password":    {"R\x00\x00\x00\x08\x00\x00\x00\x03", "trust"},
		"a tiny length": {"Z\x00\x00\x00\x03", "length 3"},
		"a huge length": {"D\x7f\xff\xff\xff", "length 2147483647"},
	} {
		var a answer
		_, err := a.feed([]byte(c.bytes))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMedianAndQuantileAreOfTheSortedValues(t *testing.T) {
	if got := median([]float64{9, 1, 5}); got != 5 {
		t.Errorf("odd: %v", got)
	}
	if got := median([]float64{9, 1, 5, 6}); got != 5.5 {
		t.Errorf("even: %v", got)
	}
	var waits []time.Duration
	for i := 100; i >= 1; i-- {
		waits = append(waits, time.Duration(i))
	}
	c := newCrowd(waits, []int{4, 2, 3}, time.Second)
	if c.quantile(0.5) != 51 || c.quantile(0.99) != 100 || c.quantile(1) != 100 || c.least != 2 || c.most != 4 {
		t.Errorf("p50 %d, p99 %d, max %d, least %d, most %d", c.quantile(0.5), c.quantile(0.99), c.quantile(1), c.least, c.most)
	}
}

func TestTableShowsMediansAndTheRatioToTheYardstick(t *testing.T) {
	r := newResult(work{name: "w", figures: []string{"per s", "CPU"}}, []*pooler{{name: "pgbouncer"}, {name: "pgweir"}})
	r.add("pgbouncer", []float64{1000, 20})
	r.add("pgbouncer", []float64{3000, 10})
	r.add("pgweir", []float64{1000, 12})
	want := "w           per s                            2000       1000       0.50\n" +
		"            CPU                              15.0       12.0       0.80\n"
	if got := (&report{}).tableRows(r); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	r.failed["pgweir"] = errors.New("out of luck")
	if got := (&report{}).tableRows(r); !strings.Contains(got, "failed") || !strings.Contains(got, "pgweir failed: out of luck") || strings.Contains(got, "0.80") {
		t.Errorf("after a failure:\n%s", got)
	}
	if err := (&report{results: []*result{r}}).failure(); err == nil {
		t.Error("the report has no failure")
	}
}

func TestOptionsNameTheWorksAndRefuseWhatIsUnknown(t *testing.T) {
	opts, err := parseOptions([]string{"-work", "idle,packages,bulk", "-rounds", "2"}, io.Discard)
	if err != nil || len(opts.works) != 2 || opts.works[0].name != "idle" || opts.works[1].name != "bulk" || !opts.packages || opts.rounds != 2 {
		t.Errorf("got %+v, %v", opts, err)
	}
	for _, args := range [][]string{{"-work", "simple2"}, {"-rounds", "0"}, {"-seconds", "0"}, {"surplus"}, {"-nonsense"}} {
		if _, err := parseOptions(args, io.Discard); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}
