package census

import (
	"testing"
	"time"

	"pgweir/proctable"
	"pgweir/status"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// inTable is a child of postmaster 10 in the process table.
func inTable(pid int, state byte, text string) *entry {
	e := &entry{
		Process: proctable.Process{PID: pid, Parent: 10, Name: "postgres", State: state, CPU: time.Second, Birth: uint64(pid)},
		began:   noon.Add(-time.Hour), bytes: int64(pid) << 10,
	}
	if text != "" {
		e.title, e.titled = decodeTitle(text, ""), true
		e.kind = e.title.kind
	}
	return e
}

func tableOf(entries ...*entry) *table {
	t := &table{
		postmaster: proctable.Process{PID: 10}, alive: true, entries: map[int]*entry{},
		own: &entry{Process: proctable.Process{PID: 10, Parent: 1, State: 'S'}, kind: postmaster, began: noon.Add(-2 * time.Hour), bytes: -1},
	}
	for _, e := range entries {
		t.entries[e.PID] = e
	}
	return t
}

// one gives the process with a pid; the zero value if there is none.
func one(processes []status.Process, pid int) status.Process {
	for _, p := range processes {
		if p.PID == pid {
			return p
		}
	}
	return status.Process{}
}

func TestTheServerSaysWhatAProcessDoesAndTheTableWhatItCosts(t *testing.T) {
	rows := []row{{pid: 20, kind: clientBackend, user: "app", database: "shop", application: "web", state: "idle",
		waitType: "Client", waitEvent: "ClientRead", stateChange: noon, begun: noon.Add(-time.Hour), query: "select 1"}}
	holder := &status.Holder{ID: 7, Addr: "unix"}
	got := rowsOf(rows, tableOf(inTable(20, 'S', "")), map[int]status.Backend{20: {PID: 20, Client: holder}}, 0)
	want := status.Process{
		PID: 20, Parent: 10, Kind: clientBackend, Role: roles[clientBackend], User: "app", Database: "shop", Application: "web",
		State: "idle", Wait: "Client: ClientRead", Since: noon, CPU: time.Second, Memory: 20 << 10, Ours: true, Client: holder, Query: "select 1",
	}
	if len(got) != 2 || got[1] != want {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	if pm := got[0]; pm.PID != 10 || pm.Parent != 1 || pm.Kind != postmaster || pm.Memory != -1 || !pm.Since.Equal(noon.Add(-2*time.Hour)) {
		t.Errorf("the postmaster: %+v", pm)
	}
}

func TestWhatHasEndedIsNotListedAndWhatTheServerDoesNotListIs(t *testing.T) {
	rows := []row{{pid: 20, kind: checkpointer}, {pid: 21, kind: clientBackend}}
	got := rowsOf(rows, tableOf(inTable(20, 'S', ""), inTable(22, 'S', "postgres: logger"), inTable(23, 'R', "")), nil, 0)
	if len(got) != 4 {
		t.Fatalf("%+v", got)
	}
	if p := one(got, 22); p.Kind != logger || !p.Since.Equal(noon.Add(-time.Hour)) || p.State != "" {
		t.Errorf("%+v", p)
	}
	if p := one(got, 23); p.Kind != "" || p.Role != roleForked {
		t.Errorf("%+v", p)
	}
	if p := one(got, 21); p.PID != 0 {
		t.Errorf("it has ended: %+v", p)
	}
}

func TestElsewhereNothingIsKnownOfWhatAProcessCosts(t *testing.T) {
	got := rowsOf([]row{{pid: 21, kind: clientBackend, begun: noon}, {pid: 20, kind: checkpointer}, {pid: 22, user: "x", database: "y"}}, nil, nil, 21)
	if len(got) != 3 || got[0].PID != 20 || got[1].PID != 21 || got[2].PID != 22 {
		t.Fatalf("%+v", got)
	}
	for _, p := range got {
		if p.Parent != 0 || p.CPU != -1 || p.Memory != -1 {
			t.Errorf("%+v", p)
		}
	}
	if got[1].Role != roleCensus || !got[1].Since.Equal(noon) || got[2].Role != roleHidden || !got[2].Since.IsZero() {
		t.Errorf("%+v", got)
	}
}

func TestTitlesFillInWhatIsHidden(t *testing.T) {
	rows := []row{{pid: 20, user: "app", database: "my shop"}, {pid: 21}}
	got := rowsOf(rows, tableOf(
		inTable(20, 'S', "postgres: app my shop [local] idle in transaction"),
		inTable(21, 'S', "postgres: walwriter"),
		inTable(22, 'S', "postgres: other shop 10.0.0.1(5) UPDATE waiting"),
	), nil, 0)
	if p := one(got, 20); p.Kind != clientBackend || p.User != "app" || p.Database != "my shop" || p.State != "idle in transaction" || !p.Since.IsZero() {
		t.Errorf("%+v", p)
	}
	if p := one(got, 21); p.Kind != walwriter || p.Since.IsZero() {
		t.Errorf("%+v", p)
	}
	if p := one(got, 22); p.User != "other" || p.Database != "shop" || p.State != "active" || p.Wait != "Lock" {
		t.Errorf("%+v", p)
	}
}

func TestAProcessThatIsStoppedSaysSo(t *testing.T) {
	e := inTable(20, 'T', "")
	e.see(e.Process, noon)
	e.see(e.Process, noon.Add(time.Minute)) // still
	traced := inTable(21, 't', "")
	traced.see(traced.Process, noon)
	got := rowsOf([]row{{pid: 20, kind: checkpointer, begun: noon.Add(-time.Hour)}}, tableOf(e, traced, inTable(22, 'Z', "")), nil, 0)
	if p := one(got, 20); p.State != "stopped" || !p.Since.Equal(noon) || p.Kind != checkpointer {
		t.Errorf("%+v", p)
	}
	if p := one(got, 21); p.State != "stopped" {
		t.Errorf("%+v", p)
	}
	if p := one(got, 22); p.State != "ended" || !p.Since.IsZero() {
		t.Errorf("%+v", p)
	}
	running := e.Process
	running.State = 'S'
	e.see(running, noon.Add(2*time.Minute))
	if p := one(rowsOf(nil, tableOf(e), nil, 0), 20); p.State != "" {
		t.Errorf("it goes on: %+v", p)
	}
}

func TestBackgroundProcessesStandAheadOfBackends(t *testing.T) {
	var rows []row
	for i, kind := range []string{clientBackend, "zz worker", "", walsender, parallelWorker, "aa worker", checkpointer, "aa worker", startup} {
		rows = append(rows, row{pid: 30 - i, kind: kind})
	}
	var got []string
	for _, p := range rowsOf(rows, nil, nil, 0) {
		got = append(got, p.Kind)
	}
	want := []string{startup, checkpointer, walsender, "aa worker", "aa worker", "zz worker", parallelWorker, clientBackend, ""}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%q, want %q", got, want)
		}
	}
}

