package web

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgweir/status"
)

// rowsOf are the pids of all client backends in a tree, and how many of them
// are not folded.
func rowsOf(v *serverView) (pids []string, open int) {
	for _, g := range v.Groups {
		open += len(g.Rows)
		for _, p := range slices.Concat(g.Rows, g.More) {
			pids = append(pids, p.PID)
		}
	}
	return pids, open
}

func TestATreeOfManyProcessesIsFolded(t *testing.T) {
	m := world(300)
	v := serverOf(m.s.Censuses[0])
	pids, open := rowsOf(&v)
	slices.Sort(pids)
	if len(slices.Compact(pids)) != 300 {
		t.Errorf("%d of 300 are there", len(slices.Compact(pids)))
	}
	if most := maxRows + minRows*len(v.Groups); open > most || open < maxRows {
		t.Errorf("%d are not folded, want %d to %d", open, maxRows, most)
	}
	for _, p := range v.Groups[0].Rows {
		if p.Mark == "rest" {
			t.Errorf("%s is at rest, while others that are not are folded", p.PID)
		}
	}
	if g := v.Groups[0]; !g.Folded || g.MoreText != "223 backends more" || g.About != "263 backends: 150 idle, 75 active, 38 idle in transaction" {
		t.Errorf("%s, %s", g.About, g.MoreText)
	}
	if v.Clients != "300" || v.Background != "6" {
		t.Errorf("%s client backends, %s background processes", v.Clients, v.Background)
	}
}

// TestAnyTreeHasEveryProcessOnce, and no more rows than it may, and keys that
// are each there once.
func TestAnyTreeHasEveryProcessOnce(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	states := []string{"", "active", "idle", "idle in transaction", "stopped"}
	kinds := []string{"client backend", "client backend", "client backend", "checkpointer", "", "pg_cron launcher"}
	for range 200 {
		c := &status.Census{At: time.Unix(1e9, 0), Server: status.CensusServer{Host: "h:1"}}
		clients, others := 0, 0
		for i := range random.IntN(500) {
			p := status.Process{PID: 100 + i, Kind: kinds[random.IntN(len(kinds))], State: states[random.IntN(len(states))],
				User: fmt.Sprintf("u%d", random.IntN(1+random.IntN(60))), Database: "d", Ours: random.IntN(2) == 0, CPU: -1, Memory: -1}
			if p.Kind == "client backend" {
				clients++
			} else {
				others++
			}
			c.Processes = append(c.Processes, p)
		}
		v := serverOf(c)
		pids, open := rowsOf(&v)
		if len(pids) != clients || len(v.Groups) > maxGroups || open > maxRows+minRows*maxGroups {
			t.Fatalf("%d of %d client backends in %d groups, %d open", len(pids), clients, len(v.Groups), open)
		}
		if len(v.Others) > maxOthers || len(v.Others)+len(v.More) != others {
			t.Fatalf("%d and %d of %d background processes", len(v.Others), len(v.More), others)
		}
		keys := map[string]bool{}
		for _, g := range v.Groups {
			if keys[g.Key] {
				t.Fatalf("two groups are %s", g.Key)
			}
			keys[g.Key] = true
			for _, p := range slices.Concat(g.Rows, g.More) {
				if keys[p.Key] {
					t.Fatalf("two processes are %s", p.Key)
				}
				keys[p.Key] = true
				if p.Memory != "unknown" || p.CPU != "unknown" || p.Since != "unknown" {
					t.Fatalf("it claims to know: %+v", p)
				}
			}
		}
	}
}

func TestAGroupIsOfOneDatabaseAndUserAndOurs(t *testing.T) {
	c := &status.Census{}
	for i, p := range []status.Process{{User: "a b", Database: "c"}, {User: "a", Database: "b c"}, {User: "a", Database: "b c", Ours: true}, {}} {
		p.PID, p.Kind = i+1, "client backend"
		c.Processes = append(c.Processes, p)
	}
	v := serverOf(c)
	if len(v.Groups) != 4 || !v.Groups[0].Ours {
		t.Errorf("%+v", v.Groups)
	}
	if !slices.ContainsFunc(v.Groups, func(g groupView) bool { return g.Name == "unknown@unknown" }) {
		t.Error("what is unknown has a name")
	}
}

