package top

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"pgweir/status"
)

func TestTheScreenSaysWhatIsSavedAndWhatIsWrong(t *testing.T) {
	b := newBench(t, usual())
	b.wantScreen("12:00:00", "http://127.0.0.1:9127", "PostgreSQL 15.18 on 127.0.0.1:5432",
		"Clients: 20, 3 waiting  Backends: 2  Saved: 18, at most 19  (10.0 to 1)",
		"Memory: 7.0M a backend, 126M saved (measured)",
		"Processes: 5  3 client backends, 2 ours: 2 active, 1 waiting for a lock, 1 idle",
		"Findings: 1 critical, 1 info (key 4)  lock_queue: Process 203 waits for a lock.",
		"> 100", "postmaster", "checkpoin", "alice", "2d02h")
}

func TestWhatIsUnknownIsNeverZero(t *testing.T) {
	r := usual()
	r.Savings.BackendMemory, r.Savings.MemorySaved = -1, -1
	r.Censuses[0].Server.Version = ""
	b := newBench(t, r)
	b.wantScreen("Memory: unknown", "of unknown version")
	if got := b.column("MEMORY"); got[4] != "-" {
		t.Errorf("the memory of a process that cannot be measured: %q", got)
	}
	if got := b.column("CPU%"); !slices.Equal(got, []string{"-", "-", "-", "-", "-"}) {
		t.Errorf("CPU after one reading: %q", got)
	}
	r.Censuses, r.CensusErr = nil, errors.New("/census: 404 Not Found: census_interval is 0")
	b.press(" ")
	b.wantScreen("Processes: unknown", "Findings: unknown", "census_interval is 0", "Clients: 20")
}

func TestCPUIsWhatWasUsedBetweenTwoCensuses(t *testing.T) {
	r := usual()
	b := newBench(t, r)
	later := func(seconds int, cpu map[int]time.Duration) {
		c := *r.Censuses[0]
		c.At = c.At.Add(time.Duration(seconds) * time.Second)
		c.Processes = slices.Clone(c.Processes)
		for i := range c.Processes {
			if used, ok := cpu[c.Processes[i].PID]; ok {
				c.Processes[i].CPU = used
			}
		}
		r.Censuses = []*status.Census{&c}
		b.press(" ")
	}
	percent := func(pid string) string {
		return b.column("CPU%")[slices.Index(b.column("PID"), pid)]
	}
	// In 5 seconds: 2.5 more, and nothing.
	later(5, map[int]time.Duration{201: 12500 * time.Millisecond})
	if percent("201") != "50.0" || percent("202") != "0.0" || percent("203") != "-" {
		t.Errorf("CPU%%: %q of %q", b.column("CPU%"), b.column("PID"))
	}
	if b.column("PID")[0] != "201" {
		t.Errorf("the busiest is not the first: %q", b.column("PID"))
	}
	b.wantScreen("CPU 50.0%")
	// The same census once more says the same.
	b.press(" ")
	if percent("201") != "50.0" {
		t.Errorf("a census that was seen before makes it %s", percent("201"))
	}
	// Another process has got the ID: it has used less.
	later(10, map[int]time.Duration{201: time.Second})
	if percent("201") != "-" || percent("202") != "0.0" {
		t.Errorf("CPU%% of a process that is another one: %q", b.column("CPU%"))
	}
	// A clock that goes back tells nothing.
	r.Censuses[0].At = noon.Add(-time.Hour)
	later(0, map[int]time.Duration{202: time.Minute})
	if percent("202") != "-" {
		t.Errorf("CPU%% over a time below 0: %q", percent("202"))
	}
}

