package top

import (
	"pgweir/status"
)

var findingTable = &table{name: "findings", sorted: 0, columns: []column{
	{title: "SEVERITY", key: "S", number: true, falling: true, keep: 100},
	{title: "FINDING", key: "N", least: 12, most: 30, keep: 95},
	{title: "SINCE", key: "T", number: true, falling: true, keep: 90},
	{title: "SERVER", least: 8, most: 24, keep: 70},
	{title: "WHAT", least: 10, keep: 80},
}}

func findingRows(all []*status.Census) []row {
	var rows []row
	for _, c := range all {
		for i := range c.Findings {
			rows = append(rows, findingRow(c, &c.Findings[i], len(all) > 1))
		}
	}
	return rows
}

func findingRow(c *status.Census, f *status.Finding, many bool) row {
	severity := textCell(string(f.Severity))
	severity.tone, severity.num = severityTone(f.Severity), gravity(f.Severity)
	since, server := unknownCell(), cell{none: true}
	if !f.Since.IsZero() {
		age := c.At.Sub(f.Since)
		since = numCell(float64(age), ageText(age))
	}
	if many {
		server = textCell(c.Server.Host)
	}
	return row{key: c.Server.Host + " " + f.ID, ours: true,
		cells:   []cell{severity, textCell(f.ID), since, server, textCell(f.Text)},
		details: func() []detail { return findingDetails(c, f) },
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
