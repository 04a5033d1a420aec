package top

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"pgweir/status"
)

func TestAClientIsKilledAfterAQuestionThatNamesIt(t *testing.T) {
	b := newBench(t, usual())
	b.source.targets[7].Query = "select pg_sleep(100)"
	b.press("N", "down", "down", "k")
	b.wantScreen("Kill client 7? (y/n) User alice, database shop, from 10.0.0.1:555, application",
		"web; active, holds backend 201; it runs: select pg_sleep(100)", "y kill")
	if len(b.source.killed) > 0 {
		t.Fatal("killed before there was an answer")
	}
	// Whatever comes meanwhile, client 7 is meant.
	c := *b.source.reading.Censuses[0]
	c.Processes = slices.Clone(c.Processes)
	c.Processes[2].Client = &status.Holder{ID: 9, Addr: "unix"}
	b.send(readMsg{&Reading{At: noon, Savings: b.source.reading.Savings, Censuses: []*status.Census{&c}}})
	b.press("y")
	if !slices.Equal(b.source.killed, []uint64{7}) {
		t.Errorf("killed: %v", b.source.killed)
	}
	b.wantScreen("Client 7 was killed (user alice, database shop, from 10.0.0.1:555).")
	b.press("down")
	if strings.Contains(b.screen(), "was killed") {
		t.Error("the message stays")
	}
}

func TestAnythingButYLeavesTheClientAlone(t *testing.T) {
	for _, key := range []string{"n", "q", "esc", "enter", "k", "down", " ", "x"} {
		b := newBench(t, usual())
		b.press("2", "down", "k")
		b.wantScreen("Kill client 8?", "keeps it (advisory lock)")
		b.press(key)
		b.wantScreen("Client 8 was left alone.")
		if len(b.source.killed) > 0 || b.m.mode != browsing {
			t.Errorf("%s: killed %v", key, b.source.killed)
		}
	}
}

// TestAYThatIsTypedBeforeTheQuestionIsNoAnswer: it came with the k, and nobody
// can have read the question.
func TestAYThatIsTypedBeforeTheQuestionIsNoAnswer(t *testing.T) {
	b := newBench(t, usual())
	b.press("2", "kyyy")
	if len(b.source.killed) > 0 {
		t.Error("killed by fast typing")
	}
	b.wantScreen("Kill client 7?")
	b.press("yy")
	if len(b.source.killed) > 0 || b.m.mode != confirming {
		t.Error("two letters at a time were an answer")
	}
	b.press("y")
	if len(b.source.killed) != 1 {
		t.Error("not killed")
	}
}

func TestWhatComesOfAKillIsSaid(t *testing.T) {
	b := newBench(t, usual())
	delete(b.source.targets, 8)
	b.press("2", "down", "k")
	b.wantScreen("Not killed: client 8 has gone")
	b.source.refuse = errors.New("console: permission denied (SQLSTATE 42501)")
	b.press("down", "k", "y")
	b.wantScreen("Client 9 was not killed: console: permission denied (SQLSTATE 42501)")
	// A question that comes late does not take the keys of somebody who has
	// gone on.
	b.press("home", "/")
	b.send(foundMsg{b.source.targets[7], nil})
	b.press("y")
	if b.m.prompt.text != "y" || len(b.source.killed) > 0 {
		t.Errorf("the text is %q, killed %v", b.m.prompt.text, b.source.killed)
	}
}

func TestWithoutAConsoleItIsSaidHowToHaveOne(t *testing.T) {
	b := newBench(t, usual(), func(o *Options) { o.Console = "" })
	b.press("N", "down", "down", "k")
	b.wantScreen("console is needed", "--console", "admin_users", "dbname=pgweir")
	b.press("2")
	b.wantScreen("Clients are shown by pgweir's console", "--console")
	if slices.Contains(b.source.clients, true) {
		t.Error("clients were asked for")
	}
}

func TestWhatIsNoClientCannotBeKilled(t *testing.T) {
	b := newBench(t, usual())
	b.source.reading.Censuses[0].Processes[2].Client = nil
	b.press(" ", "N", "home", "k")
	b.wantScreen("serves no client of this pgweir")
	b.press("down", "down", "k")
	b.wantScreen("No client holds this backend")
	for _, view := range []string{"3", "4"} {
		b.press(view, "k")
		b.wantScreen("Only clients can be killed")
	}
	if b.m.mode != browsing {
		t.Error("a question was asked")
	}
}

