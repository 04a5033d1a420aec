package top

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"pgweir/status"
)

// hostile are texts that a terminal, or a careless program, would obey.
var hostile = []string{
	"\x1b[2J\x1b[H", "\x1b]0;title\x07", "\u009b31m", "a\rb\nc\td\x00e\x7f", "\xff\xfe\x9b", "\u202egnp.exe", "\u200b\ufeff", "\u2028\u2029",
	"e\u0301\u0301\u0301", "👩‍👩‍👧", "日本語", strings.Repeat("長", 500), "%s%d%!", "\x1bP1$r\x1b\\", "\x1b[6n", "\U000e0001tag", "",
}

func poisoned(s string) *Reading {
	r := usual()
	c := r.Censuses[0]
	c.Server.Version, c.Server.Host = s, s
	for i := range c.Processes {
		p := &c.Processes[i]
		p.Kind, p.Role, p.User, p.Database, p.Application, p.State, p.Wait, p.Query = s, s, s, s, s, s, s, s
		if p.Client != nil {
			p.Client = &status.Holder{ID: p.Client.ID, Addr: s, Pin: s}
		}
	}
	for i := range c.Findings {
		f := &c.Findings[i]
		f.ID, f.Text, f.Advice, f.Severity = s, s, s, status.Severity(s)
	}
	for i := range r.Pools {
		r.Pools[i].Database, r.Pools[i].User, r.Pools[i].Mode = s+strconv.Itoa(i), s, s
	}
	for i := range r.Clients {
		k := &r.Clients[i]
		k.User, k.Database, k.State, k.Addr, k.Application, k.TLS, k.Pin, k.Connected, k.Requested = s, s, s, s, s, s, s, s, s
	}
	r.Savings.MemorySource = s
	return r
}

// everyScreen shows all that there is to show of a reading.
func everyScreen(t *testing.T, r *Reading, s string) {
	b := newBench(t, r)
	for id := range b.source.targets {
		b.source.targets[id].Query, b.source.targets[id].Pinned = s, s
	}
	for _, view := range []string{"1", "2", "3", "4"} {
		b.press(view)
		b.screen()
		b.press("enter")
		b.screen()
		b.press("end")
		b.screen()
		b.press("q")
	}
	b.press("2", "k")
	b.screen()
	b.source.refuse = errors.New(s)
	b.press("y")
	b.screen()
	b.source.refuse = nil
	b.press("k", "y")
	b.screen()
	if r.HTTPErr, r.ConsoleErr = errors.New(s), errors.New(s); s != "" {
		b.press(" ")
		b.screen()
	}
}

// TestAnApplicationNameCannotWriteToTheTerminal: nor can anything else that
// comes from outside.
func TestAnApplicationNameCannotWriteToTheTerminal(t *testing.T) {
	for _, s := range hostile {
		everyScreen(t, poisoned(s), s)
	}
	r := usual()
	r.Censuses[0].Processes[2].Application = "web\x1b[31m"
	b := newBench(t, r)
	b.send(tea.WindowSizeMsg{Width: 200, Height: 24})
	b.wantScreen(`web\x1b[31m`)
}

func FuzzNothingWritesToTheTerminal(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { everyScreen(t, poisoned(s), s) })
}
