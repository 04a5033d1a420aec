package web

import "pgweir/status"

// savings is /savings, and with database and user each of its pools. Other
// programs rely on its keys.
type savings struct {
	Database           string  `json:"database,omitempty"`
	User               string  `json:"user,omitempty"`
	Clients            int     `json:"clients"`
	Backends           int     `json:"backends"`
	Saved              int     `json:"saved"`
	Ratio              float64 `json:"ratio"` // clients for each backend; 0 without backends
	Peak               peak    `json:"peak"`
	ClientLoginsTotal  int64   `json:"client_logins_total"`
	ServerLoginsTotal  int64   `json:"server_logins_total"`
	BackendMemoryBytes *int64  `json:"backend_memory_bytes"`
	MemorySavedBytes   *int64  `json:"memory_saved_bytes"`
	MemorySource       string  `json:"memory_source"`
}

type peak struct {
	Clients  int `json:"clients"`
	Backends int `json:"backends"`
	Saved    int `json:"saved"`
}

type allSavings struct {
	savings
	Pools []savings `json:"pools"`
}

func savingsOf(s *status.Snapshot) allSavings {
	out := allSavings{savings: renderSavings("", "", &s.Savings), Pools: []savings{}}
	for i := range s.Pools {
		p := &s.Pools[i]
		if isConsole(p.Database) {
			continue
		}
		of := poolSavings(p, s.Savings.MemorySource)
		out.Pools = append(out.Pools, renderSavings(p.Database, p.User, &of))
	}
	return out
}

func renderSavings(database, user string, s *status.Savings) savings {
	return savings{
		Database:           database,
		User:               user,
		Clients:            s.Clients,
		Backends:           s.Backends,
		Saved:              s.Saved,
		Ratio:              s.Ratio,
		Peak:               peak(s.Peak),
		ClientLoginsTotal:  s.ClientLogins,
		ServerLoginsTotal:  s.ServerLogins,
		BackendMemoryBytes: known(s.BackendMemory),
		MemorySavedBytes:   known(s.MemorySaved),
		MemorySource:       s.MemorySource,
	}
}

// known is n, or nil, JSON's null, if n is below 0: unknown.
func known(n int64) *int64 {
	if n < 0 {
		return nil
	}
	return &n
}

// isConsole tells the console's own pool from the others: its clients need no
// backend, so they save none.
func isConsole(database string) bool { return database == "pgweir" || database == "pgbouncer" }

// poolSavings is what one pool saves. How much memory one backend of it takes
// is unknown as long as it has none.
func poolSavings(p *status.Pool, source string) status.Savings {
	out := status.Savings{
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
