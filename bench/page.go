package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strconv"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page is the report as one HTML file, which needs no other and no network.
func (r *report) page() ([]byte, error) {
	data := struct {
		Facts    []string
		Works    []pageWork
		Packages string
	}{Facts: r.facts, Packages: r.packages}
	for _, result := range r.results {
		data.Works = append(data.Works, result.page())
	}
	var page bytes.Buffer
	if err := pageTemplate.Execute(&page, data); err != nil {
		return nil, err
	}
	return page.Bytes(), nil
}

// pageWork is a result on the page.
type pageWork struct {
	Name, Caption string
	Columns       []string
	Rows          [][]string
	Failures      []string
	Plots         []plot
}

func (r *result) page() pageWork {
	w := pageWork{Name: r.work.name, Caption: r.work.title + "; figures are for each " + r.work.each, Columns: r.columns(), Rows: r.rows(), Failures: r.failures()}
	for i, f := range r.work.figures {
		w.Plots = append(w.Plots, r.plot(i, f))
	}
	return w
}

// The drawing of a plot, in its own units, which a browser scales.
const (
	plotWidth            = 640
	plotLeft, plotRight  = 150, 570
	plotTop, plotRow     = 8, 24
	plotAxis, plotLabels = 6, 20 // below the last row: the axis, its labels
)

// plot is a figure of all poolers: a point for each round, a bar at the median, on
// an axis from 0. All places are worked out.
type plot struct {
	Title, Summary string
	Width, Height  int
	Axis, Labels   string // heights
	Ticks          []plotTick
	Rows           []plotLine
}

type plotTick struct{ At, Label string }

type plotLine struct {
	Name, Class        string
	At, Top, Bottom, Y string // heights: of the points, of the bar, of the text
	Median, Value      string // "" if there is none
	Points             []string
}

func (r *result) plot(figure int, f figure) plot {
	bottom := plotTop + plotRow*len(r.poolers)
	p := plot{
		Title: f.head, Width: plotWidth, Height: bottom + plotAxis + plotLabels,
		Axis: strconv.Itoa(bottom + plotAxis), Labels: strconv.Itoa(bottom + plotLabels),
	}
	highest := 0.0
	for _, name := range r.poolers {
		for _, v := range r.values(name, figure) {
			highest = max(highest, v)
		}
	}
	end, step := scale(highest)
	at := func(v float64) string { return place(plotLeft + v/end*(plotRight-plotLeft)) }
	for i := 0; float64(i)*step <= end*1.0001; i++ {
		p.Ticks = append(p.Ticks, plotTick{at(float64(i) * step), tickLabel(float64(i) * step)})
	}
	for i, name := range r.poolers {
		middle := float64(plotTop + plotRow*i + plotRow/2)
		row := plotLine{Name: name, Class: fmt.Sprintf("c%d", i%6), At: place(middle), Top: place(middle - 9), Bottom: place(middle + 9), Y: place(middle + 4)}
		values := r.values(name, figure)
		for _, v := range values {
			row.Points = append(row.Points, at(v))
		}
		if m, ok := median(values); ok {
			row.Median, row.Value = at(m), number(m)
			p.Summary += name + " " + row.Value + ". "
		}
		p.Rows = append(p.Rows, row)
	}
	return p
}

func tickLabel(v float64) string {
	if v >= 1000 {
		return number(v)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

func place(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// scale is the end of an axis from 0 that has a value on it, and the step between
// its labels: 1, 2 or 5 and zeros, at most six of them.
func scale(highest float64) (end, step float64) {
	if !(highest > 0) {
		return 1, 1
	}
	step = 1
	for step*10 <= highest {
		step *= 10
	}
	for step > highest {
		step /= 10
	}
	// Now it is a power of ten, and fits one to nine times.
	switch n := highest / step; {
	case n <= 1.2:
		step /= 5
	case n <= 2.5:
		step /= 2
	case n > 6:
		step *= 2
	}
	for end < highest {
		end += step
	}
	return end, step
}
