package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"pgweir/amount"
	"pgweir/status"
)

// column is one of the tree's table.
type column struct {
	head  string
	right bool // numbers
	least int  // it may be cut to so many characters; 0: it may not be cut
	cell  func(*status.Census, *status.Process) string
}

// branch is drawn ahead of the kind of a child.
type branch struct{ child, last string }

var (
	drawnBranch = branch{"├─ ", "└─ "}
	asciiBranch = branch{"|- ", "`- "}
)

// columns of the tree; the kind's is the one with the branches.
var columns = []column{
	{"PID", true, 0, func(_ *status.Census, p *status.Process) string { return fmt.Sprint(p.PID) }},
	{"KIND", false, 18, func(_ *status.Census, p *status.Process) string {
		if p.Kind == "" {
			return "unknown"
		}
		return p.Kind
	}},
	{"STATE", false, 7, func(_ *status.Census, p *status.Process) string { return p.State }},
	{"WAIT", false, 8, func(_ *status.Census, p *status.Process) string { return p.Wait }},
	{"FOR", true, 0, func(c *status.Census, p *status.Process) string {
		if p.Since.IsZero() {
			return ""
		}
		return age(c.At.Sub(p.Since))
	}},
	{"CPU", true, 0, func(_ *status.Census, p *status.Process) string {
		if p.CPU < 0 {
			return ""
		}
		return fmt.Sprintf("%.2f s", p.CPU.Seconds())
	}},
	{"MEMORY", true, 0, func(_ *status.Census, p *status.Process) string {
		if p.Memory < 0 {
			return ""
		}
		return amount.Bytes(p.Memory)
	}},
	{"USER@DATABASE", false, 10, func(_ *status.Census, p *status.Process) string {
		switch {
		case p.User == "" && p.Database == "":
			return ""
		case p.Database == "":
			return p.User
		}
		return p.User + "@" + p.Database
	}},
	{"APPLICATION", false, 8, func(_ *status.Census, p *status.Process) string { return p.Application }},
	{"CLIENT", false, 8, func(_ *status.Census, p *status.Process) string {
		switch h := p.Client; {
		case h != nil && h.Pin != "":
			return fmt.Sprintf("%d %s, pinned: %s", h.ID, h.Addr, h.Pin)
		case h != nil:
			return fmt.Sprintf("%d %s", h.ID, h.Addr)
		case p.Ours:
			return "(pgweir's, free)"
		}
		return ""
	}},
}

// kindColumn is where the branches are drawn.
const kindColumn = 1

const gap = "  "

// drawTree is the processes under their postmaster, one on a line, in columns.
func drawTree(c *status.Census, s shape) []string {
	processes := c.Processes
	if len(processes) == 0 || processes[0].Kind != "postmaster" {
		// It is out of sight, or gone: its place is kept.
		root := status.Process{PID: c.Postmaster.PID, Kind: "postmaster", CPU: -1, Memory: -1}
		switch {
		case c.Postmaster.Alive:
			root.State = "out of sight"
		case c.Server.Local():
			root.State = "gone"
		default:
			root.State = "unreachable"
		}
		processes = append([]status.Process{root}, processes...)
	}
	cells := make([][]string, 0, len(processes)+1)
	head := make([]string, len(columns))
	for i, col := range columns {
		head[i] = col.head
	}
	cells = append(cells, head)
	for i := range processes {
		cells = append(cells, treeRow(c, &processes[i], i, len(processes), s))
	}
	widths := fit(cells, s.width)
	lines := make([]string, len(cells))
	for i, row := range cells {
		line := shorten(strings.TrimRight(layOut(row, widths), " "), s.width)
		switch {
		case i == 0:
			line = s.paint(boldStyle, line)
		case processes[i-1].State == "stopped" || processes[i-1].State == "gone":
			line = s.paint(criticalStyle, line)
		}
		lines[i] = line
	}
	return lines
}

// treeRow is the cells of the process at place i of n; the first is the root.
func treeRow(c *status.Census, p *status.Process, i, n int, s shape) []string {
	row := make([]string, len(columns))
	for k, col := range columns {
		if row[k] = printable(col.cell(c, p)); row[k] == "" {
			row[k] = "-"
		}
	}
	if p.PID == 0 {
		row[0] = "-"
	}
	b := asciiBranch
	if s.lines {
		b = drawnBranch
	}
	switch {
	case i == 0:
	case i == n-1:
		row[kindColumn] = b.last + row[kindColumn]
	default:
		row[kindColumn] = b.child + row[kindColumn]
	}
	return row
}

// fit gives the columns' widths, 0 for one that is left out: as wide as they
// need. If there is not the room, those go that say nothing, then the widest of
// those that may be cut get narrower, and then the last ones go too.
func fit(cells [][]string, width int) []int {
	need := make([]int, len(columns))
	empty := make([]bool, len(columns))
	for k := range columns {
		empty[k] = true
		for i, row := range cells {
			need[k] = max(need[k], utf8.RuneCountInString(row[k]))
			empty[k] = empty[k] && (i == 0 || row[k] == "-")
		}
	}
	if width <= 0 || lineWidth(need) <= width {
		return need
	}
	for k := range columns {
		if empty[k] {
			need[k] = 0
		}
	}
	for last := len(columns) - 1; ; last-- {
		widths := append([]int(nil), need...)
		for total := lineWidth(widths); total > width; total-- {
			widest := -1
			for k, col := range columns {
				if col.least > 0 && widths[k] > col.least && (widest < 0 || widths[k] >= widths[widest]) {
					widest = k
				}
			}
			if widest < 0 {
				break
			}
			widths[widest]--
		}
		if lineWidth(widths) <= width || last <= kindColumn {
			return widths
		}
		need[last] = 0
	}
}

// lineWidth is how long lines are with columns of such widths.
func lineWidth(widths []int) int {
	total := -len(gap)
	for _, w := range widths {
		if w > 0 {
			total += w + len(gap)
		}
	}
	return total
}

// layOut is one line of the table.
func layOut(row []string, widths []int) string {
	var b strings.Builder
	for k, text := range row {
		if widths[k] == 0 {
			continue
		}
		if k > 0 {
			b.WriteString(gap)
		}
		text = shorten(text, widths[k])
		pad := strings.Repeat(" ", max(0, widths[k]-utf8.RuneCountInString(text)))
		if columns[k].right {
			b.WriteString(pad + text)
		} else {
			b.WriteString(text + pad)
		}
	}
	return b.String()
}