func TestOthersAreTheClientBackendsThatAreNotOurs(t *testing.T) {
	n := others([]status.Process{
		{Kind: clientBackend}, {Kind: clientBackend, Ours: true}, {Kind: walsender, User: "a", Database: "b"},
		{Kind: checkpointer}, {User: "a", Database: "b"}, {User: "a"}, {},
	})
	if n != 2 {
		t.Errorf("%d", n)
	}
}

// 300 processes at 2 ms each, every five seconds: each gets its turn, and no
// more than the share of the time is spent.
func TestTheBudgetBoundsTheTimeAndServesAll(t *testing.T) {
	b := budget{}
	now, spent, turns := noon, time.Duration(0), 0
	const cost = 2 * time.Millisecond
	readings := 0
	for ; turns < 300; readings++ {
		b.refill(now)
		for i := 0; i < 300 && b.left(); i++ {
			b.spend(cost)
			spent += cost
			turns++
		}
		now = now.Add(5 * time.Second)
		if readings > 1000 {
			t.Fatal("they never get their turn")
		}
	}
	passed := now.Sub(noon)
	if most := memoryBurst + cost + time.Duration(float64(passed)*memoryShare); spent > most {
		t.Errorf("%v were spent in %v, at most %v are allowed", spent, passed, most)
	}
	if readings < 50 {
		t.Errorf("all had their turn in %d readings: nothing was bounded", readings)
	}
	// One that takes long is paid for before the next.
	b = budget{}
	b.refill(now)
	b.spend(time.Second)
	b.refill(now.Add(10 * time.Minute))
	if b.left() {
		t.Error("a second was spent, and ten minutes later there is more")
	}
	b.refill(now.Add(40 * time.Minute))
	if !b.left() {
		t.Error("the debt is paid, and nothing is left")
	}
	b = budget{unlimited: true}
	b.spend(time.Hour)
	if !b.left() {
		t.Error("without a bound there is one")
	}
}

func TestAStatementIsCutAtACharacter(t *testing.T) {
	for in, want := range map[string]string{
		"":                     "",
		"select":               "select",
		"gr\xc3\xbc\xc3":       "grü",
		"gr\xc3\xbc":           "grü",
		"x\xe2\x82":            "x",
		"x\xe2\x82\xac":        "x€",
		"caf\xe9 noir":         "caf\uFFFD noir",
		"\xbf\xbf\xbf\xbf\xbf": "\uFFFD",
		"\xf0\x9f\x98":         "",
	} {
		if got := cut([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestATitleIsOursByUserDatabaseAndPort(t *testing.T) {
	me := self{pid: 5, user: "census", database: "my db", port: "777", cluster: "main"}
	for text, want := range map[string]bool{
		"postgres: main: census my db 127.0.0.1(777) SELECT": true,
		"postgres: main: census my db 127.0.0.1(777)":        true,
		"postgres: main: census my d":                        true, // cut short
		"postgres: main: census my db 127.0.0.1(778) SELECT": false,
		"postgres: main: census my db [local] SELECT":        false,
		"postgres: main: other my db 127.0.0.1(777) SELECT":  false,
		"postgres: census my db 127.0.0.1(777) SELECT":       false,
		"postgres: main: checkpointer":                       false,
		"postgres: ":                                         false,
		"":                                                   false,
		"/usr/bin/postgres -D x":                             false,
	} {
		if got := me.wrote(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
