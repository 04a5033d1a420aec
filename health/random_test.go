package health

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgweir/status"
)

// choices are what random evidence is made of: a source of small numbers.
type choices func(n int) int

// seeded draws from a generator.
func seeded(seed uint64) choices {
	r := rand.New(rand.NewPCG(seed, 0))
	return r.IntN
}

// encoded draws from bytes, and then has nothing but zeros.
func encoded(data []byte) choices {
	return func(n int) int {
		if len(data) == 0 {
			return 0
		}
		b := int(data[0])
		data = data[1:]
		return b % n
	}
}

var (
	someKinds = []string{
		"", "client backend", "checkpointer", "background writer", "walwriter", "autovacuum launcher", "startup",
		"archiver", "walreceiver", "io worker", "postmaster", "logger", "walsender", "an extension", "parallel worker",
	}
	someWaits = []string{"", "Activity: Main", "LWLock: A", "IO: WALSync", "IPC: RestoreCommand", "Lock: relation", ":", "IPC"}
	someCodes = []string{"", "57P01", "57P02", "57P03", "53300", "28P01", "3", "57014"}
	someNames = []string{"", "alice", "b\nob", `"`, "ünï"}
)

// arbitrary is evidence that need not make sense. Its processes may be those
// that were there before.
func arbitrary(next choices, at time.Time, before Evidence) Evidence {
	e := Evidence{Asked: next(8) > 0, Reaches: next(4) > 0, Privileged: next(4) > 0, Role: someNames[next(len(someNames))]}
	if next(50) == 1 {
		return e
	}
	e.Census = &status.Census{At: at, Server: status.CensusServer{Where: status.Whereabouts(next(3)), Standby: next(8) == 1}}
	if next(6) == 1 {
		e.Code = someCodes[next(len(someCodes))]
		e.Err = fmt.Errorf("FATAL: in recovery mode (SQLSTATE %s)", e.Code)
		if next(2) == 0 {
			e.Err = fmt.Errorf("login: %w", timeout{})
		}
	}
	e.Census.Postmaster = status.Postmaster{PID: next(3) + 1, Alive: next(3) > 0}
	if next(3) > 0 {
		e.Started = epoch.Add(time.Duration(next(2)) * time.Hour)
	}
	if next(2) == 0 {
		e.OSStates = map[int]byte{}
	}
	again := before.Census != nil && next(3) > 0
	if again {
		e.Census.Processes, e.OSStates, e.Census.Server = before.Census.Processes, before.OSStates, before.Census.Server
		e.Census.Postmaster = before.Census.Postmaster
	}
	for i := next(12); i > 0 && !again; i-- {
		p := status.Process{
			PID: next(20), Kind: someKinds[next(len(someKinds))], Wait: someWaits[next(len(someWaits))],
			CPU: time.Duration(next(3) - 1), User: someNames[next(len(someNames))], Ours: next(2) == 0,
		}
		if p.Ours && next(2) == 0 {
			p.Client = &status.Holder{ID: uint64(next(9)), Addr: "unix"}
		}
		e.Census.Processes = append(e.Census.Processes, p)
		if e.OSStates != nil {
			e.OSStates[p.PID] = "RSDTtZ"[next(6)]
		}
	}
	if next(2) == 0 {
		e.Census.Limits = &status.ServerLimits{MaxConnections: next(20), SuperuserReserved: next(4)}
	}
	if next(3) == 0 {
		e.Archiver = &Archiver{LastArchived: at.Add(-time.Duration(next(90)) * time.Second), LastFailed: at.Add(-time.Duration(next(90)) * time.Second)}
	}
	for range next(6) {
		b := Blocked{PID: next(20), Lock: someNames[next(len(someNames))]}
		for range next(4) {
			b.By = append(b.By, next(20))
		}
		if next(2) == 0 {
			b.Since = at.Add(-time.Duration(next(200)-20) * time.Second)
		}
		e.Blocked = append(e.Blocked, b)
	}
	for range next(5) {
		e.Holding = append(e.Holding, Holding{PID: next(20), Age: int64(next(50)), Begun: at.Add(-time.Duration(next(200)) * time.Minute), Idle: next(2) == 0})
	}
	return e
}

// check is what holds of the findings of any evidence.
func check(t *testing.T, j *Judge, e Evidence, got, before []status.Finding) {
	t.Helper()
	rank := map[status.Severity]int{status.Critical: 0, status.Warning: 1, status.Info: 2}
	seen := map[string]bool{}
	for i, f := range got {
		severity, known := rank[f.Severity]
		switch {
		case !known, !slices.Contains(IDs, f.ID), seen[f.ID], f.Text == "", f.Advice == "":
			t.Fatalf("a finding that cannot be: %+v", f)
		case f.Down && f.Severity != status.Critical:
			t.Fatalf("down, but not critical: %+v", f)
		case len(f.Text) > 2000:
			t.Fatalf("%d bytes of text: %s", len(f.Text), f.Text)
		case i > 0 && (rank[got[i-1].Severity] > severity || rank[got[i-1].Severity] == severity && got[i-1].ID >= f.ID):
			t.Fatalf("not sorted: %+v", got)
		}
		seen[f.ID] = true
		for _, b := range before {
			if b.ID == f.ID && !b.Since.Equal(f.Since) {
				t.Fatalf("%s lasts, and was since %v, now %v", f.ID, b.Since, f.Since)
			}
		}
	}
	processes := 0
	if e.Census != nil {
		processes = len(e.Census.Processes)
	}
	if len(j.since) > len(IDs) || len(j.watched) > processes+len(e.OSStates)+1 || len(j.blocked) > len(e.Blocked) ||
		len(j.starts) > len(someKinds) || len(j.events) > 2 || len(j.server.auxiliary) > 4 {
		t.Fatalf("more is remembered than there is: %+v", j)
	}
}

// TestRandomReadings: whatever is read, the same readings have the same
// findings, these are well formed, and what is remembered stays bounded.
func TestRandomReadings(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	next, again := seeded(seed), seeded(seed)
	one, two := New(), New()
	at := epoch
	var before []status.Finding
	var e, same Evidence
	found := map[string]int{}
	for i := range 10_000 {
		step := time.Duration(next(90)-3) * time.Second // clocks may go back
		again(90)
		at = at.Add(step)
		e, same = arbitrary(next, at, e), arbitrary(again, at, same)
		got := one.Judge(e)
		if second := two.Judge(same); !reflect.DeepEqual(got, second) {
			t.Fatalf("reading %d: %+v, and then %+v", i, got, second)
		}
		check(t, one, e, got, before)
		before = got
		for _, f := range got {
			found[f.ID]++
		}
	}
	t.Logf("found: %v", found)
	for _, id := range IDs {
		if found[id] == 0 {
			t.Errorf("%s was never found: the evidence is not random enough", id)
		}
	}
}

func FuzzJudge(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz"))
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 1))
		data := make([]byte, 600)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		next, j := encoded(data), New()
		var before []status.Finding
		var e Evidence
		at := epoch
		for range 8 {
			at = at.Add(time.Duration(next(60)) * time.Second)
			e = arbitrary(next, at, e)
			got := j.Judge(e)
			check(t, j, e, got, before)
			before = got
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	j := New()
	e := healthy(0)
	for i := range 300 {
		e.add(other(1000+i, "bob", "idle"))
	}
	b.ReportAllocs()
	for b.Loop() {
		e.Census.At = e.Census.At.Add(5 * time.Second)
		j.Judge(e)
	}
}
