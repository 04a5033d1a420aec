package top

import (
	"fmt"
	"slices"
	"strings"

	"pgweir/status"
)

// head is what stands above the table: whom it is about, what the pools save,
// what their memory and logins are, what the processes are, and last what is
// wrong.
func (m *model) head() []line {
	return []line{m.titleLine(), m.savingsLine(), m.memoryLine(), m.processesLine(), m.findingsLine()}
}

func (m *model) titleLine() line {
	if !m.gone.IsZero() {
		text := fmt.Sprintf("pgweir top  NO ANSWER since %s", clock(m.gone))
		if !m.at.IsZero() {
			text += ", shown is " + clock(m.at)
		}
		return line{critical, text + "  " + m.from}
	}
	if m.at.IsZero() {
		return line{plain, "pgweir top  asking " + m.from + " ..."}
	}
	text := fmt.Sprintf("pgweir top  %s  %s", clock(m.at), m.from)
	for i, c := range m.censuses {
		if i == 1 {
			text += fmt.Sprintf(" and %d more", len(m.censuses)-1)
			break
		}
		version := "of unknown version"
		if c.Server.Version != "" {
			version = c.Server.Version
		}
		text += fmt.Sprintf("  PostgreSQL %s on %s", clean(version), clean(c.Server.Host))
	}
	return line{plain, text}
}

func (m *model) savingsLine() line {
	s := m.savings
	if s == nil {
		return line{faint, "Clients: unknown"}
	}
	waiting := 0
	for i := range m.pools {
		waiting += m.pools[i].ClientsWaiting
	}
	text := fmt.Sprintf("Clients: %d, %d waiting  Backends: %d  Saved: %d, at most %d", s.Clients, waiting, s.Backends, s.Saved, s.SavedPeak)
	if s.Ratio > 0 {
		text += fmt.Sprintf("  (%.1f to 1)", s.Ratio)
	}
	return line{plain, text}
}

func (m *model) memoryLine() line {
	s := m.savings
	if s == nil {
		return line{faint, "Memory: unknown"}
	}
	text := "Memory: unknown"
	switch {
	case s.BackendMemory >= 0 && s.MemorySaved >= 0:
		text = fmt.Sprintf("Memory: %s a backend, %s saved (%s)", bytesText(s.BackendMemory), bytesText(s.MemorySaved), clean(s.MemorySource))
	case s.BackendMemory >= 0:
		text = fmt.Sprintf("Memory: %s a backend (%s)", bytesText(s.BackendMemory), clean(s.MemorySource))
	}
	return line{plain, text + fmt.Sprintf("  Logins: %d of clients, %d at the server", s.ClientLogins, s.ServerLogins)}
}

// processesLine counts the processes of all servers.
func (m *model) processesLine() line {
	if len(m.censuses) == 0 {
		return line{faint, "Processes: unknown"}
	}
	var all, backends, ours, active, inTransaction, waiting int
	known := 0
	cpu := 0.0
	for _, c := range m.censuses {
		for i := range c.Processes {
			p := &c.Processes[i]
			all++
			backends += oneIf(p.Kind == "client backend")
			ours += oneIf(p.Ours)
			if p.Kind == "client backend" || p.Ours {
				active += oneIf(p.State == "active")
				inTransaction += oneIf(strings.HasPrefix(p.State, "idle in transaction"))
			}
			waiting += oneIf(strings.HasPrefix(p.Wait, "Lock: "))
			if percent, ok := m.usage.of(c.Server.Host, p); ok {
				cpu += percent
				known++
			}
		}
	}
	text := fmt.Sprintf("Processes: %d", all)
	if known > 0 {
		text += fmt.Sprintf(", CPU %.1f%%", cpu)
	}
	text += fmt.Sprintf("  %s, %d ours: %d active", count(backends, "client backend"), ours, active)
	how := plain
	if waiting > 0 {
		text += fmt.Sprintf(", %d waiting for a lock", waiting)
		how = warning
	}
	return line{how, text + fmt.Sprintf(", %d idle in transaction", inTransaction)}
}

// findingsLine counts what is wrong, and names the gravest.
func (m *model) findingsLine() line {
	found := slices.Clone(m.findings)
	for _, c := range m.censuses {
		found = append(found, c.Findings...)
	}
	if len(found) == 0 && len(m.censuses) == 0 {
		return line{faint, "Findings: unknown"}
	}
	var gravest *status.Finding
	counts := map[status.Severity]int{}
	for i := range found {
		f := &found[i]
		counts[f.Severity]++
		if gravest == nil || gravity(f.Severity) > gravity(gravest.Severity) {
			gravest = f
		}
	}
	if gravest == nil {
		return line{plain, "Findings: none"}
	}
	var parts []string
	for _, s := range []status.Severity{status.Critical, status.Warning, status.Info} {
		if counts[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	return line{severityTone(gravest.Severity),
		fmt.Sprintf("Findings: %s (key 4)  %s: %s", strings.Join(parts, ", "), clean(gravest.ID), clean(gravest.Text))}
}
