package top

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"pgweir/status"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)

// fakeSource gives the readings that a test puts there, and notes what it is
// asked to kill.
type fakeSource struct {
	reading *Reading
	targets map[uint64]*Target
	refuse  error // of Kill
	killed  []uint64
	clients []bool // what each Read was asked for
}

func (f *fakeSource) Read(_ context.Context, clients bool) *Reading {
	f.clients = append(f.clients, clients)
	r := *f.reading
	return &r
}

func (f *fakeSource) Find(_ context.Context, id uint64) (*Target, error) {
	if t := f.targets[id]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("client %d has gone", id)
}

func (f *fakeSource) Kill(_ context.Context, t *Target) error {
	if f.refuse != nil {
		return f.refuse
	}
	f.killed = append(f.killed, t.ID)
	return nil
}

func (f *fakeSource) Close() {}

// usual is a server with a few processes, two of them pgweir's backends.
func usual() *Reading {
	c := &status.Census{
		At:         noon,
		Server:     status.CensusServer{Version: "15.18", Host: "127.0.0.1:5432", Where: status.Here},
		Postmaster: status.Postmaster{PID: 100, Alive: true},
		Processes: []status.Process{
			{PID: 100, Kind: "postmaster", Role: "parent of all others", Since: noon.Add(-50 * time.Hour), CPU: 3 * time.Second, Memory: 2 << 20},
			{PID: 101, Parent: 100, Kind: "checkpointer", Role: "writes checkpoints", Wait: "Activity: CheckpointerMain",
				Since: noon.Add(-50 * time.Hour), CPU: time.Second, Memory: 3 << 20},
			{PID: 201, Parent: 100, Kind: "client backend", Role: "serves a client", User: "alice", Database: "shop", Application: "web",
				State: "active", Since: noon.Add(-3 * time.Second), CPU: 10 * time.Second, Memory: 9 << 20, Ours: true,
				Client: &status.Holder{ID: 7, Addr: "10.0.0.1:555"}},
			{PID: 202, Parent: 100, Kind: "client backend", Role: "serves a client", User: "bob", Database: "shop", Application: "batch",
				State: "idle in transaction", Wait: "Client: ClientRead", Since: noon.Add(-10 * time.Minute), CPU: 2 * time.Second, Memory: 5 << 20,
				Ours: true, Client: &status.Holder{ID: 8, Addr: "unix", Pin: "advisory lock"}},
			{PID: 203, Parent: 100, Kind: "client backend", Role: "serves a client", User: "carol", Database: "hr", Application: "psql",
				State: "active", Wait: "Lock: relation", Since: noon.Add(-20 * time.Second), CPU: -1, Memory: -1},
		},
		Findings: []status.Finding{
			{ID: "census_rights", Severity: status.Info, Text: "The role sees little.", Advice: "GRANT pg_monitor.", Since: noon},
			{ID: "lock_queue", Severity: status.Critical, Text: "Process 203 waits for a lock.", Advice: "Look at process 202.", Since: noon.Add(-time.Minute)},
		},
	}
	return &Reading{
		At: noon,
		Savings: &Savings{Clients: 20, Backends: 2, Saved: 18, Ratio: 10, SavedPeak: 19, ClientLogins: 400, ServerLogins: 2,
			BackendMemory: 7 << 20, MemorySaved: 126 << 20, MemorySource: "measured"},
		Pools: []status.Pool{
			{Database: "shop", User: "alice", Mode: "transaction", Size: 5, ClientsActive: 12, ServersActive: 1, BackendMemory: 9 << 20},
			{Database: "shop", User: "bob", Mode: "session", Size: 5, ClientsActive: 5, ClientsWaiting: 3, MaxWait: 1500 * time.Millisecond,
				ServersActive: 1, Pinned: 1, Paused: true, BackendMemory: -1},
		},
		Censuses: []*status.Census{c},
		Clients: []Client{
			{ID: 7, User: "alice", Database: "shop", State: "active", Addr: "10.0.0.1:555", Application: "web", BackendPID: 201, Connected: "2026-03-01 11:00:00 UTC"},
			{ID: 8, User: "bob", Database: "shop", State: "active", Addr: "unix", Application: "batch", BackendPID: 202, Pin: "advisory lock", Connected: "2026-03-01 10:00:00 UTC"},
			{ID: 9, User: "bob", Database: "shop", State: "waiting", Addr: "unix", Wait: 1500 * time.Millisecond, Connected: "2026-03-01 11:30:00 UTC"},
		},
	}
}

