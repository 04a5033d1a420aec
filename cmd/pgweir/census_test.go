package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgweir/status"
)

var drawnAt = time.Date(2026, 1, 2, 12, 0, 0, 0, time.Local)

func drawn() *status.Census {
	ago := func(d time.Duration) time.Time { return drawnAt.Add(-d) }
	return &status.Census{
		At:         drawnAt,
		Server:     status.CensusServer{Version: "15.18", Host: "127.0.0.1:5432", Where: status.Here},
		Postmaster: status.Postmaster{PID: 10, Alive: true},
		Processes: []status.Process{
			{PID: 10, Parent: 1, Kind: "postmaster", Since: ago(49 * time.Hour), CPU: 1500 * time.Millisecond, Memory: 2 << 20},
			{PID: 11, Parent: 10, Kind: "checkpointer", Wait: "Activity: CheckpointerMain", Since: ago(49 * time.Hour), CPU: 0, Memory: 9000},
			{PID: 1200, Parent: 10, Kind: "client backend", User: "app", Database: "shop", Application: "web", State: "idle", Wait: "Client: ClientRead",
				Since: ago(3 * time.Second), CPU: 20 * time.Millisecond, Memory: 1200 << 10, Ours: true,
				Client: &status.Holder{ID: 7, Addr: "10.0.0.9:55555", Pin: "temporary table"}},
			{PID: 1201, Parent: 10, Kind: "client backend", User: "app", Database: "shop", State: "idle", Since: ago(30 * time.Millisecond), CPU: -1, Memory: -1, Ours: true},
			{PID: 1202, Kind: "", User: "x\x1b[31m", CPU: -1, Memory: -1},
		},
		Findings: []status.Finding{{ID: "archiver_failing", Severity: status.Warning, Text: "It fails.", Advice: "Mend it.", Since: ago(90 * time.Second)}},
	}
}

