package top

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"pgweir/status"
)

// A mode is what keys are for just now.
type mode uint8

const (
	browsing   mode = iota // the table
	typing                 // an answer to a question, as the text of a filter
	confirming             // y or n, to kill a client
	inspecting             // the details of a row
	helping                // the list of keys
)

// The views, in the order of the keys that choose them.
const (
	processesView = iota
	clientsView
	poolsView
	findingsView
)

// Messages to the model, beside those of the terminal.
type (
	// readMsg is a reading that has come.
	readMsg struct{ *Reading }
	// tickMsg says that it is time for the next one, unless something else has
	// asked for one since.
	tickMsg struct{ generation int }
	// foundMsg is the client that somebody wants to kill.
	foundMsg struct {
		*Target
		err error
	}
	// killedMsg is what has come of it.
	killedMsg struct {
		*Target
		err error
	}
)

// model is the state of the program. Only Update changes it, but for the first
// line of what is scrolled, which depends on the room that View finds. What
// takes time is done by the commands that Update returns.
type model struct {
	ctx     context.Context // of all that is asked of source
	source  Source
	console bool   // source has one
	from    string // what is watched, for the title
	paint   *painter
	after   func(time.Duration, func(time.Time) tea.Msg) tea.Cmd // tea.Tick

	width, height int
	views         []*view
	current       int
	filter        string
	ours          bool

	interval   time.Duration
	generation int
	busy       bool // a reading is under way
	again      bool // and another is wanted at once

	// The last of each part that could be read.
	at         time.Time
	savings    *Savings
	pools      []status.Pool
	findings   []status.Finding // about pgweir itself
	censuses   []*status.Census
	clients    []Client
	usage      usage
	err        error     // of the last reading; nil if all is well
	gone       time.Time // since when pgweir does not answer; zero if it does
	consoleErr error

	mode    mode
	prompt  prompt
	target  *Target // with confirming
	message string  // what came of the last key, until the next
	page    page    // with inspecting and helping
}

// page is a text to scroll.
type page struct {
	title string
	key   string   // the row that it is about; "" for none
	all   []detail // with inspecting
	gone  bool     // the row has
	first int      // line
}

// newModel is a model before its first reading.
func newModel(ctx context.Context, source Source, o Options, paint *painter) *model {
	m := &model{
		ctx: ctx, source: source, console: o.Console != "", from: o.shownURL(), paint: paint, after: tea.Tick, interval: o.Interval,
		width: 80, height: 24,
		views: []*view{newView(processTable), newView(clientTable), newView(poolTable), newView(findingTable)},
	}
	for i, v := range m.views {
		if v.name == o.View {
			m.current = i
		}
	}
	return m
}

func (m *model) view() *view { return m.views[m.current] }

// Init asks for the first reading.
func (m *model) Init() tea.Cmd { return m.read() }

// Update is the state machine.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		if msg.Width > 0 && msg.Height > 0 { // a terminal that does not know says 0
			m.width, m.height = msg.Width, msg.Height
		}
	case tea.KeyMsg:
		return m, m.press(msg)
	case readMsg:
		return m, m.received(msg.Reading)
	case tickMsg:
		if msg.generation == m.generation {
			return m, m.read()
		}
	case foundMsg:
		m.found(msg)
	case killedMsg:
		return m, m.killed(msg)
	}
	return m, nil
}

// read asks for a reading; if one is under way, for another behind it.
func (m *model) read() tea.Cmd {
	if m.busy {
		m.again = true
		return nil
	}
	m.generation++ // the tick that is due would be too much
	m.busy = true
	ctx, source, clients := m.ctx, m.source, m.current == clientsView
	return func() tea.Msg { return readMsg{source.Read(ctx, clients)} }
}

// wait asks to be told when the next reading is due.
func (m *model) wait() tea.Cmd {
	m.generation++
	generation := m.generation
	return m.after(m.interval, func(time.Time) tea.Msg { return tickMsg{generation} })
}

// received takes in a reading and asks for the next.
func (m *model) received(r *Reading) tea.Cmd {
	m.busy = false
	m.take(r)
	if m.again {
		m.again = false
		return m.read()
	}
	return m.wait()
}

// take takes in a reading. What could not be read stays as it was.
func (m *model) take(r *Reading) {
	m.err = r.HTTPErr
	if m.err == nil {
		m.err = r.CensusErr
	}
	m.consoleErr = r.ConsoleErr
	switch {
	case r.HTTPErr == nil:
		m.gone, m.at = time.Time{}, r.At
		m.savings, m.pools, m.findings = r.Savings, r.Pools, r.Findings
		// Without one, those of before would pass for this moment's.
		m.censuses = r.Censuses
		m.usage.count(r.Censuses)
	case m.gone.IsZero():
		m.gone = r.At
	}
	if r.Clients != nil {
		m.clients = r.Clients
	}
	m.views[processesView].set(processRows(m.censuses, &m.usage), m.filter, m.ours)
	m.views[clientsView].set(clientRows(m.clients), m.filter, false)
	m.views[poolsView].set(poolRows(m.pools), m.filter, false)
	m.views[findingsView].set(findingRows(m.findings, m.at, m.censuses), m.filter, false)
	m.refreshPage()
}

// arrange puts filter and order of the current view to use.
func (m *model) arrange() {
	for i, v := range m.views {
		v.arrange(m.filter, m.ours && i == processesView)
	}
}

// refreshPage brings the details of a row up to date.
func (m *model) refreshPage() {
	if m.mode != inspecting {
		return
	}
	for i := range m.view().all {
		if r := &m.view().all[i]; r.key == m.page.key {
			m.page.all, m.page.gone = r.details(), false
			return
		}
	}
	m.page.gone = true
}
