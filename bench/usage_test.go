package main

import (
	"os"
	"testing"
	"time"
)

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

func TestSchedstatGivesTheCPUOfAThreadInNanoseconds(t *testing.T) {
	if got, err := parseSchedstat("62997 49770 2\n"); err != nil || got != 62997*time.Nanosecond {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "62997", "x 1 2", "99999999999999999999 1 2"} {
		if got, err := parseSchedstat(bad); err == nil {
			t.Errorf("%q: got %v and no error", bad, got)
		}
	}
}

func TestStatusGivesTheSwitchesInWhichAThreadWaits(t *testing.T) {
	const status = "Name:\tpgweir\nvoluntary_ctxt_switches:\t4217\nnonvoluntary_ctxt_switches:\t13\n"
	if got, err := parseVoluntary(status); err != nil || got != 4217 {
		t.Errorf("got %d, %v", got, err)
	}
	for _, bad := range []string{"", "nonvoluntary_ctxt_switches:\t13\n", "voluntary_ctxt_switches:\tx\n"} {
		if got, err := parseVoluntary(bad); err == nil {
			t.Errorf("%q: got %d and no error", bad, got)
		}
	}
}

func TestUsageIsSummedOverThreads(t *testing.T) {
	before := usage{"1": {10, 3}, "2": {20, 5}, "gone": {99, 99}}
	after := usage{"1": {15, 4}, "2": {20, 5}, "new": {7, 2}}
	if got := after.since(before); got != (threadUsage{12, 3}) {
		t.Errorf("got %+v", got)
	}
}

func TestUsageOfThisProcessIsRead(t *testing.T) {
	u, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if sum := u.since(usage{}); sum.cpu <= 0 || sum.voluntary == 0 || len(u) < 2 {
		t.Errorf("%d threads, %+v", len(u), sum)
	}
	if _, err := usageOf(1 << 30); err == nil {
		t.Error("no error for a process that is not there")
	}
	if d, err := driverTime(); err != nil || d <= 0 {
		t.Errorf("the driver took %v, %v", d, err)
	}
}
