package top

import (
	"cmp"
	"slices"
	"strings"
)

// A tone is what a cell's colour says; the cell's text says it too.
type tone uint8

const (
	plain tone = iota
	faint
	good
	warning
	critical
)

// A cell is one value of a row.
type cell struct {
	text string  // clean; "-" if unknown
	num  float64 // what numbers, durations and sizes are sorted by
	none bool    // unknown or empty: such cells are last in any order
	tone tone
}

func textCell(s string) cell {
	if s == "" {
		return cell{none: true}
	}
	return cell{text: clean(s)}
}

// numCell shows a number as text.
func numCell(n float64, text string) cell { return cell{text: text, num: n} }

func unknownCell() cell { return cell{text: "-", none: true} }

// A row is one line of a table.
type row struct {
	key   string // what it is the same by in the next reading
	cells []cell // as the table's columns are
	// client is the client of pgweir's that is meant when a row is to be killed;
	// 0 if there is none.
	client uint64
	ours   bool
	// details are for the page that Enter opens.
	details func() []detail
}

// A column is one column of a table.
type column struct {
	title   string // in upper case
	key     string // the key that sorts by it, or ""
	number  bool   // sorted by num, and flush right
	falling bool   // the usual order is from high to low
	// least is how narrow it may get, and most how wide; 0 is as its cells need.
	least, most int
	keep        int // where not all fit, the column with the lowest goes first
}

// A table is one of the views.
type table struct {
	name    string
	columns []column
	sorted  int // the column that it is sorted by at first
}

// A view is a table as somebody looks at it: its rows, which of them, in which
// order, and where the cursor is.
type view struct {
	*table
	all   []row // of the last reading
	rows  []row // those that are shown, in their order
	sort  int   // column
	down  bool  // from high to low
	at    int   // the cursor's row; 0 without rows
	first int   // the row at the top of the screen
}

func newView(t *table) *view {
	return &view{table: t, sort: t.sorted, down: t.columns[t.sorted].falling}
}

// set takes the rows of a reading.
func (v *view) set(rows []row, filter string, ours bool) {
	v.all = rows
	v.arrange(filter, ours)
}

// arrange chooses and sorts the rows. The cursor stays on its row, or if that
// is gone, at its place; a cursor at the top stays at the top.
func (v *view) arrange(filter string, ours bool) {
	key := ""
	if v.at > 0 && v.at < len(v.rows) {
		key = v.rows[v.at].key
	}
	filter = strings.ToLower(filter)
	v.rows = v.rows[:0:0]
	for _, r := range v.all {
		if (!ours || r.ours) && r.has(filter) {
			v.rows = append(v.rows, r)
		}
	}
	slices.SortStableFunc(v.rows, v.compare)
	if key != "" {
		if at := slices.IndexFunc(v.rows, func(r row) bool { return r.key == key }); at >= 0 {
			v.at = at
		}
	}
	v.move(0)
}

// has tells whether a cell has the text, which is in lower case.
func (r *row) has(text string) bool {
	return text == "" || slices.ContainsFunc(r.cells, func(c cell) bool {
		return strings.Contains(strings.ToLower(c.text), text)
	})
}

// compare orders rows by the chosen column; what is equal there keeps the order
// of the reading.
func (v *view) compare(a, b row) int {
	x, y := &a.cells[v.sort], &b.cells[v.sort]
	if x.none || y.none {
		return cmp.Compare(oneIf(x.none), oneIf(y.none))
	}
	order := 0
	if v.columns[v.sort].number {
		order = cmp.Compare(x.num, y.num)
	} else {
		order = strings.Compare(strings.ToLower(x.text), strings.ToLower(y.text))
	}
	if v.down {
		return -order
	}
	return order
}

func oneIf(b bool) int {
	if b {
		return 1
	}
	return 0
}

// sortBy chooses a column. The one that it is sorted by already is reversed.
func (v *view) sortBy(column int) {
	if column == v.sort {
		v.down = !v.down
		return
	}
	v.sort, v.down = column, v.columns[column].falling
}

// move moves the cursor by n rows, as far as there are any.
func (v *view) move(n int) { v.at = max(0, min(v.at+n, len(v.rows)-1)) }

// scroll makes the cursor visible in a window of so many rows.
func (v *view) scroll(height int) {
	height = max(1, height)
	v.first = min(v.first, v.at, max(0, len(v.rows)-height))
	v.first = max(v.first, v.at-height+1)
}

// selected is the cursor's row, or nil.
func (v *view) selected() *row {
	if v.at >= len(v.rows) {
		return nil
	}
	return &v.rows[v.at]
}

// columnNamed is the column whose title begins with the text, or -1.
func (t *table) columnNamed(text string) int {
	text = strings.ToUpper(strings.TrimSpace(text))
	if text == "" {
		return -1
	}
	if exact := slices.IndexFunc(t.columns, func(c column) bool { return c.title == text }); exact >= 0 {
		return exact
	}
	return slices.IndexFunc(t.columns, func(c column) bool { return strings.HasPrefix(c.title, text) })
}

// titles are the names of the columns, for a message.
func (t *table) titles() string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.title
	}
	return strings.Join(names, " ")
}