func TestSorting(t *testing.T) {
	b := newBench(t, usual())
	for _, c := range []struct{ key, column, want string }{
		{"M", "PID", "201 202 101 100 203"}, // unknown last
		{"M", "PID", "100 101 202 201 203"}, // turned round, and still last
		{"T", "PID", "100 101 202 203 201"},
		{"N", "PID", "100 101 201 202 203"},
		{"N", "PID", "203 202 201 101 100"},
		{"U", "USER", "alice bob carol  "},
		{"r", "USER", "carol bob alice  "},
		{"K", "PID", "101 201 202 203 100"}, // equals keep the order of the reading
	} {
		b.press(c.key)
		if got := strings.Join(b.column(c.column), " "); strings.TrimSpace(got) != strings.TrimSpace(c.want) {
			t.Errorf("after %s: %s %s, want %s", c.key, c.column, got, c.want)
		}
	}
	b.press("<")
	if title := b.m.view().columns[b.m.view().sort].title; title != "DATABASE" {
		t.Errorf("left of KIND is %s", title)
	}
	b.press(">", ">")
	if title := b.m.view().columns[b.m.view().sort].title; title != "STATE" {
		t.Errorf("right of KIND is %s", title)
	}
	for range 30 {
		b.press("<")
	}
	b.wantScreen("PID^", "by PID up")
	b.press("s", "m", "e", "m", "enter")
	b.wantScreen("MEMORYv", "by MEMORY down")
	b.press("s", "x", "enter")
	b.wantScreen(`No column is called "x"`, "APPLICATION")
	b.press("s", "enter")
	b.wantScreen("by MEMORY down")
}

func TestTheFilterShowsRowsWithATextInAnyColumn(t *testing.T) {
	b := newBench(t, usual())
	b.press("/", "S", "h", "o", "p")
	if got := b.column("USER"); !slices.Equal(got, []string{"alice", "bob"}) {
		t.Errorf("while it is typed: %q", got)
	}
	b.wantScreen("Filter: Shop_", "processes 2 of 5")
	b.press("x")
	b.wantScreen("processes 0 of 5")
	b.press("backspace", "enter")
	b.wantScreen(`with "Shop"`, "> 201")
	b.press("k") // a key again, not a letter
	if b.m.mode != confirming {
		t.Errorf("after Enter, keys are for %d", b.m.mode)
	}
	b.press("n", "/", "ctrl+u", "e", "x", "c", "l", "enter")
	b.wantScreen("processes 0 of 5")
	b.press("enter", "k", "down", "end", "pgup") // nothing to act on
	b.press("esc")
	b.wantScreen("processes 5,")
	b.press("/", "b", "o", "b", "esc")
	b.wantScreen("processes 5,")
	// The text has a bound.
	b.press("/")
	for range 2 * maxAnswerText {
		b.press("ä")
	}
	if n := len(b.m.prompt.text); n != maxAnswerText {
		t.Errorf("%d bytes were taken", n)
	}
	b.screen()
}

func TestWhatIsPastedIsTextAndNeverAKey(t *testing.T) {
	b := newBench(t, usual())
	paste := func(s string) { b.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(s), Paste: true}) }
	paste("q3kd")
	if b.m.current != processesView || b.m.mode != browsing {
		t.Error("a pasted text was taken for keys")
	}
	b.press("down", "down", "k")
	paste("y")
	if len(b.source.killed) > 0 || b.m.mode != confirming {
		t.Error("a pasted y was an answer")
	}
	b.press("n", "/")
	paste("bo\x1b[31mb")
	if s := b.screen(); !strings.Contains(s, `Filter: bo\x1b[31mb_`) {
		t.Errorf("a pasted text in the filter:\n%s", s)
	}
}

func TestOnlyOurs(t *testing.T) {
	b := newBench(t, usual())
	b.press("f")
	if got := b.column("PID"); !slices.Equal(got, []string{"201", "202"}) {
		t.Errorf("only ours: %q", got)
	}
	b.wantScreen("only ours")
	b.press("4") // is about the processes alone
	b.wantScreen("findings 2,")
	b.press("1", " ") // and outlasts a reading
	b.wantScreen("processes 2 of 5", "only ours")
	b.press("f")
	b.wantScreen("processes 5,")
}

