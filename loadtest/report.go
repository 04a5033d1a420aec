package loadtest

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"
)

//go:embed report.html
var reportText string

// report is a page that stands by itself: it asks for nothing else, runs no
// script, and is well-formed XML besides.
var report = template.Must(template.New("report").Parse(reportText))

// page is what the report shows.
type page struct {
	Title, Sentence     string
	Number, NumberText  string // the one that matters most; "" if there is none
	Notes               []string
	Direct, Pooled      bool
	Rows                []row
	Charts              []chart
	Tables              []sampleTable
	Conditions          [][2]string
	Width, Height       int
	Left, Right         int
	Top, Bottom, LabelY int
}

type sampleTable struct {
	Name string
	Rows []sampleRow
}

// WriteHTML writes the report.
func (r *Result) WriteHTML(w io.Writer) error {
	p := page{
		Sentence: r.sentence(), Notes: r.allNotes(),
		Direct: r.Direct != nil, Pooled: r.Pooled != nil,
		Rows: r.rows(), Charts: r.charts(), Conditions: r.conditions(),
		Width: chartWidth, Height: chartHeight,
		Left: plotLeft, Right: plotRight, Top: plotTop, Bottom: plotBottom, LabelY: plotBottom + 22,
	}
	p.Number, p.NumberText = r.headline()
	p.Title = "Load test: " + r.sentence()
	for _, phase := range r.phases() {
		p.Tables = append(p.Tables, sampleTable{phase.Name, sampleRows(phase)})
	}
	return report.Execute(w, p)
}

// headline is the one number that matters most, and what it is.
func (r *Result) headline() (number, text string) {
	phases := r.phases()
	for _, p := range phases {
		if p.BackendsMax < 0 {
			return "", ""
		}
	}
	switch {
	case len(phases) == 0:
		return "", ""
	case len(phases) == 1:
		return count(int64(phases[0].BackendsMax)), phases[0].Name + " backends at most"
	}
	saved := r.Direct.BackendsMax - r.Pooled.BackendsMax
	if saved < 0 {
		return count(int64(-saved)), "backends more through the pool"
	}
	return count(int64(saved)), "backends fewer through the pool"
}

// conditions are what it takes to do the same test again.
func (r *Result) conditions() [][2]string {
	protocol := "simple"
	if r.Prepared {
		protocol = "prepared statements"
	}
	list := [][2]string{
		{"begun", r.Began.Format(time.RFC3339)},
		{"workload", r.Workload},
		{"protocol", protocol},
		{"clients asked for", count(int64(r.Clients))},
		{"measured", r.Duration.String()},
		{"ramp", r.Ramp.String()},
		{"time to think", r.Think.String()},
		{"seed", fmt.Sprint(r.Seed)},
	}
	for _, p := range r.phases() {
		server := p.Target
		if p.Server != "" {
			server += ", PostgreSQL " + p.Server
		}
		list = append(list, [2]string{p.Name, server})
	}
	return list
}
