package status

// IsConsole tells the console's own pool from the others: its clients need no
// backend, so they save none.
func (p *Pool) IsConsole() bool { return isConsole(p.Database) }

func isConsole(database string) bool { return database == ownName || database == bouncerName }

// PoolSavings is what one pool saves. How much memory one of its backends takes is
// unknown as long as it has none.
func (s *Snapshot) PoolSavings(p *Pool) Savings {
	source := s.Savings.MemorySource
	out := Savings{
		Clients:       p.Clients(),
		Backends:      p.Backends(),
		Saved:         max(0, p.Clients()-p.Backends()),
		ClientLogins:  p.Totals.ClientLogins,
		ServerLogins:  p.Totals.ServerLogins,
		BackendMemory: -1,
		MemorySaved:   -1,
		MemorySource:  "unknown",
	}
	out.Peak.Clients, out.Peak.Backends, out.Peak.Saved = p.ClientsPeak, p.BackendsPeak, p.SavedPeak
	if out.Backends > 0 {
		out.Ratio = float64(out.Clients) / float64(out.Backends)
	}
	if p.BackendMemory >= 0 && out.Backends > 0 && source != "unknown" {
		out.BackendMemory = p.BackendMemory / int64(out.Backends)
		out.MemorySaved = int64(out.Saved) * out.BackendMemory
		out.MemorySource = source
	}
	return out
}