func TestWhatIsWrongWithPgweirItselfIsAmongTheFindings(t *testing.T) {
	r := usual()
	r.Censuses[0].Findings = nil
	r.Findings = []status.Finding{{ID: status.PoolsTooLarge, Severity: status.Warning, Text: "The pools can open 198 backends.", Since: noon.Add(-time.Minute)}}
	b := newBench(t, r)
	b.wantScreen("Findings: 1 warning (key 4)  pools_too_large: The pools can open 198 backends.")
	b.press("4")
	if got := b.column("SERVER"); !slices.Equal(got, []string{"pgweir"}) {
		t.Errorf("servers: %q", got)
	}
	r.Findings, r.Censuses = nil, nil
	b.press(" ")
	b.wantScreen("Findings: unknown")
}

func TestTheCursorStaysOnItsRow(t *testing.T) {
	r := usual()
	b := newBench(t, r)
	b.press("N", "down", "down", "down")
	b.wantScreen(">  202")
	b.press("r")
	b.wantScreen(">  202")
	c := *r.Censuses[0]
	c.Processes = c.Processes[1:]
	r.Censuses = []*status.Census{&c}
	b.press(" ")
	b.wantScreen(">  202")
	c.Processes = slices.Delete(slices.Clone(c.Processes), 2, 3) // 202
	b.press(" ")
	b.wantScreen(">  201")
	c.Processes = nil
	b.press(" ", "down", "end", "enter", "k")
	b.wantScreen("processes 0,")
}

func TestEnterTellsAllAboutARow(t *testing.T) {
	r := usual()
	r.Censuses[0].Processes[3].Query = "select " + strings.Repeat("x, ", 60) + "the_end"
	b := newBench(t, r)
	b.press("N", "down", "down", "down", "enter")
	b.wantScreen("serves a client", "vacuum may not take away rows", "waits for its client", "Client 8 keeps it", "advisory lock",
		"pid          202", "idle in transaction", "Client: ClientRead", "5242880 bytes")
	b.press("end")
	b.wantScreen("the_end")
	b.press("home")
	r.Censuses[0].Processes[3].State = "active"
	b.press("x", "1") // no keys here
	b.m.take(r)
	b.wantScreen("It is running a statement.")
	c := *r.Censuses[0]
	c.Processes = c.Processes[:2]
	r.Censuses = []*status.Census{&c}
	b.m.take(r)
	b.wantScreen("it has gone", "202")
	b.press("esc")
	b.wantScreen("processes 2,")
	for _, k := range []string{"2", "3", "4"} {
		b.press(k, "enter")
		if b.m.mode != inspecting {
			t.Errorf("no details in view %s", k)
		}
		b.press("end", "down", "home", "up", "q")
	}
	b.press("4", "enter")
	b.wantScreen("what to do  Look at process 202.")
	// A page that is longer than the screen is scrolled to its end.
	b.press("q", "h")
	b.send(tea.WindowSizeMsg{Width: 40, Height: 10})
	b.press("end")
	b.wantScreen("quit")
	b.press("down", "pgdown", "pgdown")
	b.wantScreen("quit")
	b.press("home")
	b.wantScreen("CPU% is of one core")
}

func TestItFitsEveryTerminal(t *testing.T) {
	r := usual()
	r.Censuses[0].Processes[2].Application = "データベース接続プール管理アプリケーション"
	b := newBench(t, r)
	for _, keys := range [][]string{{"1"}, {"2"}, {"3"}, {"4"}, {"enter"}, {"q", "h"}, {"q", "1", "down", "down", "k"}, {"n", "/", "ü"}, {"esc", "3", "k"}} {
		b.press(keys...)
		for w := 1; w <= 200; w += 1 + w/8 {
			for h := 1; h <= 60; h += 1 + h/8 {
				b.send(tea.WindowSizeMsg{Width: w, Height: h})
				b.screen()
			}
		}
		b.send(tea.WindowSizeMsg{}) // a terminal that does not know changes nothing
		b.screen()
	}
	b.press("1")
	b.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	b.wantScreen("データ")
	b.send(tea.WindowSizeMsg{Width: 200, Height: 24})
	b.wantScreen("データベース接続プール管理アプリケーシ+", "Activity: CheckpointerMain", "0:10.00")
}