func TestThePostmasterIsGoneAliveOrOutOfSight(t *testing.T) {
	seen := []status.Process{{PID: 9, Kind: "postmaster", State: "stopped", CPU: -1, Memory: -1}}
	down := []status.Finding{{ID: "server_unreachable", Severity: status.Critical, Down: true}}
	for _, c := range []struct {
		name             string
		census           status.Census
		pid, mark, state string
	}{
		{"seen", status.Census{Postmaster: status.Postmaster{PID: 9, Alive: true}, Processes: seen}, "9", "stopped", "stopped"},
		{"seen, and gone since", status.Census{Postmaster: status.Postmaster{PID: 9}, Processes: seen}, "9", "gone", "gone"},
		{"remote", status.Census{Postmaster: status.Postmaster{Alive: true}}, "unknown", "rest", "alive"},
		{"gone", status.Census{Postmaster: status.Postmaster{PID: 9}}, "9", "gone", "gone, or does not answer"},
		{"remote and gone", status.Census{Findings: down}, "unknown", "gone", "gone, or does not answer"},
		{"nothing is known", status.Census{}, "unknown", "unknown", "not seen from here"},
	} {
		got := postmasterOf(&c.census)
		if got.PID != c.pid || got.Mark != c.mark || got.State != c.state {
			t.Errorf("%s: %s, %s, %s", c.name, got.PID, got.Mark, got.State)
		}
	}
}

func TestStatesHaveWordsAndShapes(t *testing.T) {
	for _, c := range []struct {
		p           status.Process
		state, mark string
	}{
		{status.Process{Kind: "client backend", State: "active"}, "active", "busy"},
		{status.Process{Kind: "client backend", State: "active", Wait: "Lock: relation"}, "active, Lock: relation", "blocked"},
		{status.Process{Kind: "client backend", State: "idle", Wait: "Client: ClientRead"}, "idle", "rest"},
		{status.Process{Kind: "client backend", State: "idle in transaction (aborted)"}, "idle in transaction (aborted)", "held"},
		{status.Process{Kind: "client backend", State: "stopped", Wait: "Lock: relation"}, "stopped, Lock: relation", "stopped"},
		{status.Process{Kind: "client backend"}, "unknown", "unknown"},
		{status.Process{Kind: "walwriter", Wait: "Activity: WalWriterMain"}, "at rest", "rest"},
		{status.Process{Kind: "walwriter", Wait: "IO: WALSync"}, "waits, IO: WALSync", "busy"},
		{status.Process{Kind: "logger"}, "running", "busy"},
		{status.Process{}, "unknown", "unknown"},
	} {
		if state, mark := stateAndWait(&c.p), markOf(&c.p); state != c.state || mark != c.mark {
			t.Errorf("%+v: %s, %s", c.p, state, mark)
		}
	}
}

func TestTheWireSaysHowABackendIsHeld(t *testing.T) {
	c := &status.Census{}
	for want, p := range map[string]status.Process{
		"lent":   {Kind: "client backend", Ours: true, Client: &status.Holder{ID: 1, Addr: "unix"}},
		"pinned": {Kind: "client backend", Ours: true, Client: &status.Holder{ID: 1, Addr: "unix", Pin: "setting"}},
		"free":   {Kind: "client backend", Ours: true},
		"direct": {Kind: "client backend", Application: "psql"},
		"":       {Kind: "walwriter"},
	} {
		if got := processOf(c, &p); got.Wire != want {
			t.Errorf("%+v hangs by %q, want %q", p, got.Wire, want)
		}
	}
}

func TestPinsAreListedUpToABound(t *testing.T) {
	m := world(0)
	c := m.s.Censuses[0]
	for i := range maxPinRows + 5 {
		c.Processes = append(c.Processes, status.Process{PID: 9000 + i, Kind: "client backend", User: "u", Database: "d", Ours: true,
			Client: &status.Holder{ID: uint64(i), Addr: "unix", Pin: "setting"}})
	}
	v := stateOf(m.s, m.h, m.sizing)
	if len(v.Pins) != maxPinRows || v.MorePins != "and 5 more" || v.Pins[0].PID != "9000" {
		t.Errorf("%d, %s", len(v.Pins), v.MorePins)
	}
}