// bench drives a model as bubbletea does, but one step at a time.
type bench struct {
	t      *testing.T
	m      *model
	source *fakeSource
	// due are the ticks that the model has asked for and not got, and waits
	// how long each was to take.
	due   []tea.Msg
	waits []time.Duration
}

// newBench is a model that has had its first reading, in a terminal of 80x24.
func newBench(t *testing.T, r *Reading, change ...func(*Options)) *bench {
	t.Helper()
	o := Options{URL: "http://127.0.0.1:9127", Console: "host=x", Interval: time.Hour, View: "processes"}
	for _, f := range change {
		f(&o)
	}
	source := &fakeSource{reading: r, targets: map[uint64]*Target{}}
	for i := range r.Clients {
		source.targets[r.Clients[i].ID] = &Target{Client: r.Clients[i]}
	}
	b := &bench{t: t, source: source, m: newModel(t.Context(), source, o, newPainter(io.Discard))}
	b.m.after = func(d time.Duration, make func(time.Time) tea.Msg) tea.Cmd {
		b.due, b.waits = append(b.due, make(noon)), append(b.waits, d)
		return nil
	}
	b.run(b.m.Init())
	return b
}

// run runs a command and all that comes of it.
func (b *bench) run(cmd tea.Cmd) {
	b.t.Helper()
	if cmd == nil {
		return
	}
	msg := cmd()
	if many, ok := msg.(tea.BatchMsg); ok {
		for _, one := range many {
			b.run(one)
		}
		return
	}
	b.send(msg)
}

func (b *bench) send(msg tea.Msg) {
	b.t.Helper()
	_, cmd := b.m.Update(msg)
	b.run(cmd)
}

// named are the keys that are not typed as they are written.
var named = map[string]tea.KeyType{"enter": tea.KeyEnter, "esc": tea.KeyEsc, "up": tea.KeyUp, "down": tea.KeyDown, "pgup": tea.KeyPgUp,
	"pgdown": tea.KeyPgDown, "home": tea.KeyHome, "end": tea.KeyEnd, "backspace": tea.KeyBackspace, "ctrl+u": tea.KeyCtrlU}

// press presses keys one by one.
func (b *bench) press(keys ...string) {
	b.t.Helper()
	for _, k := range keys {
		switch kind, ok := named[k]; {
		case ok:
			b.send(tea.KeyMsg{Type: kind})
		case k == " ":
			b.send(tea.KeyMsg{Type: tea.KeySpace, Runes: []rune{' '}})
		default:
			b.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(k)})
		}
	}
}

// column is what the shown rows have in a column, from the top.
func (b *bench) column(title string) []string {
	b.t.Helper()
	v := b.m.view()
	i := v.columnNamed(title)
	if i < 0 {
		b.t.Fatalf("no column %s", title)
	}
	var out []string
	for _, r := range v.rows {
		out = append(out, r.cells[i].text)
	}
	return out
}

// screen is the screen, after a look at its shape.
func (b *bench) screen() string {
	b.t.Helper()
	s := b.m.View()
	if err := shapely(s, b.m.width, b.m.height); err != nil {
		b.t.Errorf("%v:\n%s", err, s)
	}
	return s
}

// shapely tells whether a screen has its size and nothing that a terminal obeys.
func shapely(s string, w, h int) error {
	lines := strings.Split(s, "\n")
	if len(lines) != h {
		return fmt.Errorf("%d lines on a screen of %d", len(lines), h)
	}
	for i, l := range lines {
		if width(l) > w {
			return fmt.Errorf("line %d takes %d of %d columns", i, width(l), w)
		}
		if strings.ContainsFunc(l, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x202e }) {
			return errors.New("there is a control character")
		}
	}
	return nil
}

func (b *bench) wantScreen(parts ...string) {
	b.t.Helper()
	s := b.screen()
	for _, p := range parts {
		if !strings.Contains(s, p) {
			b.t.Errorf("the screen does not have %q:\n%s", p, s)
		}
	}
}