func thousand() *Reading {
	r := usual()
	c := r.Censuses[0]
	for i := range 1000 {
		c.Processes = append(c.Processes, status.Process{PID: 1000 + i, Kind: "client backend", User: "u" + strconv.Itoa(i%7), State: "idle",
			Since: noon.Add(-time.Duration(i) * time.Second), CPU: time.Duration(i) * time.Millisecond, Memory: int64(i) << 10, Ours: i%2 == 0})
	}
	return r
}

func TestAThousandRows(t *testing.T) {
	b := newBench(t, thousand())
	b.press("N", "end")
	b.wantScreen("> 1999", "processes 1005")
	b.press("up", "pgup")
	b.wantScreen("> 1983")
	b.press("home")
	b.wantScreen(">  100")
	seen := map[string]bool{}
	for range 200 {
		for _, l := range strings.Split(b.screen(), "\n") {
			if f := strings.Fields(strings.TrimPrefix(l, ">")); len(f) > 0 {
				seen[f[0]] = true
			}
		}
		b.press("pgdown")
	}
	for i := range 1000 {
		if !seen[strconv.Itoa(1000+i)] {
			t.Fatalf("process %d is on no screen", 1000+i)
		}
	}
	b.press("/", "u", "3", "enter")
	b.wantScreen("processes 143 of 1005")
}

func BenchmarkThousandRows(b *testing.B) {
	m := newModel(b.Context(), nil, Options{URL: "http://h", View: "processes", Interval: time.Hour}, newPainter(io.Discard))
	r := thousand()
	for b.Loop() {
		m.take(r)
		_ = m.View()
	}
}

// TestAnyKeysInAnyOrder: whatever is pressed and read, the screen keeps its
// shape, and nobody is killed without the question that names him.
func TestAnyKeysInAnyOrder(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	keys := strings.Split("1 2 3 4 P M T N U S K A < > s r / f k k k y n h ? d enter enter esc up down pgup pgdown home end backspace ctrl+u ü 7 x", " ")
	readings := []*Reading{usual(), thousand(), poisoned(hostile[0]), {At: noon, HTTPErr: errors.New("gone"), ConsoleErr: errors.New("gone")},
		{At: noon, Savings: usual().Savings}}
	b := newBench(t, usual())
	asked := uint64(0)
	for range 5000 {
		if b.m.mode == confirming {
			asked = b.m.target.ID
			if !strings.HasPrefix(b.m.target.question(), fmt.Sprintf("Kill client %d? (y/n) User ", asked)) {
				t.Fatal(b.m.target.question())
			}
		}
		killed, confirmed := len(b.source.killed), b.m.mode == confirming
		switch n := random.IntN(40); n {
		case 0:
			b.send(tea.WindowSizeMsg{Width: 1 + random.IntN(200), Height: 1 + random.IntN(60)})
		case 1:
			*b.source.reading = *readings[random.IntN(len(readings))]
			b.m.take(b.source.reading)
		default:
			key := keys[random.IntN(len(keys))]
			if confirmed && random.IntN(4) == 0 {
				key = "y"
			} else if b.m.mode != browsing && random.IntN(4) == 0 {
				key = "esc"
			}
			b.press(key)
			if len(b.source.killed) > killed && (!confirmed || key != "y" || b.source.killed[killed] != asked) {
				t.Fatalf("%s killed client %d, asked for was %d", key, b.source.killed[killed], asked)
			}
		}
		b.screen()
	}
	if len(b.source.killed) == 0 {
		t.Error("nobody was killed, so nothing was tested")
	}
}
