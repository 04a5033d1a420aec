package top

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

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

// A question is what an answer is typed for.
type question uint8

const (
	askFilter question = iota
	askColumn
	askInterval
)

// prompt is a question and the answer so far.
type prompt struct {
	question
	text string
}

// maxAnswerText bounds what can be typed, in bytes.
const maxAnswerText = 200

func (m *model) ask(q question, text string) {
	m.mode, m.prompt = typing, prompt{q, text}
}

// answer is a key while an answer is typed.
func (m *model) answer(msg tea.KeyMsg) tea.Cmd {
	p := &m.prompt
	switch {
	case msg.Type == tea.KeyEnter:
		m.mode = browsing
		return m.answered()
	case msg.Type == tea.KeyEsc:
		m.mode = browsing
		if p.question == askFilter {
			m.filter = ""
			m.arrange()
		}
		return nil
	case msg.Type == tea.KeyBackspace:
		_, n := utf8.DecodeLastRuneInString(p.text)
		p.text = p.text[:len(p.text)-n]
	case msg.Type == tea.KeyCtrlU:
		p.text = ""
	case msg.Type == tea.KeyRunes && !msg.Alt || msg.Type == tea.KeySpace:
		if text := p.text + string(msg.Runes); len(text) <= maxAnswerText {
			p.text = text
		}
	}
	if p.question == askFilter { // its effect shows at once
		m.filter = clean(p.text)
		m.arrange()
	}
	return nil
}

// answered puts an answer to use.
func (m *model) answered() tea.Cmd {
	text := strings.TrimSpace(m.prompt.text)
	if text == "" {
		return nil
	}
	switch m.prompt.question {
	case askColumn:
		i := m.view().columnNamed(text)
		if i < 0 {
			m.message = fmt.Sprintf("No column is called %q. There is: %s", clean(text), m.view().titles())
			return nil
		}
		if i != m.view().sort {
			m.view().sortBy(i)
			m.arrange()
		}
	case askInterval:
		interval, err := ParseInterval(text)
		if err != nil {
			m.message = clean(err.Error())
			return nil
		}
		m.interval = interval
		if !m.busy {
			return m.wait()
		}
	}
	return nil
}

// What the interval may be.
const (
	minInterval = 100 * time.Millisecond
	maxInterval = time.Hour
)

// ParseInterval reads seconds, as "2" or "0.5", or a duration, as "1m". It must
// be from 0.1 seconds to an hour.
func ParseInterval(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || seconds != seconds {
			return 0, fmt.Errorf("an interval is a number of seconds, as 2 or 0.5, or a duration, as 1m; %q is none", text)
		}
		d = time.Duration(max(0, min(seconds, 2*maxInterval.Seconds())) * float64(time.Second))
	}
	return d, checkInterval(d)
}

func checkInterval(d time.Duration) error {
	if d < minInterval || d > maxInterval {
		return errors.New("an interval must be from 0.1 seconds to 1 hour")
	}
	return nil
}
