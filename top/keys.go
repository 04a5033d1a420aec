package top

import (
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
)

// keyHelp is what the help page says, and the footer in short.
var keyHelp = []detail{
	{"1 2 3 4", "processes, clients, pools, findings"},
	{"arrows, PgUp, PgDn, Home, End", "move"},
	{"Enter", "all there is to say about the row"},
	{"P M T N U S K A", "sort by CPU, memory, time (since), number (PID, ID), user, state, kind, application; once more turns the order round"},
	{"< >", "sort by the column to the left, to the right"},
	{"s", "sort by a column: type the beginning of its title"},
	{"r", "turn the order round"},
	{"/", "show only rows with a text, in any column; Esc shows all again"},
	{"f", "show only pgweir's own backends, or all processes"},
	{"k", "kill the row's client (disconnect it), after a question; needs --console"},
	{"space", "refresh now"},
	{"d", "set the seconds between refreshes"},
	{"h ?", "this page"},
	{"q, Ctrl-C", "quit"},
}

// aboutFigures explains, on the help page, what the columns hold.
var aboutFigures = []string{
	"CPU% is of one core, between the last two readings that pgweir took of the server's processes. MEMORY is what a " +
		"process holds for itself, without shared memory. SINCE is how long the state has lasted. A \"-\" is what is not known, " +
		"and a \"+\" ends what is cut off; Enter shows the whole.",
}

// press is what a key does.
func (m *model) press(msg tea.KeyMsg) tea.Cmd {
	if msg.Type == tea.KeyCtrlC {
		return tea.Quit
	}
	if msg.Type == tea.KeyCtrlZ {
		return tea.Suspend
	}
	if m.mode == typing {
		return m.answer(msg)
	}
	if msg.Paste || msg.Alt {
		return nil // nobody meant a key by that
	}
	if msg.Type != tea.KeyRunes {
		return m.key(msg.String())
	}
	// Fast typing comes in one message. What comes with the key that asks a
	// question is no answer to it: nobody has read it yet.
	var cmds []tea.Cmd
	for i, r := range msg.Runes {
		before := m.mode
		if before == confirming && len(msg.Runes) > 1 {
			break
		}
		cmds = append(cmds, m.key(string(r)))
		if m.mode == typing && before != typing {
			if rest := msg.Runes[i+1:]; len(rest) > 0 {
				cmds = append(cmds, m.answer(tea.KeyMsg{Type: tea.KeyRunes, Runes: rest}))
			}
			break
		}
	}
	return batch(cmds)
}

// batch leaves out what is nil, and gives a single command as it is.
func batch(cmds []tea.Cmd) tea.Cmd {
	cmds = slices.DeleteFunc(cmds, func(c tea.Cmd) bool { return c == nil })
	if len(cmds) == 1 {
		return cmds[0]
	}
	return tea.Batch(cmds...)
}

func (m *model) key(key string) tea.Cmd {
	m.message = ""
	switch m.mode {
	case confirming:
		return m.decide(key)
	case inspecting, helping:
		m.turn(key)
		return nil
	default:
		return m.browse(key)
	}
}

// browse is a key over the table.
func (m *model) browse(key string) tea.Cmd {
	v := m.view()
	switch key {
	case "q":
		return tea.Quit
	case "1", "2", "3", "4":
		return m.choose(int(key[0] - '1'))
	case "up":
		v.move(-1)
	case "down":
		v.move(1)
	case "pgup":
		v.move(-m.rowsShown())
	case "pgdown":
		v.move(m.rowsShown())
	case "home":
		v.move(-len(v.rows))
	case "end":
		v.move(len(v.rows))
	case "<":
		m.sortBeside(-1)
	case ">":
		m.sortBeside(1)
	case "r":
		v.down = !v.down
		m.arrange()
	case "f":
		m.ours = !m.ours
		m.arrange()
	case "esc":
		m.filter = ""
		m.arrange()
	case "/":
		m.ask(askFilter, m.filter)
	case "s":
		m.ask(askColumn, "")
	case "d":
		m.ask(askInterval, "")
	case "enter":
		m.inspect()
	case "h", "?":
		m.mode, m.page = helping, page{title: "Keys"}
	case " ":
		return m.read()
	case "k":
		return m.kill()
	default:
		if i := slices.IndexFunc(v.columns, func(c column) bool { return c.key == key }); i >= 0 {
			v.sortBy(i)
			m.arrange()
		}
	}
	return nil
}

// choose switches to a view. Clients are read only for their own.
func (m *model) choose(view int) tea.Cmd {
	if view == m.current {
		return nil
	}
	m.current = view
	if view == clientsView && m.console {
		return m.read()
	}
	return nil
}

// sortBeside sorts by the next column that is shown, to the left or to the right.
func (m *model) sortBeside(step int) {
	v := m.view()
	widths := v.layout(m.width - markWidth)
	for i := v.sort + step; i >= 0 && i < len(v.columns); i += step {
		if widths[i] > 0 {
			v.sortBy(i)
			m.arrange()
			return
		}
	}
}

// inspect opens the page about the cursor's row.
func (m *model) inspect() {
	r := m.view().selected()
	if r == nil {
		return
	}
	title := strings.TrimSuffix(m.view().name, "s")
	if m.current == processesView {
		title = "process"
	}
	m.mode, m.page = inspecting, page{title: title, key: r.key, all: r.details()}
}

// turn is a key over a page.
func (m *model) turn(key string) {
	switch key {
	case "q", "esc", "enter", "h", "?":
		m.mode = browsing
	case "up":
		m.page.first--
	case "down":
		m.page.first++
	case "pgup":
		m.page.first -= m.pageHeight()
	case "pgdown", " ":
		m.page.first += m.pageHeight()
	case "home":
		m.page.first = 0
	case "end":
		m.page.first = len(m.pageLines())
	}
	m.page.first = max(0, min(m.page.first, len(m.pageLines())-m.pageHeight()))
}
