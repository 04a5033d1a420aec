package top

import (
	"time"

	"pgweir/status"
)

var findingTable = &table{name: "findings", sorted: 0, columns: []column{
	{title: "SEVERITY", key: "S", number: true, falling: true, keep: 100},
	{title: "FINDING", key: "N", least: 12, most: 30, keep: 95},
	{title: "SINCE", key: "T", number: true, falling: true, keep: 90},
	{title: "SERVER", least: 8, most: 24, keep: 70},
	{title: "WHAT", least: 10, keep: 80},
}}

// findingRows are what is wrong with pgweir itself, as was known at a moment, and with
// its servers.
func findingRows(own []status.Finding, at time.Time, all []*status.Census) []row {
	var rows []row
	many := len(all) > 1 || len(own) > 0
	for i := range own {
		rows = append(rows, findingRow(status.Itself, at, &own[i], many))
	}
	for _, c := range all {
		for i := range c.Findings {
			rows = append(rows, findingRow(c.Server.Host, c.At, &c.Findings[i], many))
		}
	}
	return rows
}

func findingRow(about string, at time.Time, f *status.Finding, many bool) row {
	severity := textCell(string(f.Severity))
	severity.tone, severity.num = severityTone(f.Severity), gravity(f.Severity)
	since, server := unknownCell(), cell{none: true}
	if !f.Since.IsZero() {
		age := at.Sub(f.Since)
		since = numCell(float64(age), ageText(age))
	}
	if many {
		server = textCell(about)
	}
	return row{key: about + " " + f.ID, ours: true,
		cells:   []cell{severity, textCell(f.ID), since, server, textCell(f.Text)},
		details: func() []detail { return findingDetails(about, at, f) },
	}
}

// gravity orders severities.
func gravity(s status.Severity) float64 {
	switch s {
	case status.Critical:
		return 3
	case status.Warning:
		return 2
	case status.Info:
		return 1
	default:
		return 0
	}
}

func severityTone(s status.Severity) tone {
	switch s {
	case status.Critical:
		return critical
	case status.Warning:
		return warning
	default:
		return plain
	}
}