func TestTheTreeIsDrawnInColumns(t *testing.T) {
	got := drawCensus(drawn(), shape{lines: true})
	want := strings.Join([]string{
		"PostgreSQL 15.18 at 127.0.0.1:5432, on this machine, 2026-01-02 12:00:00",
		"",
		" PID  KIND               STATE  WAIT                          FOR     CPU   MEMORY  USER@DATABASE  APPLICATION  CLIENT",
		"  10  postmaster         -      -                             2 d  1.50 s  2.00 MB  -              -            -",
		"  11  ├─ checkpointer    -      Activity: CheckpointerMain    2 d  0.00 s  8.79 kB  -              -            -",
		"1200  ├─ client backend  idle   Client: ClientRead            3 s  0.02 s  1.17 MB  app@shop       web          7 10.0.0.9:55555, pinned: temporary table",
		"1201  ├─ client backend  idle   -                           30 ms       -        -  app@shop       -            (pgweir's, free)",
		`1202  └─ unknown         -      -                               -       -        -  x\x1b[31m      -            -`,
		"",
		"warning: archiver_failing, for 90 s",
		"  It fails.",
		"  Mend it.",
		"",
		"5 processes, 2 client backends (2 of them pgweir's), 3.18 MB of memory in the 3 that were measured; 1 finding",
		"",
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTheTreeFitsItsTerminal(t *testing.T) {
	c := drawn()
	c.Processes[2].Application = strings.Repeat("長い", 200)
	c.Findings[0].Text = strings.Repeat("many words ", 50)
	for width := 20; width <= 200; width++ {
		for _, height := range []int{0, 10, 50} {
			text := drawCensus(c, shape{width: width, height: height, lines: true})
			if strings.ContainsRune(text, '\x1b') {
				t.Fatalf("a name or we write to the terminal: %q", text)
			}
			for line := range strings.Lines(text) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
					t.Fatalf("at %d a line has %d characters: %q", width, n, line)
				}
			}
			if width >= 60 && !strings.Contains(text, "checkpointer") && height != 10 {
				t.Errorf("at %d there is no kind:\n%s", width, text)
			}
		}
	}
	// At 80 columns there is all that matters for a backend.
	if text := drawCensus(drawn(), shape{width: 80, lines: true}); !strings.Contains(text, "app@shop") || !strings.Contains(text, "client backend") || !strings.Contains(text, "1.17 MB") {
		t.Errorf("at 80:\n%s", text)
	}
}

func TestWhatHasNoRoomInHeightIsCounted(t *testing.T) {
	c := drawn()
	for pid := range 300 {
		c.Processes = append(c.Processes, status.Process{PID: 2000 + pid, Kind: "client backend", CPU: -1, Memory: -1})
	}
	text := drawCensus(c, shape{width: 100, height: 30, lines: true})
	if n := strings.Count(text, "\n"); n != 30 {
		t.Errorf("%d lines", n)
	}
	drawnRows := strings.Count(text, "─ ") + 1
	if !strings.Contains(text, "archiver_failing") || !strings.Contains(text, "… and "+number(len(c.Processes)-drawnRows, "more process", "more processes")) {
		t.Errorf("%d rows:\n%s", drawnRows, text)
	}
	if text = drawCensus(c, shape{}); strings.Count(text, "\n") < 305 || strings.Contains(text, "more process") || !strings.Contains(text, "`- client backend") {
		t.Error("without a height all are shown, in ASCII")
	}
}

func TestAPostmasterThatCannotBeSeenKeepsItsPlace(t *testing.T) {
	for want, c := range map[string]*status.Census{
		"out of sight": {Server: status.CensusServer{Host: "10.0.0.1:5432"}, Postmaster: status.Postmaster{Alive: true},
			Processes: []status.Process{{PID: 5, Kind: "checkpointer", CPU: -1, Memory: -1}}},
		"gone":        {Server: status.CensusServer{Where: status.Here}, Postmaster: status.Postmaster{PID: 10}},
		"unreachable": {},
	} {
		text := drawCensus(c, shape{lines: true})
		line := ""
		for l := range strings.Lines(text) {
			if strings.Contains(l, "  postmaster") {
				line = l
			}
		}
		if !strings.Contains(line, want) || (want == "gone") != strings.HasPrefix(line, " 10") {
			t.Errorf("%q: %q in\n%s", want, line, text)
		}
	}
}

func TestTheHeadSaysWhereTheServerIsAsFarAsThatIsKnown(t *testing.T) {
	for where, want := range map[status.Whereabouts]string{
		status.Here: ", on this machine, ", status.Elsewhere: ", not on this machine: ", status.Unlocated: ", not found on this machine yet, ",
	} {
		c := drawn()
		c.Server.Where = where
		if head, _, _ := strings.Cut(drawCensus(c, shape{}), "\n"); !strings.Contains(head, want) {
			t.Errorf("%q is not in %q", want, head)
		}
	}
}

func TestColoursAreForTerminalsOnly(t *testing.T) {
	c := drawn()
	c.Processes[1].State = "stopped"
	text := drawCensus(c, shape{colours: true, lines: true})
	for _, want := range []string{boldStyle + "PostgreSQL", warningStyle + "warning", criticalStyle + "  11  ├─ checkpointer"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
	if plain := drawCensus(c, shape{lines: true}); plain != strings.NewReplacer(boldStyle, "", warningStyle, "", criticalStyle, "", plainStyle, "").Replace(text) {
		t.Error("there is more to it than colours")
	}
}

func TestElsewhereThanOnATerminalCensusesStandBelowEachOther(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := newScreen(f)
	if err := errors.Join(s.redraw(drawn(), nil), s.redraw(nil, errors.New("gone \x1b away"))); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	if want := drawCensus(drawn(), shape{lines: utf8Locale()}) + "\npgweir: gone \\x1b away\n\n"; string(text) != want {
		t.Errorf("%q", text)
	}
}

func TestAges(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 ms", 0: "0 ms", 999 * time.Millisecond: "999 ms", time.Second: "1 s", 119 * time.Second: "119 s",
		2 * time.Minute: "2 min", 119 * time.Minute: "119 min", 2 * time.Hour: "2 h", 47 * time.Hour: "47 h", 72 * time.Hour: "3 d",
	} {
		if got := age(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