// TestReadingsFollowEachOther: one at a time, the next an interval later, and
// no tick that is out of date begins another row of them.
func TestReadingsFollowEachOther(t *testing.T) {
	b := newBench(t, usual())
	reads := func() int { return len(b.source.clients) }
	if reads() != 1 || len(b.due) != 1 || b.waits[0] != time.Hour {
		t.Fatalf("at the start: %d readings, waits %v", reads(), b.waits)
	}
	b.send(b.due[0])
	if reads() != 2 || len(b.due) != 2 {
		t.Fatalf("after a tick: %d readings, %d ticks to come", reads(), len(b.due))
	}
	b.send(b.due[0]) // once more
	if reads() != 2 {
		t.Error("an old tick has begun a reading")
	}
	b.press(" ")
	b.send(b.due[1]) // was due when the space came before it
	if reads() != 3 {
		t.Errorf("%d readings after a refresh and the tick before it", reads())
	}
	b.press("d", "0", ".", "5", "enter")
	if last := b.waits[len(b.waits)-1]; last != 500*time.Millisecond {
		t.Errorf("the next wait is %v", last)
	}
	before := reads()
	for _, due := range b.due[:len(b.due)-1] {
		b.send(due)
	}
	if reads() != before {
		t.Error("a tick of the old interval has begun a reading")
	}
	b.send(b.due[len(b.due)-1])
	if reads() != before+1 {
		t.Error("the tick of the new interval has not")
	}
	for _, bad := range []string{"x", "0", "-1", "NaN", "1e99", "99h"} {
		b.press("d", bad, "enter")
		b.wantScreen("interval")
		if b.m.interval != 500*time.Millisecond {
			t.Fatalf("%q makes it %v", bad, b.m.interval)
		}
	}
	// A refresh during a reading is done behind it.
	m := b.m
	cmd := m.read()
	if again := m.read(); again != nil {
		t.Error("two readings at a time")
	}
	before = reads()
	b.run(cmd)
	if reads() != before+2 {
		t.Errorf("%d readings for two that were asked for", reads()-before)
	}
}

// TestWhenPgweirGoesItIsSaidAndTriedOn, and when it comes back the error goes.
func TestWhenPgweirGoesItIsSaidAndTriedOn(t *testing.T) {
	b := newBench(t, usual())
	good := *b.source.reading
	*b.source.reading = Reading{At: noon.Add(5 * time.Second), HTTPErr: errors.New("http://127.0.0.1:9127: dial: connection refused")}
	b.send(b.due[len(b.due)-1])
	b.wantScreen("NO ANSWER since 12:00:05, shown is 12:00:00", "connection refused", "processes 5,", "alice")
	b.source.reading.At = noon.Add(10 * time.Second)
	b.send(b.due[len(b.due)-1])
	b.wantScreen("NO ANSWER since 12:00:05")
	good.At = noon.Add(15 * time.Second)
	*b.source.reading = good
	b.send(b.due[len(b.due)-1])
	b.wantScreen("12:00:15")
	if s := b.screen(); strings.Contains(s, "NO ANSWER") || strings.Contains(s, "refused") {
		t.Errorf("the error stays:\n%s", s)
	}
	// The same for the console.
	b.press("2")
	b.source.reading.Clients, b.source.reading.ConsoleErr = nil, errors.New("console: dial: connection refused")
	b.press(" ")
	b.wantScreen("console: dial: connection refused", "clients 3,")
	*b.source.reading = good
	b.press(" ")
	if s := b.screen(); strings.Contains(s, "refused") {
		t.Errorf("the error stays:\n%s", s)
	}
}

func TestBeforeTheFirstAnswer(t *testing.T) {
	b := newBench(t, &Reading{At: noon, HTTPErr: errors.New("http://h: dial: connection refused")})
	b.wantScreen("NO ANSWER since 12:00:00", "connection refused", "Clients: unknown", "Memory: unknown", "Processes: unknown")
	m := newModel(t.Context(), b.source, Options{URL: "http://u:secret@h:1", View: "pools"}, newPainter(io.Discard))
	if s := m.View(); !strings.Contains(s, "asking http://u:xxxxx@h:1 ...") || !strings.Contains(s, "pools 0") || strings.Contains(s, "secret") {
		t.Errorf("before the first answer:\n%s", s)
	}
}

func TestCtrlCQuitsWhateverIsAsked(t *testing.T) {
	for _, keys := range [][]string{{}, {"/"}, {"2", "k"}, {"h"}, {"enter"}, {"d"}} {
		b := newBench(t, usual())
		b.press(keys...)
		_, cmd := b.m.Update(tea.KeyMsg{Type: tea.KeyCtrlC})
		if cmd == nil {
			t.Fatalf("after %v it does not quit", keys)
		}
		if _, ok := cmd().(tea.QuitMsg); !ok {
			t.Errorf("after %v it does not quit", keys)
		}
	}
	b := newBench(t, usual())
	if _, cmd := b.m.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("q")}); cmd == nil {
		t.Error("q does not quit")
	}
}
