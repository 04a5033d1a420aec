package top

import (
	"fmt"
	"strings"
	"time"
)

// markWidth is what the cursor's mark takes at the left of the table.
const markWidth = 2

// keysInShort is the last line of the screen.
const keysInShort = "1 processes 2 clients 3 pools 4 findings / filter s sort k kill h help q quit"

// A line is one line of the screen above the table.
type line struct {
	tone tone
	text string
}

// View is the screen: as many lines as the terminal has, none wider than it.
func (m *model) View() string {
	lines := m.headLines()
	if m.mode == inspecting || m.mode == helping {
		lines = append(lines, m.pageView()...)
	} else {
		lines = append(lines, m.statusLines()...)
		lines = append(lines, m.tableLines()...)
	}
	for len(lines) < m.height-1 {
		lines = append(lines, "")
	}
	if m.height > 1 {
		lines = append(lines[:m.height-1], m.paint.tone(faint, cut(m.footer(), m.width)))
	}
	return strings.Join(lines[:min(len(lines), m.height)], "\n")
}

func (m *model) footer() string {
	switch m.mode {
	case inspecting, helping:
		return "Esc back  arrows, PgUp, PgDn scroll  Ctrl-C quit"
	case typing:
		return "Enter accept  Esc cancel"
	case confirming:
		return "y kill  any other key leaves the client alone"
	default:
		return keysInShort
	}
}

// headRows is how many lines of figures fit above the table; a page leaves room
// for the title alone.
func (m *model) headRows() int {
	switch {
	case m.height >= 10 && (m.mode == inspecting || m.mode == helping):
		return 1
	case m.height >= 16:
		return 5
	case m.height >= 10:
		return 2
	default:
		return 0
	}
}

// headLines are the figures: who is watched, what is saved, what is wrong.
func (m *model) headLines() []string {
	head := m.head()
	if m.headRows() < len(head) { // the title and what is wrong, before all else
		head = []line{head[0], head[len(head)-1]}[:m.headRows()]
	}
	lines := make([]string, len(head))
	for i, l := range head {
		lines[i] = m.paint.tone(l.tone, cut(l.text, m.width))
	}
	return lines
}

// statusLines are the line about the table, and what there is to ask or to say.
func (m *model) statusLines() []string {
	lines := []string{m.paint.strong.Render(cut(m.tableTitle(), m.width))}
	text, how := m.says()
	said := wrap(text, m.width)
	// At least the column's titles and a row stay in sight.
	if room := m.height - m.headRows() - 4; len(said) > room {
		said = said[:max(1, room)]
	}
	for _, s := range said {
		lines = append(lines, m.paint.tone(how, cut(s, m.width)))
	}
	return lines
}

// says is what the line below the table's title is for: a question first, then
// what came of the last key, then what is wrong.
func (m *model) says() (string, tone) {
	switch {
	case m.mode == typing:
		label := map[question]string{
			askFilter: "Filter: ", askColumn: "Sort by column: ", askInterval: fmt.Sprintf("Seconds between refreshes (now %v): ", m.interval),
		}[m.prompt.question]
		return label + clean(m.prompt.text) + "_", plain
	case m.mode == confirming:
		return m.target.question(), critical
	case m.message != "":
		return m.message, warning
	case m.err != nil:
		return clean(m.err.Error()), critical
	case m.current == clientsView && !m.console:
		return "Clients are shown by pgweir's console. " + howToConsole, plain
	case m.consoleErr != nil:
		return clean(m.consoleErr.Error()), critical
	default:
		return "", plain
	}
}

// tableTitle says which table it is, and which of its rows are shown how.
func (m *model) tableTitle() string {
	v := m.view()
	order := "up"
	if v.down {
		order = "down"
	}
	text := fmt.Sprintf("%s %d", v.name, len(v.rows))
	if len(v.rows) != len(v.all) {
		text += fmt.Sprintf(" of %d", len(v.all))
	}
	text += fmt.Sprintf(", by %s %s", v.columns[v.sort].title, order)
	if m.ours && m.current == processesView {
		text += ", only ours"
	}
	if m.filter != "" {
		text += fmt.Sprintf(", with \"%s\"", m.filter)
	}
	return text
}

// rowsShown is how many rows of the table fit.
func (m *model) rowsShown() int {
	return max(1, m.height-m.headRows()-len(m.statusLines())-2)
}

// tableLines are the titles of the columns, and the rows that fit.
func (m *model) tableLines() []string {
	v := m.view()
	height := m.rowsShown()
	v.scroll(height)
	widths := v.layout(m.width - markWidth)
	lines := []string{m.titles(v, widths)}
	for i := v.first; i < min(len(v.rows), v.first+height); i++ {
		if i == v.at {
			lines = append(lines, m.paint.cursor.Render(cut("> "+v.line(&v.rows[i], widths, nil), m.width)))
		} else {
			lines = append(lines, cut("  "+v.line(&v.rows[i], widths, m.paint), m.width))
		}
	}
	return lines
}

func (m *model) titles(v *view, widths []int) string {
	var parts []string
	for i, w := range widths {
		switch {
		case w == 0:
		case i == v.sort:
			parts = append(parts, m.paint.sorted.Render(fit(v.title(i), w, v.columns[i].number)))
		default:
			parts = append(parts, m.paint.title.Render(fit(v.title(i), w, v.columns[i].number)))
		}
	}
	return cut("  "+strings.Join(parts, strings.Repeat(" ", gap)), m.width)
}

// title is a column's, with the order if it is sorted by.
func (v *view) title(i int) string {
	title := v.columns[i].title
	switch {
	case i != v.sort:
		return title
	case v.down:
		return title + "v"
	default:
		return title + "^"
	}
}

// line is a row in columns of these widths; without a painter it has no colours.
func (v *view) line(r *row, widths []int, paint *painter) string {
	var b strings.Builder
	for i, w := range widths {
		if w == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(strings.Repeat(" ", gap))
		}
		text := fit(r.cells[i].text, w, v.columns[i].number)
		if paint != nil {
			text = paint.tone(r.cells[i].tone, text)
		}
		b.WriteString(text)
	}
	return b.String()
}

// pageHeight is how many lines of a page fit below its title.
func (m *model) pageHeight() int { return max(1, m.height-m.headRows()-2) }

// pageLines are the lines of the page.
func (m *model) pageLines() []string {
	if m.mode == inspecting {
		return detailLines(m.page.all, m.width)
	}
	all := make([]detail, 0, len(keyHelp)+len(aboutFigures))
	for _, text := range aboutFigures {
		all = append(all, detail{value: text})
	}
	return detailLines(append(all, keyHelp...), m.width)
}

func (m *model) pageView() []string {
	title := m.page.title
	if m.page.gone {
		title += " (it has gone; this is how it was)"
	}
	lines := []string{m.paint.strong.Render(cut(title, m.width))}
	all := m.pageLines()
	m.page.first = max(0, min(m.page.first, len(all)-m.pageHeight()))
	for _, l := range all[m.page.first:min(len(all), m.page.first+m.pageHeight())] {
		lines = append(lines, cut(l, m.width))
	}
	return lines
}

// clock is a time of day.
func clock(t time.Time) string { return t.Local().Format(time.TimeOnly) }
